//! Looks up what the caller holds and lets the policy decide.

use std::sync::Arc;

use super::authenticate::Caller;
use super::respond::Rejection;
use super::route::RouteMatch;
use crate::access::{Access, AccessRequest, Decision, DenyReason, Grants, Permit, Policy, PreviewRule};
use crate::grants::GrantLookup;

/// Decides one request. An outage of a source is an error of its own and never a no.
pub(super) async fn authorize(
    lookup: &Arc<GrantLookup>,
    policy: &Policy,
    found: &RouteMatch<'_>,
    caller: Option<&Caller>,
    changes: bool,
) -> Result<(Permit, Arc<Grants>), Rejection> {
    let grants = match caller {
        Some(caller) if found.route.access != Access::Public => {
            let held = lookup.of(&caller.principal, &caller.standing).await;
            held.map_err(|error| Rejection::PermissionsUnavailable(error.to_string()))?
        }
        Some(_) | None => Arc::default(),
    };
    let request = AccessRequest {
        route: &found.route.name,
        access: &found.route.access,
        principal: caller.map(|caller| &caller.principal),
        project: found.project.as_ref(),
        changes,
        preview: caller.map_or(PreviewRule::Deny, |caller| caller.preview),
    };
    match policy.decide(&request, &grants) {
        Decision::Allow(permit) => Ok((permit, grants)),
        Decision::Deny(DenyReason::NotAuthenticated) => Err(Rejection::SessionMissing),
        Decision::Deny(DenyReason::PreviewReadOnly) => Err(Rejection::PreviewReadOnly),
        Decision::Deny(DenyReason::MissingPermission) => {
            Err(Rejection::Forbidden(DenyReason::MissingPermission.as_str()))
        }
    }
}
