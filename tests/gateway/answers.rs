//! Refusals: pages for people, problems for programs, one code everywhere.

use crate::support::{Gateway, Token, Upstream};

#[test]
fn a_person_gets_a_page_and_a_program_a_problem() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let page = gateway.ask("GET", "/open", &["Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: none", "Accept: text/html"]);
    assert_eq!(
        (page.status, page.header("content-type"), page.code()),
        (401, "text/html; charset=utf-8", "session_missing")
    );
    let text = page.text();
    assert!(text.contains("session_missing") && text.contains(page.header("x-request-id")), "{text}");
    assert!(
        !text.contains("<script") && !text.contains("http://") && !text.contains("https://"),
        "self-contained: {text}"
    );
    let problem =
        gateway.ask("GET", "/open", &["Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-origin", "Accept: text/html"]);
    assert_eq!(problem.header("content-type"), "application/problem+json");
    let body = problem.json();
    assert_eq!((&body["status"], &body["code"]), (&serde_json::json!(401), &serde_json::json!("session_missing")));
    assert_eq!(body["request_id"], problem.header("x-request-id"));
    for answer in [page, problem] {
        assert_eq!((answer.header("cache-control"), answer.header("x-content-type-options")), ("no-store", "nosniff"));
        assert_eq!(answer.header("www-authenticate"), "Vestibule");
    }
    assert!(gateway.output().contains("session_missing"), "the log says the same");
    let metrics = gateway.admin("GET", "/metrics", &[], b"").text();
    assert!(metrics.contains("outcome=\"session_missing\""), "and the metric: {metrics}");
}

#[test]
fn a_refusal_sets_no_cookie() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    for target in ["/admin/x", "/nowhere", "/projects/none"] {
        let answer = gateway.own("GET", target, &cookie);
        assert!(answer.status >= 400 && answer.all("set-cookie").is_empty(), "{answer:?}");
    }
}

#[test]
fn grants_are_dropped_on_request_and_only_with_the_token() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let token = format!("Authorization: Bearer {}", crate::support::ADMIN_TOKEN);
    assert_eq!(gateway.admin("POST", "/v1/invalidate", &[&token], b"").status, 204);
    assert_eq!(gateway.admin("POST", "/v1/invalidate", &[&token], br#"{"tenant":"t"}"#).status, 204);
    assert_eq!(gateway.admin("POST", "/v1/invalidate", &[&token], b"{").code(), "malformed_request");
    assert_eq!(gateway.admin("POST", "/v1/invalidate", &[], b"").code(), "token_missing");
    assert_eq!(gateway.admin("POST", "/v1/invalidate", &["Authorization: Bearer wrong"], b"").code(), "token_invalid");
    assert_eq!(gateway.admin("GET", "/v1/nothing", &[&token], b"").status, 404);
    let bytes = crate::support::exchange(
        gateway.admin,
        b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(crate::support::Answer::read(&bytes).code(), "wrong_host");
}

#[test]
fn dos_12_a_body_for_the_admin_api_is_small_plain_and_strict() {
    let gateway = Gateway::new(&Upstream::start());
    let token = format!("Authorization: Bearer {}", crate::support::ADMIN_TOKEN);
    let send = |more: &str, body: &[u8]| gateway.admin("POST", "/v1/invalidate", &[&token, more], body);
    for large in ["\"tenant\":\"t\",".repeat(2000), " ".repeat(1 << 20)] {
        let answer = send("X-A: b", large.as_bytes());
        assert_eq!((answer.status, answer.code()), (413, "body_too_large"));
    }
    for odd in ["[".repeat(10_000), "{\"tenant\":1e999999}".to_owned(), "{\"tenant\":\"t\",\"more\":1}".to_owned()] {
        assert_eq!(send("X-A: b", odd.as_bytes()).code(), "malformed_request");
    }
    assert_eq!(send("Content-Encoding: gzip", b"\x1f\x8b\x08").code(), "malformed_request", "nothing is unpacked");
}
