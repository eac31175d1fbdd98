//! Shopify's two signed queries: `hmac` of pages that the shop's administration opens, and `signature` of requests that come
//! through the shop's storefront (shopify.dev, "Verify a request", "Authenticate app proxies"). Neither proves a user of the
//! administration; the second may name a customer.

use std::collections::BTreeMap;

use super::super::material::mac;
use super::super::query;
use super::super::rules::is_shop;
use super::{Claims, Keys, Pairs, Refusal, form_encoded, hex, take};
use crate::secret::Secret;

/// What stays as it is in the encoding of the WHATWG URL standard, which `@shopify/shopify-api` signs.
const PLAIN: &[u8] = b"*-._";

/// What counts of a request through the storefront, all of it added by Shopify, even if there is no customer.
const OWN: [&str; 3] = ["logged_in_customer_id", "shop", "timestamp"];

/// Everything but `hmac` and `signature` is covered, in the order of names, encoded again.
pub(super) fn open_page(query: &str, keys: &Keys) -> Result<Claims, Refusal> {
    let mut pairs = query::pairs(query, false)?;
    let hmac: [u8; 32] = hex(take(&mut pairs, "hmac")?.as_bytes())?;
    pairs.retain(|(name, _)| name != "signature");
    keys.check_mac(&[page(&mut pairs).as_bytes()], &hmac)?;
    with_shop(Claims::from_pairs(pairs)?)
}

/// Everything but `signature` is covered, in the order of the texts `name=value`, decoded and with nothing between.
///
/// A visitor chooses parameters of their own, and could choose `a` as `1logged_in_customer_id=7m=`, so that what is signed
/// can also be cut into `a=1`, a customer, and `m` with the true one in its value. So each name that counts has to occur
/// once in all that is signed. Then it is known where its value begins; and where it ends, because what follows sorts
/// behind it and so begins with no digit, and because no shop's domain begins with another one.
pub(super) fn open_proxy(query: &str, keys: &Keys) -> Result<Claims, Refusal> {
    let mut pairs = query::pairs(query, true)?;
    let signature: [u8; 32] = hex(take(&mut pairs, "signature")?.as_bytes())?;
    let signed = proxy(&pairs)?;
    keys.check_mac(&[signed.as_bytes()], &signature)?;
    let once = |name: &&str| signed.matches(&format!("{name}=")).count() == 1;
    if !OWN.iter().all(once) {
        return Err(Refusal::Malformed);
    }
    pairs.retain(|(name, _)| OWN.contains(&name.as_str()));
    let claims = with_shop(Claims::from_pairs(pairs)?)?;
    let digits = |name: &str| claims.text(&[name]).is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    if digits("logged_in_customer_id") && digits("timestamp") { Ok(claims) } else { Err(Refusal::Malformed) }
}

fn page(pairs: &mut Pairs) -> String {
    pairs.sort_unstable();
    form_encoded(&*pairs, PLAIN)
}

fn proxy(pairs: &Pairs) -> Result<String, Refusal> {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in pairs {
        values.entry(name).or_default().push(value);
    }
    // Once, or there could be two of them; and a name with `=` is a name and a value.
    if values.keys().any(|name| name.contains('=') || *name == "signature") {
        return Err(Refusal::Malformed);
    }
    let mut lines: Vec<String> = values.iter().map(|(name, values)| format!("{name}={}", values.join(","))).collect();
    lines.sort_unstable();
    Ok(lines.concat())
}

fn with_shop(claims: Claims) -> Result<Claims, Refusal> {
    let shop = claims.text(&["shop"]).ok_or(Refusal::MissingClaim)?;
    if is_shop(shop) { Ok(claims) } else { Err(Refusal::WrongClaim) }
}

pub(super) fn mint_page(pairs: &Pairs, secret: &Secret) -> String {
    faster_hex::hex_string(mac(secret, page(&mut pairs.clone()).as_bytes()).as_ref())
}

/// Of names that could not be read, the signature is over nothing.
pub(super) fn mint_proxy(pairs: &Pairs, secret: &Secret) -> String {
    faster_hex::hex_string(mac(secret, proxy(pairs).unwrap_or_default().as_bytes()).as_ref())
}
