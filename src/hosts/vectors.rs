//! Vector files: tokens with what a gateway has to decide about them, one JSON object a line.
//!
//! A line holds the token, the keys, the request that it came with, and the time at which it is to be judged. What decides is
//! the code that decides in the gateway, with the settings that a configuration would have given it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::assembly::{ApiBudget, Assembly, AssemblySettings, ConfirmMode};
use super::keys::{Algorithm, KeySet, PublicKey};
use super::{
    App, Call, CbcForm, ClaimNames, Field, Hosted, HostedSettings, KeyMaterial, KeySource, Manner, Platform, Presented,
    Refusal, Scheme, Tenants, platforms,
};
use crate::access::{HostName, PreviewRule, Principal, TenantId};
use crate::clock::{Clock, Timestamp};
use crate::secret::Secret;

/// The workspace of tokens that name none; a configuration would name it.
const THE_TENANT: &str = "the-tenant";

/// One line.
#[derive(Debug, Deserialize)]
pub struct Vector {
    /// Its name.
    pub id: String,
    /// The platform's word in the configuration.
    pub platform: String,
    /// When it is judged, in seconds.
    now: u64,
    secret: Option<String>,
    secret_hex: Option<String>,
    public_key: Option<String>,
    public_jwk: Option<Map<String, Value>>,
    jwks: Option<Value>,
    #[serde(default)]
    params: Map<String, Value>,
    request: Option<Request>,
    token: String,
    /// What has to be decided.
    pub expect: Expect,
    /// Who an accepted token is, as far as the line says.
    #[serde(default)]
    pub expected_identity: Map<String, Value>,
}

/// What has to be decided about a token.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// It counts.
    Accept,
    /// It does not.
    Refuse,
}

#[derive(Debug, Deserialize)]
struct Request {
    method: Option<String>,
    url: Option<String>,
    query: Option<String>,
    body: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// A host, and what is presented to it.
pub struct Case {
    host: Judge,
    token: Secret,
    presented: Presented,
}

enum Judge {
    Assembly(Box<Assembly>),
    Hosted(Box<Hosted>),
}

impl Case {
    /// Decides it. A token that may be used once is spent by that.
    pub async fn judge(&self) -> Result<Principal, Refusal> {
        self.judge_other(&self.token).await
    }

    /// Decides another token in the place of this one.
    pub async fn judge_other(&self, token: &Secret) -> Result<Principal, Refusal> {
        match &self.host {
            Judge::Assembly(host) => host.read(token),
            Judge::Hosted(host) => host.judge(token, &self.presented).await.map(|proof| proof.principal),
        }
    }

    /// Decides a signed call in the place of this token.
    pub async fn judge_call(&self, signature: &Secret, call: Call) -> Result<Principal, Refusal> {
        let Judge::Hosted(host) = &self.host else { return Err(Refusal::Malformed) };
        let presented = Presented { call: Some(Arc::new(call)), ..self.presented.clone() };
        host.judge(signature, &presented).await.map(|proof| proof.principal)
    }
}

/// Why a line cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VectorError {
    /// The platform is not one of this version.
    #[error("`{0}` is not a platform of this version")]
    Platform(String),
    /// Its keys or its request cannot be read.
    #[error("{0} cannot be read")]
    Field(&'static str),
}

impl Vector {
    /// Decides the line at its own time.
    pub async fn judge(&self) -> Result<Principal, Refusal> {
        // A format that is not offered is refused, whatever it says.
        let case = self.prepare().map_err(|_| Refusal::Malformed)?;
        case.judge().await
    }

    /// Everything that deciding the line needs, for deciding it more than once.
    pub fn prepare(&self) -> Result<Case, VectorError> {
        let unknown = || VectorError::Platform(self.platform.clone());
        let platform = platforms::find(&self.platform).ok_or_else(unknown)?;
        let clock = Clock::manual(Timestamp::from_secs(self.now));
        let host = if platform.scheme == Scheme::SealedCbc(CbcForm::Assembly) {
            Judge::Assembly(Box::new(self.assembly(clock)))
        } else {
            let host = Hosted::new(self.settings(platform)?, clock);
            Judge::Hosted(Box::new(host.expect("a TLS client can be made of the library's own defaults")))
        };
        Ok(Case { host, token: self.presented_token(platform), presented: self.presented(platform)? })
    }

    /// What the gateway would hand over as the token: of a signed query, all of it.
    fn presented_token(&self, platform: &Platform) -> Secret {
        let query = self.request.as_ref().and_then(|request| request.query.as_deref());
        match platform.scheme {
            Scheme::SignedQuery(_) => Secret::from(query.unwrap_or(&self.token)),
            _ => Secret::from(self.token.as_str()),
        }
    }

    fn assembly(&self, clock: Clock) -> Assembly {
        let settings = AssemblySettings {
            name: name(),
            api_key: Secret::from(self.secret.as_deref().unwrap_or_default()),
            // Lines do not say which workspaces are served: `read` takes whichever the token names.
            tenants: Vec::new(),
            confirm: ConfirmMode::Online,
            revalidate: Duration::from_secs(1),
            outage_grace: Duration::ZERO,
            api_budget: ApiBudget { per_second: 1, per_month: 1 },
            api_url: String::new(),
            origins: Vec::new(),
            max_token_age: Duration::from_mins(10),
            preview: PreviewRule::ReadOnly,
        };
        Assembly::new(settings, clock).expect("a TLS client can be made of the library's own defaults")
    }

    fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| match self.params.get(*name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let listed = self.params.get(name).and_then(Value::as_array);
        listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    fn seconds(&self, name: &str) -> Option<Duration> {
        self.params.get(name)?.as_u64().map(Duration::from_secs)
    }

    fn settings(&self, platform: &'static Platform) -> Result<HostedSettings, VectorError> {
        let keys = self.keys(platform)?;
        let mut settings = HostedSettings::of(name(), platform, keys);
        if platform.app != App::InSecret {
            settings.audience = self.text(&["audience", "client_id", "bot_id", "base_url"]);
        }
        settings.issuer = self.text(&["issuer"]);
        settings.deployments = self.texts("deployment_ids");
        if settings.algorithms.is_empty() {
            settings.algorithms = self.texts("algorithms").iter().filter_map(|name| Algorithm::parse(name)).collect();
        }
        if platform.tenant == Field::TheTenant {
            settings.tenants = Tenants::Listed(vec![TenantId::new(THE_TENANT).expect("a valid id")]);
        }
        let one = |name: &str| Some(vec![name.to_owned()]);
        settings.claims = ClaimNames { tenant: one("tenant"), user: one("sub"), ..ClaimNames::default() };
        settings.leeway = self.seconds("leeway_s").unwrap_or(settings.leeway);
        let age = self.seconds("max_age_s").or_else(|| self.seconds("ttl_s"));
        settings.max_token_age = age.unwrap_or(settings.max_token_age);
        Ok(settings)
    }

    fn keys(&self, platform: &Platform) -> Result<KeyMaterial, VectorError> {
        let bad = VectorError::Field("a key");
        if let Some(jwks) = &self.jwks {
            return KeySet::parse(jwks.to_string().as_bytes()).map(KeyMaterial::Set).map_err(|_| bad);
        }
        if let Some(jwk) = &self.public_jwk {
            return PublicKey::from_jwk(jwk).map(|key| KeyMaterial::Pinned(vec![key])).map_err(|_| bad);
        }
        if let Some(key) = &self.public_key {
            return PublicKey::parse(key).map(|key| KeyMaterial::Pinned(vec![key])).map_err(|_| bad);
        }
        let written = self.secret_hex.as_ref().or(self.secret.as_ref()).ok_or(bad.clone())?;
        let secret = platform.fit_secret(&Secret::from(written.as_str())).map_err(|_| bad.clone())?;
        if platform.keys == KeySource::SecretOfTenant {
            let tenant = self.text(&["client_key"]).ok_or(bad)?;
            return Ok(KeyMaterial::OfTenants(BTreeMap::from([(tenant, vec![secret])])));
        }
        Ok(KeyMaterial::Secrets(vec![secret]))
    }

    fn presented(&self, platform: &Platform) -> Result<Presented, VectorError> {
        let call = self.request.as_ref().map(|request| request.call(platform, &self.token)).transpose()?;
        let reads = call.as_ref().is_none_or(|call| call.method == Method::GET);
        let manner = if reads { Manner::Navigation } else { Manner::Request };
        Ok(Presented { manner, call: call.map(Arc::new), nonce: self.text(&["nonce"]), ..Presented::default() })
    }
}

impl Request {
    fn call(&self, platform: &Platform, token: &str) -> Result<Call, VectorError> {
        let bad = |_| VectorError::Field("the request");
        let method = self.method.as_deref().unwrap_or("GET");
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| VectorError::Field("the method"))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| VectorError::Field("the request"))?;
            headers.append(name, HeaderValue::from_str(value).map_err(bad)?);
        }
        if let Some(name) = platform.signature_header().filter(|name| !headers.contains_key(*name)) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(token).map_err(bad)?);
        }
        let target = self.url.clone().unwrap_or_else(|| format!("/?{}", self.query.as_deref().unwrap_or_default()));
        let url = if target.starts_with('/') { format!("https://app.example.test{target}") } else { target };
        Ok(Call { method, url, headers, body: self.body.clone().unwrap_or_default().into() })
    }
}

fn name() -> HostName {
    HostName::new("vectors").expect("a valid name")
}
