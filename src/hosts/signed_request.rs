//! The scheme of hosts that sign a request: the token is the signature, and the call that it came with is what it is over.
//!
//! A header that belongs to the signature counts if it is there once. Claims are only of what is signed: a time beside it,
//! members of the body, parameters of the address. A body that is no JSON object has no members, and is the app's to read.

use super::Call;
use super::claims::Claims;
use super::hosted::Opened;
use super::material::Keys;
use super::platform::{Carrier, RequestForm};
use super::refusal::Refusal;
use super::written::{base64, hex, millis, seconds};
use crate::clock::Timestamp;

mod contentful;
mod discord;
mod hubspot;
mod stripe;

/// What the call says, if one of the keys signed it. Costs the MAC or signature over the body, where that is signed.
pub(super) fn open(form: RequestForm, signature: &[u8], call: &Call, keys: &Keys) -> Result<Opened, Refusal> {
    let body = &call.body;
    match form {
        RequestForm::HubSpot => hubspot::open(signature, call, keys),
        RequestForm::Contentful => contentful::open(signature, call, keys),
        RequestForm::StripeApps => stripe::open(signature, call, keys),
        RequestForm::Slack => {
            let written = header(call, "x-slack-request-timestamp")?;
            let mac: [u8; 32] = hex(signature.strip_prefix(b"v0=").ok_or(Refusal::Malformed)?)?;
            keys.check_mac(&[b"v0:", written.as_bytes(), b":", body], &mac)?;
            Ok(at(seconds(written)?, Claims::default()))
        }
        RequestForm::Webflow => {
            let written = header(call, "x-webflow-timestamp")?;
            keys.check_mac(&[written.as_bytes(), b":", body], &hex::<32>(signature)?)?;
            Ok(at(millis(written)?, Claims::default()))
        }
        RequestForm::Body => {
            keys.check_mac(&[body], &hex::<32>(signature)?)?;
            Ok(members(call).into())
        }
        RequestForm::BodySignature => {
            keys.check_signature(body, &base64(signature)?)?;
            Ok(members(call).into())
        }
        RequestForm::DiscordCall => discord::open_call(signature, call, keys),
        RequestForm::DiscordPayload => discord::open_payload(signature, call, keys),
    }
}

/// When a call says that it was signed, where it does: it can be looked at before the body has come, and proves nothing then.
pub(super) fn stated_at(form: RequestForm, signature: &[u8], call: &Call) -> Result<Option<Timestamp>, Refusal> {
    let stated = match form {
        RequestForm::HubSpot => millis(header(call, "x-hubspot-request-timestamp")?),
        RequestForm::Contentful => millis(header(call, "x-contentful-timestamp")?),
        RequestForm::Slack => seconds(header(call, "x-slack-request-timestamp")?),
        RequestForm::Webflow => millis(header(call, "x-webflow-timestamp")?),
        RequestForm::DiscordCall => seconds(header(call, "x-signature-timestamp")?),
        RequestForm::StripeApps => stripe::stated_at(signature),
        RequestForm::Body | RequestForm::BodySignature | RequestForm::DiscordPayload => return Ok(None),
    };
    stated.map(Some)
}

/// Refuses a call in which a header of the signature stands twice: one of us would read the first, another the last.
pub(super) fn check_headers<'a>(call: &Call, carriers: impl IntoIterator<Item = &'a Carrier>) -> Result<(), Refusal> {
    let repeated = |name: &str| call.headers.get_all(name).iter().nth(1).is_some();
    let is_repeated = |carrier: &Carrier| match carrier {
        Carrier::Header { name, .. } => repeated(name),
        Carrier::Signature { name, beside } => repeated(name) || beside.iter().any(|name| repeated(name)),
        Carrier::Query(_) | Carrier::SignedQuery { .. } | Carrier::Form(_) | Carrier::Script => false,
    };
    if carriers.into_iter().any(is_repeated) { Err(Refusal::Malformed) } else { Ok(()) }
}

/// The one value of a header, of visible ASCII.
fn header<'a>(call: &'a Call, name: &str) -> Result<&'a str, Refusal> {
    let mut values = call.headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| Refusal::Malformed),
        _ => Err(Refusal::Malformed),
    }
}

fn at(signed_at: Timestamp, claims: Claims) -> Opened {
    Opened { claims, signed_at: Some(signed_at), mark: None }
}

/// The members of a signed body.
fn members(call: &Call) -> Claims {
    Claims::parse(&call.body).unwrap_or_default()
}

pub(super) mod mint;

#[cfg(test)]
mod tests;
