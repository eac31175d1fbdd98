//! Tokens that the app's own page or a program sends.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{SECRET, Stage, bearer, bearer_of};
use crate::support::jwt::{hs256, now, respelled};
use crate::support::{Upstream, answer_with, connect, read_until, request};

#[test]
fn a_bearer_is_the_caller_and_the_app_gets_who_and_not_the_token() {
    let stage = Stage::new();
    let sent = bearer();
    let token = sent.rsplit(' ').next().expect("a token");
    let answer = stage.ask("GET", "/projects/apollo/x?a=1", &sent);
    assert_eq!((answer.status, answer.cookie().as_str()), (200, ""), "{answer:?}");
    let seen = stage.upstream.last();
    let value = |name: &str| seen.value(&format!("x-vestibule-{name}")).to_owned();
    assert_eq!((value("host"), value("tenant"), value("user")), ("page".into(), "acme".into(), "ann".into()));
    assert_eq!(
        (value("user-kind"), value("roles"), value("project")),
        ("client".into(), "editor".into(), "apollo".into())
    );
    assert!(seen.values("authorization").is_empty() && !seen.head.contains(token), "{}", seen.head);
    assert_eq!(stage.ask("GET", "/projects/zeus/x", &bearer()).code(), "forbidden");
    let output = stage.gateway.output();
    assert!(!output.contains(token) && !output.contains(SECRET), "no token in the log");
}

#[test]
fn every_method_is_free_to_a_program_and_a_browser_has_the_usual_rule() {
    let stage = Stage::new();
    let ask = |method: &str, lines: &[&str]| {
        let token = bearer();
        let answer = stage.gateway.ask(method, "/projects/apollo/x", &[&[token.as_str()], lines].concat());
        (answer.status, answer.code().to_owned())
    };
    let own = format!("Origin: http://{}", stage.gateway.host());
    for (method, lines) in [
        ("POST", vec![]),
        ("DELETE", vec![]),
        ("HEAD", vec![]),
        ("OPTIONS", vec![]),
        ("POST", vec![own.as_str()]),
        ("POST", vec!["Sec-Fetch-Site: same-origin"]),
    ] {
        assert_eq!(ask(method, &lines), (200, String::new()), "{method} {lines:?}");
    }
    for lines in [
        vec!["Origin: https://evil.example"],
        vec!["Origin: null"],
        vec!["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors", "Origin: https://evil.example"],
        vec!["Sec-Fetch-Site: cross-site"],
    ] {
        assert_eq!(ask("POST", &lines), (403, "cross_site_refused".into()), "{lines:?}");
    }
    // The question that a browser asks before it lets another site's page send such a header.
    let preflight = ["Origin: https://evil.example", "Access-Control-Request-Method: POST", "Sec-Fetch-Mode: cors"];
    let answer = stage.gateway.ask("OPTIONS", "/projects/apollo/x", &preflight);
    assert_eq!(answer.status, 403);
    assert!(!answer.head.to_ascii_lowercase().contains("access-control-allow"), "{}", answer.head);
}

#[test]
fn an_unsound_bearer_is_refused_and_no_cookie_stands_in_for_it() {
    let stage = Stage::new();
    let framed = ["Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", "Referer: https://portal.example/"];
    let token = bearer();
    let token = token.strip_prefix("Authorization: Bearer ").expect("a bearer");
    let cookie = format!("Cookie: {}", stage.gateway.ask("GET", &format!("/open?token={token}"), &framed).cookie());
    let own = "Sec-Fetch-Site: same-origin";
    assert_eq!(stage.gateway.ask("GET", "/open", &[&cookie, own]).status, 200);
    let header = |token: String| format!("Authorization: Bearer {token}");
    let claims = |change: &dyn Fn(&mut serde_json::Value)| super::claims(|claims| change(claims));
    for (bad, status, code) in [
        (header("garbage".into()), 401, "token_invalid"),
        (header(hs256("another-secret", &claims(&|_| {}))), 401, "token_invalid"),
        (bearer_of(|claims| claims["aud"] = "another-app".into()), 401, "token_invalid"),
        (bearer_of(|claims| claims["tenant"] = "initech".into()), 401, "token_invalid"),
        (bearer_of(|claims| claims["exp"] = now().into()), 401, "token_expired"),
        (bearer_of(|claims| claims["exp"] = json!(null)), 401, "token_invalid"),
        (bearer_of(|claims| claims["sub"] = json!(null)), 401, "token_invalid"),
        ("Authorization: Bearer".into(), 400, "malformed_request"),
        (format!("Authorization: Bearer {token} x"), 400, "malformed_request"),
        ("Authorization: Bearer \u{fc}".into(), 400, "malformed_request"),
    ] {
        let answer = stage.gateway.ask("GET", "/open", &[&bad, &cookie, own]);
        assert_eq!((answer.status, answer.code()), (status, code), "{bad}");
        assert_eq!(answer.cookie(), "", "{bad}");
    }
    assert_eq!(
        stage.gateway.ask("GET", "/open", &["Authorization: Basic YTpi", &cookie, own]).status,
        200,
        "not a host's"
    );
    assert_eq!(stage.upstream.wait_for(2).len(), 2);
}

#[test]
fn two_tokens_in_one_request_are_malformed() {
    let stage = Stage::new();
    let (one, other) = (bearer(), stage.whop(|_| {}));
    for lines in
        [[one.as_str(), one.as_str()], [one.as_str(), "Authorization: Basic YTpi"], [one.as_str(), other.as_str()]]
    {
        let answer = stage.gateway.ask("GET", "/open", &lines);
        assert_eq!((answer.status, answer.code()), (400, "malformed_request"), "{lines:?}");
    }
    assert!(stage.upstream.seen().is_empty());
}

#[test]
fn a_public_route_does_not_look_at_a_token() {
    let stage = Stage::new();
    let garbage = ["Authorization: Bearer garbage", "X-Host-Token: garbage", "X-Whop-User-Token: garbage"];
    assert_eq!(stage.gateway.ask("GET", "/public/x", &garbage).status, 200);
    let seen = stage.upstream.last();
    for name in ["authorization", "x-host-token", "x-whop-user-token", "x-vestibule-user"] {
        assert!(seen.values(name).is_empty(), "{name}: {}", seen.head);
    }
}

#[test]
fn whoever_is_it_says_the_session_endpoint_and_logout_ends_the_token() {
    let stage = Stage::new();
    let (token, other) = (bearer(), bearer_of(|claims| claims["jti"] = "2".into()));
    let who = stage.ask("GET", "/.vestibule/session", &token).json();
    assert_eq!((&who["host"], &who["user"], &who["tenant"]), (&json!("page"), &json!("ann"), &json!("acme")));
    assert!(who["expires_at"].as_str().is_some_and(|end| end.ends_with('Z')), "{who}");
    let left = stage.ask("POST", "/.vestibule/logout", &token);
    assert_eq!((left.status, left.all("set-cookie").len()), (204, 0));
    assert_eq!(stage.ask("GET", "/open", &token).code(), "token_invalid");
    assert_eq!(stage.ask("POST", "/.vestibule/logout", &token).status, 204, "as often as one likes");
    assert_eq!(stage.ask("GET", "/open", &other).status, 200, "another token of the same person goes on");
    assert_eq!(stage.ask("POST", "/.vestibule/logout", "Authorization: Bearer x").code(), "token_invalid");
}

// ECDSA lets anybody write a signature in a second way.
#[test]
fn a_token_that_was_ended_stays_ended_with_its_other_signature() {
    let stage = Stage::new();
    let claims = super::claims(|claims| claims["iss"] = "https://elliptic.example".into());
    let token = stage.elliptic.es256(&claims);
    let (one, other) = (format!("X-Host-Token: {token}"), format!("X-Host-Token: {}", respelled(&token)));
    assert_eq!((stage.ask("GET", "/open", &one).status, stage.ask("GET", "/open", &other).status), (200, 200));
    assert_eq!(stage.upstream.last().value("x-vestibule-host"), "elliptic");
    assert_eq!(stage.ask("POST", "/.vestibule/logout", &one).status, 204);
    for spelling in [one, other] {
        assert_eq!(stage.ask("GET", "/open", &spelling).code(), "token_invalid");
    }
}

#[test]
fn a_token_that_was_proven_counts_until_its_end_and_no_longer() {
    let stage = Stage::new();
    let token = bearer_of(|claims| claims["exp"] = (now() + 2).into());
    let began = Instant::now();
    assert_eq!(stage.ask("GET", "/open", &token).status, 200);
    while stage.ask("GET", "/open", &token).status == 200 {
        assert!(began.elapsed() < Duration::from_secs(5), "it has no end");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(began.elapsed() > Duration::from_millis(900));
    assert_eq!(stage.ask("GET", "/open", &token).code(), "token_expired");
}

#[test]
fn a_tenant_that_leaves_the_configuration_is_refused_at_once() {
    let stage = Stage::new();
    let (acme, globex) = (bearer(), bearer_of(|claims| claims["tenant"] = "globex".into()));
    assert_eq!((stage.ask("GET", "/open", &acme).status, stage.ask("GET", "/open", &globex).status), (200, 200));
    stage.gateway.edit("tenants = [\"acme\", \"globex\"]", "tenants = [\"acme\"]");
    stage.gateway.signal("-HUP");
    let began = Instant::now();
    while !stage.gateway.output().contains("\"in force\"") {
        assert!(began.elapsed() < Duration::from_secs(5), "no reload: {}", stage.gateway.output());
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(stage.ask("GET", "/open", &globex).code(), "token_invalid");
    assert_eq!(stage.ask("GET", "/open", &acme).status, 200);
}

#[test]
fn a_stream_ends_with_the_token_that_it_was_opened_with() {
    let upstream = Upstream::scripted(|_, stream| {
        answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: hello\n\n");
        thread::sleep(Duration::from_secs(8));
        false
    });
    let stage = Stage::with(upstream, |setup| setup);
    let ended = |token: &str, after: &dyn Fn()| {
        let mut stream = connect(stage.gateway.address);
        let bytes = request("GET", "/open/events", &stage.gateway.host(), &[token], b"");
        std::io::Write::write_all(&mut stream, &bytes).expect("sent");
        let began = Instant::now();
        assert!(String::from_utf8_lossy(&read_until(&mut stream, b"hello")).contains("200 OK"));
        after();
        // The answer breaks off, and with it the connection.
        read_until(&mut stream, b"never");
        began.elapsed()
    };
    let lived = ended(&bearer_of(|claims| claims["exp"] = (now() + 2).into()), &|| {});
    assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&lived), "{lived:?}");
    let token = bearer();
    let lived = ended(&token, &|| assert_eq!(stage.ask("POST", "/.vestibule/logout", &token).status, 204));
    assert!(lived < Duration::from_secs(3), "{lived:?}");
}

#[test]
fn a_page_that_means_another_session_gets_no_answer_for_this_token() {
    let stage = Stage::new();
    let token = bearer();
    let who = stage.ask("GET", "/.vestibule/session", &token).json();
    let own = format!("X-Vestibule-Context: {}", who["context"].as_str().expect("a context"));
    assert_eq!(stage.gateway.ask("GET", "/open", &[&token, &own]).status, 200);
    let other = stage.gateway.ask("GET", "/open", &[&token, "X-Vestibule-Context: aaaaaaaaaa"]);
    assert_eq!((other.status, other.code()), (409, "context_mismatch"));
}
