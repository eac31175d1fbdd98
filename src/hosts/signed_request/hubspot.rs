//! HubSpot's signature of version 3 (developers.hubspot.com, "Validate the v3 request signature"): method, address, body and
//! time, one after the other.

use super::super::query;
use super::{Call, Claims, Keys, Opened, Refusal, at, base64, header, millis};

/// What HubSpot's documentation decodes in an address before it is signed.
const DECODED: [(&str, &str); 12] = [
    ("%21", "!"),
    ("%24", "$"),
    ("%27", "'"),
    ("%28", "("),
    ("%29", ")"),
    ("%2A", "*"),
    ("%2C", ","),
    ("%2F", "/"),
    ("%3A", ":"),
    ("%3B", ";"),
    ("%3F", "?"),
    ("%40", "@"),
];

/// Parameters that HubSpot adds, and that say who calls.
const OWN: [&str; 3] = ["portalId", "userId", "userEmail"];

/// Who calls stands in the query, never in the body, which is what the page's script says.
pub(super) fn open(signature: &[u8], call: &Call, keys: &Keys) -> Result<Opened, Refusal> {
    let mac = base64(signature)?;
    let written = header(call, "x-hubspot-request-timestamp")?;
    let fits = |url: &str| {
        let pieces = [call.method.as_str().as_bytes(), url.as_bytes(), &call.body, written.as_bytes()];
        keys.check_mac(&pieces, &mac)
    };
    // The official packages sign the address as it is, the documentation does not say so.
    fits(&call.url).or_else(|refusal| decoded(&call.url).map_or(Err(refusal), |url| fits(&url)))?;
    let (_, query) = call.path_and_query();
    // An app's own parameters may repeat; HubSpot's are what it added, so one that the page's script chose stands twice.
    let own = query::pairs(query, true)?.into_iter().filter(|(name, _)| OWN.contains(&name.as_str()));
    Ok(at(millis(written)?, Claims::from_pairs(own)?))
}

/// The address as the documentation has it; `None` if that is the same. Neither `&` nor `=` come out of it, so its pairs are
/// those of the address; for its path to be the same too, no `/` and no `?` may come out there.
pub(super) fn decoded(url: &str) -> Option<String> {
    let path = url.split('?').next().unwrap_or(url).to_ascii_uppercase();
    if !url.contains('%') || path.contains("%2F") || path.contains("%3F") {
        return None;
    }
    let mut decoded = String::with_capacity(url.len());
    let mut rest = url;
    while let Some(start) = rest.find('%') {
        let escape = rest.get(start..start + 3).unwrap_or_default();
        let known = DECODED.iter().find(|(known, _)| known.eq_ignore_ascii_case(escape));
        decoded.push_str(&rest[..start]);
        decoded.push_str(known.map_or("%", |(_, plain)| plain));
        rest = &rest[start + if known.is_some() { 3 } else { 1 }..];
    }
    decoded.push_str(rest);
    (decoded != url).then_some(decoded)
}
