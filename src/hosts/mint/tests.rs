use std::sync::Arc;

use super::*;
use crate::access::{HostName, TenantId};
use crate::clock::Clock;
use crate::hosts::platform::{App, Field, Issuer, KeySource, Life, Platform};
use crate::hosts::{ClaimNames, Hosted, Presented, PublicKey, Refusal, Tenants, platforms};

const NOW: u64 = 1_790_000_000;
const USER: &str = "1234567891";
const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

const ES256: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgbXRAPbimpqx+cCn5
dMGbsD455dunip+35QChNPcwmkChRANCAAS4onHUVnhbfifEPZk2Xt5uFDm7anNX
Njb76CnDbPav5/UecHX6MSDrg735hSAcyOTXPbad6knIQqIm+zJB9CdD
-----END PRIVATE KEY-----";
const ES256_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEuKJx1FZ4W34nxD2ZNl7ebhQ5u2pz
VzY2++gpw2z2r+f1HnB1+jEg64O9+YUgHMjk1z22nepJyEKiJvsyQfQnQw==
-----END PUBLIC KEY-----";
const ED25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEILGFrYbsNSyklE2beR8cTsNzMmYukjkj1o6HO0mhNioK
-----END PRIVATE KEY-----";
const ED25519_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA9b6o5XXMd29aEizkY3pB4hyhplptW5eyz9ff9+wPdE0=
-----END PUBLIC KEY-----";

/// A private key of the platform's kind, and the public one.
fn keys(algorithm: Algorithm) -> (SigningKey, PublicKey) {
    let (private, public) = match algorithm {
        Algorithm::Rs256 => (
            include_str!("../../../tests/data/rsa-private.pem"),
            include_str!("../../../tests/data/rsa-public.pem").to_owned(),
        ),
        Algorithm::Es256 => (ES256, ES256_PUBLIC.to_owned()),
        Algorithm::EdDsa | Algorithm::Hs256 => (ED25519, ED25519_PUBLIC.to_owned()),
    };
    (SigningKey::parse(&Secret::from(private)).expect("a key"), PublicKey::parse(&public).expect("a key"))
}

/// A host of this platform, configured as an operator would, with the key that its platform has.
fn host(platform: &'static Platform) -> (HostedSettings, Option<SigningKey>) {
    let secret = platform.fit_secret(&Secret::from(platform_secret(platform))).expect("a secret");
    let algorithm = platform.algorithms().first().copied();
    let (private, public) = keys(algorithm.unwrap_or(Algorithm::EdDsa));
    let (material, private) = match platform.keys {
        KeySource::Secret => (KeyMaterial::Secrets(vec![secret]), None),
        KeySource::SecretOfTenant => (KeyMaterial::OfTenants([("acme".to_owned(), vec![secret])].into()), None),
        KeySource::Chosen if algorithm.is_none() => (KeyMaterial::Secrets(vec![secret]), None),
        _ => (KeyMaterial::Pinned(vec![public]), Some(private)),
    };
    let mut settings = HostedSettings::of(HostName::new("h").expect("a name"), platform, material);
    if platform.app != App::InSecret {
        settings.audience = Some("1234567890".to_owned());
    }
    if settings.algorithms.is_empty()
        && matches!(platform.scheme, Scheme::Jwt(_) | Scheme::Jwe | Scheme::Paseto(_) | Scheme::SealedGcm(_))
    {
        settings.algorithms = vec![Algorithm::Hs256];
    }
    if platform.issuer == Issuer::Asked {
        let issuer = if platform.name == "zendesk" { tenant(platform) } else { "https://host.example" };
        settings.issuer = Some(issuer.to_owned());
    }
    settings.deployments = vec!["1".to_owned()];
    let one = |name: &str| Some(vec!["org".to_owned(), name.to_owned()]);
    settings.claims = ClaimNames { tenant: one("id"), user: Some(vec!["sub".to_owned()]), ..ClaimNames::default() };
    if platform.tenant == Field::TheTenant {
        settings.tenants = Tenants::Listed(vec![TenantId::new("acme").expect("an id")]);
    }
    (settings, private)
}

fn platform_secret(platform: &Platform) -> &'static str {
    match platform.app {
        App::InSecret => "1234567890:a-bot-token",
        _ => SECRET,
    }
}

/// A workspace as the platform writes one.
fn tenant(platform: &Platform) -> &'static str {
    match platform.tenant {
        Field::HostOf(_) => "demo.myshopify.com",
        Field::Joined(_) if platform.name == "lti13" => "https://host.example|1234567890|1",
        Field::Joined(_) => "org-1|stack-1",
        Field::App => "1234567890",
        _ if ["ecwid", "monday", "pipedrive"].contains(&platform.name) => "31415",
        _ if platform.name.starts_with("shopify-") => "demo.myshopify.com",
        _ if platform.name == "highlevel" => "agency0123456",
        _ => "acme",
    }
}

fn wish(platform: &Platform) -> Wish {
    // Of signed calls, each platform says in its own place who makes them.
    let mut headers = http::HeaderMap::new();
    if platform.name == "contentful" {
        headers.insert("x-contentful-space-id", http::HeaderValue::from_static("acme"));
        headers.insert("x-contentful-user-id", http::HeaderValue::from_static(USER));
    }
    let body = format!(r#"{{"user_id":"{USER}","account_id":"acme","workspace_id":"acme","companyId":"acme"}}"#);
    let call = Call {
        method: http::Method::GET,
        url: format!("https://app.example.test/page?portalId=acme&userId={USER}"),
        headers,
        body: body.into(),
    };
    Wish {
        tenant: Some(tenant(platform).to_owned()),
        user: Some(USER.to_owned()),
        claims: vec![("nonce".to_owned(), "n".into())],
        call: Some(call),
        ..Wish::default()
    }
}

async fn judge(settings: HostedSettings, minted: &Minted, wish: &Wish, now: u64) -> Result<(String, String), Refusal> {
    let mut call = wish.call.clone();
    let token = match (minted, &mut call) {
        (Minted::Token(token), _) => token.clone(),
        (Minted::Headers(headers), Some(call)) => {
            for (name, value) in headers {
                let name: http::HeaderName = name.parse().expect("a name");
                call.headers.insert(name, value.parse().expect("a value"));
            }
            headers[0].1.clone()
        }
        (Minted::Headers(_), None) => panic!("headers of no request"),
    };
    let presented = Presented { call: call.map(Arc::new), nonce: Some("n".to_owned()), ..Presented::default() };
    let host = Hosted::new(settings, Clock::manual(Timestamp::from_secs(now))).expect("a host");
    let proof = host.judge(&Secret::from(token.as_str()), &presented).await?;
    Ok((proof.principal.tenant().to_string(), proof.principal.subject().to_string()))
}

/// All whose tokens can be made without the platform.
fn tokens() -> impl Iterator<Item = &'static Platform> {
    let is_ours =
        |platform: &&Platform| !matches!(platform.scheme, Scheme::Introspection(_)) && platform.name != "assembly";
    platforms::all().filter(is_ours)
}

#[tokio::test]
async fn what_is_minted_for_a_platform_is_read_and_names_who_was_wished_for() {
    let mut seen = 0;
    for platform in tokens() {
        let (mut settings, key) = host(platform);
        settings.nameless = platform.user == Field::Nobody;
        let wish = wish(platform);
        let minted = mint(&settings, key.as_ref(), &wish, Timestamp::from_secs(NOW)).expect(platform.name);
        let named = judge(settings, &minted, &wish, NOW).await;
        let user = match platform.user {
            Field::Workspace | Field::Nobody => tenant(platform),
            _ => USER,
        };
        assert_eq!(named, Ok((tenant(platform).to_owned(), user.to_owned())), "{}: {minted:?}", platform.name);
        seen += 1;
    }
    assert_eq!(seen, platforms::all().count() - 2, "all but Assembly, which has its own, and Webflow, which cannot be");
}

#[tokio::test]
async fn a_token_that_was_minted_ends_when_it_was_to_end() {
    for platform in tokens().filter(|platform| matches!(platform.life, Life::Stated(_))) {
        let (settings, key) = host(platform);
        let wish = wish(platform);
        let minted = mint(&settings, key.as_ref(), &wish, Timestamp::from_secs(NOW)).expect(platform.name);
        let end = NOW + wish.lifetime.as_secs() + settings.leeway.as_secs();
        assert!(judge(settings.clone(), &minted, &wish, end - 1).await.is_ok(), "{}", platform.name);
        assert_eq!(judge(settings, &minted, &wish, end).await, Err(Refusal::Expired), "{}", platform.name);
    }
}

#[tokio::test]
async fn claims_can_be_replaced_and_taken_away() {
    let platform = platforms::find("monday").expect("a platform");
    let (settings, _) = host(platform);
    let now = Timestamp::from_secs(NOW);
    let other = |claims: &[(&str, Value)]| Wish {
        claims: claims.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        ..wish(platform)
    };
    let cases = [
        (other(&[("dat", serde_json::json!({ "user_id": 7 }))]), Ok(("31415".to_owned(), "7".to_owned()))),
        (other(&[("exp", Value::Null)]), Err(Refusal::MissingClaim)),
        (other(&[("dat", serde_json::json!({ "client_id": "another" }))]), Err(Refusal::WrongAudience)),
    ];
    for (wish, expected) in cases {
        let minted = mint(&settings, None, &wish, now).expect("a token");
        assert_eq!(judge(settings.clone(), &minted, &wish, NOW).await, expected);
    }
}

#[test]
fn what_is_missing_is_told() {
    let platform = platforms::find("shopify").expect("a platform");
    let (settings, _) = host(platform);
    let nobody = mint(&settings, None, &Wish { user: None, ..wish(platform) }, Timestamp::from_secs(NOW));
    assert_eq!(nobody, Err(MintError::Missing("the person", "--user")));
    let nowhere = mint(&settings, None, &Wish { tenant: None, ..wish(platform) }, Timestamp::from_secs(NOW));
    assert_eq!(nowhere, Err(MintError::Missing("the workspace", "--tenant")));
    let platform = platforms::find("whop").expect("a platform");
    let (settings, _) = host(platform);
    let other = keys(Algorithm::Rs256).0;
    for key in [None, Some(&other)] {
        let made = mint(&settings, key, &wish(platform), Timestamp::from_secs(NOW));
        assert_eq!(made, Err(MintError::Key("ES256")));
    }
}
