//! Pages of other origins that are listed, and of those that are not.

use crate::support::{Answer, Setup, Token, Upstream};

use super::credentials::{Stage, bearer};

const PAGE: &str = "https://www.example.com";

fn listing(setup: Setup) -> Setup {
    setup.with("drain = \"2s\"", "drain = \"2s\"\ncors_origins = [\"https://www.example.com\", \"https://b.example\"]")
}

fn names_of_cors(answer: &Answer) -> Vec<String> {
    let lines = answer.head.lines().filter_map(|line| line.split_once(':'));
    let names = lines.map(|(name, _)| name.to_ascii_lowercase());
    names.filter(|name| name.starts_with("access-control-")).collect()
}

// SES-23
#[test]
fn a_preflight_of_a_listed_page_is_answered_before_anybody_is_asked_who_they_are() {
    let upstream = Upstream::start();
    let gateway = listing(Setup::new(&upstream)).start();
    let ask = |target: &str, origin: &str, method: &str| {
        let (origin, method) = (format!("Origin: {origin}"), format!("Access-Control-Request-Method: {method}"));
        let headers = "Access-Control-Request-Headers: authorization,x-vestibule-context,x-vestibule-user,content-type";
        let lines = [origin.as_str(), &method, headers, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors"];
        gateway.ask("OPTIONS", target, &lines)
    };
    for (target, method) in [
        ("/projects/apollo", "DELETE"),
        ("/projects/apollo", "HEAD"),
        ("/open", "PATCH"),
        ("/.vestibule/session", "GET"),
        ("/.vestibule/logout", "POST"),
    ] {
        let answer = ask(target, PAGE, method);
        assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{target} {answer:?}");
        assert_eq!(answer.all("access-control-allow-origin"), [PAGE], "{target}");
        assert_eq!(answer.header("access-control-allow-methods"), method, "{target}");
        let headers = answer.header("access-control-allow-headers");
        assert_eq!(headers, "authorization, x-vestibule-context, content-type", "{target}");
        assert_eq!((answer.header("access-control-max-age"), answer.header("vary")), ("600", "Origin"), "{target}");
        assert!(!names_of_cors(&answer).contains(&"access-control-allow-credentials".to_owned()), "{target}");
    }
    for (target, method) in [
        ("/projects/apollo", "PATCH"),
        ("/projects/apollo", "TRACE"),
        ("/nowhere", "GET"),
        ("/.vestibule/session", "POST"),
        ("/.vestibule/ticket", "POST"),
        ("/.vestibule/jwks.json", "GET"),
    ] {
        let answer = ask(target, PAGE, method);
        assert!(answer.status >= 400, "{target} {method} {answer:?}");
        assert_eq!(answer.header("access-control-allow-methods"), "", "{target} {method}");
    }
    for origin in ["https://evil.example", "null", "http://www.example.com", "https://www.example.com:444"] {
        let answer = ask("/projects/apollo", origin, "GET");
        assert_eq!((answer.status, answer.code()), (403, "cross_site_refused"), "{origin}");
        assert_eq!(names_of_cors(&answer), Vec::<String>::new(), "{origin}");
    }
    assert!(upstream.seen().is_empty(), "no app was asked");
    assert_eq!(ask("/public/x", PAGE, "GET").status, 200, "on public routes the app answers");
    assert_eq!(upstream.wait_for(1).len(), 1);
}

#[test]
fn a_listed_page_calls_with_its_token_and_reads_the_answer() {
    let app = "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\nAccess-Control-Expose-Headers: X-Own\r\nContent-Length: 0\r\n\r\n";
    let stage = Stage::with(Upstream::answering(app), listing);
    let (token, origin) = (bearer(), format!("Origin: {PAGE}"));
    let (cross, cors) = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors");
    for lines in [vec![token.as_str(), &origin, cross, cors], vec![token.as_str(), &origin]] {
        let answer = stage.gateway.ask("POST", "/projects/apollo/x", &lines);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.all("access-control-allow-origin"), [PAGE]);
        assert_eq!(answer.all("access-control-allow-credentials"), Vec::<&str>::new());
        assert_eq!(answer.all("access-control-expose-headers"), ["X-Own", "X-Vestibule-Error, X-Request-Id"]);
        assert!(answer.all("vary").contains(&"Origin"), "{answer:?}");
    }
    assert_eq!(stage.gateway.ask("GET", "/.vestibule/session", &[&token, &origin, cross, cors]).json()["user"], "ann");
    let refused = stage.gateway.ask("GET", "/projects/zeus/x", &[&token, &origin, cross, cors]);
    assert_eq!((refused.code(), refused.header("access-control-allow-origin")), ("forbidden", PAGE));
    let refused = stage.gateway.ask("GET", "/open", &["Authorization: Bearer garbage", &origin, cross, cors]);
    assert_eq!((refused.code(), refused.header("access-control-allow-origin")), ("token_invalid", PAGE));
    assert_eq!(stage.upstream.wait_for(2).len(), 2);
    let proxied = stage.whop(|_| {});
    let refused = stage.gateway.ask("GET", "/open", &[&proxied, &origin, cross, cors]);
    assert_eq!(refused.code(), "cross_site_refused", "any page can cause what a proxy adds");
    for origin in ["https://evil.example", "https://www.example.com.evil.example", "null"] {
        let answer =
            stage.gateway.ask("POST", "/projects/apollo/x", &[&token, &format!("Origin: {origin}"), cross, cors]);
        assert_eq!(answer.code(), "cross_site_refused", "{origin}");
        assert_eq!((answer.header("vary"), names_of_cors(&answer)), ("Origin", Vec::new()), "{origin}");
    }
    let public = stage.gateway.ask("GET", "/public/x", &[&origin]);
    assert_eq!(public.all("access-control-allow-origin"), ["*"], "there the app speaks for itself");
    assert_eq!((public.header("access-control-allow-credentials"), public.header("vary")), ("true", ""));
}

#[test]
fn no_cookie_counts_for_a_listed_page() {
    let upstream = Upstream::start();
    let gateway = listing(Setup::new(&upstream)).start();
    let cookie = format!("Cookie: {}", gateway.sign_in(&Token::client()));
    let origin = format!("Origin: {PAGE}");
    let (cross, cors) = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors");
    for (method, target, lines) in [
        ("GET", "/open", vec![origin.as_str(), cross, cors]),
        ("POST", "/open", vec![origin.as_str()]),
        ("GET", "/.vestibule/session", vec![origin.as_str(), cross, cors]),
        ("POST", "/.vestibule/session", vec![origin.as_str(), cross, cors]),
        ("POST", "/.vestibule/logout", vec![origin.as_str(), cross, cors]),
        ("POST", "/.vestibule/ticket", vec![origin.as_str(), cross, cors]),
    ] {
        let answer = gateway.ask(method, target, &[&[cookie.as_str()], &lines[..]].concat());
        assert_eq!(
            (answer.code(), answer.cookie().as_str()),
            ("cross_site_refused", ""),
            "{method} {target} {lines:?}"
        );
        assert_eq!(answer.header("access-control-allow-credentials"), "", "{method} {target}");
    }
    assert!(upstream.seen().is_empty());
    let own = gateway.own("GET", "/open", cookie.trim_start_matches("Cookie: "));
    assert_eq!(
        (own.status, names_of_cors(&own)),
        (200, Vec::new()),
        "the session lives, and its own pages need no leave"
    );
    assert!(own.all("vary").contains(&"Origin"), "a cache keeps it from the listed page");
}
