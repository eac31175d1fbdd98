//! Signed payloads in forms, and addresses that are signed as a whole.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Value, json};

use super::{CANVAS, LAUNCH, Stage, TAB};
use crate::support::jwt::now;

const VK: &str = "https://vk.com";
const FACEBOOK: &str = "https://www.facebook.com";
const SALESFORCE: &str = "https://acme.my.salesforce.com";

fn mac(secret: &str, text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes())
}

/// Launch parameters of VK, in the order of their names, as that is how they are signed.
fn launch(user: &str, group_role: &str) -> String {
    let signed = format!(
        "vk_app_id=6736218&vk_platform=desktop_web&vk_ts={}&vk_user_id={user}&vk_viewer_group_role={group_role}",
        now()
    );
    format!("{signed}&sign={}", BASE64_URL_SAFE_NO_PAD.encode(mac(LAUNCH, &signed)))
}

fn tab(claims: &Value) -> String {
    let payload = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("{}.{payload}", BASE64_URL_SAFE_NO_PAD.encode(mac(TAB, &payload)))
}

fn canvas(organization: &str) -> String {
    let claims = json!({
        "algorithm": "HMACSHA256", "issuedAt": now(), "userId": "005000000000001",
        "client": {"oauthToken": "canary-live-oauth-token"},
        "context": {
            "organization": {"organizationId": organization},
            "user": {"profileId": "00e1", "fullName": "Ann??>>~~", "email": "ann@example.com"},
        },
    });
    let payload = BASE64_STANDARD.encode(claims.to_string());
    format!("{}.{payload}", BASE64_STANDARD.encode(mac(CANVAS, &payload)))
}

fn field(token: &str) -> String {
    format!("signed_request={}", token.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"))
}

#[test]
fn a_signed_address_opens_a_session_and_loses_all_that_was_signed() {
    let stage = Stage::new();
    let signed = launch("494075", "admin");
    let lands = stage.lands(&stage.framed(VK, &format!("/open/x?ref=a&{signed}&view=%20b")), VK);
    assert_eq!(lands, ["GET /open/x?ref=a&view=%20b HTTP/1.1", "launch", "6736218", "494075", "client"]);
    let sign = signed.rsplit('=').next().expect("a signature");
    assert!(stage.has_kept(sign) && stage.has_kept("vk_user_id"));
}

#[test]
fn a_signed_address_that_was_changed_opens_nothing() {
    let stage = Stage::new();
    let signed = launch("494075", "none");
    let code = |page: &str, query: &str| {
        let answer = stage.framed(page, &format!("/open?{query}"));
        assert_eq!(answer.cookie(), "", "{query}");
        answer.code().to_owned()
    };
    assert_eq!(code(VK, &signed.replace("vk_user_id=494075", "vk_user_id=1")), "token_invalid");
    assert_eq!(code(VK, &signed.replace("role=none", "role=admin")), "token_invalid");
    assert_eq!(code(VK, &format!("{signed}&vk_extra=1")), "token_invalid", "one more");
    assert_eq!(code(VK, &format!("{signed}&vk_user_id=1")), "token_invalid", "one twice");
    assert_eq!(code(VK, &format!("{signed}&sign=x")), "malformed_request");
    assert_eq!(code("https://evil.example", &signed), "origin_refused");
    assert_eq!(code(FACEBOOK, &signed), "origin_refused", "another host's page");
    let unsigned = signed.split("&sign=").next().expect("parameters");
    assert_eq!(code(VK, unsigned), "session_missing", "nothing is claimed without a signature");
    // They are taken away where they count for nothing, signed or not: an app must not read them.
    let cookie = stage.framed(VK, &format!("/open?{signed}")).cookie();
    assert_eq!(stage.gateway.own("GET", &format!("/open?a=1&{unsigned}&vks=2"), &cookie).status, 200);
    assert_eq!(stage.upstream.last().line(), "GET /open?a=1&vks=2 HTTP/1.1");
    let referer = format!("Referer: http://{}/open?{signed}&a=1", stage.gateway.host());
    let lines = [&format!("Cookie: {cookie}"), "Sec-Fetch-Site: same-origin", &referer];
    assert_eq!(stage.gateway.ask("GET", "/open", &lines).status, 200);
    assert!(stage.upstream.last().value("referer").ends_with("/open?a=1"), "{:?}", stage.upstream.last());
}

#[test]
fn hosts_that_post_the_same_field_are_told_apart_by_their_pages() {
    let stage = Stage::new();
    let claims = json!({
        "algorithm": "HMAC-SHA256", "issued_at": now(), "user_id": "1001", "page": {"id": "77", "admin": true},
    });
    let answer = stage.posted(FACEBOOK, "/open?tab=1", &field(&tab(&claims)));
    let lands = stage.lands(&answer, FACEBOOK);
    assert_eq!(lands, ["GET /open?tab=1 HTTP/1.1", "tab", "77", "1001", "client"]);

    let token = canvas("00D000000000001");
    let answer = stage.posted(SALESFORCE, "/open", &field(&token));
    let lands = stage.lands(&answer, SALESFORCE);
    assert_eq!(lands, ["GET /open HTTP/1.1", "canvas", "00D000000000001", "005000000000001", "internal"]);
    let code = |page: &str, body: &str| stage.posted(page, "/open", body).code().to_owned();
    assert_eq!(code(SALESFORCE, &field(&token)), "token_invalid", "it counts once");
    assert_eq!(code(SALESFORCE, &field(&canvas("00D000000000002"))), "token_invalid", "a tenant not served");
    assert_eq!(code(SALESFORCE, &field(&tab(&claims))), "token_invalid");
    assert_eq!(code(FACEBOOK, &field(&canvas("00D000000000001"))), "token_invalid");
    let nobody = json!({"algorithm": "HMAC-SHA256", "issued_at": now(), "page": {"id": "77"}});
    assert_eq!(code(FACEBOOK, &field(&tab(&nobody))), "token_invalid", "signed, and nobody");
    let payload = token.rsplit('.').next().expect("a payload");
    assert!(stage.has_kept(payload) && stage.has_kept("canary-live-oauth-token"));
}
