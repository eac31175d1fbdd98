//! The scheme of hosts that make PASETOs of version 4 (PASETO specification, "Protocol Version 4"): `v4.local` is sealed
//! with `XChaCha20` and a tag of keyed `BLAKE2b`, `v4.public` is signed with Ed25519.
//!
//! Version and purpose are configured, and a key has one purpose: a secret never verifies, a public key never opens. A
//! footer is authentic like the rest and is not read: a `kid` or `wpk` in it chooses no key. There is no implicit
//! assertion.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use blake2::Blake2bMac;
use blake2::digest::consts::{U32, U56};
use blake2::digest::{KeyInit as _, Mac as _};
use chacha20::XChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::Ed25519KeyPair;

use super::claims::Claims;
use super::keys::Algorithm;
use super::material::KeyMaterial;
use super::platform::Purpose;
use super::refusal::Refusal;
use crate::secret::Secret;

/// Longer tokens are not looked at, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// Longer footers are not either: they hold no more than the name of a key.
const MAX_FOOTER: usize = 1024;

/// What is random in each sealed token.
const NONCE: usize = 32;

/// Where what is sealed ends.
const TAG: usize = 32;

/// Where what is signed ends.
const SIGNATURE: usize = 64;

/// The parts of a token, nothing of it proven.
struct Parts {
    header: &'static [u8],
    body: Vec<u8>,
    footer: Vec<u8>,
}

/// The claims of a token that one of the keys opens, or verifies.
pub(super) fn open(purpose: Purpose, token: &[u8], keys: &KeyMaterial) -> Result<Claims, Refusal> {
    let parts = read(purpose, token)?;
    match (purpose, keys) {
        (Purpose::Local, KeyMaterial::Secrets(secrets)) => {
            let plaintext = secrets.iter().find_map(|secret| unseal(&parts, secret));
            Claims::parse(&plaintext.ok_or(Refusal::BadDecrypt)?)
        }
        (Purpose::Public, KeyMaterial::Pinned(keys)) => {
            let (message, signature) = parts.body.split_last_chunk::<SIGNATURE>().ok_or(Refusal::Malformed)?;
            let signed = encoded(&[parts.header, message, &parts.footer, b""]);
            let genuine = keys.iter().any(|key| key.verify(Algorithm::EdDsa, &signed, signature));
            if genuine { Claims::parse(message) } else { Err(Refusal::BadSignature) }
        }
        _ => Err(Refusal::AlgorithmNotAllowed),
    }
}

/// Makes a `v4.local` as a host would, of JSON text. `None` where the secret is no key.
pub(super) fn mint_local(json: &[u8], footer: &[u8], secret: &Secret) -> Option<String> {
    let mut nonce = [0; NONCE];
    SystemRandom::new().fill(&mut nonce).expect("the operating system gives random bytes, or nothing here is safe");
    seal(json, footer, nonce, secret)
}

/// Makes a `v4.public` as a host would, of JSON text.
pub(super) fn mint_public(json: &[u8], footer: &[u8], key: &Ed25519KeyPair) -> String {
    let header = header(Purpose::Public);
    let signature = key.sign(&encoded(&[header.as_bytes(), json, footer, b""]));
    written(header, &[json, signature.as_ref()].concat(), footer)
}

const fn header(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Local => "v4.local.",
        Purpose::Public => "v4.public.",
    }
}

/// Exactly the header that is expected, then the body and perhaps a footer, which is left out where it is empty.
fn read(purpose: Purpose, token: &[u8]) -> Result<Parts, Refusal> {
    let header = header(purpose).as_bytes();
    let rest = token.strip_prefix(header).filter(|_| token.len() <= MAX_BYTES).ok_or(Refusal::Malformed)?;
    let decode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed);
    let mut parts = rest.splitn(3, |byte| *byte == b'.');
    let body = decode(parts.next().unwrap_or_default())?;
    let footer = match (parts.next(), parts.next()) {
        (None, _) => Vec::new(),
        (Some(footer), None) if !footer.is_empty() => decode(footer)?,
        _ => return Err(Refusal::Malformed),
    };
    if footer.len() > MAX_FOOTER { Err(Refusal::Malformed) } else { Ok(Parts { header, body, footer }) }
}

/// The plaintext, if this key made the tag of all of it. The tag is looked at first, in constant time.
fn unseal(parts: &Parts, secret: &Secret) -> Option<Vec<u8>> {
    let (nonce, rest) = parts.body.split_first_chunk::<NONCE>()?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG>()?;
    let (mut cipher, mac) = keys(nonce, secret)?;
    let tagged = encoded(&[parts.header, nonce, ciphertext, &parts.footer, b""]);
    mac.chain_update(tagged).verify(tag.into()).ok()?;
    let mut plaintext = ciphertext.to_vec();
    cipher.apply_keystream(&mut plaintext);
    Some(plaintext)
}

fn seal(json: &[u8], footer: &[u8], nonce: [u8; NONCE], secret: &Secret) -> Option<String> {
    let header = header(Purpose::Local);
    let (mut cipher, mac) = keys(&nonce, secret)?;
    let mut ciphertext = json.to_vec();
    cipher.apply_keystream(&mut ciphertext);
    let tagged = encoded(&[header.as_bytes(), &nonce, &ciphertext, footer, b""]);
    let tag = mac.chain_update(tagged).finalize().into_bytes();
    Some(written(header, &[&nonce[..], &ciphertext, &tag].concat(), footer))
}

/// The cipher and the MAC of one token, keyed by its nonce. `None` where the secret is no key.
fn keys(nonce: &[u8; NONCE], secret: &Secret) -> Option<(XChaCha20, Blake2bMac<U32>)> {
    let secret: &[u8; 32] = secret.expose().try_into().ok()?;
    let sealing = Blake2bMac::<U56>::new_from_slice(secret).ok()?;
    let sealing = sealing.chain_update(b"paseto-encryption-key").chain_update(nonce).finalize().into_bytes();
    let (key, iv) = sealing.split_first_chunk::<32>()?;
    let tagging = Blake2bMac::<U32>::new_from_slice(secret).ok()?;
    let tagging = tagging.chain_update(b"paseto-auth-key-for-aead").chain_update(nonce).finalize().into_bytes();
    Some((XChaCha20::new_from_slices(key, iv).ok()?, Blake2bMac::new_from_slice(&tagging).ok()?))
}

/// Pre-authentication encoding: parts with their number and lengths, so that none can pass for a bit of its neighbour.
fn encoded(parts: &[&[u8]]) -> Vec<u8> {
    let length = |length: usize| u64::try_from(length).expect("lengths of what is in memory").to_le_bytes();
    let mut all = Vec::with_capacity(8 + parts.iter().map(|part| 8 + part.len()).sum::<usize>());
    all.extend(length(parts.len()));
    for part in parts {
        all.extend(length(part.len()));
        all.extend_from_slice(part);
    }
    all
}

fn written(header: &str, body: &[u8], footer: &[u8]) -> String {
    let body = BASE64_URL_SAFE_NO_PAD.encode(body);
    let dot = if footer.is_empty() { "" } else { "." };
    format!("{header}{body}{dot}{}", BASE64_URL_SAFE_NO_PAD.encode(footer))
}

#[cfg(test)]
mod tests;
