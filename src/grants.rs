//! What principals hold, and where that comes from: sources, the cache in front of them, default roles.

use crate::access::{HostName, Kind, RoleKey, Scope, SubjectId, TenantId};

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
