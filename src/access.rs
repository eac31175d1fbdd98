//! The pure vocabulary: who is calling, what they hold, and the rule that decides.
//!
//! No I/O, HTTP, SQL, async, time or configuration in here, so that the rule can be read and tested as a table.

mod grant;
mod id;
mod origin;
mod permission;
mod policy;
mod principal;

pub use grant::{Grant, Grants, Holding, Scope};
pub use id::{HostName, IdError, OrganizationId, ProjectKey, RoleKey, RouteName, SubjectId, TenantId};
pub use origin::{Origin, OriginError, OriginPattern};
pub use permission::{Permission, PermissionError};
pub use policy::{Access, AccessRequest, Decision, DenyReason, Effective, Permit, Policy, RoleError, RoleSpec};
pub use principal::{Kind, PreviewRule, Principal, Standing};
