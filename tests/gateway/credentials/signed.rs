//! Calls of platforms' servers: what is signed, and what of it the app gets.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::{Stage, bearer, ed25519, lines, mac};
use crate::support::Answer;
use crate::support::jwt::now;

impl Stage {
    fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.gateway.host())
    }

    /// The headers of a call that HubSpot signed so long ago.
    pub(super) fn hubspot(&self, method: &str, target: &str, body: &[u8], ago: u64) -> Vec<String> {
        let time = ((now() - ago) * 1000).to_string();
        let signature = mac(&[method.as_bytes(), self.url(target).as_bytes(), body, time.as_bytes()]);
        let signature = BASE64_STANDARD.encode(signature);
        vec![format!("X-HubSpot-Signature-v3: {signature}"), format!("X-HubSpot-Request-Timestamp: {time}")]
    }

    pub(super) fn send(&self, method: &str, target: &str, headers: &[String], body: &[u8]) -> Answer {
        self.gateway.send(method, target, &lines(headers), body)
    }
}

const TARGET: &str = "/open/%7Ecards/a%20b?portalId=77&userId=12&x=%2F";

#[test]
fn a_signed_call_reaches_the_app_as_it_came_with_its_signature() {
    let stage = Stage::new();
    let body = "{\"a\": \"\u{fc}\",  \"b\":1}\n".as_bytes();
    let mut headers = stage.hubspot("POST", TARGET, body, 0);
    // Whatever a proxy in front says of itself, it is the public address that was signed.
    headers.extend(
        ["X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "Content-Type: application/json"]
            .map(str::to_owned),
    );
    headers.extend(
        ["Content-Encoding: gzip", "Authorization: Basic YTpi", "X-Slack-Request-Timestamp: 1"].map(str::to_owned),
    );
    let answer = stage.send("POST", TARGET, &headers, body);
    assert_eq!((answer.status, answer.cookie().as_str()), (200, ""), "{answer:?}\n{}", stage.gateway.output());
    let seen = stage.upstream.last();
    assert_eq!(
        (seen.line(), seen.body.as_slice()),
        ("POST /open/~cards/a%20b?portalId=77&userId=12&x=%2F HTTP/1.1", body)
    );
    assert_eq!(seen.value("content-length"), body.len().to_string());
    let value = |name: &str| seen.value(name).to_owned();
    assert_eq!((value("x-vestibule-host"), value("x-vestibule-tenant")), ("hubspot".into(), "77".into()));
    assert_eq!((value("x-vestibule-user"), value("x-vestibule-user-kind")), ("12".into(), "internal".into()));
    assert_eq!((value("content-type"), value("content-encoding")), ("application/json".into(), "gzip".into()));
    assert!(headers[0].ends_with(&value("x-hubspot-signature-v3")) && !value("x-hubspot-signature-v3").is_empty());
    assert!(!value("x-hubspot-request-timestamp").is_empty());
    assert!(value("authorization").is_empty() && value("x-slack-request-timestamp").is_empty(), "{}", seen.head);
}

#[test]
fn a_call_that_is_not_the_one_that_was_signed_is_refused() {
    let stage = Stage::new();
    let (body, signed) = (&b"{\"a\":1}"[..], stage.hubspot("POST", TARGET, b"{\"a\":1}", 0));
    let twice = |at: usize| [&signed[..], &signed[at..=at]].concat();
    let changed = |at: usize, old: &str, new: &str| {
        let mut headers = signed.clone();
        headers[at] = headers[at].replacen(old, new, 1);
        headers
    };
    let cases = [
        ("another method", "PUT", TARGET, signed.clone(), body, "token_invalid"),
        ("another path", "POST", "/open/cards?portalId=77&userId=12&x=%2F", signed.clone(), body, "token_invalid"),
        (
            "another person",
            "POST",
            "/open/%7Ecards/a%20b?portalId=77&userId=13&x=%2F",
            signed.clone(),
            body,
            "token_invalid",
        ),
        ("another body", "POST", TARGET, signed.clone(), b"{\"a\":2}", "token_invalid"),
        ("a longer body", "POST", TARGET, signed.clone(), b"{\"a\":1} ", "token_invalid"),
        ("no body", "POST", TARGET, signed.clone(), b"", "token_invalid"),
        ("another time", "POST", TARGET, changed(1, ": 1", ": 01"), body, "token_invalid"),
        ("another signature", "POST", TARGET, changed(0, "v3: ", "v3: A"), body, "token_invalid"),
        ("no time", "POST", TARGET, signed[..1].to_vec(), body, "token_invalid"),
        ("the time twice", "POST", TARGET, twice(1), body, "token_invalid"),
        ("the signature twice", "POST", TARGET, twice(0), body, "malformed_request"),
        ("too old", "POST", TARGET, stage.hubspot("POST", TARGET, body, 301), body, "token_expired"),
        ("and a bearer", "POST", TARGET, [&signed[..], &[bearer()]].concat(), body, "malformed_request"),
        (
            "from another site",
            "POST",
            TARGET,
            [&signed[..], &["Origin: https://evil.example".into()]].concat(),
            body,
            "cross_site_refused",
        ),
    ];
    for (what, method, target, headers, body, code) in cases {
        assert_eq!(stage.send(method, target, &headers, body).code(), code, "{what}");
    }
    assert!(stage.upstream.seen().is_empty());
    assert_eq!(stage.send("POST", TARGET, &signed, body).status, 200, "and the call itself is good");
}

#[test]
fn headers_of_contentful_count_and_pass_if_they_are_signed() {
    let stage = Stage::new();
    let call = |more: &[&str]| {
        let time = (now() * 1000).to_string();
        let names = "x-contentful-signed-headers,x-contentful-space-id,x-contentful-timestamp,x-contentful-user-id";
        let signed = format!(
            "x-contentful-signed-headers:{names};x-contentful-space-id:s1;x-contentful-timestamp:{time};x-contentful-user-id:u1"
        );
        let signature = mac(&[b"POST\n/open/action\n", signed.as_bytes(), b"\n{}"]);
        let mut headers = vec![
            format!("X-Contentful-Signature: {}", faster_hex::hex_string(&signature)),
            format!("X-Contentful-Signed-Headers: {names}"),
            format!("X-Contentful-Timestamp: {time}"),
            "X-Contentful-Space-Id: s1".to_owned(),
            "X-Contentful-User-Id: u1".to_owned(),
        ];
        headers.extend(more.iter().map(|line| (*line).to_owned()));
        stage.send("POST", "/open/action", &headers, b"{}")
    };
    assert_eq!(call(&[]).status, 200, "{}", stage.gateway.output());
    let seen = stage.upstream.last();
    assert_eq!((seen.value("x-vestibule-tenant"), seen.value("x-vestibule-user")), ("s1", "u1"));
    assert_eq!((seen.value("x-contentful-space-id"), seen.value("x-contentful-user-id")), ("s1", "u1"));
    assert_eq!(call(&["X-Contentful-Environment-Id: evil"]).code(), "token_invalid", "not signed");
    // Without a signature there is nothing that they could belong to.
    let plain = stage.gateway.ask("GET", "/public/x", &["X-Contentful-User-Id: evil", "X_Contentful_Space_Id: evil"]);
    assert_eq!(plain.status, 200);
    assert!(!stage.upstream.last().head.contains("evil"));
}

#[test]
fn every_platforms_call_counts_as_it_signs_it() {
    let stage = Stage::new();
    let time = now().to_string();
    let body = br#"{"user_id":"u1","account_id":"a1","workspace_id":"w1"}"#;
    let hex = |bytes: &[u8]| faster_hex::hex_string(bytes);
    let stripe = mac(&[time.as_bytes(), br#".{"user_id":"u1","account_id":"a1"}"#]);
    let interaction = ed25519().sign(&[time.as_bytes(), body].concat());
    let calls = [
        ("stripe", "a1", vec![format!("Stripe-Signature: t={time},v1={}", hex(&stripe))]),
        (
            "slack",
            "T1",
            vec![
                format!("X-Slack-Signature: v0={}", hex(&mac(&[b"v0:", time.as_bytes(), b":", body]))),
                format!("X-Slack-Request-Timestamp: {time}"),
            ],
        ),
        ("canvas", "w1", vec![format!("X-Body-Signature: {}", hex(&mac(&[body])))]),
        (
            "interaction",
            "bot",
            vec![
                format!("X-Signature-Ed25519: {}", hex(interaction.as_ref())),
                format!("X-Signature-Timestamp: {time}"),
            ],
        ),
    ];
    for (host, tenant, headers) in calls {
        let answer = stage.send("POST", "/open/hook", &headers, body);
        assert_eq!(answer.status, 200, "{host}: {answer:?}");
        let seen = stage.upstream.last();
        assert_eq!((seen.value("x-vestibule-host"), seen.value("x-vestibule-tenant")), (host, tenant));
        for line in &headers {
            let (name, value) = line.split_once(": ").expect("a header");
            assert_eq!(seen.value(&name.to_ascii_lowercase()), value, "{host}");
        }
        // Stripe signs two ids of the body, the others all of it.
        let other = br#"{"user_id":"u1","account_id":"a2","workspace_id":"w1"}"#;
        assert_eq!(stage.send("POST", "/open/hook", &headers, other).code(), "token_invalid", "{host}");
    }
}

#[test]
fn an_activitys_payload_is_proven_with_its_signature_and_stays_here() {
    let stage = Stage::new();
    let payload = |lives: u64| {
        let made = now();
        let text = json!({"application_id": "app", "user_id": "u9", "created_at": made, "expires_at": made + lives});
        let signature = BASE64_STANDARD.encode(ed25519().sign(text.to_string().as_bytes()));
        vec![
            format!("X-Discord-Proxy-Payload: {}", BASE64_STANDARD.encode(text.to_string())),
            format!("X-Signature-Ed25519: {signature}"),
            format!("X-Signature-Timestamp: {made}"),
        ]
    };
    let good = payload(60);
    assert_eq!(stage.send("GET", "/open/x", &good, b"").status, 200, "{}", stage.gateway.output());
    let seen = stage.upstream.last();
    assert_eq!((seen.value("x-vestibule-host"), seen.value("x-vestibule-user")), ("activity", "u9"));
    for name in ["x-discord-proxy-payload", "x-signature-ed25519", "x-signature-timestamp"] {
        assert!(seen.values(name).is_empty(), "{name}");
    }
    let swapped = [&good[..1], &payload(61)[1..]].concat();
    for (headers, code) in [
        (good[..1].to_vec(), "token_invalid"),
        (swapped, "token_invalid"),
        (payload(0), "token_expired"),
        ([&good[..], &good[2..]].concat(), "token_invalid"),
        ([&good[..], &good[1..]].concat(), "malformed_request"),
    ] {
        assert_eq!(stage.send("GET", "/open/x", &headers, b"").code(), code, "{headers:?}");
    }
    assert_eq!(stage.send("POST", "/open/x", &good, b"a=1").code(), "cross_site_refused", "any page can cause it");
}

#[test]
fn a_signed_query_is_a_credential_and_its_signature_leaves_the_address() {
    let stage = Stage::new();
    let plain = |time: u64| format!("a=1&shop=demo.myshopify.com&timestamp={time}");
    let signed = |query: &str| format!("{query}&hmac={}", faster_hex::hex_string(&mac(&[query.as_bytes()])));
    let (query, ask) = (plain(now()), |target: &str| stage.gateway.ask("POST", target, &[]));
    assert_eq!(ask(&format!("/open/hook?{}", signed(&query))).status, 200, "{}", stage.gateway.output());
    let seen = stage.upstream.last();
    assert_eq!(seen.line(), format!("POST /open/hook?{query} HTTP/1.1"));
    assert_eq!((seen.value("x-vestibule-host"), seen.value("x-vestibule-tenant")), ("shop", "demo.myshopify.com"));
    assert_eq!(seen.value("x-vestibule-user-kind"), "service");
    let good = signed(&query);
    for (query, code) in [
        (good.replace("a=1", "a=2"), "token_invalid"),
        (format!("{good}&b=1"), "token_invalid"),
        (format!("{good}&hmac=1"), "malformed_request"),
        (format!("{good}&%68mac=1"), "malformed_request"),
        (signed(&plain(now() - 100)), "token_expired"),
    ] {
        assert_eq!(ask(&format!("/open/hook?{query}")).code(), code, "{query}");
    }
    // In the log there is no query; elsewhere the parameter is nobody's but the app's.
    assert!(!stage.gateway.output().contains(&good[good.len() - 64..]));
    let own = stage.gateway.ask("GET", &format!("/own-hmac?{good}"), &[&bearer()]);
    assert_eq!(own.status, 200);
    assert_eq!(stage.upstream.last().line(), format!("GET /own-hmac?{good} HTTP/1.1"));
    let referer = format!("Referer: http://{}/open/hook?{good}", stage.gateway.host());
    assert_eq!(stage.gateway.ask("GET", "/open/next", &[&bearer(), &referer]).status, 200);
    assert!(stage.upstream.last().value("referer").ends_with(&query), "{}", stage.upstream.last().head);
}
