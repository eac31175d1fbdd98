//! Requests as the servers of a platform would sign them.

use http::{HeaderMap, Method};
use serde_json::Value;

use super::{MintError, Minted, SigningKey, Wish, claims, secret};
use crate::clock::Timestamp;
use crate::hosts::platform::RequestForm;
use crate::hosts::signed_request::mint::{Signer, sign as sign_call};
use crate::hosts::{Call, Carrier, HostedSettings, KeySource};

/// The headers that go with the request that is wished for.
pub(super) fn sign(
    form: RequestForm,
    settings: &HostedSettings,
    key: Option<&SigningKey>,
    wish: &Wish,
    now: Timestamp,
) -> Result<Minted, MintError> {
    let mut call = match form {
        RequestForm::DiscordPayload => payload(settings, wish, now)?,
        _ => wish.call.clone().ok_or(MintError::Missing("the request", "--url"))?,
    };
    let signer = match settings.platform.keys {
        KeySource::Secret => Signer::Secret(secret(settings, wish).ok_or(MintError::Secret)?),
        _ => Signer::Key(key.and_then(SigningKey::ed25519).ok_or(MintError::Key("Ed25519"))?),
    };
    let signature = sign_call(form, signer, &mut call, now).ok_or(MintError::Call)?;
    Ok(Minted::Headers(headers(settings, &call.headers, &signature)))
}

/// What Discord's proxy says of a person, in the place of a body.
fn payload(settings: &HostedSettings, wish: &Wish, now: Timestamp) -> Result<Call, MintError> {
    let json = Value::Object(claims::make(settings, wish, now)?).to_string();
    Ok(Call { method: Method::GET, url: String::new(), headers: HeaderMap::new(), body: json.into() })
}

/// The token's own header first, then those that belong to it.
fn headers(settings: &HostedSettings, signed: &HeaderMap, signature: &str) -> Vec<(String, String)> {
    let mut made = Vec::new();
    for carrier in settings.platform.carriers {
        match carrier {
            Carrier::Signature { name, .. } => made.push(((*name).to_owned(), signature.to_owned())),
            Carrier::Header { name, .. } => made.push((name.clone().into_owned(), signature.to_owned())),
            _ => {}
        }
    }
    for (name, value) in signed {
        if made.iter().all(|(known, _)| known != name.as_str()) {
            made.push((name.to_string(), value.to_str().unwrap_or_default().to_owned()));
        }
    }
    made
}
