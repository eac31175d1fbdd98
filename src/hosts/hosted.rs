//! A host of any platform whose tokens say all that there is to know: one row of [`super::platforms`] and its settings.

use std::sync::Arc;

use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::bridge::Bridge;
use super::claims::Claims;
use super::introspection::{Introspection, Meaning};
use super::jwks::RemoteKeys;
use super::login::Login;
use super::material::{KeyMaterial, Keys, TenantSecrets, macs};
use super::platform::{Binding, Carrier, Life, Once, Platform, QueryForm, Scheme};
use super::refusal::Refusal;
use super::rules::{Checked, Identity};
use super::{Call, Confirmed, HostError, HostPlatform, Pending, Presented, Proof, REFUSAL_TIME, count, sha256};
use super::{jwe, jwt, paseto, sealed_cbc, sealed_gcm, shared_secret};
use super::{signed_payload, signed_query, signed_request};
use crate::access::{HostName, Origin, OriginPattern, PreviewRule, Principal, Standing, TenantId};
use crate::clock::{Clock, Timestamp};
use crate::secret::Secret;

mod settings;

pub use settings::{ClaimNames, HostedSettings, Tenants};

/// Tokens that were spent, or seen, and are remembered as such; the one that was not presented for longest goes first. There is
/// no time after which they are forgotten: some never end, and others as late as the platform likes.
const MAX_SEEN: u64 = 200_000;

/// People whose facts are remembered.
const MAX_KNOWN: u64 = 100_000;

/// One app at one platform.
pub struct Hosted {
    settings: HostedSettings,
    keys: Keys,
    /// Tokens that may be used once, and were.
    spent: Cache<[u8; 32], ()>,
    /// When tokens that state no end were first presented.
    seen: Cache<[u8; 32], Timestamp>,
    /// What tokens said of people beyond their ids. Gone with the process; then they have no rank at the host.
    standings: Cache<Principal, Arc<Standing>>,
    clock: Clock,
}

/// A token as it was recognised.
#[derive(Clone, Copy)]
struct Sight {
    mark: [u8; 32],
    first_seen: Timestamp,
    ends: Option<Timestamp>,
}

/// What a scheme makes of a token that it proved.
pub(super) struct Opened {
    pub(super) claims: Claims,
    /// A time that is signed beside the claims.
    pub(super) signed_at: Option<Timestamp>,
    /// The token's one name, where it can be spelled in several ways.
    pub(super) mark: Option<[u8; 32]>,
}

impl From<Claims> for Opened {
    fn from(claims: Claims) -> Self {
        Self { claims, signed_at: None, mark: None }
    }
}

impl Hosted {
    /// Asks nothing yet.
    pub fn new(settings: HostedSettings, clock: Clock) -> Result<Self, super::StartError> {
        let keys = keys(&settings, &clock, None)?;
        let standings = Cache::builder().max_capacity(MAX_KNOWN).build();
        Ok(Self { settings, keys, spent: newest(MAX_SEEN), seen: newest(MAX_SEEN), standings, clock })
    }

    /// With other settings from now on: what was spent stays spent, and keys that were fetched stay known.
    pub fn after(before: &Self, settings: HostedSettings) -> Result<Self, super::StartError> {
        Ok(Self {
            keys: keys(&settings, &before.clock, Some(before))?,
            settings,
            spent: before.spent.clone(),
            seen: before.seen.clone(),
            standings: before.standings.clone(),
            clock: before.clock.clone(),
        })
    }

    /// Whether it is a host of this platform.
    pub fn is_of(&self, platform: &Platform) -> bool {
        self.settings.platform.name == platform.name
    }

    /// Everything that the gateway decides about a token, with the reason that a caller is not told. Spends it, where it can
    /// be used once.
    pub async fn judge(&self, token: &Secret, presented: &Presented) -> Result<Proof, Refusal> {
        let opened = self.open(token, presented).await?;
        let now = self.clock.now();
        let checked = Checked { settings: &self.settings, claims: &opened.claims, signed_at: opened.signed_at, now };
        let identity = checked.identity(presented)?;
        let mark = opened.mark.unwrap_or_else(|| sha256(token.expose()));
        let first_seen = self.first_seen(mark, now)?;
        self.spend(&identity.tenant, &opened.claims, mark)?;
        let ends = match self.settings.platform.life {
            Life::FirstSeen(_) => Some(first_seen + self.settings.max_token_age),
            _ => checked.end(),
        };
        Ok(self.proof(identity, presented, Sight { mark, first_seen, ends }))
    }

    pub(super) async fn open(&self, token: &Secret, presented: &Presented) -> Result<Opened, Refusal> {
        let (bytes, secrets) = (token.expose(), self.settings.secrets());
        let opened = match self.settings.platform.scheme {
            Scheme::Jwt(_) => {
                let claims = jwt::open(bytes, &self.settings, &self.keys).await?;
                Opened { claims, signed_at: None, mark: Some(jwt::mark(bytes)) }
            }
            Scheme::Jwe => jwe::open(bytes, secrets)?.into(),
            Scheme::Paseto(purpose) => paseto::open(purpose, bytes, &self.settings.keys)?.into(),
            Scheme::SealedCbc(form) => sealed_cbc::open(form, bytes, secrets)?,
            Scheme::SealedGcm(form) => sealed_gcm::open(form, bytes, secrets)?,
            Scheme::SignedPayload(form) => signed_payload::open(form, bytes, &self.keys)?.into(),
            Scheme::SignedQuery(form) => {
                // Pairs can come in any order, and be encoded in several ways: one of the readings names them all.
                let claims = signed_query::open(form, bytes, &self.settings, &self.keys)?;
                let mark = Some(sha256(claims.to_json().as_bytes()));
                Opened { claims, signed_at: None, mark }
            }
            Scheme::SignedRequest(form) => {
                let call = presented.call.as_deref().ok_or(Refusal::Malformed)?;
                signed_request::check_headers(call, self.settings.signatures())?;
                signed_request::open(form, bytes, call, &self.keys)?
            }
            Scheme::SharedSecret => shared_secret::open(bytes, secrets)?.into(),
            Scheme::Introspection(_) => match &self.keys {
                Keys::Asked(platform) => Claims::from(Meaning::clone(&*platform.resolve(token).await?)).into(),
                _ => return Err(Refusal::Unavailable),
            },
        };
        Ok(opened)
    }

    fn first_seen(&self, mark: [u8; 32], now: Timestamp) -> Result<Timestamp, Refusal> {
        if !matches!(self.settings.platform.life, Life::FirstSeen(_)) {
            return Ok(now);
        }
        let first = self.seen.get_with(mark, || now);
        if now.since(first) >= self.settings.max_token_age { Err(Refusal::Expired) } else { Ok(first) }
    }

    /// A name is unique in its workspace, so far as anybody knows.
    fn spend(&self, tenant: &TenantId, claims: &Claims, mark: [u8; 32]) -> Result<(), Refusal> {
        let name = match self.settings.platform.once {
            Once::No => return Ok(()),
            Once::Token => mark,
            Once::By(path) => sha256(format!("{tenant}\0{}", claims.id(path).ok_or(Refusal::MissingClaim)?).as_bytes()),
        };
        if self.spent.entry(name).or_insert(()).is_fresh() { Ok(()) } else { Err(Refusal::Replay) }
    }

    fn proof(&self, identity: Identity, presented: &Presented, sight: Sight) -> Proof {
        let Identity { tenant, subject, kind, organization, standing, target } = identity;
        let name = self.settings.name.clone();
        let principal = Principal::proven(name, tenant, subject, kind).in_organization(organization);
        let standing = Arc::new(standing);
        self.standings.insert(principal.clone(), Arc::clone(&standing));
        let Sight { mark, first_seen, ends } = sight;
        let confirmed = Confirmed { standing, at: self.clock.now() };
        let ancestors = presented.framed_by.iter().cloned().collect();
        let along = presented.call.as_deref().map(|call| self.settings.along(call)).unwrap_or_default();
        Proof { principal, confirmed, first_seen, ancestors, ends, target, mark, along }
    }

    fn standing(&self, principal: &Principal) -> Arc<Standing> {
        self.standings.get(principal).unwrap_or_default()
    }

    /// Formats that prove little say little: all their refusals are one, and take one time.
    const fn is_sealed_only(&self) -> bool {
        matches!(self.settings.platform.scheme, Scheme::SealedCbc(_))
    }

    /// Says to the operator what the caller is not told.
    fn refused(&self, refusal: Refusal) -> HostError {
        let reason = refusal.to_string();
        let message =
            if refusal == Refusal::Unavailable { "a token cannot be judged now" } else { "a token was refused" };
        tracing::info!(event = "host_token", host = %self.settings.name, reason, "{message}");
        refusal.into()
    }

    async fn decide(&self, token: &Secret, presented: &Presented) -> Result<Proof, HostError> {
        let refusal_time = tokio::time::sleep(REFUSAL_TIME);
        let refusal = match self.judge(token, presented).await {
            Ok(proof) => return Ok(proof),
            Err(refusal) => refusal,
        };
        let said = self.refused(refusal);
        if !self.is_sealed_only() || refusal == Refusal::Unavailable {
            return Err(said);
        }
        refusal_time.await;
        Err(HostError::Refused)
    }
}

impl HostPlatform for Hosted {
    fn name(&self) -> &HostName {
        &self.settings.name
    }

    fn carriers(&self) -> &[Carrier] {
        &self.settings.carriers
    }

    fn learns(&self) -> bool {
        matches!(self.settings.keys, KeyMaterial::KeyById(_)) && self.settings.installs.is_some()
    }

    fn learn<'a>(&'a self, principal: &'a Principal, body: Bytes) -> Pending<'a, Result<(), HostError>> {
        let Some(installs) = self.settings.installs.clone().filter(|_| self.learns()) else {
            return Box::pin(std::future::ready(Ok(())));
        };
        let (host, tenant) = (self.settings.name.clone(), principal.tenant().clone());
        Box::pin(installs.hear(host, tenant, body, self.clock.now()))
    }

    fn login(&self) -> Option<Login<'_>> {
        let HostedSettings { login_url, issuer, audience, deployments, .. } = &self.settings;
        Some(Login {
            url: login_url.as_deref()?,
            issuer: issuer.as_deref()?,
            client: audience.as_deref()?,
            deployments,
        })
    }

    fn bridge(&self) -> Option<&Bridge> {
        self.settings.platform.bridge.as_ref()
    }

    fn app(&self) -> Option<&str> {
        self.settings.audience.as_deref()
    }

    fn opens_session(&self) -> bool {
        self.settings.platform.opens_session
    }

    fn binding(&self) -> Binding {
        self.settings.platform.binding()
    }

    fn headers(&self) -> Vec<&str> {
        self.settings.headers()
    }

    fn glance(&self, token: &Secret, call: &Call) -> Result<(), HostError> {
        let glanced = self.settings.glance(token, call, self.clock.now());
        let glanced = glanced.map_err(|refusal| self.refused(refusal));
        if glanced.is_err() {
            count(&self.settings.name, &glanced);
        }
        glanced
    }

    fn allows_origin(&self, origin: &Origin) -> bool {
        self.settings.origins.iter().any(|pattern| pattern.matches(origin))
    }

    fn names_origin(&self, origin: &Origin) -> bool {
        self.settings.origins.iter().any(|pattern| matches!(pattern, OriginPattern::Exact(exact) if exact == origin))
    }

    fn frame_sources(&self) -> Vec<String> {
        self.settings.origins.iter().map(ToString::to_string).collect()
    }

    fn preview(&self) -> PreviewRule {
        PreviewRule::Deny
    }

    fn prove<'a>(&'a self, token: &'a Secret, presented: &'a Presented) -> Pending<'a, Result<Proof, HostError>> {
        Box::pin(async move {
            let proof = self.decide(token, presented).await;
            count(&self.settings.name, &proof);
            proof
        })
    }

    fn confirmed(&self, principal: &Principal, confirmed_at: Timestamp) -> Option<Confirmed> {
        let served = self.settings.serves(principal.tenant()) && self.keys.are_of(principal.tenant());
        served.then(|| Confirmed { standing: self.standing(principal), at: confirmed_at })
    }

    fn knows_people(&self) -> bool {
        false
    }

    fn confirm<'a>(
        &'a self,
        principal: &'a Principal,
        confirmed_at: Timestamp,
    ) -> Pending<'a, Result<Confirmed, HostError>> {
        Box::pin(std::future::ready(self.confirmed(principal, confirmed_at).ok_or(HostError::Refused)))
    }

    fn probe(&self) -> Pending<'_, bool> {
        match &self.keys {
            Keys::Remote(remote) => Box::pin(remote.probe()),
            _ => Box::pin(std::future::ready(true)),
        }
    }

    fn troubles(&self) -> Vec<String> {
        let troubles = match &self.keys {
            Keys::Remote(remote) => remote.troubles(),
            Keys::Asked(platform) => platform.troubles(),
            _ => Vec::new(),
        };
        troubles.into_iter().map(|trouble| format!("{}: {trouble}", self.settings.name)).collect()
    }
}

/// A memory that forgets what was not asked for longest. The usual policy would turn the newest away instead.
fn newest<V: Clone + Send + Sync + 'static>(capacity: u64) -> Cache<[u8; 32], V> {
    Cache::builder().max_capacity(capacity).eviction_policy(EvictionPolicy::lru()).build()
}

/// Keys that can be used, and those that were fetched before from the same address.
fn keys(settings: &HostedSettings, clock: &Clock, before: Option<&Hosted>) -> Result<Keys, super::StartError> {
    let remote = |url: &str, by_id: bool| -> Result<Keys, super::StartError> {
        let old = before.and_then(|before| match &before.keys {
            Keys::Remote(remote) if remote.is_like(url, by_id) => Some(Arc::clone(remote)),
            _ => None,
        });
        let fresh = || RemoteKeys::new(settings.name.clone(), url, by_id, clock.clone()).map(Arc::new);
        Ok(Keys::Remote(old.map_or_else(fresh, Ok)?))
    };
    let asked = |url: &str, secret: &Secret| -> Result<Keys, super::StartError> {
        let old = before.and_then(|before| match &before.keys {
            Keys::Asked(asked) if asked.is_like(url, secret) => Some(Arc::clone(asked)),
            _ => None,
        });
        let fresh = || Introspection::new(settings.name.clone(), url, secret.clone(), clock.clone()).map(Arc::new);
        Ok(Keys::Asked(old.map_or_else(fresh, Ok)?))
    };
    Ok(match &settings.keys {
        KeyMaterial::Secrets(secrets) => match (settings.platform.scheme, &secrets[..]) {
            (Scheme::Introspection(url), [secret, ..]) => asked(url, secret)?,
            (Scheme::SignedQuery(QueryForm::TelegramMac), _) => Keys::Secrets(signed_query::bot_keys(secrets)),
            _ => Keys::Secrets(macs(secrets)),
        },
        KeyMaterial::OfTenants(tenants) => {
            let written = tenants.iter().map(|(tenant, secrets)| (tenant.clone(), macs(secrets))).collect();
            Keys::OfTenants(TenantSecrets { written, sent: settings.installs.clone() })
        }
        KeyMaterial::Pinned(keys) => Keys::Pinned(keys.iter().cloned().map(Arc::new).collect()),
        KeyMaterial::Set(set) => Keys::Set(set.clone()),
        KeyMaterial::Jwks(url) => remote(url, false)?,
        KeyMaterial::KeyById(url) => remote(url, true)?,
    })
}

#[cfg(test)]
mod tests;
