//! What a principal holds.

use super::{OrganizationId, Permission, ProjectKey, RoleKey};

/// Where a grant counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The whole tenant.
    Tenant,
    /// Requests on a project, made by someone who acts in this organization.
    Organization(OrganizationId),
    /// One project.
    Project(ProjectKey),
}

/// What a grant gives: a role by its key, or permissions by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holding {
    /// A role of the policy; an unknown key gives nothing.
    Role(RoleKey),
    /// Permissions without a role, as a platform's own service may answer.
    Permissions(Vec<Permission>),
}

/// One fact: this is held there, says that source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// What is held.
    pub holding: Holding,
    /// Where it counts.
    pub scope: Scope,
    /// Who says so: `config`, `default_roles`, `directory`, `http`.
    pub source: &'static str,
}

/// Everything that one principal holds, as complete as its sources know it.
///
/// An outage is never an empty `Grants`: whoever cannot know says so with an error instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// The facts, in the order of their sources.
    pub list: Vec<Grant>,
    /// The tenant's grant revision at which they were read; part of the assertion's cache key.
    pub revision: u64,
}
