//! Telegram's `initData` (core.telegram.org/bots/webapps, "Validating data received via the Mini App").

use ::base64::Engine as _;
use ::base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;
use ring::signature::Ed25519KeyPair;

use super::super::query;
use super::super::written::base64url;
use super::{Claims, Keys, Pairs, Refusal, hex, take};
use crate::secret::Secret;

/// What the bots' tokens are signed with: not the tokens themselves, and not their hash, which is the key of the Login Widget.
pub(in crate::hosts) fn bot_keys(tokens: &[Secret]) -> Vec<hmac::Key> {
    tokens.iter().map(bot_key).collect()
}

fn bot_key(token: &Secret) -> hmac::Key {
    let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"WebAppData"), token.expose());
    hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())
}

/// Everything but `hash` is covered, `signature` too.
pub(super) fn open_mac(query: &str, keys: &Keys) -> Result<Claims, Refusal> {
    let mut pairs = read(query)?;
    let hash: [u8; 32] = hex(take(&mut pairs, "hash")?.as_bytes())?;
    keys.check_mac(&[lines(&pairs).as_bytes()], &hash)?;
    claims(pairs)
}

/// Everything but `hash` and `signature` is covered, and which bot it is for.
pub(super) fn open_signature(query: &str, bot: Option<&str>, keys: &Keys) -> Result<Claims, Refusal> {
    let mut pairs = read(query)?;
    let signature = base64url(take(&mut pairs, "signature")?.as_bytes())?;
    if let Ok(hash) = take(&mut pairs, "hash") {
        // Of the other scheme and not covered, so that its form is all that can be asked of it.
        let _: [u8; 32] = hex(hash.as_bytes())?;
    }
    keys.check_signature(for_bot(bot.ok_or(Refusal::WrongAudience)?, &pairs).as_bytes(), &signature)?;
    claims(pairs)
}

/// Lines are what is signed, so a name with `=` or a text with a line break would have two readings.
fn read(query: &str) -> Result<Pairs, Refusal> {
    let pairs = query::pairs(query, false)?;
    let plain = |(name, value): &(String, String)| !name.contains(['=', '\n']) && !value.contains('\n');
    if pairs.iter().all(plain) { Ok(pairs) } else { Err(Refusal::Malformed) }
}

/// Sorted as whole lines, after they are put together.
fn lines(pairs: &Pairs) -> String {
    let mut lines: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn for_bot(bot: &str, pairs: &Pairs) -> String {
    format!("{bot}:WebAppData\n{}", lines(pairs))
}

/// `user` is JSON in a text.
fn claims(pairs: Pairs) -> Result<Claims, Refusal> {
    let mut claims = Claims::from_pairs(pairs)?;
    claims.unfold("user")?;
    Ok(claims)
}

pub(super) fn mint_mac(pairs: &Pairs, token: &Secret) -> String {
    faster_hex::hex_string(hmac::sign(&bot_key(token), lines(pairs).as_bytes()).as_ref())
}

pub(super) fn mint_signature(pairs: &Pairs, bot: &str, key: &Ed25519KeyPair) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(key.sign(for_bot(bot, pairs).as_bytes()))
}
