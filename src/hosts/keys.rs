//! Public keys that platforms sign with: one at a time, or as a set that names them.
//!
//! A key has one kind, and verifies with the one algorithm of that kind: which algorithm is asked for comes from the
//! configuration, and a key of another kind answers no. So a public key can never be taken for the secret of an HMAC.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Map, Value};
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, UintRef};
use x509_cert::der::{Decode as _, Tag, Tagged as _};
use x509_cert::spki::SubjectPublicKeyInfoRef;

mod set;

pub use set::KeySet;

/// RFC 8017 appendix A.1.
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// RFC 5480 §2.1.1.
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// RFC 5480 §2.1.1.1.
const P_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// RFC 8410 §3.
const ID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Sizes of a modulus: what is shorter is weak (RFC 7518 §3.3), and what is longer costs more than it is worth.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The first byte of a point with both of its coordinates (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;
/// Members of a JWK that only its owner may have (RFC 7518 §6).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// How a token is signed. Named by the configuration and never by the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256, with a secret that both sides know (RFC 7518 §3.2).
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    Rs256,
    /// ECDSA with P-256 and SHA-256 (RFC 7518 §3.4).
    Es256,
    /// Ed25519 (RFC 8037 §3.1).
    EdDsa,
}

impl Algorithm {
    /// The name in a JOSE header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of this name, spelled exactly so.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa].into_iter().find(|known| known.as_str() == name)
    }
}

/// Why there is no key. Says nothing of what was there instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not PEM, or PEM of something else, or more than one key.
    #[error("one public key in PEM is needed, from `-----BEGIN PUBLIC KEY-----` to `-----END PUBLIC KEY-----`")]
    Pem,
    /// A key that should not have left its owner.
    #[error("this is a private or secret key, and only the public one belongs here")]
    Private,
    /// RSA with PSS, another curve, and so on.
    #[error("keys of this kind are not used; RSA, EC with P-256, and Ed25519 are")]
    Kind,
    /// A modulus that is too short or too long.
    #[error("the modulus of an RSA key has to have 2048 to 8192 bits")]
    RsaSize,
    /// The right kind, with numbers that no such key has.
    #[error("the key is damaged: its parts are not those of such a key")]
    Damaged,
    /// Not 64 hex digits.
    #[error("an Ed25519 key in hex is 64 hex digits")]
    Hex,
    /// Too long to be read.
    #[error("a JWK set has at most 64 KiB and 100 keys")]
    SetSize,
    /// Not `{"keys":[…]}`.
    #[error("a JWK set is a JSON object with a list `keys`, and no member twice")]
    Set,
}

/// A public key of one of the three kinds.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    /// For whom alone it signs.
    issuer: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    /// Both numbers big-endian and without leading zeros.
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// The uncompressed point.
    P256([u8; 65]),
    Ed25519([u8; 32]),
}

impl PublicKey {
    const fn of(kind: Kind) -> Self {
        Self { kind, issuer: None }
    }

    /// From what an operator writes: PEM, or an Ed25519 key as 64 hex digits or in base64 with its padding.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim_ascii();
        match text.len() {
            64 => Self::ed25519_from_hex(text),
            44 => {
                let bytes = STANDARD.decode(text).map_err(|_| KeyError::Damaged)?;
                bytes.try_into().map(|key| Self::of(Kind::Ed25519(key))).map_err(|_| KeyError::Damaged)
            }
            _ => Self::from_pem(text),
        }
    }

    /// From PEM text that is one `PUBLIC KEY` (RFC 7468 §13) and nothing else.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        if text.contains("PRIVATE KEY-----") {
            return Err(KeyError::Private);
        }
        let framed = text.trim_ascii().strip_prefix("-----BEGIN PUBLIC KEY-----");
        let inside = framed.and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----")).ok_or(KeyError::Pem)?;
        if inside.contains('-') {
            return Err(KeyError::Pem);
        }
        let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).map_err(|_| KeyError::Pem)?;
        Self::from_spki(&der)
    }

    /// From the DER of a `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7).
    fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::Damaged)?;
        let key = info.subject_public_key.as_bytes().ok_or(KeyError::Damaged)?;
        let (kind, parameters) = (info.algorithm.oid, info.algorithm.parameters);
        if kind == RSA_ENCRYPTION && parameters.is_some_and(|any| any.tag() == Tag::Null && any.value().is_empty()) {
            return match &Vec::<UintRef<'_>>::from_der(key).map_err(|_| KeyError::Damaged)?[..] {
                [modulus, exponent] => Self::rsa(modulus.as_bytes(), exponent.as_bytes()),
                _ => Err(KeyError::Damaged),
            };
        }
        if kind == EC_PUBLIC_KEY && parameters.is_some_and(|any| is_p256(&any)) {
            return Self::p256(key);
        }
        if kind == ID_ED25519 && parameters.is_none() {
            return Self::ed25519(key);
        }
        Err(KeyError::Kind)
    }

    /// From a JWK (RFC 7517, with the parameters of RFC 7518 §6 and RFC 8037 §2). What a key is for, [`KeySet`] looks at.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, KeyError> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or(KeyError::Damaged);
        if text("kty") == Some("oct") || PRIVATE_MEMBERS.iter().any(|name| jwk.contains_key(*name)) {
            return Err(KeyError::Private);
        }
        let key = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => Self::rsa(&bytes("n")?, &bytes("e")?),
            (Some("EC"), Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                // Each on its own: a short one and a long one are no point.
                if x.len() != 32 || y.len() != 32 {
                    return Err(KeyError::Damaged);
                }
                Self::p256(&[&[UNCOMPRESSED], &x[..], &y[..]].concat())
            }
            (Some("OKP"), Some("Ed25519")) => Self::ed25519(&bytes("x")?),
            _ => Err(KeyError::Kind),
        };
        Ok(Self { issuer: text("issuer").map(str::to_owned), ..key? })
    }

    /// An Ed25519 key as 64 hex digits.
    pub fn ed25519_from_hex(text: &str) -> Result<Self, KeyError> {
        let mut key = [0; 32];
        if text.len() != 64 || faster_hex::hex_decode(text.as_bytes(), &mut key).is_err() {
            return Err(KeyError::Hex);
        }
        Ok(Self::of(Kind::Ed25519(key)))
    }

    fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        // Numbers without leading zeros (RFC 7518 §2). Both are odd; 3 is the smallest exponent, and ring takes 33 bits.
        let is_number = |bytes: &[u8]| {
            bytes.first().is_some_and(|first| *first != 0) && bytes.last().is_some_and(|last| last % 2 == 1)
        };
        let bits = |bytes: &[u8]| bytes.first().map_or(0, |first| bytes.len() * 8 - first.leading_zeros() as usize);
        if !is_number(modulus) || !is_number(exponent) || exponent == [1] || bits(exponent) > 33 {
            return Err(KeyError::Damaged);
        }
        if !RSA_BITS.contains(&bits(modulus)) {
            return Err(KeyError::RsaSize);
        }
        Ok(Self::of(Kind::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() }))
    }

    /// Whether the point is on the curve, ring looks at with each verification; one that is not verifies nothing.
    fn p256(point: &[u8]) -> Result<Self, KeyError> {
        let point: [u8; 65] = point.try_into().map_err(|_| KeyError::Damaged)?;
        if point[0] == UNCOMPRESSED { Ok(Self::of(Kind::P256(point))) } else { Err(KeyError::Damaged) }
    }

    fn ed25519(key: &[u8]) -> Result<Self, KeyError> {
        key.try_into().map(|key| Self::of(Kind::Ed25519(key))).map_err(|_| KeyError::Damaged)
    }

    /// The one algorithm that this key verifies with.
    const fn algorithm(&self) -> Algorithm {
        match self.kind {
            Kind::Rsa { .. } => Algorithm::Rs256,
            Kind::P256(_) => Algorithm::Es256,
            Kind::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// Whether this key can verify what was signed with the algorithm.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithm() == algorithm
    }

    /// Whether it signs for this issuer. Microsoft's sets say of each key for whom it is, in `issuer`, where `{tenantid}` is any: a
    /// key for private accounts must not make tokens of a company (learn.microsoft.com, "Validate the signing key issuer").
    pub fn serves(&self, issuer: &str) -> bool {
        let Some(own) = &self.issuer else { return true };
        match own.split_once("{tenantid}") {
            Some((before, after)) => issuer.strip_prefix(before).is_some_and(|rest| rest.ends_with(after)),
            None => own == issuer,
        }
    }

    /// Whether the owner of this key signed the message. Signatures are as JWS has them (RFC 7518 §3, RFC 8037 §3.1): ECDSA as
    /// r‖s of 64 bytes, of which ring refuses zeros. No allocation.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verified = match &self.kind {
            _ if !self.fits(algorithm) => return false,
            Kind::Rsa { modulus, exponent } => RsaPublicKeyComponents { n: &modulus[..], e: &exponent[..] }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
            Kind::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature),
            Kind::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
        };
        verified.is_ok()
    }
}

/// Enough to tell two keys apart; all of a key helps nobody who reads a log.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = match &self.kind {
            Kind::Rsa { modulus, .. } => &modulus[..],
            Kind::P256(point) => &point[1..],
            Kind::Ed25519(key) => &key[..],
        };
        let start = bytes.first_chunk::<4>().map_or(0, |start| u32::from_be_bytes(*start));
        write!(f, "PublicKey({} {start:08x}…)", self.algorithm().as_str())
    }
}

fn is_p256(parameters: &AnyRef<'_>) -> bool {
    parameters.decode_as::<ObjectIdentifier>().is_ok_and(|curve| curve == P_256)
}

#[cfg(test)]
mod tests;
