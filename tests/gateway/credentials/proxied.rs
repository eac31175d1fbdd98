//! Tokens that come from a platform's proxy, which any page can cause, and from its servers.

use serde_json::json;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::Stage;
use crate::support::jwt::now;

#[test]
fn a_proxys_token_is_the_caller_and_stays_here() {
    let stage = Stage::new();
    let answer = stage.ask("GET", "/open", &stage.whop(|_| {}));
    assert_eq!((answer.status, answer.cookie().as_str()), (200, ""), "{answer:?}\n{}", stage.gateway.output());
    let seen = stage.upstream.last();
    assert_eq!((seen.value("x-vestibule-host"), seen.value("x-vestibule-user")), ("whop", "user_1"));
    assert!(seen.values("x-whop-user-token").is_empty());
    for change in [
        |claims: &mut serde_json::Value| claims["aud"] = json!(["app_1"]),
        |claims: &mut serde_json::Value| claims["aud"] = json!("app_2"),
        |claims: &mut serde_json::Value| claims["iss"] = json!("urn:whopcom:other"),
        |claims: &mut serde_json::Value| claims["exp"] = json!(null),
    ] {
        assert_eq!(stage.ask("GET", "/open", &stage.whop(change)).code(), "token_invalid");
    }
}

#[test]
fn a_proxys_token_counts_only_from_pages_of_ours_or_of_the_host() {
    let stage = Stage::new();
    let token = stage.whop(|_| {});
    let own = format!("Origin: http://{}", stage.gateway.host());
    for (method, lines, code) in [
        ("GET", vec![], ""),
        ("POST", vec![], "cross_site_refused"),
        ("POST", vec![own.as_str()], ""),
        ("POST", vec!["Origin: https://whop.example"], ""),
        // Another app of the platform has a page that fits the pattern as well as the app's own does.
        ("POST", vec!["Origin: https://other.apps.whop.example"], "cross_site_refused"),
        ("POST", vec!["Origin: https://mine.apps.whop.example", "Sec-Fetch-Site: same-origin"], ""),
        ("POST", vec!["Origin: https://other.apps.whop.example", "Sec-Fetch-Site: same-site"], "cross_site_refused"),
        ("POST", vec!["Origin: https://evil.example"], "cross_site_refused"),
        ("POST", vec!["Origin: https://evil.example", "Sec-Fetch-Site: same-origin"], "cross_site_refused"),
        ("POST", vec!["Origin: null", "Sec-Fetch-Site: same-origin"], "cross_site_refused"),
        ("POST", vec!["Sec-Fetch-Site: cross-site"], "cross_site_refused"),
        ("GET", vec!["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"], ""),
        (
            "GET",
            vec!["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"],
            "cross_site_refused",
        ),
    ] {
        let answer = stage.gateway.ask(method, "/open", &[&[token.as_str()], &lines[..]].concat());
        assert_eq!(answer.code(), code, "{method} {lines:?}");
    }
}

#[test]
fn what_one_host_proved_is_not_another_hosts_proof() {
    let stage = Stage::new();
    let token = stage.whop(|_| {});
    for (origin, host) in
        [("https://whop.example", "whop"), ("https://twin.example", "whop-twin"), ("https://whop.example", "whop")]
    {
        let answer = stage.gateway.ask("POST", "/open", &[&token, &format!("Origin: {origin}")]);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(stage.upstream.last().value("x-vestibule-host"), host);
    }
}

#[test]
fn a_websocket_with_a_proxys_token_is_opened_by_pages_of_ours_or_of_the_host() {
    let stage = Stage::new();
    let token = stage.whop(|_| {});
    let (_, token) = token.split_once(": ").expect("a header");
    let open = |origin: Option<&str>| {
        let mut request = format!("ws://{}/open/live", stage.gateway.host()).into_client_request().expect("a request");
        request.headers_mut().insert("x-whop-user-token", token.parse().expect("a value"));
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().expect("a value"));
        }
        match tokio_tungstenite::tungstenite::connect(request) {
            Err(Error::Http(answer)) => {
                let code =
                    answer.headers().get("x-vestibule-error").map(|code| code.to_str().expect("ASCII").to_owned());
                code.unwrap_or_default()
            }
            other => panic!("the app answers 200: {other:?}"),
        }
    };
    // Whoever gets past the rule gets the app's plain answer, which is no handshake.
    assert_eq!(open(Some("https://whop.example")), "");
    assert_eq!(open(Some(&format!("http://{}", stage.gateway.host()))), "");
    assert_eq!(open(Some("https://evil.example")), "origin_refused");
    assert_eq!(
        open(Some("https://other.apps.whop.example")),
        "origin_refused",
        "a page of another app of the platform"
    );
    assert_eq!(open(None), "origin_refused");
}

#[test]
fn a_platforms_server_without_a_person_is_nobody() {
    let stage = Stage::new();
    let call = |person: &serde_json::Value| {
        let claims = json!({
            "iss": "forge/invocation-token", "aud": "ari:cloud:ecosystem::app/1", "exp": now() + 60,
            "app": {"installationId": "i1"}, "principal": person,
        });
        // Forge signs with RSA; what it says is only read when that fits.
        let token = format!("Authorization: Bearer {}", stage.elliptic.es256(&claims));
        stage.gateway.ask("POST", "/open", &[&token, "X-Forge-OAuth-System: canary"]).code().to_owned()
    };
    assert_eq!((call(&json!("p1")), call(&json!(null))), ("token_invalid".into(), "token_invalid".into()));
    assert!(stage.upstream.seen().is_empty());
}
