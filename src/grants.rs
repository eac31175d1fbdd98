//! What principals hold, and where that comes from: sources, the cache in front of them, default roles.
//!
//! Facts are cached, never verdicts. A key carries the tenant's grant revision, so that a change makes old entries
//! unreachable instead of deleting them: an answer that was on its way during the change lands under the old revision
//! and cannot undo it.

use std::future::Future;
use std::pin::Pin;

use std::time::Duration;

use crate::access::{Grant, HostName, Kind, Principal, RoleKey, Scope, SubjectId, TenantId};
use crate::clock::Timestamp;

mod cache;
mod config;
mod defaults;
mod held;
mod http;
mod revision;

pub use cache::{GrantLookup, GrantSettings};
pub use config::ConfigGrants;
pub use http::{HttpGrants, HttpSettings, is_free_header};

/// The answer of a source, some time later.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Told, SourceError>> + Send + 'a>>;

/// Knows what people hold.
pub trait GrantSource: Send + Sync {
    /// The word that its grants carry as their source, and the metric label.
    fn name(&self) -> &'static str;

    /// Everything that this source knows about a principal; an empty list is a real answer.
    fn grants<'a>(&'a self, who: &'a Principal) -> Answer<'a>;

    /// Sentences for `/readyz` about what does not work; empty when all is well.
    fn troubles(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What a source says of one person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Everything that it knows of them; an empty list is a real answer.
    pub facts: Vec<Fact>,
    /// How long that may be kept.
    pub keep: Keep,
}

/// One grant, and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The grant.
    pub grant: Grant,
    /// From then on it counts for nothing, however long the answer is kept.
    pub until: Option<Timestamp>,
}

/// How long an answer may be kept. It shortens the times of the configuration and never lengthens them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// At most this long.
    pub fresh: Option<Duration>,
    /// Whether it may serve after that while its source cannot answer.
    pub stale: bool,
}

/// A source cannot answer now, which is neither yes nor no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("permission source `{source_name}`: {cause}")]
pub struct SourceError {
    /// Which one.
    pub source_name: &'static str,
    /// What sort of trouble.
    pub outage: Outage,
    /// What happened, for the log only.
    pub cause: String,
}

/// Why a source gives no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// It cannot be reached, does not answer in time, or says something that cannot be understood.
    Unavailable,
    /// It does not accept our credential, which somebody has to mend.
    Refused,
    /// It was not asked, because it rests or too many questions wait.
    NotAsked,
}

impl Outage {
    /// The metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
            Self::NotAsked => "not_asked",
        }
    }
}

impl SourceError {
    /// A fault of ours on the way to the sources, or a worker that ends.
    fn broke_off() -> Self {
        Self { source_name: "all", outage: Outage::Unavailable, cause: "the question broke off".into() }
    }
}

impl Default for Keep {
    fn default() -> Self {
        Self { fresh: None, stale: true }
    }
}

impl Keep {
    /// What both allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let fresh = self.fresh.into_iter().chain(other.fresh).min();
        Self { fresh, stale: self.stale && other.stale }
    }
}

impl From<Vec<Grant>> for Told {
    /// Grants without an end, for as long as the configuration says.
    fn from(grants: Vec<Grant>) -> Self {
        let facts = grants.into_iter().map(|grant| Fact { grant, until: None }).collect();
        Self { facts, keep: Keep::default() }
    }
}

/// Something changed; cached facts of this tenant, or of all, are out of date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The tenant; `None` for all.
    pub tenant: Option<TenantId>,
}

/// What happens while a source cannot answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOutage {
    /// 503.
    Deny,
    /// The last complete answer, for at most this long, unless something changed since.
    ServeStale(Duration),
}

/// One `[[default_roles]]` entry: what everyone of a kind holds in the whole tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultRole {
    /// Only people of this host, if given.
    pub host: Option<HostName>,
    /// Only people of this workspace, if given.
    pub tenant: Option<TenantId>,
    /// Of this kind.
    pub kind: Kind,
    /// Only those whom the host gives this rank.
    pub host_role: Option<String>,
    /// Hold this role.
    pub role: RoleKey,
}

/// One `[[grants]]` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigGrant {
    /// The host that names the subject; always filled in, also where the file leaves it out.
    pub host: HostName,
    /// Its workspace.
    pub tenant: TenantId,
    /// The person.
    pub subject: SubjectId,
    /// The role.
    pub role: RoleKey,
    /// Where it counts.
    pub scope: Scope,
}
