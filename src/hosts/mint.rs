//! Tokens as the platforms would make them, for tests and for whoever tries out a configuration. Nothing in the path of a
//! request uses it.

use std::time::Duration;

use serde_json::{Map, Value};

use super::jwt::mint as jwt;
use super::keys::Algorithm;
use super::material::KeyMaterial;
use super::platform::{Purpose, QueryForm, Rule, Scheme};
use super::{Call, HostedSettings, jwe, paseto, sealed_cbc, sealed_gcm, signed_payload, signed_query};
use crate::clock::Timestamp;
use crate::secret::Secret;

mod claims;
mod request;
#[cfg(test)]
mod tests;

pub use jwt::SigningKey;

/// What a token is to say.
pub struct Wish {
    /// The workspace.
    pub tenant: Option<String>,
    /// The person.
    pub user: Option<String>,
    /// The customer company, or part of the workspace.
    pub organization: Option<String>,
    /// The platform's word for their rank.
    pub role: Option<String>,
    /// Claims beside those, or in their place; `null` takes one away.
    pub claims: Vec<(String, Value)>,
    /// From now to its end.
    pub lifetime: Duration,
    /// The name of the key, for the header of a JWT.
    pub key_id: Option<String>,
    /// The request that it is for, for formats that sign one.
    pub call: Option<Call>,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Minted {
    /// A token; of signed queries the query.
    Token(String),
    /// Headers of the request, each with its value.
    Headers(Vec<(String, String)>),
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// The platform's tokens say this, and nobody told what.
    #[error("tokens of this platform name {0}: give {1}")]
    Missing(&'static str, &'static str),
    /// A secret is needed.
    #[error("tokens of this platform are made with its secret: give --secret-env or --secret-file")]
    Secret,
    /// A private key is needed.
    #[error("tokens of this platform are signed with {0}: give --key-file with such a key, PEM of PKCS#8")]
    Key(&'static str),
    /// What is signed has no reading.
    #[error("the platform would not make this request: it lacks something that is signed, or cannot be read")]
    Call,
    /// The platform is asked what its tokens mean.
    #[error("tokens of this platform mean nothing by themselves: only the platform can make one")]
    Opaque,
}

/// Makes a token of this host, as its platform would at this moment.
pub fn mint(
    settings: &HostedSettings,
    key: Option<&SigningKey>,
    wish: &Wish,
    now: Timestamp,
) -> Result<Minted, MintError> {
    // Calls say who makes them in their address, headers or body.
    if let Scheme::SignedRequest(form) = settings.platform.scheme {
        return request::sign(form, settings, key, wish, now);
    }
    let claims = claims::make(settings, wish, now)?;
    let pairs = pairs(&claims);
    let json = Value::Object(claims).to_string();
    let secret = || secret(settings, wish).ok_or(MintError::Secret);
    let ed25519 = || key.and_then(SigningKey::ed25519).ok_or(MintError::Key("Ed25519"));
    let token = match settings.platform.scheme {
        Scheme::Jwt(_) => return jwt_token(settings, key, wish, json.as_bytes()),
        Scheme::Jwe => jwe::mint(json.as_bytes(), secret()?),
        Scheme::Paseto(Purpose::Local) => paseto::mint_local(json.as_bytes(), b"", secret()?),
        Scheme::Paseto(Purpose::Public) => Some(paseto::mint_public(json.as_bytes(), b"", ed25519()?)),
        Scheme::SealedGcm(form) => sealed_gcm::mint(form, json.as_bytes(), secret()?),
        Scheme::SealedCbc(form) => sealed_cbc::mint(form, json.as_bytes(), secret()?),
        Scheme::SignedPayload(form) => Some(signed_payload::mint(form, secret()?, json.as_bytes())),
        Scheme::SignedQuery(QueryForm::TelegramSignature) => {
            let bot = settings.audience.as_deref().unwrap_or_default();
            Some(signed_query::mint::with_key(ed25519()?, bot, &borrowed(&pairs)))
        }
        Scheme::SignedQuery(form) => signed_query::mint::with_secret(form, secret()?, &borrowed(&pairs)),
        Scheme::SharedSecret => secret()?.expose_str().map(str::to_owned),
        Scheme::Introspection(_) | Scheme::SignedRequest(_) => return Err(MintError::Opaque),
    };
    token.map(Minted::Token).ok_or(MintError::Secret)
}

fn jwt_token(
    settings: &HostedSettings,
    key: Option<&SigningKey>,
    wish: &Wish,
    claims: &[u8],
) -> Result<Minted, MintError> {
    let named = settings.platform.rules.contains(&Rule::NamedKey);
    let kid = wish.key_id.as_deref().or(named.then_some("key-1"));
    let algorithm = settings.algorithms.first().copied().unwrap_or(Algorithm::Hs256);
    if algorithm == Algorithm::Hs256 {
        let secret = secret(settings, wish).ok_or(MintError::Secret)?;
        return Ok(Minted::Token(jwt::with_secret(secret, kid, claims)));
    }
    let fits = |key: &&SigningKey| settings.algorithms.contains(&key.algorithm());
    let key = key.filter(fits).ok_or(MintError::Key(algorithm.as_str()))?;
    Ok(Minted::Token(jwt::with_key(key, kid, claims)))
}

/// Names and texts of a query; what is no text is JSON in it.
fn pairs(claims: &Map<String, Value>) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    claims.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// The first secret: the present one.
fn secret<'a>(settings: &'a HostedSettings, wish: &Wish) -> Option<&'a Secret> {
    match &settings.keys {
        KeyMaterial::Secrets(secrets) => secrets.first(),
        KeyMaterial::OfTenants(tenants) => tenants.get(wish.tenant.as_deref()?)?.first(),
        _ => None,
    }
}
