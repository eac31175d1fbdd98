//! What a host's tokens are proven with, ready for use.

use std::collections::BTreeMap;
use std::sync::Arc;

use ring::hmac;

use super::installs::Installs;
use super::introspection::Introspection;
use super::jwks::RemoteKeys;
use super::keys::{Algorithm, KeySet, PublicKey};
use super::refusal::Refusal;
use crate::secret::Secret;

/// What the configuration gives.
#[derive(Clone, Debug)]
pub enum KeyMaterial {
    /// Secrets, any of which counts: the present one, and those that are being replaced.
    Secrets(Vec<Secret>),
    /// Secrets of tenants, chosen by who says that they made the token.
    OfTenants(BTreeMap<String, Vec<Secret>>),
    /// Public keys, any of which counts, whatever name a token has for its key.
    Pinned(Vec<PublicKey>),
    /// Public keys by their names.
    Set(KeySet),
    /// The address of a JWK Set.
    Jwks(String),
    /// The address of PEM keys, without the key's id.
    KeyById(String),
}

impl KeyMaterial {
    /// What stands before the colon of the secret, for platforms whose secrets begin with the app's id. Of several secrets
    /// only if they all say the same.
    pub fn before_colon(&self) -> Option<String> {
        let Self::Secrets(secrets) = self else { return None };
        let id = |secret: &Secret| Some(secret.expose_str()?.split_once(':')?.0.to_owned());
        let first = id(secrets.first()?)?;
        secrets.iter().all(|secret| id(secret).as_ref() == Some(&first)).then_some(first)
    }
}

/// The same, ready for JWTs.
pub(super) enum Keys {
    Secrets(Vec<hmac::Key>),
    OfTenants(TenantSecrets),
    Pinned(Vec<Arc<PublicKey>>),
    Set(KeySet),
    Remote(Arc<RemoteKeys>),
    /// No key at all: the platform is asked.
    Asked(Arc<Introspection>),
}

/// Secrets of tenants: those that are configured, and those that the platform sent.
pub(super) struct TenantSecrets {
    pub(super) written: BTreeMap<String, Vec<hmac::Key>>,
    pub(super) sent: Option<Arc<Installs>>,
}

impl TenantSecrets {
    /// Whether one of the tenant's secrets fits; `None` for a tenant that has none.
    pub(super) fn fits(&self, tenant: &str, fits: impl Fn(&hmac::Key) -> bool) -> Option<bool> {
        let sent = self.sent.as_ref().and_then(|sent| sent.fits(tenant, &fits));
        let written = self.written.get(tenant).map(|secrets| secrets.iter().any(fits));
        sent.max(written)
    }
}

impl Keys {
    /// Whether a key for this algorithm, of this name where keys have names, made the signature. `issuer`: one that keys may not
    /// serve.
    pub(super) async fn verify(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        issuer: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, Refusal> {
        let genuine = |key: &PublicKey| {
            issuer.is_none_or(|issuer| key.serves(issuer)) && key.verify(algorithm, message, signature)
        };
        match self {
            Self::Secrets(_) | Self::OfTenants(_) | Self::Asked(_) => Err(Refusal::AlgorithmNotAllowed),
            Self::Pinned(keys) => Ok(keys.iter().any(|key| genuine(key))),
            Self::Set(set) => set.find(kid, algorithm).map(|key| genuine(key)).ok_or(Refusal::UnknownKey),
            Self::Remote(remote) => match remote.find(kid, algorithm).await {
                Ok(found) => found.map(|key| genuine(&key)).ok_or(Refusal::UnknownKey),
                Err(_) => Err(Refusal::Unavailable),
            },
        }
    }

    /// Whether one of the secrets made this MAC over the pieces, one after the other. A body is hashed where it is and not
    /// copied; that costs two MACs of 32 bytes more, because ring compares in constant time only what it computes itself.
    pub(super) fn check_mac(&self, pieces: &[&[u8]], mac: &[u8]) -> Result<(), Refusal> {
        let Self::Secrets(secrets) = self else { return Err(Refusal::AlgorithmNotAllowed) };
        let fits = |secret: &hmac::Key| {
            let mut context = hmac::Context::with_key(secret);
            for piece in pieces {
                context.update(piece);
            }
            let own = hmac::sign(secret, context.sign().as_ref());
            hmac::verify(secret, mac, own.as_ref()).is_ok()
        };
        if secrets.iter().any(fits) { Ok(()) } else { Err(Refusal::BadSignature) }
    }

    /// Whether one of the pinned keys made this Ed25519 signature.
    pub(super) fn check_signature(&self, message: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        let Self::Pinned(keys) = self else { return Err(Refusal::AlgorithmNotAllowed) };
        let genuine = keys.iter().any(|key| key.verify(Algorithm::EdDsa, message, signature));
        if genuine { Ok(()) } else { Err(Refusal::BadSignature) }
    }
}

/// HMAC-SHA256 keys of secrets.
pub(super) fn macs(secrets: &[Secret]) -> Vec<hmac::Key> {
    secrets.iter().map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.expose())).collect()
}

/// HMAC-SHA256 of a message with a secret.
pub(super) fn mac(secret: &Secret, message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.expose()), message)
}
