//! The rule: default deny, total, deterministic.

use std::collections::{BTreeSet, HashMap};

use super::{Grants, Holding, Kind, Permission, PreviewRule, Principal, ProjectKey, RoleKey, RouteName, Scope};

/// A role as an operator writes it.
#[derive(Clone, Debug)]
pub struct RoleSpec {
    /// Unique key.
    pub key: RoleKey,
    /// Name shown to people.
    pub name: String,
    /// 1 to 1000; higher is stronger.
    pub weight: u16,
    /// The role whose permissions this one includes.
    pub extends: Option<RoleKey>,
    /// Its own permissions.
    pub permissions: Vec<Permission>,
}

/// Why a set of roles makes no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// Two roles of one key.
    #[error("role `{0}` is defined twice")]
    Duplicate(RoleKey),
    /// `extends` names nothing.
    #[error("role `{role}` extends `{extends}`, which does not exist")]
    UnknownBase {
        /// The role with the fault.
        role: RoleKey,
        /// What it names.
        extends: RoleKey,
    },
    /// `extends` leads back to where it began.
    #[error("role `{0}` extends itself, directly or through others")]
    Cycle(RoleKey),
}

/// What a route asks of its callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody; no identity is looked up or passed on.
    Public,
    /// Any proven caller.
    Authenticated,
    /// A proven caller who holds this permission here.
    Require(Permission),
}

/// The question: may this caller do this here? Built from the route, never from claims.
#[derive(Debug)]
pub struct AccessRequest<'a> {
    /// The route that was matched.
    pub route: &'a RouteName,
    /// What the route asks.
    pub access: &'a Access,
    /// The proven caller; `None` on public routes.
    pub principal: Option<&'a Principal>,
    /// The project that the target names, if the route has one.
    pub project: Option<&'a ProjectKey>,
    /// Whether the request could change something: a method other than GET, HEAD, OPTIONS, or an upgrade.
    pub changes: bool,
    /// What the caller's host allows in staff previews.
    pub preview: PreviewRule,
}

/// Why the answer is no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyReason {
    /// The route needs a proven caller.
    NotAuthenticated,
    /// The permission is not held here.
    MissingPermission,
    /// A staff preview tried to change something, or previews are off.
    PreviewReadOnly,
}

impl DenyReason {
    /// The word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAuthenticated => "not_authenticated",
            Self::MissingPermission => "missing_permission",
            Self::PreviewReadOnly => "preview_read_only",
        }
    }
}

/// The answer.
#[derive(Debug)]
pub enum Decision {
    /// Yes, and here is the proof.
    Allow(Permit),
    /// No.
    Deny(DenyReason),
}

/// What somebody effectively holds at one place: lists as the app sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Effective {
    /// Role keys as granted (not those they extend), sorted.
    pub roles: Vec<RoleKey>,
    /// Expanded permissions, sorted; `*` stays `*`.
    pub permissions: Vec<Permission>,
}

impl Effective {
    /// Whether the permission is among them, or `*` is.
    pub fn covers(&self, permission: &Permission) -> bool {
        self.permissions.iter().any(|held| held == permission || held.is_everything())
    }
}

/// Proof that this request was allowed. Only [`Policy::decide`] makes one, and `forward` consumes it.
#[derive(Debug)]
pub struct Permit {
    route: RouteName,
    identity: Option<(Principal, Effective)>,
    project: Option<ProjectKey>,
    revision: u64,
}

impl Permit {
    /// The route that it was given for.
    pub const fn route(&self) -> &RouteName {
        &self.route
    }

    /// Who was allowed; `None` on public routes, which pass no identity on.
    pub fn principal(&self) -> Option<&Principal> {
        self.identity.as_ref().map(|(principal, _)| principal)
    }

    /// What they hold here.
    pub fn effective(&self) -> Option<&Effective> {
        self.identity.as_ref().map(|(_, effective)| effective)
    }

    /// The project that it was given for.
    pub const fn project(&self) -> Option<&ProjectKey> {
        self.project.as_ref()
    }

    /// The grant revision that it rests on.
    pub const fn revision(&self) -> u64 {
        self.revision
    }
}

/// All roles and the one rule.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// What each role gives, with all that it extends.
    roles: HashMap<RoleKey, BTreeSet<Permission>>,
}

impl Policy {
    /// Expands `extends` and checks that every role can be understood; reports all faults at once.
    pub fn new(specs: &[RoleSpec]) -> Result<Self, Vec<RoleError>> {
        let mut errors = Vec::new();
        let mut by_key: HashMap<&RoleKey, &RoleSpec> = HashMap::new();
        for spec in specs {
            if by_key.insert(&spec.key, spec).is_some() {
                errors.push(RoleError::Duplicate(spec.key.clone()));
            }
        }
        let mut roles = HashMap::new();
        for spec in specs {
            match expand(spec, &by_key) {
                Ok(permissions) => drop(roles.insert(spec.key.clone(), permissions)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Self { roles }) } else { Err(errors) }
    }

    /// Decides one request. `grants` may be empty, but never "unknown": an outage has to end before this.
    pub fn decide(&self, request: &AccessRequest<'_>, grants: &Grants) -> Decision {
        let Some(principal) = request.principal.filter(|_| *request.access != Access::Public) else {
            return match request.access {
                Access::Public => Decision::Allow(permit(request, None, 0)),
                Access::Authenticated | Access::Require(_) => Decision::Deny(DenyReason::NotAuthenticated),
            };
        };
        if preview_is_refused(principal, request) {
            return Decision::Deny(DenyReason::PreviewReadOnly);
        }
        let effective = self.effective(principal, request.project, grants);
        let held = match request.access {
            Access::Require(permission) => effective.covers(permission),
            Access::Public | Access::Authenticated => true,
        };
        if held {
            Decision::Allow(permit(request, Some((principal.clone(), effective)), grants.revision))
        } else {
            Decision::Deny(DenyReason::MissingPermission)
        }
    }

    /// What the grants amount to for this principal, on this project or, without one, in the whole tenant.
    pub fn effective(&self, principal: &Principal, project: Option<&ProjectKey>, grants: &Grants) -> Effective {
        let mut roles = BTreeSet::new();
        let mut permissions = BTreeSet::new();
        for grant in grants.list.iter().filter(|grant| counts(&grant.scope, principal, project)) {
            match &grant.holding {
                Holding::Permissions(list) => permissions.extend(list.iter().cloned()),
                Holding::Role(key) => {
                    if let Some(given) = self.roles.get(key) {
                        roles.insert(key.clone());
                        permissions.extend(given.iter().cloned());
                    }
                }
            }
        }
        Effective { roles: roles.into_iter().collect(), permissions: permissions.into_iter().collect() }
    }
}

fn permit(request: &AccessRequest<'_>, identity: Option<(Principal, Effective)>, revision: u64) -> Permit {
    Permit { route: request.route.clone(), identity, project: request.project.cloned(), revision }
}

/// Whether a grant of this scope counts for a request on `project` (or on none).
fn counts(scope: &Scope, principal: &Principal, project: Option<&ProjectKey>) -> bool {
    match scope {
        Scope::Tenant => true,
        Scope::Organization(id) => project.is_some() && principal.organization() == Some(id),
        Scope::Project(key) => project == Some(key),
    }
}

fn preview_is_refused(principal: &Principal, request: &AccessRequest<'_>) -> bool {
    let previewing = principal.kind() == Kind::Client && principal.actor().is_some();
    previewing
        && match request.preview {
            PreviewRule::Full => false,
            PreviewRule::ReadOnly => request.changes,
            PreviewRule::Deny => true,
        }
}

fn expand(spec: &RoleSpec, by_key: &HashMap<&RoleKey, &RoleSpec>) -> Result<BTreeSet<Permission>, RoleError> {
    let mut permissions: BTreeSet<Permission> = spec.permissions.iter().cloned().collect();
    let mut seen = vec![&spec.key];
    let mut current = spec;
    while let Some(base) = &current.extends {
        if seen.contains(&base) {
            return Err(RoleError::Cycle(spec.key.clone()));
        }
        let unknown = || RoleError::UnknownBase { role: current.key.clone(), extends: base.clone() };
        current = by_key.get(base).copied().ok_or_else(unknown)?;
        seen.push(base);
        permissions.extend(current.permissions.iter().cloned());
    }
    Ok(permissions)
}

#[cfg(test)]
mod tests;
