//! The scheme of hosts that seal a JWE: compact serialization (RFC 7516 §7.1), `dir` with `A256GCM` (RFC 7518 §4.5, §5.3).
//!
//! Both algorithms are fixed: a header only has to name them (RFC 8725 §3.1). The key is the configuration's, so the
//! part for an encrypted key is empty (RFC 7516 §5.2), and nothing in the header may bring another key or compress.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::claims::Claims;
use super::jwt::is_plain;
use super::refusal::Refusal;
use super::sealed_gcm::{IV, TAG, prepared, seal, unseal};
use crate::secret::Secret;

/// Longer tokens are not looked at, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// The claims of a token that one of the keys opens.
pub(super) fn open(token: &[u8], secrets: &[Secret]) -> Result<Claims, Refusal> {
    if token.len() > MAX_BYTES {
        return Err(Refusal::Malformed);
    }
    let text = std::str::from_utf8(token).map_err(|_| Refusal::Malformed)?;
    let parts: Vec<&str> = text.splitn(6, '.').collect();
    let [header, "", iv, ciphertext, tag] = parts[..] else { return Err(Refusal::Malformed) };
    check(&Claims::parse(&decode(header)?)?)?;
    let iv: [u8; IV] = decode(iv)?.try_into().map_err(|_| Refusal::Malformed)?;
    let tag: [u8; TAG] = decode(tag)?.try_into().map_err(|_| Refusal::Malformed)?;
    let mut sealed = decode(ciphertext)?;
    sealed.extend(tag);
    // The additional data are the header's letters as they came, not what they say (RFC 7516 §5.1, step 14).
    let open = |secret: &Secret| unseal(&prepared(secret.expose())?, &iv, header.as_bytes(), &sealed);
    let plaintext = secrets.iter().find_map(open).ok_or(Refusal::BadDecrypt)?;
    Claims::parse(&plaintext)
}

/// Makes a token as a host would, of JSON text. `None` where the secret is no key.
pub(super) fn mint(json: &[u8], secret: &Secret) -> Option<String> {
    let header = BASE64_URL_SAFE_NO_PAD.encode(br#"{"alg":"dir","enc":"A256GCM"}"#);
    let (iv, mut ciphertext) = seal(&prepared(secret.expose())?, header.as_bytes(), json);
    let tag = ciphertext.split_off(json.len());
    let [iv, ciphertext, tag] = [&iv[..], &ciphertext, &tag].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    Some(format!("{header}..{iv}.{ciphertext}.{tag}"))
}

fn check(header: &Claims) -> Result<(), Refusal> {
    let has_key_id = !header.has("kid") || header.text(&["kid"]).is_some();
    if !is_plain(header) || !has_key_id {
        return Err(Refusal::Malformed);
    }
    let is = |name: &str, word: &str| Ok(header.text(&[name]).ok_or(Refusal::Malformed)? == word);
    if is("alg", "dir")? && is("enc", "A256GCM")? { Ok(()) } else { Err(Refusal::AlgorithmNotAllowed) }
}

fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)
}

#[cfg(test)]
mod tests;
