//! Atlassian Connect: a site installs the app, and from then on its people sign in with what it sent.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::{digest, hmac};
use serde_json::{Value, json};
use vestibule::clock::Clock;

use crate::support::{Answer, Gateway, Rsa, Setup, Upstream, answer_with};

const CONFIG: &str = r#"
[hosts.connect]
platform = "atlassian-connect"
tenants = ["site-1", "site-2"]
installs = "installs.json"
[hosts.connect-installs]
platform = "atlassian-connect-install"
audience = "http://{public}"
jwks_url = "http://{keys}/"
tenants = ["site-1", "site-2"]
installs = "installs.json"
[[routes]]
path = "/open/**"
access = "authenticated"
[[routes]]
path = "/installed"
access = "authenticated"
"#;

struct Stage {
    gateway: Gateway,
    upstream: Upstream,
    rsa: Rsa,
    _keys: Upstream,
}

impl Stage {
    fn new() -> Self {
        let upstream = Upstream::start();
        let keys = Upstream::scripted(|seen, stream| {
            let (status, body) = if seen.line().starts_with("GET /k1 ") { (200, Rsa::public()) } else { (404, "") };
            answer_with(stream, &format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
        });
        let setup = Setup::new(&upstream).without_rules().and(&CONFIG.replace("{keys}", &keys.address.to_string()));
        Self { gateway: setup.start(), upstream, rsa: Rsa::new(), _keys: keys }
    }

    /// What Atlassian signs when it calls the app's lifecycle address.
    fn claims(&self, site: &str) -> Value {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let (audience, call) = (format!("http://{}", self.gateway.host()), CALLS.fetch_add(1, Ordering::Relaxed));
        json!({"jti": call, "iss": site, "aud": [audience], "iat": now(), "exp": now() + 180, "qsh": qsh("POST", "/installed")})
    }

    fn call(&self, token: &str, body: &[u8]) -> Answer {
        let lines = [format!("Authorization: JWT {token}"), "Content-Type: application/json".to_owned()];
        self.gateway.send("POST", "/installed", &[&lines[0], &lines[1]], body)
    }

    fn install(&self, site: &str, secret: &str) -> Answer {
        let body = body(site, "installed", secret);
        self.call(&self.rsa.sign(Some("k1"), &self.claims(site)), &body)
    }

    /// A page in a frame of the site, opened with what the site's secret signs.
    fn open(&self, site: &str, secret: &str) -> Answer {
        let claims =
            json!({"iss": site, "sub": "person-1", "iat": now(), "exp": now() + 180, "qsh": qsh("GET", "/open/x")});
        let lines = [
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: iframe",
            "Referer: https://acme.atlassian.net/jira",
        ];
        self.gateway.ask("GET", &format!("/open/x?jwt={}", hs256(secret, &claims)), &lines)
    }

    fn kept(&self) -> Value {
        let text = std::fs::read(self.gateway.folder().join("installs.json")).expect("a file");
        serde_json::from_slice(&text).expect("JSON")
    }
}

fn body(site: &str, event: &str, secret: &str) -> Vec<u8> {
    json!({"key": "app", "clientKey": site, "sharedSecret": secret, "eventType": event}).to_string().into_bytes()
}

fn now() -> u64 {
    Clock::system().now().as_secs()
}

/// Of a request without parameters besides the token.
fn qsh(method: &str, path: &str) -> String {
    let hash = digest::digest(&digest::SHA256, format!("{method}&{path}&").as_bytes());
    faster_hex::hex_string(hash.as_ref())
}

fn hs256(secret: &str, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"typ": "JWT", "alg": "HS256"})), part(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
}

#[test]
fn a_site_that_installs_the_app_is_served_until_it_uninstalls_it() {
    let stage = Stage::new();
    assert_eq!(stage.open("site-1", "shared-secret-1").code(), "token_invalid", "nobody knows the site yet");
    let installed = stage.install("site-1", "shared-secret-1");
    assert_eq!(installed.status, 200, "{installed:?}\n{}", stage.gateway.output());
    let seen = stage.upstream.last();
    assert_eq!(seen.body, body("site-1", "installed", "shared-secret-1"), "the app gets the call as it came");
    assert_eq!(seen.value("x-vestibule-host"), "connect-installs");
    assert_eq!((seen.value("x-vestibule-tenant"), seen.value("x-vestibule-user-kind")), ("site-1", "service"));
    assert_eq!(seen.value("authorization"), "");
    let mode = std::fs::metadata(stage.gateway.folder().join("installs.json")).expect("a file").permissions().mode();
    assert_eq!((mode & 0o777, &stage.kept()["site-1"]["secret"]), (0o600, &json!("shared-secret-1")));

    let opened = stage.open("site-1", "shared-secret-1");
    assert_eq!((opened.status, opened.header("location")), (303, "/open/x"), "{opened:?}");
    stage.gateway.own("GET", "/open/x", &opened.cookie());
    let seen = stage.upstream.last();
    assert_eq!((seen.value("x-vestibule-host"), seen.value("x-vestibule-user")), ("connect", "person-1"));
    assert_eq!(stage.open("site-2", "shared-secret-1").code(), "token_invalid", "another site has another secret");

    // Installed anew, with another secret; and the configuration is read again.
    assert_eq!(stage.install("site-1", "shared-secret-2").status, 200);
    stage.gateway.edit("path = \"/installed\"", "path = \"/installed\" # again");
    stage.gateway.signal("-HUP");
    let reloaded = || stage.gateway.output().contains("\"event\":\"reload\"");
    for _ in 0..500 {
        if reloaded() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(reloaded(), "{}", stage.gateway.output());
    assert_eq!(stage.open("site-1", "shared-secret-1").code(), "token_invalid");
    assert_eq!(stage.open("site-1", "shared-secret-2").status, 303);

    let claims = stage.claims("site-1");
    let gone = stage.call(&stage.rsa.sign(Some("k1"), &claims), &body("site-1", "uninstalled", ""));
    assert_eq!((gone.status, stage.kept()), (200, json!({})));
    assert_eq!(stage.open("site-1", "shared-secret-2").code(), "token_invalid");
    let log = stage.gateway.output();
    assert!(!log.contains("shared-secret") && log.contains("\"event\":\"host_install\""), "{log}");
}

#[test]
fn a_call_that_is_not_atlassians_installs_nothing() {
    let stage = Stage::new();
    let good = stage.claims("site-1");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        stage.rsa.sign(Some("k1"), &claims)
    };
    let own = body("site-1", "installed", "forged-secret");
    let signed = |site: &str| stage.rsa.sign(Some("k1"), &stage.claims(site));
    let twice = [&b"{\"clientKey\":\"site-1\","[..], &own[1..]].concat();
    let cases: Vec<(&str, String, &[u8])> = vec![
        ("HS256 with the public key", Rsa::confused(&good), &own),
        ("HS256 with a secret of one's own", hs256("forged-secret", &good), &own),
        ("another audience", with("aud", json!(["https://other.example"])), &own),
        ("another address", with("qsh", json!(qsh("POST", "/uninstalled"))), &own),
        ("another method", with("qsh", json!(qsh("GET", "/installed"))), &own),
        ("no end", with("exp", json!(null)), &own),
        ("a site that is not served", signed("site-3"), &own),
        ("an unknown key", stage.rsa.sign(Some("k2"), &good), &own),
        ("no key", stage.rsa.sign(None, &good), &own),
        ("a path for a key", stage.rsa.sign(Some("../k1"), &good), &own),
        ("the body of another site", signed("site-2"), &own),
        ("a body that names two sites", with("x", json!(1)), &twice),
        ("a body that is none", with("x", json!(2)), b"x"),
    ];
    for (what, token, body) in &cases {
        let answer = stage.call(token, body);
        assert!(matches!(answer.code(), "token_invalid" | "token_expired"), "{what}: {answer:?}");
    }
    let without = stage.gateway.send("POST", "/installed", &[], &own);
    assert_eq!(without.status, 403, "a call without a token is none of a host");
    let large = [&own[..], &vec![b' '; 1024 * 1024]].concat();
    assert_eq!(stage.call(&with("x", json!(3)), &large).code(), "body_too_large");
    assert!(stage.upstream.seen().is_empty(), "the app hears of none of them");
    assert_eq!(stage.kept(), json!({}));
    let token = signed("site-1");
    assert_eq!(stage.call(&token, &body("site-1", "installed", "shared-secret-1")).status, 200);
    let again = stage.call(&token, &own);
    assert_eq!((again.code(), &stage.kept()["site-1"]["secret"]), ("token_invalid", &json!("shared-secret-1")));
}
