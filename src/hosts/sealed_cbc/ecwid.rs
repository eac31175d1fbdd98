//! Ecwid's layout: `base64url(iv (16) ‖ AES-128-CBC(PKCS#7(JSON)))`, key = the first 16 characters of the secret.

use aes::Aes128;
use aes::cipher::KeyInit as _;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::BLOCK;
use crate::secret::Secret;

pub(super) fn decrypt(iv: [u8; BLOCK], blocks: Vec<u8>, secret: &Secret) -> Option<(Vec<u8>, bool)> {
    Some(super::decrypt(cipher(secret)?, iv, blocks))
}

pub(super) fn seal(json: &[u8], secret: &Secret, iv: [u8; BLOCK]) -> Option<String> {
    let sealed = super::encrypt(cipher(secret)?, iv, json);
    Some(BASE64_URL_SAFE_NO_PAD.encode([&iv[..], &sealed].concat()))
}

/// The number of a store is a number, and no text.
pub(super) fn names_a_store(members: &Map<String, Value>) -> bool {
    members.get("store_id").and_then(Value::as_u64).is_some_and(|store| store > 0)
}

fn cipher(secret: &Secret) -> Option<Aes128> {
    secret.expose().first_chunk::<16>().map(|key| Aes128::new(key.into()))
}
