//! The scheme of hosts that sign a JWT: JWS compact serialization (RFC 7515), read strictly.
//!
//! Which algorithms count is configured; what the token says of itself only has to agree (RFC 8725 §3.1). A key comes from
//! the configuration or the platform's own key set, never from the token: `jwk`, `jku` and `x5u` refuse it.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Map, Value};

use super::claims::Claims;
use super::hosted::HostedSettings;
use super::keys::Algorithm;
use super::material::Keys;
use super::platform::{Issuer, Rule};
use super::refusal::Refusal;
use super::sha256;

pub(super) mod mint;

/// Longer tokens are not looked at, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// Header parameters that would take the key from the token, or the meaning from what is signed.
const FORBIDDEN: [&str; 7] = ["jwk", "jku", "x5u", "crit", "b64", "zip", "cty"];

/// A token in its three parts, nothing of it proven.
struct Parts {
    algorithm: Algorithm,
    kid: Option<String>,
    claims: Claims,
    signature: Vec<u8>,
}

/// The claims of a token that one of the keys signed. Some platforms have to say which, also where there is only one.
pub(super) async fn open(token: &[u8], settings: &HostedSettings, keys: &Keys) -> Result<Claims, Refusal> {
    let text = std::str::from_utf8(token).map_err(|_| Refusal::Malformed)?;
    let (signed, parts) = read(text, &settings.algorithms)?;
    let Parts { algorithm, kid, claims, signature } = parts;
    if kid.is_none() && settings.platform.rules.contains(&Rule::NamedKey) {
        return Err(Refusal::UnknownKey);
    }
    let genuine = match (algorithm, keys) {
        (Algorithm::Hs256, Keys::Secrets(secrets)) => secrets.iter().any(|secret| mac_fits(secret, signed, &signature)),
        (Algorithm::Hs256, Keys::OfTenants(tenants)) => {
            // `iss` only chooses the key here; it means something once that key has signed it.
            let issuer = claims.text(&["iss"]).ok_or(Refusal::MissingClaim)?;
            tenants.fits(issuer, |secret| mac_fits(secret, signed, &signature)).ok_or(Refusal::WrongIssuer)?
        }
        (Algorithm::Hs256, _) => return Err(Refusal::AlgorithmNotAllowed),
        (_, keys) => {
            // One set of keys for many issuers, and not each of the keys is for all of them.
            let issuer = matches!(settings.platform.issuer, Issuer::Of(..)).then(|| claims.text(&["iss"])).flatten();
            keys.verify(kid.as_deref(), algorithm, issuer, signed.as_bytes(), &signature).await?
        }
    };
    if genuine { Ok(claims) } else { Err(Refusal::BadSignature) }
}

/// What tells a token from others: all of it but the signature, which ECDSA lets anybody write in a second way.
pub(super) fn mark(token: &[u8]) -> [u8; 32] {
    let signed = token.iter().rposition(|byte| *byte == b'.').map_or(token, |dot| &token[..dot]);
    sha256(signed)
}

fn mac_fits(secret: &hmac::Key, signed: &str, signature: &[u8]) -> bool {
    hmac::verify(secret, signed.as_bytes(), signature).is_ok()
}

fn read<'a>(token: &'a str, algorithms: &[Algorithm]) -> Result<(&'a str, Parts), Refusal> {
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::Malformed);
    };
    if token.len() > MAX_BYTES {
        return Err(Refusal::Malformed);
    }
    let signed = &token[..header.len() + 1 + payload.len()];
    let header = Claims::parse(&decode(header)?)?;
    let algorithm = algorithm(&header, algorithms)?;
    let kid = header.text(&["kid"]).map(str::to_owned);
    if header.has("kid") && kid.is_none() {
        return Err(Refusal::Malformed);
    }
    let claims = Claims::parse(&decode(payload)?)?;
    Ok((signed, Parts { algorithm, kid, claims, signature: decode(signature).map_err(|_| Refusal::BadSignature)? }))
}

/// One of those that are allowed, in a header that asks for nothing else.
fn algorithm(header: &Claims, allowed: &[Algorithm]) -> Result<Algorithm, Refusal> {
    if !is_plain(header) {
        return Err(Refusal::Malformed);
    }
    let named = header.text(&["alg"]).ok_or(Refusal::Malformed)?;
    let known = Algorithm::parse(named).filter(|algorithm| allowed.contains(algorithm));
    known.ok_or(Refusal::AlgorithmNotAllowed)
}

/// Header and claims as they stand there, of whoever wrote them; for people only.
pub(super) fn unproven(token: &[u8]) -> [Option<Map<String, Value>>; 2] {
    let mut parts = std::str::from_utf8(token).unwrap_or_default().split('.');
    let mut next = || Claims::parse(&decode(parts.next()?).ok()?).ok().map(Claims::into_members);
    [next(), next()]
}

/// Whether a header asks for nothing but what the configuration says.
pub(super) fn is_plain(header: &Claims) -> bool {
    // A token of another type must not pass for this one (RFC 8725 §3.11).
    let is_jwt = |typ: &str| {
        ["jwt", "application/jwt", "at+jwt", "application/at+jwt"].iter().any(|own| typ.eq_ignore_ascii_case(own))
    };
    let is_one = !header.has("typ") || header.text(&["typ"]).is_some_and(is_jwt);
    is_one && !FORBIDDEN.iter().any(|name| header.has(name))
}

fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)
}
