//! A header that the platform's own client adds when it opens the app's first page.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{MEETING, Stage};
use crate::support::Answer;
use crate::support::jwt::now;

const OPENED: [&str; 4] =
    ["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Accept: text/html"];

fn context(change: impl FnOnce(&mut Value)) -> String {
    let mut claims = json!({
        "typ": "meeting", "uid": "u-ann", "mid": "m1", "attendrole": "host", "iss": "marketplace.zoom.us",
        "aud": "meeting-app", "ts": now() * 1000, "exp": (now() + 120) * 1000,
    });
    change(&mut claims);
    let (iv, aad) = ([7; 12], b"aad");
    let key = UnboundKey::new(&AES_256_GCM, digest(&SHA256, MEETING.as_bytes()).as_ref()).expect("a key");
    let mut sealed = claims.to_string().into_bytes();
    let length = u32::try_from(sealed.len()).expect("short").to_le_bytes();
    LessSafeKey::new(key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(iv), Aad::from(aad), &mut sealed)
        .expect("sealed");
    let parts = [&[12][..], &iv, &[3, 0], aad, &length, &sealed];
    format!("X-Zoom-App-Context: {}", BASE64_URL_SAFE_NO_PAD.encode(parts.concat()))
}

fn open(stage: &Stage, lines: &[&str]) -> Answer {
    stage.gateway.ask("GET", "/open/home?a=1", &[&OPENED[..], lines].concat())
}

#[test]
fn the_header_opens_a_session_and_stays_here() {
    let stage = Stage::new();
    let header = context(|_| {});
    let answer = open(&stage, &[&header]);
    assert_eq!((answer.status, answer.header("location")), (303, "/open/home?a=1"), "{answer:?}");
    // The client may add its header to the page that it is sent to, too: that is not another beginning.
    let cookie = format!("Cookie: {}", answer.cookie());
    let landed = open(&stage, &[&header, &cookie]);
    assert_eq!((landed.status, landed.cookie().as_str()), (200, ""), "{landed:?}");
    let seen = stage.upstream.last();
    assert_eq!(seen.line(), "GET /open/home?a=1 HTTP/1.1");
    assert_eq!((seen.value("x-vestibule-host"), seen.value("x-vestibule-tenant")), ("meeting", "meeting-app"));
    assert_eq!(seen.value("x-vestibule-user"), "u-ann");
    assert!(seen.values("x-zoom-app-context").is_empty());
    let token = header.rsplit(' ').next().expect("a token");
    assert!(stage.has_kept(token));
    // Somebody else's is one.
    let other = open(&stage, &[&context(|claims| claims["uid"] = "u-bob".into()), &cookie]);
    assert_eq!(other.status, 303);
    assert!(other.header("location").starts_with("/open/home?a=1&_vestibule_ctx="), "{other:?}");
}

#[test]
fn a_header_that_is_not_sound_opens_nothing() {
    let stage = Stage::new();
    let code = |lines: &[&str]| {
        let answer = open(&stage, lines);
        assert_eq!(answer.cookie(), "", "{lines:?}");
        answer.code().to_owned()
    };
    let header = context(|_| {});
    assert_eq!(code(&[&header, &header]), "malformed_request", "twice");
    assert_eq!(code(&["X-Zoom-App-Context: garbage"]), "token_invalid");
    assert_eq!(code(&["X-Zoom-App-Context:"]), "token_invalid");
    assert_eq!(code(&[&context(|claims| claims["exp"] = ((now() - 1) * 1000).into())]), "token_expired");
    assert_eq!(code(&[&context(|claims| claims["aud"] = "another".into())]), "token_invalid");
    assert_eq!(code(&[&context(|claims| claims["uid"] = Value::Null)]), "token_invalid", "a guest");
    let token = super::page(|_| {});
    let framed = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", &header];
    let both = stage.gateway.ask("GET", &format!("/open?token={token}"), &framed);
    assert_eq!(both.code(), "malformed_request", "another host's token beside it");
    assert!(stage.upstream.seen().is_empty());
}

#[test]
fn the_header_counts_for_the_opening_of_a_page_only() {
    let stage = Stage::new();
    let header = context(|_| {});
    let ask = |method: &str, lines: &[&str]| {
        let answer = stage.gateway.ask(method, "/open", &[&[header.as_str()], lines].concat());
        assert_eq!(answer.cookie(), "", "{method} {lines:?}");
        answer.code().to_owned()
    };
    let (mode, dest) = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document");
    assert_eq!(ask("GET", &["Sec-Fetch-Site: same-origin", mode, dest]), "session_missing");
    assert_eq!(
        ask("GET", &["Sec-Fetch-Site: none", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"]),
        "session_missing"
    );
    assert_eq!(ask("HEAD", &["Sec-Fetch-Site: none", mode, dest]), "session_missing");
    assert_eq!(ask("POST", &["Sec-Fetch-Site: cross-site", mode, dest]), "cross_site_refused");
    let own = format!("Referer: http://{}/open", stage.gateway.host());
    assert_eq!(ask("GET", &[&own]), "session_missing", "a link of our own page, without fetch metadata");
    assert_eq!(stage.gateway.ask("GET", "/open", &[&header]).status, 303, "a client without fetch metadata");
}

#[test]
fn a_page_that_the_request_names_has_to_be_an_allowed_one() {
    let stage = Stage::with(|setup| {
        setup.with("audience = \"meeting-app\"", "audience = \"meeting-app\"\norigins = [\"https://*.zoom.example\"]")
    });
    let header = context(|_| {});
    let from = |page: &str| open(&stage, &[&header, page]);
    assert_eq!(from("X: none").status, 303, "no page");
    let answer = from("Referer: https://app.zoom.example/x");
    assert_eq!(answer.header("content-security-policy"), "frame-ancestors https://app.zoom.example");
    for page in ["Referer: https://evil.example/", "Origin: https://evil.example", "Origin: null", "Referer: about:x"] {
        assert_eq!(from(page).code(), "origin_refused", "{page}");
    }
    // Where none is configured, a page is not asked about, and may not frame the session either.
    let stage = Stage::new();
    let answer = open(&stage, &[&header, "Referer: https://evil.example/"]);
    assert_eq!(answer.status, 303);
    assert!(!answer.header("content-security-policy").contains("evil"), "{answer:?}");
}
