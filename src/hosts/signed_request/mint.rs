//! Calls signed as the platforms would sign them: the headers beside the signature are put in, and the token is returned.

use ::base64::Engine as _;
use ::base64::prelude::BASE64_STANDARD;
use http::{HeaderName, HeaderValue};
use ring::signature::Ed25519KeyPair;

use super::{Call, RequestForm, Timestamp, contentful, members, stripe};
use crate::secret::Secret;

/// What signs.
#[derive(Clone, Copy)]
pub(in crate::hosts) enum Signer<'a> {
    /// A secret that both sides know.
    Secret(&'a Secret),
    /// The platform's key.
    Key(&'a Ed25519KeyPair),
}

impl Signer<'_> {
    fn sign(self, pieces: &[&[u8]]) -> Vec<u8> {
        let message = pieces.concat();
        match self {
            Self::Secret(secret) => super::super::material::mac(secret, &message).as_ref().to_vec(),
            Self::Key(key) => key.sign(&message).as_ref().to_vec(),
        }
    }
}

/// Signs a call at this time. `None` if it is none that the platform would make.
pub(in crate::hosts) fn sign(form: RequestForm, signer: Signer<'_>, call: &mut Call, at: Timestamp) -> Option<String> {
    let (secs, millis) = (at.as_secs().to_string(), at.as_millis().to_string());
    let (method, url, body) = (call.method.clone(), call.url.clone(), call.body.clone());
    Some(match form {
        RequestForm::HubSpot => {
            put(call, "x-hubspot-request-timestamp", &millis)?;
            let pieces = [method.as_str().as_bytes(), url.as_bytes(), &body, millis.as_bytes()];
            BASE64_STANDARD.encode(signer.sign(&pieces))
        }
        RequestForm::Contentful => sign_contentful(signer, call, &millis)?,
        RequestForm::StripeApps => {
            let claims = members(call);
            let id = |name: &str| claims.text(&[name]).map(str::to_owned);
            let payload = stripe::payload(&[id("user_id")?, id("account_id")?]);
            format!("t={secs},v1={}", hex(&signer.sign(&[secs.as_bytes(), b".", payload.as_bytes()])))
        }
        RequestForm::Slack => {
            put(call, "x-slack-request-timestamp", &secs)?;
            format!("v0={}", hex(&signer.sign(&[b"v0:", secs.as_bytes(), b":", &body])))
        }
        RequestForm::Webflow => {
            put(call, "x-webflow-timestamp", &millis)?;
            hex(&signer.sign(&[millis.as_bytes(), b":", &body]))
        }
        RequestForm::Body => hex(&signer.sign(&[&body])),
        RequestForm::BodySignature => BASE64_STANDARD.encode(signer.sign(&[&body])),
        RequestForm::DiscordCall => {
            put(call, "x-signature-timestamp", &secs)?;
            hex(&signer.sign(&[secs.as_bytes(), &body]))
        }
        // The payload is the call's body, which is no part of what the proxy sends: it becomes the token.
        RequestForm::DiscordPayload => {
            put(call, "x-signature-timestamp", &secs)?;
            put(call, "x-signature-ed25519", &hex(&signer.sign(&[&body])))?;
            BASE64_STANDARD.encode(&body)
        }
    })
}

/// Over all headers that the call has.
fn sign_contentful(signer: Signer<'_>, call: &mut Call, millis: &str) -> Option<String> {
    put(call, "x-contentful-timestamp", millis)?;
    put(call, "x-contentful-signed-headers", "")?;
    let mut names: Vec<String> = call.headers.keys().map(|name| name.as_str().to_owned()).collect();
    names.sort_unstable();
    put(call, "x-contentful-signed-headers", &names.join(","))?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (headers, _) = contentful::headers(call, &names).ok()?;
    let path = contentful::path(call).ok()?;
    Some(hex(&signer.sign(&contentful::pieces(call, &path, &headers))))
}

fn put(call: &mut Call, name: &'static str, value: &str) -> Option<()> {
    call.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).ok()?);
    Some(())
}

fn hex(bytes: &[u8]) -> String {
    faster_hex::hex_string(bytes)
}
