//! Who is calling, once that is proven.

use super::{HostName, OrganizationId, SubjectId, TenantId};

/// What sort of caller a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A customer of the workspace.
    Client,
    /// A member of the workspace's own staff.
    Internal,
    /// Somebody known through another identity provider.
    External,
    /// A program.
    Service,
}

impl Kind {
    /// The word used in headers, configuration and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Internal => "internal",
            Self::External => "external",
            Self::Service => "service",
        }
    }

    /// The kind of that word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Client, Self::Internal, Self::External, Self::Service].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A proven caller. The key of a person is (host, tenant, subject); none of the three means anything alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    host: HostName,
    tenant: TenantId,
    subject: SubjectId,
    kind: Kind,
    organization: Option<OrganizationId>,
    actor: Option<SubjectId>,
}

impl Principal {
    /// States that this caller is proven. Called by `hosts` and `session` only, which `tests/architecture.rs` checks.
    pub fn proven(host: HostName, tenant: TenantId, subject: SubjectId, kind: Kind) -> Self {
        Self { host, tenant, subject, kind, organization: None, actor: None }
    }

    /// The same caller, acting in an organization.
    #[must_use]
    pub fn in_organization(self, organization: Option<OrganizationId>) -> Self {
        Self { organization, ..self }
    }

    /// The same caller, as previewed by a member of staff.
    #[must_use]
    pub fn previewed_by(self, actor: Option<SubjectId>) -> Self {
        Self { actor, ..self }
    }

    /// Name of the host in the configuration.
    pub const fn host(&self) -> &HostName {
        &self.host
    }

    /// The host's workspace.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The host's stable id of the person.
    pub const fn subject(&self) -> &SubjectId {
        &self.subject
    }

    /// What sort of caller.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The company they act in, if any.
    pub const fn organization(&self) -> Option<&OrganizationId> {
        self.organization.as_ref()
    }

    /// The member of staff who looks through this client's eyes, if any.
    pub const fn actor(&self) -> Option<&SubjectId> {
        self.actor.as_ref()
    }
}

/// What the host says about a proven person beyond their ids. Facts of the host, never rights of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Standing {
    /// The host's own word for their rank, such as `admin` or `staff`.
    pub host_role: Option<String>,
    /// Staff with limited access see only these companies; `None` is everyone's normal case: no limit.
    pub limited_to: Option<Vec<OrganizationId>>,
    /// Display name, for `X-Vestibule-Name`.
    pub name: Option<String>,
    /// Address, for `X-Vestibule-Email`.
    pub email: Option<String>,
}

/// What staff may do while they preview the app as one of their clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviewRule {
    /// Look, never change: only GET, HEAD and OPTIONS, no upgrades.
    ReadOnly,
    /// Everything that the client may.
    Full,
    /// No previews at all.
    Deny,
}
