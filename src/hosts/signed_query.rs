//! The scheme of hosts that sign a query string: the token is all of it, as it came.
//!
//! Each platform puts what is signed together in its own way; three of the five sign something from which the pairs cannot be
//! told in general. What is accepted here has one reading, and what is not signed is not among the claims.

use super::claims::Claims;
use super::material::Keys;
use super::platform::QueryForm;
use super::refusal::Refusal;
use super::settings::HostedSettings;
use super::written::hex;

mod shopify;
mod telegram;
mod vk;

pub(super) use telegram::bot_keys;

/// Longer query strings are not looked at, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// Names and values, decoded.
type Pairs = Vec<(String, String)>;

/// What one of the keys signed. Costs a copy of the pairs and of what is signed, and the MAC or signature.
pub(super) fn open(form: QueryForm, query: &[u8], settings: &HostedSettings, keys: &Keys) -> Result<Claims, Refusal> {
    let short = Some(query).filter(|query| query.len() <= MAX_BYTES);
    let query = short.and_then(|query| std::str::from_utf8(query).ok()).ok_or(Refusal::Malformed)?;
    match form {
        QueryForm::TelegramMac => telegram::open_mac(query, keys),
        QueryForm::TelegramSignature => telegram::open_signature(query, settings.audience.as_deref(), keys),
        QueryForm::Vk => vk::open(query, keys),
        QueryForm::Shopify => shopify::open_page(query, keys),
        QueryForm::ShopifyProxy => shopify::open_proxy(query, keys),
    }
}

/// The one value of this name, which is taken out.
fn take(pairs: &mut Pairs, name: &str) -> Result<String, Refusal> {
    let at = pairs.iter().position(|(known, _)| known == name).ok_or(Refusal::Malformed)?;
    Ok(pairs.remove(at).1)
}

/// The query string of `application/x-www-form-urlencoded` in this order, with these characters left as they are beside
/// letters and digits. Languages differ in them.
fn form_encoded<'a>(pairs: impl IntoIterator<Item = &'a (String, String)>, plain: &[u8]) -> String {
    let encode = |text: &str| super::query::encode(text, plain).replace("%20", "+");
    let encoded = pairs.into_iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    encoded.collect::<Vec<_>>().join("&")
}

/// Query strings as the platforms would make them, with one more parameter for the signature.
pub(super) mod mint {
    use ring::signature::Ed25519KeyPair;

    use super::{Pairs, QueryForm, form_encoded, shopify, telegram, vk};
    use crate::secret::Secret;

    /// With a secret; nothing for Telegram's signature.
    pub(in crate::hosts) fn with_secret(form: QueryForm, secret: &Secret, pairs: &[(&str, &str)]) -> Option<String> {
        let mut pairs = owned(pairs);
        let (name, signature) = match form {
            QueryForm::TelegramMac => ("hash", telegram::mint_mac(&pairs, secret)),
            QueryForm::TelegramSignature => return None,
            QueryForm::Vk => ("sign", vk::mint(&pairs, secret)),
            QueryForm::Shopify => ("hmac", shopify::mint_page(&pairs, secret)),
            QueryForm::ShopifyProxy => ("signature", shopify::mint_proxy(&pairs, secret)),
        };
        pairs.push((name.to_owned(), signature));
        Some(form_encoded(&pairs, b"-._"))
    }

    /// With Telegram's key, for a bot.
    pub(in crate::hosts) fn with_key(key: &Ed25519KeyPair, bot: &str, pairs: &[(&str, &str)]) -> String {
        let mut pairs = owned(pairs);
        let signature = telegram::mint_signature(&pairs, bot, key);
        pairs.push(("signature".to_owned(), signature));
        // Telegram sends both. Without the bot's token this one cannot be right, and its readers want it to be there.
        pairs.push(("hash".to_owned(), "0".repeat(64)));
        form_encoded(&pairs, b"-._")
    }

    fn owned(pairs: &[(&str, &str)]) -> Pairs {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

#[cfg(test)]
mod tests;
