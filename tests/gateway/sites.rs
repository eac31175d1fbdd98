//! Requests of other sites, and who may frame an answer.

use crate::support::{Gateway, Setup, Token, Upstream};

// SES-12, MTH-04
#[test]
fn another_sites_requests_are_refused_before_the_cookie_is_opened() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let cookie = format!("Cookie: {}", gateway.sign_in(&Token::client()));
    let (cross, navigate, iframe) =
        ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe");
    let own_origin = format!("Origin: http://{}", gateway.host());
    let cases: [(&str, Vec<&str>, &str); 12] = [
        ("GET", vec![cross, navigate, iframe], ""),
        ("GET", vec![cross, navigate, "Sec-Fetch-Dest: document"], ""),
        ("GET", vec![cross, "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"], "cross_site_refused"),
        ("GET", vec![cross, navigate, "Sec-Fetch-Dest: object"], "cross_site_refused"),
        (
            "GET",
            vec!["Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"],
            "cross_site_refused",
        ),
        ("POST", vec![cross, navigate, iframe], "cross_site_refused"),
        ("POST", vec!["Sec-Fetch-Site: same-origin", "Origin: null"], ""),
        ("POST", vec![], "cross_site_refused"),
        ("POST", vec!["Origin: https://evil.example"], "cross_site_refused"),
        ("POST", vec![&own_origin], ""),
        ("GET", vec!["Origin: https://evil.example"], "cross_site_refused"),
        (
            "OPTIONS",
            vec![cross, "Sec-Fetch-Mode: cors", "Access-Control-Request-Method: PUT", "Origin: https://evil.example"],
            "cross_site_refused",
        ),
    ];
    for (method, lines, code) in cases {
        let answer = gateway.ask(method, "/projects/apollo", &[&[cookie.as_str()], &lines[..]].concat());
        assert_eq!(answer.code(), code, "{method} {lines:?}");
        // SES-23
        assert!(!answer.head.to_ascii_lowercase().contains("access-control-allow"), "{method} {lines:?}");
    }
    assert_eq!(upstream.wait_for(4).len(), 4, "only what was allowed reaches the app");
}

// SES-15
#[test]
fn every_answer_says_who_may_frame_it() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nX-Frame-Options: DENY\r\nContent-Security-Policy: default-src 'self'; frame-ancestors 'none'\r\nContent-Security-Policy: frame-ancestors *\r\nContent-Length: 0\r\n\r\n",
    );
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    let session = "frame-ancestors https://portal.example";
    let host = "frame-ancestors https://portal.example https://*.portal.example";
    let answer = gateway.own("GET", "/open", &cookie);
    assert_eq!(answer.all("content-security-policy"), ["default-src 'self'", session]);
    assert_eq!(answer.header("x-frame-options"), "");
    assert_eq!(
        gateway.own("GET", "/admin/x", &cookie).all("content-security-policy"),
        [session],
        "a refusal of somebody known"
    );
    assert_eq!(gateway.ask("GET", "/open", &[]).all("content-security-policy"), [host], "a refusal of nobody");
    assert_eq!(gateway.ask("GET", "/public/x", &[]).all("content-security-policy"), ["default-src 'self'", host]);
    assert_eq!(gateway.ask("GET", "/nowhere", &[]).all("content-security-policy"), [host]);
}

#[test]
fn the_apps_answers_are_made_to_live_in_the_frame() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nSet-Cookie: a=1; Domain=example.com; SameSite=Lax; HttpOnly; Path=/x\r\nSet-Cookie: __Host-vestibule.abcdefghij=stolen; Path=/\r\nSet-Cookie: =__Host-vestibule.abcdefghij=stolen\r\nX-Vestibule-User: somebody\r\nX_Vestibule_Error: x\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n",
    );
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    let answer = gateway.own("GET", "/open", &cookie);
    let context = cookie.split_once('=').and_then(|(name, _)| name.rsplit_once('.')).expect("a context").1;
    let kept = format!("a~{context}=1; HttpOnly; Path=/x; Secure; SameSite=None; Partitioned");
    assert_eq!(answer.all("set-cookie"), [kept]);
    assert!(!answer.head.to_ascii_lowercase().contains("vestibule"), "{}", answer.head);
    assert_eq!(answer.header("keep-alive"), "");
    assert_eq!((answer.header("cache-control"), answer.header("vary")), ("private, no-cache", "Cookie"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("referrer-policy"), "strict-origin-when-cross-origin");
    assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
}

#[test]
fn what_is_about_somebody_is_kept_by_no_shared_cache() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    assert_eq!(gateway.own("GET", "/open", &cookie).header("cache-control"), "private");
    assert_eq!(
        gateway.ask("GET", "/public/x", &[]).header("cache-control"),
        "",
        "what is about nobody is the app's matter"
    );
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 0\r\n\r\n");
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    assert_eq!(gateway.own("GET", "/open", &cookie).header("cache-control"), "max-age=60");
}

#[test]
fn a_preview_looks_and_changes_nothing_unless_it_may() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::preview());
    assert_eq!(gateway.own("GET", "/projects/apollo", &cookie).status, 200);
    let answer = gateway.own("POST", "/projects/apollo", &cookie);
    assert_eq!((answer.status, answer.code()), (403, "preview_read_only"));
    let full = Setup::new(&upstream).with("[session]", "preview = \"full\"\n\n[session]").start();
    let cookie = full.sign_in(&Token::preview());
    assert_eq!(full.own("POST", "/projects/apollo", &cookie).status, 200);
    let none = Setup::new(&upstream).with("[session]", "preview = \"deny\"\n\n[session]").start();
    assert_eq!(none.present(&Token::preview().sealed()).code(), "token_invalid");
}
