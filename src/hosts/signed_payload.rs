//! The scheme of hosts that put a payload and its MAC into one text, with a dot between.
//!
//! Which of the two comes first, how they are written and what the MAC covers is the platform's; so is whether the payload
//! repeats the algorithm, which is a rule of the row and never a choice of the token. Nothing is read before its MAC is right.

use ::base64::Engine as _;
use ::base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use super::claims::Claims;
use super::material::{Keys, mac};
use super::platform::PayloadForm;
use super::refusal::Refusal;
use super::written::{base64, base64url, hex};
use crate::secret::Secret;

/// Longer tokens are not looked at, in bytes. Salesforce sends a record of the page's along.
const MAX_BYTES: usize = 32 * 1024;

/// What one of the secrets signed. Costs the MAC, one copy of the payload, and its JSON.
pub(super) fn open(form: PayloadForm, token: &[u8], keys: &Keys) -> Result<Claims, Refusal> {
    let dot = token.iter().position(|byte| *byte == b'.').filter(|_| token.len() <= MAX_BYTES);
    let (first, second) = token.split_at(dot.ok_or(Refusal::Malformed)?);
    // A second dot is in no alphabet, so decoding refuses it.
    let second = &second[1..];
    let payload = match form {
        PayloadForm::MacFirst => {
            keys.check_mac(&[second], &base64url(first)?)?;
            base64url(second)?
        }
        PayloadForm::MacFirstPadded => {
            keys.check_mac(&[second], &base64(first)?)?;
            base64(second)?
        }
        PayloadForm::PayloadFirst => {
            let (payload, mac) = (base64(first)?, hex::<32>(&base64(second)?)?);
            keys.check_mac(&[&payload], &mac)?;
            payload
        }
    };
    Claims::parse(&payload)
}

/// A token as the platform would make it.
pub(super) fn mint(form: PayloadForm, secret: &Secret, json: &[u8]) -> String {
    match form {
        PayloadForm::MacFirst => {
            let payload = BASE64_URL_SAFE_NO_PAD.encode(json);
            format!("{}.{payload}", BASE64_URL_SAFE_NO_PAD.encode(mac(secret, payload.as_bytes())))
        }
        PayloadForm::MacFirstPadded => {
            let payload = BASE64_STANDARD.encode(json);
            format!("{}.{payload}", BASE64_STANDARD.encode(mac(secret, payload.as_bytes())))
        }
        PayloadForm::PayloadFirst => {
            let mac = faster_hex::hex_string(mac(secret, json).as_ref());
            format!("{}.{}", BASE64_STANDARD.encode(json), BASE64_STANDARD.encode(mac))
        }
    }
}

#[cfg(test)]
mod tests;
