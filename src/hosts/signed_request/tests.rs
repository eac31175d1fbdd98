use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::mint::{Signer, sign};
use super::*;
use crate::access::{HostName, Principal, TenantId};
use crate::clock::Clock;
use crate::hosts::material::KeyMaterial;
use crate::hosts::{Hosted, HostedSettings, Manner, Presented, PublicKey, Tenants, platforms};
use crate::secret::Secret;

mod forms;
mod times;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
const SECRET: &str = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

/// Every platform whose calls are signed.
const ALL: [&str; 10] = [
    "hubspot-v3",
    "contentful",
    "stripe-apps",
    "slack",
    "webflow-webhook",
    "intercom-canvas",
    "assembly-webhook",
    "highlevel-webhook",
    "discord-interaction",
    "discord-activity-proxy",
];

fn form(platform: &str) -> RequestForm {
    match platforms::find(platform).map(|row| row.scheme) {
        Some(crate::hosts::Scheme::SignedRequest(form)) => form,
        other => panic!("{platform} is {other:?}"),
    }
}

fn is_signature(form: RequestForm) -> bool {
    matches!(form, RequestForm::BodySignature | RequestForm::DiscordCall | RequestForm::DiscordPayload)
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("32 bytes are a key")
}

fn host(platform: &str, at: Timestamp) -> Hosted {
    let row = platforms::find(platform).expect("a row");
    let public = faster_hex::hex_string(pair(7).public_key().as_ref());
    let keys = if is_signature(form(platform)) {
        KeyMaterial::Pinned(vec![PublicKey::ed25519_from_hex(&public).expect("a key")])
    } else {
        KeyMaterial::Secrets(vec![Secret::from("another, that is being replaced"), Secret::from(SECRET)])
    };
    let mut settings = HostedSettings::of(HostName::new("h").expect("a name"), row, keys);
    if row.tenant == crate::hosts::Field::TheTenant {
        settings.tenants = Tenants::Listed(vec![TenantId::new("the-tenant").expect("an id")]);
    }
    Hosted::new(settings, Clock::manual(at)).expect("a host")
}

/// A call as the platform would make it, before it is signed.
fn plain(platform: &str) -> Call {
    let mut headers = HeaderMap::new();
    let (url, body) = match platform {
        "hubspot-v3" => ("https://app.example.test/card?userId=123&portalId=456", r#"{"portalId":"9","userId":"9"}"#),
        "contentful" => {
            for (name, value) in
                [("content-type", "text/plain"), ("x-contentful-user-id", "u"), ("x-contentful-space-id", "s")]
            {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            ("https://app.example.test/api/act?a=%20b&c=d", "{}")
        }
        "stripe-apps" => ("https://app.example.test/x", r#"{"user_id":"usr_1","account_id":"acct_2","more":[1]}"#),
        "intercom-canvas" => ("https://app.example.test/x", r#"{"workspace_id":"ws1"}"#),
        "highlevel-webhook" => ("https://app.example.test/x", r#"{"companyId":"c1"}"#),
        "discord-activity-proxy" => (
            "https://app.example.test/x",
            r#"{"application_id":"1","user_id":"2","created_at":1790000000,"expires_at":1790000060}"#,
        ),
        _ => ("https://app.example.test/x", "payload=%7B%7D"),
    };
    Call { method: Method::POST, url: url.to_owned(), headers, body: body.into() }
}

/// Signs a call and puts the signature where the platform does. Answers with the token.
fn signed_by(signer: Signer<'_>, platform: &str, call: &mut Call, at: Timestamp) -> String {
    let token = sign(form(platform), signer, call, at).expect("a call that the platform would make");
    let name = platforms::find(platform).expect("a row").signature_header().unwrap_or("x-discord-proxy-payload");
    call.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&token).expect("a value"));
    token
}

fn signed_at(platform: &str, call: &mut Call, at: Timestamp) -> String {
    if is_signature(form(platform)) {
        signed_by(Signer::Key(&pair(7)), platform, call, at)
    } else {
        signed_by(Signer::Secret(&Secret::from(SECRET)), platform, call, at)
    }
}

fn signed(platform: &str, call: &mut Call) -> String {
    signed_at(platform, call, NOW)
}

fn judge_at(platform: &str, token: &str, call: &Call, now: Timestamp) -> Result<Principal, Refusal> {
    let presented = Presented { manner: Manner::Request, call: Some(Arc::new(call.clone())), ..Presented::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let host = host(platform, now);
    runtime.block_on(host.judge(&Secret::from(token), &presented)).map(|proof| proof.principal)
}

fn judge(platform: &str, token: &str, call: &Call) -> Result<Principal, Refusal> {
    judge_at(platform, token, call, NOW)
}

/// With a header replaced, or added.
fn with(call: &Call, name: &'static str, value: &str) -> Call {
    let mut call = call.clone();
    call.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"));
    call
}

#[test]
fn what_was_signed_names_who_the_platform_says() {
    for (platform, tenant, user) in [
        ("hubspot-v3", "456", "123"),
        ("contentful", "s", "u"),
        ("stripe-apps", "acct_2", "usr_1"),
        ("slack", "the-tenant", "the-tenant"),
        ("webflow-webhook", "the-tenant", "the-tenant"),
        ("intercom-canvas", "ws1", "ws1"),
        ("assembly-webhook", "the-tenant", "the-tenant"),
        ("highlevel-webhook", "c1", "c1"),
        ("discord-interaction", "the-tenant", "the-tenant"),
        ("discord-activity-proxy", "1", "2"),
    ] {
        let mut call = plain(platform);
        let token = signed(platform, &mut call);
        let principal = judge(platform, &token, &call).unwrap_or_else(|refusal| panic!("{platform}: {refusal}"));
        assert_eq!((principal.tenant().as_str(), principal.subject().as_str()), (tenant, user), "{platform}");
    }
}

#[test]
fn what_another_key_signed_is_refused() {
    for platform in ALL {
        let mut call = plain(platform);
        let (key, secret) = (pair(8), Secret::from(SECRET.replace('c', "d").as_str()));
        let signer = if is_signature(form(platform)) { Signer::Key(&key) } else { Signer::Secret(&secret) };
        let token = signed_by(signer, platform, &mut call, NOW);
        assert_eq!(judge(platform, &token, &call), Err(Refusal::BadSignature), "{platform}");
    }
}

#[test]
fn a_call_with_another_body_is_refused_where_the_body_is_signed() {
    for platform in ALL.into_iter().filter(|platform| !matches!(*platform, "stripe-apps" | "discord-activity-proxy")) {
        let mut call = plain(platform);
        let token = signed(platform, &mut call);
        for body in [[&call.body[..], b" "].concat(), Vec::new(), call.body[1..].to_vec()] {
            let changed = Call { body: body.into(), ..call.clone() };
            assert_eq!(judge(platform, &token, &changed), Err(Refusal::BadSignature), "{platform}");
        }
    }
}

#[test]
fn headers_of_a_signature_that_are_missing_or_stand_twice_are_refused() {
    for platform in ALL {
        let mut call = plain(platform);
        let token = signed(platform, &mut call);
        let own = call.headers.clone();
        for name in own.keys().filter(|name| name.as_str().starts_with("x-") || *name == "stripe-signature") {
            let mut twice = call.clone();
            twice.headers.append(name.clone(), own[name].clone());
            assert_eq!(judge(platform, &token, &twice), Err(Refusal::Malformed), "{platform} {name}");
            let mut without = call.clone();
            without.headers.remove(name);
            // The signature itself is the token, wherever it was read.
            let is_token = without.headers.len() + 1 == own.len() && own[name] == token.as_str();
            assert!(is_token || judge(platform, &token, &without).is_err(), "{platform} without {name}");
        }
    }
}

#[test]
fn another_spelling_of_a_signature_is_refused() {
    for platform in ALL {
        let mut call = plain(platform);
        let token = signed(platform, &mut call);
        let upper = token.to_uppercase();
        for other in [format!("{token} "), format!(" {token}"), format!("{token}0"), format!("{token}="), upper] {
            assert!(judge(platform, &other, &call).is_err(), "{platform} {other}");
        }
        assert!(judge(platform, token.get(..token.len() - 2).expect("ASCII"), &call).is_err(), "{platform}");
        assert!(judge(platform, "", &call).is_err(), "{platform}");
    }
}

#[test]
fn a_token_without_its_call_is_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut call = plain("slack");
    let token = Secret::from(signed("slack", &mut call).as_str());
    let alone = runtime.block_on(host("slack", NOW).judge(&token, &Presented::default()));
    assert_eq!(alone.err(), Some(Refusal::Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_but_what_was_signed_opens(
        token in "[ -~]{0,160}",
        body in proptest::collection::vec(any::<u8>(), 0..80),
        time in "[0-9a-z]{0,16}",
        url in "[ -~]{0,40}",
    ) {
        for platform in ALL {
            let mut call = Call { method: Method::GET, url: url.clone(), headers: HeaderMap::new(), body: body.clone().into() };
            for name in [
                "x-hubspot-request-timestamp", "x-contentful-timestamp", "x-contentful-signed-headers", "x-slack-request-timestamp",
                "x-webflow-timestamp", "x-signature-timestamp", "x-signature-ed25519",
            ] {
                call = with(&call, name, &time);
            }
            prop_assert!(judge(platform, &token, &call).is_err(), "{}", platform);
        }
    }
}
