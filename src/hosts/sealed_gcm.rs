//! The scheme of hosts that encrypt with AES-256-GCM (NIST SP 800-38D), each in a layout of its own.
//!
//! Every length is exact: an IV of 12 bytes, a tag of all 16, nothing behind it. A shorter tag can be guessed, and a
//! length that is only nearly right lets one token be spelled in several ways.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use super::claims::Claims;
use super::hosted::Opened;
use super::platform::GcmForm;
use super::refusal::Refusal;
use super::{json, sha256};
use crate::secret::Secret;

/// What is random in each token.
pub(super) const IV: usize = 12;

/// Where what is sealed ends.
pub(super) const TAG: usize = 16;

/// Longer tokens are not looked at, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// The parts of a token, nothing of it proven.
#[derive(Debug, PartialEq, Eq)]
struct Sealed<'a> {
    iv: &'a [u8; IV],
    aad: &'a [u8],
    /// With its tag.
    ciphertext: &'a [u8],
}

/// What a token says that one of the secrets opens.
pub(super) fn open(form: GcmForm, token: &[u8], secrets: &[Secret]) -> Result<Opened, Refusal> {
    if token.len() > MAX_BYTES {
        return Err(Refusal::Malformed);
    }
    let bytes = decode(form, token).ok_or(Refusal::Malformed)?;
    let Sealed { iv, aad, ciphertext } = parts(form, &bytes).ok_or(Refusal::Malformed)?;
    let plaintext = secrets.iter().find_map(|secret| unseal(&key(form, secret)?, iv, aad, ciphertext));
    let claims = Claims::parse(&plaintext.ok_or(Refusal::BadDecrypt)?)?;
    // What is around a token in a form field is anybody's to change; the token itself has one spelling.
    Ok(Opened { claims, signed_at: None, mark: Some(sha256(&bytes)) })
}

/// Makes a token as the platform would, of JSON text. `None` where the secret is no key.
pub(super) fn mint(form: GcmForm, json: &[u8], secret: &Secret) -> Option<String> {
    let (aad, key) = (if form == GcmForm::Zoom { &b"zoom-aad"[..] } else { b"" }, key(form, secret)?);
    let (iv, ciphertext) = seal(&key, aad, json);
    if form != GcmForm::Zoom {
        let bytes = [&iv[..], &ciphertext].concat();
        let plain = form == GcmForm::Plain;
        return Some(if plain { BASE64_URL_SAFE_NO_PAD.encode(bytes) } else { BASE64_STANDARD.encode(bytes) });
    }
    let aad_length = u16::try_from(aad.len()).ok()?.to_le_bytes();
    let length = u32::try_from(json.len()).ok()?.to_le_bytes();
    let bytes = [&[12][..], &iv, &aad_length, aad, &length, &ciphertext].concat();
    Some(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// A key of 32 bytes, ready for use.
pub(super) fn prepared(bytes: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, bytes).ok().map(LessSafeKey::new)
}

/// The plaintext, if this key made the tag of all of it.
pub(super) fn unseal(key: &LessSafeKey, iv: &[u8; IV], aad: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = ciphertext.to_vec();
    let length = key.open_in_place(Nonce::assume_unique_for_key(*iv), Aad::from(aad), &mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

/// A random IV, and the ciphertext with its tag.
pub(super) fn seal(key: &LessSafeKey, aad: &[u8], plaintext: &[u8]) -> ([u8; IV], Vec<u8>) {
    let (mut iv, mut bytes) = ([0; IV], plaintext.to_vec());
    SystemRandom::new().fill(&mut iv).expect("the operating system gives random bytes, or nothing here is safe");
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(iv), Aad::from(aad), &mut bytes)
        .expect("tokens are far below what one key and IV can seal");
    (iv, bytes)
}

fn key(form: GcmForm, secret: &Secret) -> Option<LessSafeKey> {
    match form {
        GcmForm::Plain => prepared(secret.expose()),
        GcmForm::Intercom | GcmForm::Zoom => prepared(&*Zeroizing::new(sha256(secret.expose()))),
    }
}

/// The platforms' alphabets, with padding where the platform pads and without it where it does not.
fn decode(form: GcmForm, token: &[u8]) -> Option<Vec<u8>> {
    match form {
        GcmForm::Plain | GcmForm::Zoom => BASE64_URL_SAFE_NO_PAD.decode(token).ok(),
        GcmForm::Intercom if token.starts_with(b"{") => {
            BASE64_STANDARD.decode(json::object(token)?.get("user")?.as_str()?).ok()
        }
        GcmForm::Intercom => BASE64_STANDARD.decode(token).ok(),
    }
}

fn parts(form: GcmForm, bytes: &[u8]) -> Option<Sealed<'_>> {
    let sealed = match form {
        GcmForm::Plain | GcmForm::Intercom => {
            let (iv, ciphertext) = bytes.split_first_chunk()?;
            Sealed { iv, aad: b"", ciphertext }
        }
        GcmForm::Zoom => zoom(bytes)?,
    };
    (sealed.ciphertext.len() > TAG).then_some(sealed)
}

/// Lengths before each part, little-endian and never negative; the tag has none, and is last.
fn zoom(bytes: &[u8]) -> Option<Sealed<'_>> {
    let (&[12], rest) = bytes.split_first_chunk()? else { return None };
    let (iv, rest) = rest.split_first_chunk()?;
    let (aad_length, rest) = rest.split_first_chunk()?;
    let (aad, rest) = rest.split_at_checked(u16::from_le_bytes(*aad_length).into())?;
    let (length, ciphertext) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    (length.checked_add(TAG) == Some(ciphertext.len())).then_some(Sealed { iv, aad, ciphertext })
}

#[cfg(test)]
mod tests;
