use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use super::*;
use crate::access::{HostName, Kind, TenantId};

fn clock() -> Clock {
    Clock::manual(Timestamp::from_secs(1_790_000_000))
}

fn assertions(keys: Vec<Secret>, clock: &Clock) -> Assertions {
    let issuer = Origin::parse("https://app.example.com").expect("an origin");
    let audience = "https://app.example.com".to_owned();
    Assertions::new(AssertionSettings { keys, ttl: MAX_TTL, issuer, audience, clock: clock.clone() })
        .expect("sound keys")
}

fn principal() -> Principal {
    let host = HostName::new("assembly").expect("a name");
    Principal::proven(host, TenantId::new("t").expect("an id"), SubjectId::new("u").expect("an id"), Kind::Client)
        .in_organization(OrganizationId::new("o").ok())
        .previewed_by(SubjectId::new("staff").ok())
}

fn sign(assertions: &Assertions, role: &str, revision: u64) -> Arc<str> {
    let effective = Effective {
        roles: vec![RoleKey::new(role).expect("a role")],
        permissions: vec![Permission::new("projects:read").expect("a permission")],
    };
    let (project, route) = (ProjectKey::new("apollo").expect("a project"), RouteName::new("/x").expect("a name"));
    assertions.sign(&principal(), &effective, Some(&project), &route, revision)
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

#[test]
fn an_assertion_says_who_and_what_and_verifies() {
    let assertions = assertions(Vec::new(), &clock());
    let token = sign(&assertions, "editor", 1);
    let (message, signature) = token.rsplit_once('.').expect("three parts");
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, assertions.signing.pair.public_key().as_ref());
    key.verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).expect("base64url")).expect("a good signature");
    let claims = claims(&token);
    let expected = [
        ("iss", json!("https://app.example.com")),
        ("aud", json!("https://app.example.com")),
        ("sub", json!("u")),
        ("host", json!("assembly")),
        ("tenant", json!("t")),
        ("org", json!("o")),
        ("project", json!("apollo")),
        ("roles", json!(["editor"])),
        ("permissions", json!(["projects:read"])),
        ("act", json!({"sub": "staff"})),
        ("route", json!("/x")),
        ("iat", json!(1_790_000_000)),
        ("exp", json!(1_790_000_060)),
    ];
    for (name, value) in expected {
        assert_eq!(claims[name], value, "{name}");
    }
}

#[test]
fn an_assertion_is_reused_for_half_of_its_life() {
    let clock = clock();
    let assertions = assertions(Vec::new(), &clock);
    let first = sign(&assertions, "editor", 1);
    clock.advance(Duration::from_secs(29));
    assert_eq!(sign(&assertions, "editor", 1), first);
    clock.advance(Duration::from_secs(1));
    assert_ne!(claims(&sign(&assertions, "editor", 1))["jti"], claims(&first)["jti"]);
}

#[test]
fn changed_rights_are_never_asserted_from_the_cache() {
    let assertions = assertions(Vec::new(), &clock());
    let first = sign(&assertions, "editor", 1);
    assert_ne!(sign(&assertions, "editor", 2), first, "another revision");
    assert_eq!(claims(&sign(&assertions, "viewer", 1))["roles"], json!(["viewer"]), "another role in one revision");
}

#[test]
fn the_first_key_signs_and_all_are_published() {
    let (one, two) = (generate_pem().expect("a key"), generate_pem().expect("a key"));
    let assertions = assertions(vec![one, two], &clock());
    let set: Value = serde_json::from_str(&assertions.jwks()).expect("JSON");
    let keys = set["keys"].as_array().expect("a list");
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|key| key["kty"] == "EC" && key["alg"] == "ES256" && key.get("d").is_none()));
    let header = sign(&assertions, "editor", 1).split('.').next().map(str::to_owned).expect("a header");
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).expect("base64url")).expect("JSON");
    assert_eq!(header["kid"], keys[0]["kid"]);
    assert!(!assertions.generated());
}

#[test]
fn an_unfit_key_is_named_without_its_content() {
    let issuer = Origin::parse("https://app.example.com").expect("an origin");
    let good = generate_pem().expect("a key");
    for bad in ["", "hunter2", "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n"] {
        let keys = vec![good.clone(), Secret::from(bad)];
        let settings =
            AssertionSettings { keys, ttl: MAX_TTL, issuer: issuer.clone(), audience: String::new(), clock: clock() };
        let error = Assertions::new(settings).err().expect("an error");
        assert_eq!(error, AssertionError::Key(2));
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[test]
fn what_one_caller_can_make_us_keep_is_bounded_in_bytes() {
    let assertions = assertions(Vec::new(), &clock());
    let permissions = (0..150).map(|n| Permission::new(&format!("{n:0>120}")).expect("a permission")).collect();
    let effective = Effective { roles: Vec::new(), permissions };
    let route = RouteName::new("/x").expect("a name");
    for number in 0..1500 {
        let project = ProjectKey::new(&number.to_string()).expect("a project");
        assertions.sign(&principal(), &effective, Some(&project), &route, 1);
    }
    assertions.signed.run_pending_tasks();
    let kept: u64 = assertions.signed.iter().map(|(_, signed)| signed.token.len() as u64).sum();
    assert!((1 << 20..=CAPACITY).contains(&kept), "{kept} bytes");
}
