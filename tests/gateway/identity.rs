//! What the app is told about the caller, and that nobody else can tell it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};

use super::gateway;
use crate::support::{CLIENT, COMPANY, STAFF, Seen, Setup, TENANT, Token, Upstream, request};

fn told(seen: &Seen) -> Vec<(String, String)> {
    let pairs = seen.head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let ours =
        pairs.filter(|(name, _)| name.to_ascii_lowercase().starts_with("x-vestibule-") && !name.ends_with("assertion"));
    let mut told: Vec<_> = ours.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    told.sort();
    told
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut pairs: Vec<_> =
        list.iter().map(|(name, value)| (format!("x-vestibule-{name}"), (*value).to_owned())).collect();
    pairs.sort();
    pairs
}

#[test]
fn the_app_is_told_who_is_calling_and_what_they_hold_here() {
    let (gateway, upstream) = gateway();
    let client = gateway.sign_in(&Token::client());
    let (staff, preview) = (gateway.sign_in(&Token::staff()), gateway.sign_in(&Token::preview()));
    let who = [
        ("host", "assembly"),
        ("tenant", TENANT),
        ("user", CLIENT),
        ("user-kind", "client"),
        ("organization", COMPANY),
    ];
    gateway.own("GET", "/projects/apollo/x", &client);
    assert_eq!(
        told(&upstream.last()),
        pairs(
            &[&who[..], &[("project", "apollo"), ("roles", "editor"), ("permissions", "projects:read,projects:write")]]
                .concat()
        )
    );
    gateway.own("GET", "/open", &client);
    let seen = upstream.seen().pop().expect("asked");
    assert_eq!(
        told(&seen),
        pairs(&[&who[..], &[("roles", ""), ("permissions", "")]].concat()),
        "without a project only the whole tenant counts"
    );
    gateway.own("GET", "/projects/zeus", &staff);
    let seen = upstream.seen().pop().expect("asked");
    let staff_is = [
        ("host", "assembly"),
        ("tenant", TENANT),
        ("user", STAFF),
        ("user-kind", "internal"),
        ("project", "zeus"),
        ("roles", "staff"),
        ("permissions", "*"),
    ];
    assert_eq!(told(&seen), pairs(&staff_is));
    gateway.own("GET", "/projects/zeus", &preview);
    let seen = upstream.seen().pop().expect("asked");
    assert_eq!(
        (seen.value("x-vestibule-user"), seen.value("x-vestibule-actor"), seen.value("x-vestibule-roles")),
        (CLIENT, STAFF, "viewer")
    );
    gateway.own("GET", "/public/x", &client);
    let seen = upstream.seen().pop().expect("asked");
    assert_eq!(
        (told(&seen), seen.values("x-vestibule-assertion").len()),
        (Vec::new(), 0),
        "HDR-02: a public route says nothing"
    );
}

#[test]
fn the_assertion_verifies_and_says_the_same() {
    let (gateway, upstream) = gateway();
    let cookie = gateway.sign_in(&Token::preview());
    gateway.own("GET", "/projects/zeus/x", &cookie);
    let token = upstream.last().value("x-vestibule-assertion").to_owned();
    let keys = gateway.ask("GET", "/.vestibule/jwks.json", &[]);
    assert_eq!(keys.header("content-type"), "application/jwk-set+json");
    let keys = keys.json();
    let (message, signature) = token.rsplit_once('.').expect("three parts");
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let part = |name: &str| decode(keys["keys"][0][name].as_str().expect("a coordinate"));
    let point = [vec![4], part("x"), part("y")].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(message.as_bytes(), &decode(signature))
        .expect("a good signature");
    let (header, claims) = message.split_once('.').expect("two parts");
    let (header, claims): (Value, Value) = (
        serde_json::from_slice(&decode(header)).expect("JSON"),
        serde_json::from_slice(&decode(claims)).expect("JSON"),
    );
    assert_eq!((&header["alg"], &header["kid"]), (&json!("ES256"), &keys["keys"][0]["kid"]));
    let origin = format!("http://{}", gateway.host());
    for (name, value) in [
        ("iss", json!(origin)),
        ("aud", json!(origin)),
        ("sub", json!(CLIENT)),
        ("host", json!("assembly")),
        ("tenant", json!(TENANT)),
        ("org", json!(COMPANY)),
        ("project", json!("zeus")),
        ("roles", json!(["viewer"])),
        ("permissions", json!(["projects:read"])),
        ("act", json!({ "sub": STAFF })),
        ("route", json!("/projects/{project}/**")),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    let (issued, ends) = (claims["iat"].as_u64().expect("a time"), claims["exp"].as_u64().expect("a time"));
    assert!(ends > issued && ends - issued <= 60);
}

/// What a caller might say about itself, its way, or the length of its body.
const LIES: [&str; 30] = [
    "X-Vestibule-User: admin",
    "x-vestibule-user: admin",
    "X_Vestibule_User: admin",
    "x-vestibule_user: admin",
    "X.Vestibule.Permissions: *",
    "X-VESTIBULE-ANYTHING: admin",
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-Host: evil",
    "X_Forwarded_Proto: https",
    "X-Forwarded-Prefix: /evil",
    "Forwarded: for=6.6.6.6",
    "X-Real-IP: 6.6.6.6",
    "X-Envoy-External-Address: 6.6.6.6",
    "X-Original-URL: /admin",
    "X-Rewrite-URL: /admin",
    "X-HTTP-Path: /admin",
    "X-HTTP-Method-Override: DELETE",
    "X-HTTP-Method: DELETE",
    "X-Method-Override: DELETE",
    "X-Request-Id: chosen",
    "Transfer_Encoding: chunked",
    "Content_Length: 0",
    "Proxy-Authorization: Basic eDp5",
    "Authorization: Bearer secret",
    "Keep-Alive: timeout=5",
    "TE: gzip",
    "X-Listed: 1",
    "Connection: close, X-Listed, X-Vestibule-User, Host, Cookie, Content-Length",
    "X-Custom: stays",
    "Sec-Fetch-Site: same-origin",
];

/// What of it must not reach the app under any spelling.
const GONE: [&str; 18] = [
    "x-vestibule-anything",
    "forwarded",
    "x-real-ip",
    "x-envoy-external-address",
    "x-original-url",
    "x-rewrite-url",
    "x-http-path",
    "x-forwarded-prefix",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "transfer-encoding",
    "proxy-authorization",
    "authorization",
    "keep-alive",
    "te",
    "x-listed",
    "connection",
];

// HDR-01, HDR-03, HDR-05, HDR-06, HDR-16, HDR-18, MTH-01, SMG-07
#[test]
fn nothing_that_the_caller_says_about_itself_gets_through() {
    let (gateway, upstream) = gateway();
    let cookie = gateway.sign_in(&Token::client());
    let host = gateway.host();
    let cookies = format!("Cookie: b=2; {cookie}; a=\"1\" ;c");
    let (before, after) = ([&LIES[..], &[cookies.as_str()]].concat(), [&[cookies.as_str()], &LIES[..]].concat());
    for order in [before, after] {
        assert_eq!(gateway.send("POST", "/projects/apollo", &order, b"body").status, 200);
        let seen = upstream.seen().pop().expect("asked");
        assert_eq!(seen.values("x-vestibule-user"), [CLIENT]);
        assert_eq!(seen.values("x-vestibule-permissions"), ["projects:read,projects:write"]);
        for gone in GONE {
            assert!(seen.values(gone).is_empty(), "{gone}: {}", seen.head);
        }
        assert_eq!(
            (seen.value("x-forwarded-for"), seen.value("x-forwarded-host"), seen.value("x-forwarded-proto")),
            ("127.0.0.1", host.as_str(), "http")
        );
        assert_eq!(
            (seen.values("host"), seen.values("content-length"), seen.values("x-custom")),
            (vec![host.as_str()], vec!["4"], vec!["stays"])
        );
        assert_ne!(seen.value("x-request-id"), "chosen");
        // HDR-21
        assert_eq!(seen.values("cookie"), ["b=2; a=\"1\" ;c"]);
        assert_eq!(seen.body, b"body");
    }
}

// HDR-08, SMG-17
#[test]
fn trailers_of_the_caller_never_reach_the_app() {
    let (gateway, upstream) = gateway();
    let cookie = gateway.sign_in(&Token::client());
    let chunked = [
        "Transfer-Encoding: chunked",
        "Trailer: X-Vestibule-User",
        &format!("Cookie: {cookie}"),
        "Sec-Fetch-Site: same-origin",
    ];
    let body = b"4\r\nbody\r\n0\r\nX-Vestibule-User: admin\r\nContent-Length: 9\r\nAuthorization: x\r\n\r\n";
    assert_eq!(gateway.raw(&request("POST", "/projects/apollo", &gateway.host(), &chunked, body)).status, 200);
    let seen = upstream.seen().pop().expect("asked");
    assert_eq!((seen.body.as_slice(), seen.values("trailer").len()), (&b"4\r\nbody\r\n0\r\n\r\n"[..], 0));
}

// A page whose address still has a token in it sends that address along with all that it loads.
#[test]
fn no_token_reaches_the_app_in_a_referer() {
    let (gateway, upstream) = gateway();
    let host = gateway.host();
    for (sent, got) in [
        ("/open/a?x=1&token=canary&y=2", Some("/open/a?x=1&y=2")),
        ("/open/a?token=canary", Some("/open/a")),
        ("/open/a?%74oken=canary&_vestibule_ticket=canary&b", Some("/open/a?b")),
        ("/open/a?b#token=x", Some("/open/a?b#token=x")),
        ("/open/a", Some("/open/a")),
        ("/open/a?token=canary&\u{fc}", None),
    ] {
        let line = format!("Referer: http://{host}{sent}");
        gateway.ask("GET", "/public/x", &[&line]);
        let seen = upstream.seen().pop().expect("asked");
        let expected = got.map(|path| format!("http://{host}{path}")).unwrap_or_default();
        assert_eq!(seen.value("referer"), expected, "{sent}");
        assert!(!seen.head.contains("canary"), "{sent}");
    }
}

// HDR-19
#[test]
fn no_user_agent_is_a_pass() {
    let (gateway, upstream) = gateway();
    for agent in ["kube-probe/1.0", "GoogleHC/1.0", "ELB-HealthChecker/2.0"] {
        assert_eq!(gateway.ask("GET", "/open", &[&format!("User-Agent: {agent}")]).status, 401);
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn a_trusted_proxy_is_believed_about_addresses_and_ids() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).with("[upstream]", "trusted_proxies = [\"127.0.0.0/8\"]\n\n[upstream]").start();
    gateway.ask("GET", "/public/x", &["X-Forwarded-For: 192.0.2.7", "X-Request-Id: abc-123", "X-Forwarded-Host: evil"]);
    let seen = upstream.last();
    assert_eq!((seen.value("x-forwarded-for"), seen.value("x-request-id")), ("192.0.2.7, 127.0.0.1", "abc-123"));
    assert_eq!(seen.value("x-forwarded-host"), gateway.host());
    for odd in ["a b", "\"x\"", &"x".repeat(65)] {
        gateway.ask("GET", "/public/x", &[&format!("X-Request-Id: {odd}")]);
        assert_ne!(upstream.seen().pop().expect("asked").value("x-request-id"), odd, "LOG-04");
    }
}

// HDR-14
#[test]
fn a_name_is_carried_in_one_encoding_and_breaks_nothing() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream)
        .with("[roles.viewer]", "[identity]\nprofile = true\nheaders = { user = \"X-App-User\" }\n\n[roles.viewer]")
        .start();
    let cookie = gateway.sign_in(&Token::client());
    gateway.ask(
        "GET",
        "/open",
        &[&format!("Cookie: {cookie}"), "Sec-Fetch-Site: same-origin", "X-App-User: admin", "x_app_user: admin"],
    );
    let seen = upstream.last();
    assert_eq!(seen.value("x-vestibule-name"), "%C3%9Cnal%20A%0D%0AX-Evil%3A%201");
    assert_eq!(seen.value("x-vestibule-email"), "c%40example.com");
    assert!(seen.values("x-evil").is_empty());
    assert_eq!(seen.values("x-app-user"), [CLIENT], "a name of the operator's choice is ours too");
    assert!(seen.values("x-vestibule-user").is_empty());
}
