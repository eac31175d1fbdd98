//! Assembly (formerly Copilot): AES-128-CBC tokens without a MAC, confirmed with the platform's API.
//!
//! The token proves little by itself: whoever holds the API key, or one token and patience, can make others. So it gives
//! ids only, never rights; every id is confirmed with the platform; and all that is refused looks the same.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache as Flight;
use moka::sync::Cache;
use ring::rand::{SecureRandom as _, SystemRandom};

use super::bridge::{self, Bridge};
use super::sealed_cbc::SealedCbc;
use super::{
    Carrier, Confirmed, HostError, HostPlatform, Pending, Presented, Proof, REFUSAL_TIME, Refusal, StartError, count,
};
use crate::access::{HostName, Kind, Origin, OriginPattern, PreviewRule, Principal, TenantId};
use crate::clock::{Clock, Timestamp};
use crate::secret::Secret;

mod api;
mod claims;
mod confirm;
mod health;
mod memory;

use api::{Api, ApiError};
use claims::{Claims, Refused};
use confirm::{Identity, Inquiry, Known};
use health::Health;
use memory::Memory;

pub use claims::is_uuid;

/// How far a token is checked before it becomes a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfirmMode {
    /// With the platform's API, once per session and again every `revalidate`.
    Online,
    /// Not at all beyond decryption: client users only.
    Offline,
}

/// How often the platform's API may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiBudget {
    /// Calls in one second.
    pub per_second: u32,
    /// Calls in thirty days.
    pub per_month: u32,
}

/// One `[hosts.NAME]` with `platform = "assembly"`.
#[derive(Clone, Debug)]
pub struct AssemblySettings {
    /// Name of the host in the configuration.
    pub name: HostName,
    /// The app's API key at the platform; also the source of the token cipher's key.
    pub api_key: Secret,
    /// Workspaces that are served; all others are refused.
    pub tenants: Vec<TenantId>,
    /// Online or offline.
    pub confirm: ConfirmMode,
    /// How long a confirmation holds, ±20 %.
    pub revalidate: Duration,
    /// How long proven sessions go on while the platform cannot be reached.
    pub outage_grace: Duration,
    /// Quota of the platform's API.
    pub api_budget: ApiBudget,
    /// Base of the platform's API: `https://host[:port]`, or `http://` on loopback. Never taken from a token.
    pub api_url: String,
    /// Pages that may frame the app.
    pub origins: Vec<OriginPattern>,
    /// How long a token is accepted after it was first seen.
    pub max_token_age: Duration,
    /// What staff may do in a preview.
    pub preview: PreviewRule,
}

/// People whose confirmation is remembered.
const MAX_KNOWN: u64 = 100_000;

/// How long concurrent questions about one person share an answer.
const FLIGHT: Duration = Duration::from_secs(1);

/// One Assembly app: its key, its workspaces, and what is known of their people.
pub struct Assembly {
    settings: AssemblySettings,
    cipher: SealedCbc,
    api: Api,
    memory: Memory,
    known: Cache<Identity, Known>,
    asking: Flight<Inquiry, Known>,
    /// Who was asked about before it was necessary, a moment ago.
    early: Cache<Identity, ()>,
    /// Portal of a workspace, as its API last said.
    portals: Cache<TenantId, Option<Origin>>,
    health: Arc<Health>,
    clock: Clock,
}

/// Makes a token as the platform would, for simulated hosts and tests. `fields` become JSON members in this order.
pub fn mint(api_key: &Secret, fields: &[(&str, &str)]) -> String {
    let members: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}:{}", serde_json::Value::from(*name), serde_json::Value::from(*value)))
        .collect();
    let mut iv = [0; 16];
    SystemRandom::new().fill(&mut iv).expect("the operating system gives random bytes, or nothing here is safe");
    SealedCbc::new(api_key).seal(format!("{{{}}}", members.join(",")).as_bytes(), iv)
}

/// What is in a token, for an operator who has the key: the decrypted text, and whether the gateway would read it.
/// Never part of an answer to a caller.
pub fn inspect(api_key: &Secret, token: &str) -> (String, bool) {
    let unsealed = SealedCbc::new(api_key).unseal(token.as_bytes());
    let accepted = unsealed.sound && claims::read(&unsealed.plaintext).is_ok();
    (String::from_utf8_lossy(&unsealed.plaintext).into_owned(), accepted)
}

impl Assembly {
    /// Makes the key schedule and the API client; asks nothing yet.
    pub fn new(settings: AssemblySettings, clock: Clock) -> Result<Self, StartError> {
        let api = Api::new(&settings, None)?;
        Ok(Self::with(settings, clock, api, Memory::new()))
    }

    /// With other settings from now on. When tokens were first seen, whose they are and how often the API was called is known
    /// as before; what the platform said is forgotten if it is another one, or is asked with another key.
    pub fn after(before: &Self, settings: AssemblySettings) -> Result<Self, StartError> {
        let old = &before.settings;
        let api = Api::new(&settings, Some(&before.api))?;
        if (&old.api_url, &old.api_key) != (&settings.api_url, &settings.api_key) {
            return Ok(Self::with(settings, before.clock.clone(), api, before.memory.unconfirmed()));
        }
        let same_times = (old.revalidate, old.outage_grace) == (settings.revalidate, settings.outage_grace);
        let mut next = Self::with(settings, before.clock.clone(), api, before.memory.clone());
        next.health = Arc::clone(&before.health);
        if same_times {
            (next.known, next.portals) = (before.known.clone(), before.portals.clone());
        } else {
            before.known.iter().for_each(|(identity, known)| next.known.insert(Identity::clone(&identity), known));
        }
        Ok(next)
    }

    fn with(settings: AssemblySettings, clock: Clock, api: Api, memory: Memory) -> Self {
        let kept = settings.revalidate.mul_f64(1.2) + settings.outage_grace;
        Self {
            cipher: SealedCbc::new(&settings.api_key),
            api,
            memory,
            known: Cache::builder().max_capacity(MAX_KNOWN).time_to_live(kept).build(),
            asking: Flight::builder().max_capacity(MAX_KNOWN).time_to_live(FLIGHT).build(),
            early: Cache::builder()
                .max_capacity(MAX_KNOWN)
                .time_to_live((settings.revalidate / 20).max(FLIGHT))
                .build(),
            portals: Cache::builder().max_capacity(10_000).time_to_live(settings.revalidate).build(),
            health: Arc::default(),
            settings,
            clock,
        }
    }

    fn serves(&self, tenant: &TenantId) -> bool {
        self.settings.tenants.contains(tenant)
    }

    /// Who a token names, of whichever workspace, as far as can be said without asking the platform. For operators.
    pub fn read(&self, token: &Secret) -> Result<Principal, Refusal> {
        let opened = self.open_any(token).map_err(|_| Refusal::Malformed)?;
        Ok(opened.identity.principal(&self.settings.name))
    }

    /// Everything that can be said about a token without asking anybody. All reasons to refuse are one to the outside.
    fn open(&self, token: &Secret) -> Result<Opened, Refused> {
        let opened = self.open_any(token)?;
        if self.serves(&opened.identity.tenant) { Ok(opened) } else { Err(self.refuse("workspace")) }
    }

    fn open_any(&self, token: &Secret) -> Result<Opened, Refused> {
        let unsealed = self.cipher.unseal(token.expose());
        let claims = claims::read(&unsealed.plaintext);
        // Form is one reason, whatever is wrong with it: which part, not even the log needs to know.
        let claims = if unsealed.sound { claims } else { Err(Refused) }.map_err(|_| self.refuse("form"))?;
        let identity = Identity::of(&claims)?;
        let now = self.clock.now();
        let first_seen = self.memory.first_seen(unsealed.body, now);
        let ended = claims.expires_at.is_some_and(|end| end <= now);
        if ended || now.since(first_seen) >= self.settings.max_token_age {
            return Err(self.refuse("age"));
        }
        self.memory.bind(&identity, claims.token_id.as_deref()).map_err(|_| self.refuse("token_id"))?;
        self.check_kind(&identity).map_err(|_| self.refuse("kind"))?;
        Ok(Opened { identity, name: unsealed.name, token_id: claims.token_id, first_seen })
    }

    /// Says to the operator what the caller is not told.
    fn refuse(&self, reason: &'static str) -> Refused {
        tracing::info!(event = "host_token", host = %self.settings.name, reason, "a token was refused");
        Refused
    }

    fn check_kind(&self, identity: &Identity) -> Result<(), Refused> {
        let previews = identity.actor.is_some();
        let staff = previews || identity.kind == Kind::Internal;
        let forbidden = previews && self.settings.preview == PreviewRule::Deny;
        let unconfirmed = staff && self.settings.confirm == ConfirmMode::Offline;
        if forbidden || unconfirmed { Err(Refused) } else { Ok(()) }
    }

    async fn prove_token(&self, token: &Secret, presented: &Presented) -> Result<Proof, HostError> {
        let opened = self.open(token).map_err(|Refused| HostError::Refused)?;
        let principal = opened.identity.principal(&self.settings.name);
        let known = match self.settings.confirm {
            ConfirmMode::Online => self.confirm_token(&opened, presented.live.contains(&principal)).await?,
            ConfirmMode::Offline => {
                self.memory.note_token_id(&opened.identity.tenant, opened.token_id.as_deref());
                Known::unasked(self.clock.now())
            }
        };
        let framed_by = presented.framed_by.as_ref();
        if !self.may_frame(framed_by, known.portal.as_ref()) {
            self.refuse("page");
            return Err(HostError::Refused);
        }
        let mut ancestors: Vec<Origin> = known.portal.iter().cloned().collect();
        ancestors.extend(framed_by.filter(|page| known.portal.as_ref() != Some(*page)).cloned());
        Ok(Proof {
            principal,
            confirmed: known.confirmed(),
            first_seen: opened.first_seen,
            ancestors,
            ends: None,
            target: None,
            mark: opened.name,
            along: Vec::new(),
        })
    }

    /// The page must be one that is named exactly, or the portal of this very workspace: another workspace's portal
    /// matches the patterns too.
    fn may_frame(&self, framed_by: Option<&Origin>, portal: Option<&Origin>) -> bool {
        let exact = |page: &Origin| {
            self.settings.origins.iter().any(|one| matches!(one, OriginPattern::Exact(own) if own == page))
        };
        match (framed_by, self.settings.confirm) {
            (None, _) | (Some(_), ConfirmMode::Offline) => true,
            (Some(page), ConfirmMode::Online) => portal == Some(page) || exact(page),
        }
    }

    async fn ask_again(&self, principal: &Principal, confirmed_at: Timestamp) -> Result<Confirmed, HostError> {
        // A session of a workspace that was served when it began.
        if !self.serves(principal.tenant()) {
            return Err(HostError::Refused);
        }
        let identity = Identity::again(principal);
        match self.learn(&identity, None, None).await {
            Ok(known) => Ok(known.confirmed()),
            Err(HostError::Unavailable) => self.grace(&identity, confirmed_at).ok_or(HostError::Unavailable),
            Err(refused) => {
                self.known.invalidate(&identity);
                Err(refused)
            }
        }
    }

    /// An outage ends nobody's session at once. Staff need to be known, because their limits matter.
    fn grace(&self, identity: &Identity, confirmed_at: Timestamp) -> Option<Confirmed> {
        let known = self.known.get(identity);
        let at = known.as_ref().map_or(confirmed_at, |known| known.at.max(confirmed_at));
        let lasts = self.clock.now() < at + self.settings.revalidate + self.settings.outage_grace;
        match known {
            Some(known) if lasts => Some(Confirmed { standing: known.standing, at }),
            None if lasts && identity.needs_no_standing() => Some(Confirmed { standing: Arc::default(), at }),
            Some(_) | None => None,
        }
    }
}

/// A token that is in order as far as can be told without asking.
struct Opened {
    identity: Identity,
    /// The token's one name, however it was spelled.
    name: [u8; 32],
    token_id: Option<String>,
    first_seen: Timestamp,
}

impl HostPlatform for Assembly {
    fn name(&self) -> &HostName {
        &self.settings.name
    }

    fn carriers(&self) -> &[Carrier] {
        &[Carrier::Query(Cow::Borrowed("token"))]
    }

    fn bridge(&self) -> Option<&Bridge> {
        Some(&bridge::ASSEMBLY)
    }

    fn allows_origin(&self, origin: &Origin) -> bool {
        self.settings.origins.iter().any(|pattern| pattern.matches(origin))
    }

    fn frame_sources(&self) -> Vec<String> {
        self.settings.origins.iter().map(ToString::to_string).collect()
    }

    fn preview(&self) -> PreviewRule {
        self.settings.preview
    }

    fn prove<'a>(&'a self, token: &'a Secret, presented: &'a Presented) -> Pending<'a, Result<Proof, HostError>> {
        Box::pin(async move {
            let refusal = tokio::time::sleep(REFUSAL_TIME);
            let proof = self.prove_token(token, presented).await;
            if matches!(proof, Err(HostError::Refused)) {
                refusal.await;
            }
            count(&self.settings.name, &proof);
            proof
        })
    }

    fn confirmed(&self, principal: &Principal, confirmed_at: Timestamp) -> Option<Confirmed> {
        if !self.serves(principal.tenant()) {
            return None;
        }
        if self.settings.confirm == ConfirmMode::Offline {
            return Some(Confirmed { standing: Arc::default(), at: confirmed_at });
        }
        let identity = Identity::again(principal);
        let known = self.known.get(&identity);
        let at = known.as_ref().map_or(confirmed_at, |known| known.at.max(confirmed_at));
        let young = self.clock.now().since(at) < identity.jittered(self.settings.revalidate);
        match known {
            Some(known) if young => Some(Confirmed { standing: known.standing, at }),
            // After a restart: the sealed time says enough of a client, but not of staff.
            None if young && identity.needs_no_standing() => Some(Confirmed { standing: Arc::default(), at }),
            Some(_) | None => None,
        }
    }

    fn is_due(&self, principal: &Principal, confirmed_at: Timestamp) -> bool {
        let age = self.clock.now().since(confirmed_at);
        // Most of the time nobody's turn has come, whatever their share of the jitter is: that costs a comparison.
        if self.settings.confirm == ConfirmMode::Offline || age < confirm::earliest(self.settings.revalidate) {
            return false;
        }
        let identity = Identity::again(principal);
        let is_old = age >= identity.early(self.settings.revalidate);
        is_old && self.early.entry(identity).or_insert(()).is_fresh()
    }

    fn confirm<'a>(
        &'a self,
        principal: &'a Principal,
        confirmed_at: Timestamp,
    ) -> Pending<'a, Result<Confirmed, HostError>> {
        Box::pin(self.ask_again(principal, confirmed_at))
    }

    fn probe(&self) -> Pending<'_, bool> {
        Box::pin(self.look())
    }

    fn all_is_well(&self) -> &'static str {
        "the API key is accepted, confirmation: liveness"
    }

    fn troubles(&self) -> Vec<String> {
        let name = &self.settings.name;
        self.health.troubles(self.settings.confirm).into_iter().map(|trouble| format!("{name}: {trouble}")).collect()
    }
}

#[cfg(test)]
mod tests;
