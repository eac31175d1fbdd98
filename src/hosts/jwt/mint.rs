//! Signs what [`super::open`] reads: for tests, and for whoever tries out a configuration.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use ring::{hmac, signature};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::json;

use crate::hosts::keys::Algorithm;
use crate::secret::Secret;

/// A private key, with the one algorithm of its kind.
pub struct SigningKey(Kind);

enum Kind {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// From a PKCS#8 PEM text (RFC 5958, RFC 7468 §10); `None` if it is another form, or a key of another kind.
    pub fn parse(pem: &Secret) -> Option<Self> {
        let document = PrivatePkcs8KeyDer::from_pem_slice(pem.expose()).ok()?;
        let der = document.secret_pkcs8_der();
        if let Ok(pair) = RsaKeyPair::from_pkcs8(der) {
            return Some(Self(Kind::Rsa(Box::new(pair))));
        }
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new()) {
            return Some(Self(Kind::P256(pair)));
        }
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(|pair| Self(Kind::Ed25519(pair)))
    }

    /// What it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        match self.0 {
            Kind::Rsa(_) => Algorithm::Rs256,
            Kind::P256(_) => Algorithm::Es256,
            Kind::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// The pair, where it is Ed25519.
    pub(in crate::hosts) const fn ed25519(&self) -> Option<&Ed25519KeyPair> {
        match &self.0 {
            Kind::Ed25519(pair) => Some(pair),
            _ => None,
        }
    }

    /// A signature as JWS has it (RFC 7518 §3).
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let made = match &self.0 {
            Kind::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map(|()| signature)
            }
            Kind::P256(pair) => pair.sign(&random, message).map(|made: signature::Signature| made.as_ref().to_vec()),
            Kind::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        };
        made.expect("signing fails only without random bytes, and without them nothing here is safe")
    }
}

/// A token that a secret signs, HS256.
pub(in crate::hosts) fn with_secret(secret: &Secret, kid: Option<&str>, claims: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
    token(Algorithm::Hs256, kid, claims, |signed| hmac::sign(&key, signed).as_ref().to_vec())
}

/// A token that a private key signs.
pub(in crate::hosts) fn with_key(key: &SigningKey, kid: Option<&str>, claims: &[u8]) -> String {
    token(key.algorithm(), kid, claims, |signed| key.sign(signed))
}

fn token(algorithm: Algorithm, kid: Option<&str>, claims: &[u8], sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let mut header = json!({ "alg": algorithm.as_str(), "typ": "JWT" });
    if let Some(kid) = kid {
        header["kid"] = kid.into();
    }
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims));
    let signature = encode(&sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}
