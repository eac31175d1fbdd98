//! The signed header: a JWT (RFC 7519) that lets the app check that a request passed the gateway.
//!
//! ES256 (RFC 7518 §3.4) with ring; the verifying keys are published as a JWK set (RFC 7517). A JWT library would bring
//! a second cryptography stack for one fixed header and one fixed signature.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::sync::Cache;
use ring::digest;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::access::{
    Effective, OrganizationId, Origin, Permission, Principal, ProjectKey, RoleKey, RouteName, SubjectId,
};
use crate::clock::{Clock, Timestamp};
use crate::secret::Secret;

/// The longest life of an assertion: it is made for one hop, not to be kept.
pub const MAX_TTL: Duration = Duration::from_mins(1);

/// Bytes of the assertions that are kept for reuse. One caller can ask for as many projects as there are names.
const CAPACITY: u64 = 32 << 20;

/// What the cache itself needs for one of them, about.
const OVERHEAD: usize = 512;

/// What assertions are made with.
#[derive(Clone, Debug)]
pub struct AssertionSettings {
    /// PKCS#8 PEM texts of P-256 keys: the first signs, all are published. Empty: one is made for this process.
    pub keys: Vec<Secret>,
    /// Life of an assertion, at most [`MAX_TTL`].
    pub ttl: Duration,
    /// `iss`.
    pub issuer: Origin,
    /// `aud`.
    pub audience: String,
    /// What time it is.
    pub clock: Clock,
}

/// Why there is no signing key. Never says anything about the key's content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// Not a PKCS#8 PEM file of a P-256 key.
    #[error(
        "[identity] assertion: key {0} is not a PKCS#8 PEM P-256 private key; make one with `vestibule keys generate assertion`"
    )]
    Key(usize),
    /// The system gave no random bytes.
    #[error("no key could be made: the system gives no random bytes")]
    Random,
}

/// Signs assertions and publishes the keys that verify them.
pub struct Assertions {
    signing: Arc<SigningKey>,
    jwks: String,
    generated: bool,
    ttl: Duration,
    issuer: String,
    audience: String,
    clock: Clock,
    random: SystemRandom,
    signed: Cache<CacheKey, Signed>,
}

struct SigningKey {
    pair: EcdsaKeyPair,
    /// `base64url(header).` of every token that this key signs.
    prefix: String,
    jwk: Value,
}

/// Everything that the claims depend on.
#[derive(PartialEq, Eq, Hash)]
struct CacheKey {
    principal: Principal,
    project: Option<ProjectKey>,
    route: RouteName,
    /// Default roles depend on what the host says of a person, and so can change within a revision.
    effective: Effective,
    revision: u64,
}

#[derive(Clone)]
struct Signed {
    token: Arc<str>,
    at: Timestamp,
}

impl Assertions {
    /// Reads the keys, or makes one.
    pub fn new(settings: AssertionSettings) -> Result<Self, AssertionError> {
        Self::with(settings, None)
    }

    /// With other settings from now on. A key that was made stays as long as no other is configured.
    pub fn after(before: &Self, settings: AssertionSettings) -> Result<Self, AssertionError> {
        Self::with(settings, before.generated.then(|| Arc::clone(&before.signing)))
    }

    fn with(settings: AssertionSettings, made: Option<Arc<SigningKey>>) -> Result<Self, AssertionError> {
        let AssertionSettings { keys, ttl, issuer, audience, clock } = settings;
        let random = SystemRandom::new();
        let generated = keys.is_empty();
        let read = |(index, pem)| SigningKey::read(pem, &random).map(Arc::new).ok_or(AssertionError::Key(index + 1));
        let mut keys: Vec<_> = keys.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        if generated {
            keys.push(made.map_or_else(|| SigningKey::generate(&random).map(Arc::new), Ok)?);
        }
        let jwks = json!({ "keys": keys.iter().map(|key| &key.jwk).collect::<Vec<_>>() }).to_string();
        let ttl = ttl.min(MAX_TTL);
        let signing = keys.swap_remove(0);
        let signed = Cache::builder().max_capacity(CAPACITY).weigher(|_, kept| weight(kept)).time_to_live(ttl).build();
        Ok(Self { signing, jwks, generated, ttl, issuer: issuer.to_string(), audience, clock, random, signed })
    }

    /// Whether the key was made at start, and so is unknown to other replicas.
    pub const fn generated(&self) -> bool {
        self.generated
    }

    /// The JWK set, as JSON text.
    pub fn jwks(&self) -> String {
        self.jwks.clone()
    }

    /// An assertion for this caller on this route, with at least half of its life ahead.
    pub fn sign(
        &self,
        principal: &Principal,
        effective: &Effective,
        project: Option<&ProjectKey>,
        route: &RouteName,
        revision: u64,
    ) -> Arc<str> {
        let key = CacheKey {
            principal: principal.clone(),
            project: project.cloned(),
            route: route.clone(),
            effective: effective.clone(),
            revision,
        };
        let now = self.clock.now();
        if let Some(kept) = self.signed.get(&key).filter(|kept| now.since(kept.at) < self.ttl / 2) {
            return kept.token;
        }
        let token: Arc<str> = self.sign_anew(&key, now).into();
        self.signed.insert(key, Signed { token: Arc::clone(&token), at: now });
        token
    }

    fn sign_anew(&self, key: &CacheKey, now: Timestamp) -> String {
        let mut jti = [0; 16];
        self.random.fill(&mut jti).expect("the operating system gives random bytes, or nothing here is safe");
        let CacheKey { principal, project, route, effective, .. } = key;
        let mut claims = json!({
            "iss": self.issuer,
            "aud": self.audience,
            "sub": principal.subject().as_str(),
            "host": principal.host().as_str(),
            "tenant": principal.tenant().as_str(),
            "kind": principal.kind().as_str(),
            "roles": effective.roles.iter().map(RoleKey::as_str).collect::<Vec<_>>(),
            "permissions": effective.permissions.iter().map(Permission::as_str).collect::<Vec<_>>(),
            "route": route.as_str(),
            "jti": URL_SAFE_NO_PAD.encode(jti),
            "iat": now.as_secs(),
            "exp": (now + self.ttl).as_secs(),
        });
        let optional = [
            ("org", principal.organization().map(OrganizationId::as_str).map(Value::from)),
            ("project", project.as_ref().map(ProjectKey::as_str).map(Value::from)),
            // RFC 8693 §4.1.
            ("act", principal.actor().map(SubjectId::as_str).map(|actor| json!({ "sub": actor }))),
        ];
        for (name, value) in optional.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            claims[name] = value;
        }
        self.signing.sign(&claims, &self.random)
    }
}

impl SigningKey {
    fn generate(random: &SystemRandom) -> Result<Self, AssertionError> {
        Self::new(generate(random)?.expose(), random).ok_or(AssertionError::Random)
    }

    /// From a PKCS#8 PEM text.
    fn read(pem: &Secret, random: &SystemRandom) -> Option<Self> {
        let document = PrivatePkcs8KeyDer::from_pem_slice(pem.expose()).ok()?;
        Self::new(document.secret_pkcs8_der(), random)
    }

    /// From a PKCS#8 document.
    fn new(document: &[u8], random: &SystemRandom) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document, random).ok()?;
        // An uncompressed point: 4 ‖ x ‖ y (SEC 1 §2.3.3).
        let point = pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(point.get(1..33)?), URL_SAFE_NO_PAD.encode(point.get(33..65)?));
        // The thumbprint of RFC 7638 §3: required members only, in this order.
        let thumbprint =
            digest::digest(&digest::SHA256, format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes());
        let kid = URL_SAFE_NO_PAD.encode(thumbprint);
        let header = format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{kid}"}}"#);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256", "kid": kid });
        Some(Self { pair, prefix: format!("{}.", URL_SAFE_NO_PAD.encode(header)), jwk })
    }

    fn sign(&self, claims: &Value, random: &SystemRandom) -> String {
        let mut token = self.prefix.clone();
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let signature = self.pair.sign(random, token.as_bytes()).expect("signing fails only without random bytes");
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }
}

/// The claims are there twice: signed, and as the key.
fn weight(signed: &Signed) -> u32 {
    u32::try_from(signed.token.len() * 2 + OVERHEAD).unwrap_or(u32::MAX)
}

/// A new P-256 key as a PKCS#8 document.
fn generate(random: &SystemRandom) -> Result<Secret, AssertionError> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, random);
    document.map(|document| Secret::new(document.as_ref())).map_err(|_| AssertionError::Random)
}

/// A new P-256 key as a PKCS#8 PEM text, for `keys generate`.
pub fn generate_pem() -> Result<Secret, AssertionError> {
    let document = generate(&SystemRandom::new())?;
    let text = base64::engine::general_purpose::STANDARD.encode(document.expose());
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    Ok(Secret::from(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n")).as_str()))
}

/// Whether the text is a key that can sign: a PKCS#8 PEM P-256 private key.
pub fn is_signing_key(pem: &Secret) -> bool {
    SigningKey::read(pem, &SystemRandom::new()).is_some()
}

#[cfg(test)]
mod tests;
