//! What principals hold, and where that comes from: sources, the cache in front of them, default roles.
//!
//! Facts are cached, never verdicts. A key carries the tenant's grant revision, so that a change makes old entries
//! unreachable instead of deleting them: an answer that was on its way during the change lands under the old revision
//! and cannot undo it.

use std::future::Future;
use std::pin::Pin;

use crate::access::{Grant, HostName, Kind, Principal, RoleKey, Scope, SubjectId, TenantId};

mod cache;
mod config;
mod defaults;
mod revision;

pub use cache::{GrantLookup, GrantSettings};
pub use config::ConfigGrants;

/// The answer of a source, some time later.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Vec<Grant>, SourceError>> + Send + 'a>>;

/// Knows what people hold.
pub trait GrantSource: Send + Sync {
    /// The word that its grants carry as their source, and the metric label.
    fn name(&self) -> &'static str;

    /// Everything that this source knows about a principal; an empty list is a real answer.
    fn grants<'a>(&'a self, who: &'a Principal) -> Answer<'a>;
}

/// A source cannot answer now, which is neither yes nor no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("permission source `{source_name}`: {cause}")]
pub struct SourceError {
    /// Which one.
    pub source_name: &'static str,
    /// What happened, for the log only.
    pub cause: String,
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
    ServeStale(std::time::Duration),
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
