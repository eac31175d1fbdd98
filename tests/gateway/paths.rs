//! Paths: what is matched is what is forwarded.

use super::gateway;
use crate::support::{Token, request};

// PTH-01 to PTH-29
#[test]
fn no_spelling_reaches_a_protected_path_through_a_public_one() {
    let (gateway, upstream) = gateway();
    let cookie = gateway.sign_in(&Token::client());
    let cases = [
        ("/public/../admin", "forbidden"),
        ("/public/%2e%2e/admin", "forbidden"),
        ("/public/.%2e/admin", "forbidden"),
        ("/public/%2E%2E/admin", "forbidden"),
        ("//admin/x", "forbidden"),
        ("/public//../admin", "forbidden"),
        ("///admin", "forbidden"),
        ("/admin", "forbidden"),
        ("/admin/", "forbidden"),
        ("/admin/.", "forbidden"),
        ("/admin/x/..", "forbidden"),
        ("/../../admin", "forbidden"),
        ("/./../admin", "forbidden"),
        ("/%61dmin", "forbidden"),
        ("/admin?x=/public/", "forbidden"),
        ("/public/..%2fadmin", "malformed_request"),
        ("/public%2f..%2fadmin", "malformed_request"),
        ("/a%5c..%5cadmin", "malformed_request"),
        ("/public/..;/admin", "malformed_request"),
        ("/admin;x=1/y", "malformed_request"),
        ("/public;/../admin", "malformed_request"),
        ("/public%00/../admin", "malformed_request"),
        ("/admin%00.png", "malformed_request"),
        ("/%c0%ae%c0%ae/admin", "malformed_request"),
        ("/%e0%80%af", "malformed_request"),
        ("/%ed%a0%80", "malformed_request"),
        ("/%ff", "malformed_request"),
        ("/%zz", "malformed_request"),
        ("/%2", "malformed_request"),
        ("/%", "malformed_request"),
        ("/a%0d%0aX-Auth-User:%20admin", "malformed_request"),
        ("/public/%09", "malformed_request"),
        ("/ADMIN", "not_routed"),
        ("/Admin/x", "not_routed"),
        ("/admin.", "not_routed"),
        ("/admin%20", "not_routed"),
        ("/admin.json", "not_routed"),
        ("*", "malformed_request"),
        ("admin", "malformed_request"),
    ];
    for (target, code) in cases {
        let answer = gateway.own("GET", target, &cookie);
        assert_eq!(answer.code(), code, "{target}: {answer:?}");
    }
    assert!(upstream.seen().is_empty());
    // Raw bytes that the HTTP library itself refuses.
    for target in ["/public\\..\\admin", "/a b", "/a\0b", "/a\"b", "/ü"] {
        let answer = gateway.own("GET", target, &cookie);
        assert_eq!(answer.status, 400, "{target}");
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn the_canonical_path_is_what_the_app_gets() {
    let (gateway, upstream) = gateway();
    let cookie = gateway.sign_in(&Token::client());
    for (sent, got) in [
        ("/open/a//b/./c/../d/?q=%2e%2e/%2F", "/open/a/b/d/?q=%2e%2e/%2F"),
        ("/open/%61%2d%7e%c3%bc", "/open/a-~%C3%BC"),
        // PTH-04: decoded at most once.
        ("/open/%252e%252e/admin", "/open/%252e%252e/admin"),
        ("/open/a%3Bb", "/open/a%3Bb"),
        // PTH-15
        ("/open/x#/../admin", "/open/x"),
    ] {
        assert_eq!(gateway.own("GET", sent, &cookie).status, 200, "{sent}");
        let seen = upstream.seen().pop().expect("asked");
        assert_eq!(seen.line(), format!("GET {got} HTTP/1.1"), "{sent}");
    }
    // PTH-22
    assert_eq!(gateway.own("POST", "/projects/apollo/../zeus/files", &cookie).code(), "forbidden");
    assert_eq!(gateway.own("POST", "/projects/zeus/../apollo/files", &cookie).status, 200);
    assert_eq!(upstream.seen().pop().expect("asked").value("x-vestibule-project"), "apollo");
}

// PTH-11, PTH-30
#[test]
fn only_our_own_host_is_served() {
    let (gateway, upstream) = gateway();
    let own = gateway.host();
    let port = gateway.address.port();
    let raw = |head: String| gateway.raw(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes());
    let codes = [
        (format!("GET /public HTTP/1.1\r\nHost: {own}"), ""),
        (format!("GET /public HTTP/1.1\r\nHost: 127.0.0.1.:{port}"), ""),
        (format!("GET http://{own}/public HTTP/1.1\r\nHost: {own}"), ""),
        ("GET /public HTTP/1.1\r\nHost: evil.example".into(), "wrong_host"),
        ("GET /public HTTP/1.1\r\nHost: 127.0.0.1:1".into(), "wrong_host"),
        ("GET /public HTTP/1.1".into(), "malformed_request"),
        ("GET /public HTTP/1.1\r\nHost: ".into(), "malformed_request"),
        (format!("GET /public HTTP/1.1\r\nHost: {own}\r\nHost: {own}"), "malformed_request"),
        (format!("GET /public HTTP/1.1\r\nHost: u@{own}"), "malformed_request"),
        (format!("GET /public HTTP/1.1\r\nHost: {own}/x"), "malformed_request"),
        (format!("GET http://evil.example/public HTTP/1.1\r\nHost: {own}"), "malformed_request"),
        (format!("GET gopher://{own}/public HTTP/1.1\r\nHost: {own}"), "malformed_request"),
        (format!("GET http://{own}/public HTTP/1.1\r\nHost: evil.example"), "wrong_host"),
    ];
    for (head, code) in codes {
        assert_eq!(raw(head.clone()).code(), code, "{head}");
    }
    assert_eq!(upstream.wait_for(3).len(), 3);
    assert!(upstream.seen().iter().all(|seen| seen.value("host") == own));
}

// MTH-03 to MTH-05
#[test]
fn methods_are_known_and_case_sensitive() {
    let (gateway, upstream) = gateway();
    let cookie = gateway.sign_in(&Token::client());
    for method in ["get", "Get", "TRACE", "TRACK", "PROPFIND", "PATCH"] {
        let answer = gateway.own(method, "/projects/apollo", &cookie);
        assert_eq!((answer.status, answer.code()), (405, "method_not_allowed"), "{method}");
    }
    let connect = gateway.raw(&request("CONNECT", "app:80", &gateway.host(), &[], b""));
    assert_eq!(connect.status, 405);
    assert_eq!(gateway.raw_first(b"PRI * HTTP/1.1\r\nHost: x\r\n\r\n").status, 405, "no preface, so a method");
    assert!(upstream.seen().is_empty());
    assert_eq!(gateway.own("HEAD", "/projects/apollo", &cookie).status, 200, "GET includes HEAD");
    assert_eq!(upstream.last().line(), "HEAD /projects/apollo HTTP/1.1");
}
