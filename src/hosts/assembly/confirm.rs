//! Asking the platform whether a person is who a token says.

use std::sync::Arc;
use std::time::Duration;

use super::api::{ClientUser, InternalUser};
use super::health::{ApiState, TokenIds};
use super::{ApiError, Assembly, Claims, ConfirmMode, Opened, Refused};
use crate::access::{HostName, Kind, OrganizationId, Origin, Principal, Standing, SubjectId, TenantId};
use crate::clock::{Timestamp, jittered};
use crate::hosts::{Confirmed, HostError};

/// Everything that is confirmed together: a change in any part is another question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) tenant: TenantId,
    pub(super) subject: SubjectId,
    pub(super) kind: Kind,
    pub(super) organization: Option<OrganizationId>,
    pub(super) actor: Option<SubjectId>,
}

/// One question to the platform: about somebody, and about the token that names them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Inquiry {
    identity: Identity,
    token: Option<[u8; 32]>,
}

/// By how much the times of people differ, to either side.
const JITTER: f64 = 0.2;

/// The part of the time after which it is good to ask again.
const EARLY: f64 = 0.8;

/// What the platform said about somebody.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) standing: Arc<Standing>,
    pub(super) portal: Option<Origin>,
    pub(super) at: Timestamp,
}

impl Identity {
    pub(super) fn of(claims: &Claims) -> Result<Self, Refused> {
        let (subject, kind, actor) = match (&claims.client, &claims.internal_user) {
            (Some(client), actor) => (client, Kind::Client, actor.as_deref()),
            (None, Some(internal)) => (internal, Kind::Internal, None),
            (None, None) => return Err(Refused),
        };
        let organization = claims.company.as_deref().map(OrganizationId::new).transpose();
        Ok(Self {
            tenant: TenantId::new(&claims.workspace).map_err(|_| Refused)?,
            subject: SubjectId::new(subject).map_err(|_| Refused)?,
            kind,
            organization: organization.map_err(|_| Refused)?,
            actor: actor.map(SubjectId::new).transpose().map_err(|_| Refused)?,
        })
    }

    /// The question that was asked about a principal.
    pub(super) fn again(principal: &Principal) -> Self {
        Self {
            tenant: principal.tenant().clone(),
            subject: principal.subject().clone(),
            kind: principal.kind(),
            organization: principal.organization().cloned(),
            actor: principal.actor().cloned(),
        }
    }

    pub(super) fn principal(&self, host: &HostName) -> Principal {
        Principal::proven(host.clone(), self.tenant.clone(), self.subject.clone(), self.kind)
            .in_organization(self.organization.clone())
            .previewed_by(self.actor.clone())
    }

    /// Clients hold what they are granted; staff hold roles that depend on what the host says of them.
    pub(super) fn needs_no_standing(&self) -> bool {
        self.kind == Kind::Client
    }

    /// ±20 %, always the same for one person, so that people who came together are not asked about together.
    pub(super) fn jittered(&self, span: Duration) -> Duration {
        jittered(span, JITTER, self)
    }
}

impl Identity {
    /// When they are asked about while what is known still holds, so that nobody waits for the answer.
    pub(super) fn early(&self, span: Duration) -> Duration {
        self.jittered(span).mul_f64(EARLY)
    }
}

/// Before that it is nobody's turn.
pub(super) fn earliest(span: Duration) -> Duration {
    span.mul_f64((1.0 - JITTER) * EARLY)
}

impl Known {
    /// Offline: nobody was asked.
    pub(super) fn unasked(now: Timestamp) -> Self {
        Self { standing: Arc::default(), portal: None, at: now }
    }

    pub(super) fn confirmed(&self) -> Confirmed {
        Confirmed { standing: Arc::clone(&self.standing), at: self.at }
    }
}

impl Assembly {
    /// A session begins with a question about its token. None is asked twice about one token, and none about the fresh
    /// token of somebody who has a live session of the same ids: it renews what was proven.
    pub(super) async fn confirm_token(&self, opened: &Opened, renews: bool) -> Result<Known, HostError> {
        let asked_before = renews || self.memory.is_confirmed(opened.name);
        if let Some(known) = self.remembered(&opened.identity).filter(|_| asked_before) {
            return Ok(known);
        }
        // Each question costs quota, and whoever can garble a token can make many that differ in their id only.
        if self.memory.has_asked_enough(&opened.identity) {
            return Err(HostError::Unavailable);
        }
        let asked = self.learn(&opened.identity, Some(opened.name), opened.token_id.as_deref()).await;
        match &asked {
            Ok(_) => self.memory.note_confirmed(opened.name),
            Err(HostError::Refused | HostError::Expired) => drop(self.refuse("confirmation")),
            Err(HostError::Unavailable) => {}
        }
        asked
    }

    /// What the platform says about somebody, by one question for all who ask the same.
    pub(super) async fn learn(
        &self,
        identity: &Identity,
        token: Option<[u8; 32]>,
        token_id: Option<&str>,
    ) -> Result<Known, HostError> {
        let inquiry = Inquiry { identity: identity.clone(), token };
        let asked = self.asking.try_get_with(inquiry, self.ask(identity, token_id)).await;
        let known = asked.map_err(|error| *error)?;
        self.health.note(ApiState::Answers);
        self.known.insert(identity.clone(), known.clone());
        Ok(known)
    }

    /// What the platform said while that still holds.
    fn remembered(&self, identity: &Identity) -> Option<Known> {
        let fresh = |known: &Known| self.clock.now().since(known.at) < identity.jittered(self.settings.revalidate);
        self.known.get(identity).filter(fresh)
    }

    async fn ask(&self, identity: &Identity, token_id: Option<&str>) -> Result<Known, HostError> {
        if token_id.is_some() {
            self.memory.note_question(identity);
        }
        let portal = self.ask_workspace(&identity.tenant, token_id).await?;
        // Whoever asks without a token does so because it is time to, or will soon be.
        let is_young = |known: &Known| self.clock.now().since(known.at) < identity.early(self.settings.revalidate);
        if let Some(known) = self.remembered(identity).filter(|known| token_id.is_some() || is_young(known)) {
            return Ok(Known { portal, ..known });
        }
        let standing = match identity.kind {
            Kind::Internal => {
                let standing = staff_standing(self.ask_staff(&identity.tenant, &identity.subject).await?)?;
                self.ask_company(identity, &standing).await?;
                standing
            }
            Kind::Client | Kind::External | Kind::Service => {
                let person = self.ask_client(identity).await?;
                if let Some(actor) = &identity.actor {
                    let actor = staff_standing(self.ask_staff(&identity.tenant, actor).await?)?;
                    may_preview(&actor, identity, &person)?;
                }
                client_standing(&person)
            }
        };
        Ok(Known { standing: Arc::new(standing), portal, at: self.clock.now() })
    }

    /// With a token id the platform says whether the token is alive; without one, what it said before is enough.
    async fn ask_workspace(&self, tenant: &TenantId, token_id: Option<&str>) -> Result<Option<Origin>, HostError> {
        if let Some(portal) = self.portals.get(tenant).filter(|_| token_id.is_none()) {
            return Ok(portal);
        }
        let workspace = match self.api.workspace(tenant.as_str(), token_id).await {
            Ok(workspace) => workspace,
            Err(ApiError::Denied | ApiError::Gone) if token_id.is_some() => {
                self.ask_about_key(tenant).await?;
                return Err(HostError::Refused);
            }
            Err(error) => return Err(self.note(error)),
        };
        if !workspace.id.eq_ignore_ascii_case(tenant.as_str()) {
            return Err(HostError::Refused);
        }
        self.memory.note_token_id(tenant, token_id);
        let portal = workspace.portal_url.as_deref().and_then(portal_origin);
        self.portals.insert(tenant.clone(), portal.clone());
        Ok(portal)
    }

    /// A token id that is refused and a key that is refused look the same. Only the first says something about the caller.
    async fn ask_about_key(&self, tenant: &TenantId) -> Result<(), HostError> {
        let now = self.clock.now();
        if self.health.key_was_good(now) {
            return Ok(());
        }
        match self.api.workspace(tenant.as_str(), None).await {
            Ok(_) => {
                self.health.note_good_key(now);
                Ok(())
            }
            Err(ApiError::Denied | ApiError::Gone) => {
                self.health.note(ApiState::KeyRefused);
                Err(HostError::Unavailable)
            }
            Err(ApiError::Unavailable) => {
                self.health.note(ApiState::Unreachable);
                Err(HostError::Unavailable)
            }
        }
    }

    async fn ask_client(&self, identity: &Identity) -> Result<ClientUser, HostError> {
        let person = self
            .api
            .client(identity.tenant.as_str(), identity.subject.as_str())
            .await
            .map_err(|error| self.note(error))?;
        let is_them = person.id.eq_ignore_ascii_case(identity.subject.as_str());
        let active = person.status.as_deref().is_none_or(|status| status.eq_ignore_ascii_case("active"));
        let belongs = identity
            .organization
            .as_ref()
            .is_none_or(|company| companies(&person).any(|id| id.eq_ignore_ascii_case(company.as_str())));
        if is_them && active && belongs { Ok(person) } else { Err(HostError::Refused) }
    }

    async fn ask_staff(&self, tenant: &TenantId, id: &SubjectId) -> Result<InternalUser, HostError> {
        let person = self.api.internal_user(tenant.as_str(), id.as_str()).await.map_err(|error| self.note(error))?;
        // The platform keeps a record of staff who were deleted, with an empty address.
        let is_there = person.email.as_deref() != Some("");
        if is_there && person.id.eq_ignore_ascii_case(id.as_str()) { Ok(person) } else { Err(HostError::Refused) }
    }

    /// The company that a member of staff acts in: one of theirs if they are limited to some, else one that exists.
    async fn ask_company(&self, identity: &Identity, standing: &Standing) -> Result<(), HostError> {
        let Some(company) = &identity.organization else { return Ok(()) };
        if let Some(list) = &standing.limited_to {
            return if list.contains(company) { Ok(()) } else { Err(HostError::Refused) };
        }
        let asked = self.api.company(identity.tenant.as_str(), company.as_str()).await;
        let found = asked.map_err(|error| self.note(error))?;
        if found.id.eq_ignore_ascii_case(company.as_str()) { Ok(()) } else { Err(HostError::Refused) }
    }

    /// Only "there is no such person" is a no. That our key is not accepted says nothing about anybody.
    fn note(&self, error: ApiError) -> HostError {
        self.health.note(match error {
            ApiError::Gone => return HostError::Refused,
            ApiError::Denied => ApiState::KeyRefused,
            ApiError::Unavailable => ApiState::Unreachable,
        });
        HostError::Unavailable
    }

    /// Presents the key alone, and then with a token id that cannot exist. A platform that accepts that does not check token
    /// ids at all, so that a confirmation proves that a person exists, but not that the token lives.
    pub(super) async fn look(&self) -> bool {
        let Some(tenant) = self.settings.tenants.first().filter(|_| self.settings.confirm == ConfirmMode::Online)
        else {
            return true;
        };
        if self.health.knows_token_ids() {
            return true;
        }
        if self.ask_about_key(tenant).await.is_err() {
            return false;
        }
        let host = &self.settings.name;
        match self.api.workspace(tenant.as_str(), Some("vestibule-liveness-probe")).await {
            Ok(_) => {
                self.health.note_token_ids(TokenIds::Ignored);
                tracing::warn!(event = "host_probe", %host, "confirmation: existence; the platform accepts any token id");
            }
            Err(ApiError::Denied | ApiError::Gone) => {
                self.health.note_token_ids(TokenIds::Checked);
                tracing::info!(event = "host_probe", %host, "confirmation: liveness");
            }
            Err(ApiError::Unavailable) => {
                self.health.note(ApiState::Unreachable);
                return false;
            }
        }
        true
    }
}

fn companies(person: &ClientUser) -> impl Iterator<Item = &String> {
    person.company_ids.iter().flatten().chain(&person.company_id)
}

/// Staff with limited access preview the clients of their own companies only.
fn may_preview(actor: &Standing, identity: &Identity, client: &ClientUser) -> Result<(), HostError> {
    let Some(list) = &actor.limited_to else { return Ok(()) };
    let sees = |id: &str| list.iter().any(|own| own.as_str().eq_ignore_ascii_case(id));
    let allowed = match &identity.organization {
        Some(company) => sees(company.as_str()),
        None => companies(client).any(|id| sees(id)),
    };
    if allowed { Ok(()) } else { Err(HostError::Refused) }
}

fn client_standing(person: &ClientUser) -> Standing {
    let name = full_name(person.given_name.as_deref(), person.family_name.as_deref());
    Standing { name, email: person.email.clone().filter(|text| !text.is_empty()), ..Standing::default() }
}

/// A limit that is stated but cannot be read is no reason to see everything.
fn staff_standing(person: InternalUser) -> Result<Standing, HostError> {
    let limited_to = if person.is_client_access_limited.unwrap_or(false) {
        let list = person.company_access_list.unwrap_or_default();
        let ids: Result<Vec<_>, _> = list.iter().map(|id| OrganizationId::new(&id.to_ascii_lowercase())).collect();
        Some(ids.map_err(|_| HostError::Unavailable)?)
    } else {
        None
    };
    let name = full_name(person.given_name.as_deref(), person.family_name.as_deref());
    let email = person.email.filter(|text| !text.is_empty());
    Ok(Standing { host_role: person.role, limited_to, name, email })
}

fn full_name(given: Option<&str>, family: Option<&str>) -> Option<String> {
    let name = [given, family].into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then_some(name)
}

/// The API gives a URL, or a bare host name for https.
fn portal_origin(url: &str) -> Option<Origin> {
    if url.contains("://") { Origin::of_url(url).ok() } else { Origin::of_url(&format!("https://{url}")).ok() }
}
