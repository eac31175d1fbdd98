//! VK's launch parameters (dev.vk.com, "Parameter signature"): all that begin with `vk_`.

use ::base64::Engine as _;
use ::base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::super::material::mac;
use super::super::query;
use super::super::written::base64url;
use super::{Claims, Keys, Pairs, Refusal, form_encoded, take};
use crate::secret::Secret;

/// What stays as it is in VK's encoding.
const PLAIN: &[u8] = b"-._~";

/// Parameters of other names are the page's own: not signed, and not among the claims.
pub(super) fn open(query: &str, keys: &Keys) -> Result<Claims, Refusal> {
    let mut pairs = query::pairs(query, false)?;
    let sign = base64url(take(&mut pairs, "sign")?.as_bytes())?;
    let listed = take(&mut pairs, "sign_keys").ok();
    pairs.retain(|(name, _)| name.starts_with("vk_"));
    pairs.sort_unstable();
    let fits = |pairs: &Pairs| keys.check_mac(&[form_encoded(pairs, PLAIN).as_bytes()], &sign);
    let in_order_of_names = fits(&pairs);
    match listed {
        None => in_order_of_names?,
        // Newer documentation signs what is listed, in the order of the list. A list that leaves something out would make it
        // anybody's, so all must be there; the order is either.
        Some(listed) => {
            let in_order_of_list = in_order(&pairs, &listed)?;
            in_order_of_names.or_else(|_| fits(&in_order_of_list))?;
        }
    }
    Claims::from_pairs(pairs)
}

/// The pairs in the order of the list, which must name each of them and nothing else.
fn in_order(pairs: &Pairs, listed: &str) -> Result<Pairs, Refusal> {
    let mut rest = pairs.clone();
    let mut ordered = Pairs::new();
    for name in listed.split(',') {
        ordered.push((name.to_owned(), take(&mut rest, name)?));
    }
    if rest.is_empty() { Ok(ordered) } else { Err(Refusal::Malformed) }
}

/// Over those of the pairs that are VK's, sorted by name.
pub(super) fn mint(pairs: &Pairs, secret: &Secret) -> String {
    let mut own: Pairs = pairs.iter().filter(|(name, _)| name.starts_with("vk_")).cloned().collect();
    own.sort_unstable();
    BASE64_URL_SAFE_NO_PAD.encode(mac(secret, form_encoded(&own, PLAIN).as_bytes()))
}
