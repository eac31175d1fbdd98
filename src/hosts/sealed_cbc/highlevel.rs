//! `HighLevel`'s layout, that of `openssl enc`: `base64("Salted__" ‖ salt (8) ‖ AES-256-CBC(PKCS#7(JSON)))`, key and IV
//! by `EVP_BytesToKey` with MD5 and one round. A weak secret can be guessed from one token at leisure.

use aes::Aes256;
use aes::cipher::KeyInit as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::BLOCK;
use crate::secret::Secret;

/// What a token begins with.
pub(super) const MAGIC: &[u8; 8] = b"Salted__";

/// Lengths of ids at the platform.
const ID: std::ops::RangeInclusive<usize> = 10..=40;

pub(super) fn decrypt(head: &[u8; BLOCK], blocks: Vec<u8>, secret: &Secret) -> (Vec<u8>, bool) {
    let (cipher, iv) = stretched(secret, *head.last_chunk().expect("the second half of a block"));
    super::decrypt(cipher, iv, blocks)
}

pub(super) fn seal(json: &[u8], secret: &Secret, salt: [u8; 8]) -> String {
    let (cipher, iv) = stretched(secret, salt);
    BASE64_STANDARD.encode([&MAGIC[..], &salt, &super::encrypt(cipher, iv, json)].concat())
}

/// The agency and the person are always named, a location where they are in one.
pub(super) fn names_a_person(members: &Map<String, Value>) -> bool {
    let is_id = |value: &Value| value.as_str().is_some_and(is_id);
    let is_word = |value: &Value| value.as_str().is_some_and(is_word);
    let fits = |name: &str, fits: &dyn Fn(&Value) -> bool| members.get(name).filter(|value| !value.is_null()).map(fits);
    (fits("userId", &is_id) == Some(true))
        & (fits("companyId", &is_id) == Some(true))
        & (fits("activeLocation", &is_id) != Some(false))
        & (fits("role", &is_word) != Some(false))
        & (fits("type", &is_word) != Some(false))
}

fn is_id(text: &str) -> bool {
    ID.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Ranks, and sorts of accounts.
fn is_word(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Three digests, each over the one before it, the secret and the salt: 32 bytes of key, 16 of IV.
fn stretched(secret: &Secret, salt: [u8; 8]) -> (Aes256, [u8; BLOCK]) {
    let digest = |before: &[u8]| -> Zeroizing<[u8; BLOCK]> {
        Zeroizing::new(
            Md5::new().chain_update(before).chain_update(secret.expose()).chain_update(salt).finalize().into(),
        )
    };
    let first = digest(b"");
    let second = digest(&*first);
    let iv = digest(&*second);
    let mut key = Zeroizing::new([0; 32]);
    key[..BLOCK].copy_from_slice(&*first);
    key[BLOCK..].copy_from_slice(&*second);
    (Aes256::new((&*key).into()), *iv)
}
