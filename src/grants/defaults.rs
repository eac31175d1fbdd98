//! Roles that everyone of a kind holds.

use super::DefaultRole;
use crate::access::{Grant, Holding, Principal, Scope, Standing};

/// The name that these grants carry.
const NAME: &str = "default_roles";

/// What the principal holds by being who they are. Staff whom the host limits to some companies hold it only there.
pub(super) fn of(defaults: &[DefaultRole], who: &Principal, standing: &Standing) -> Vec<Grant> {
    let matching = defaults.iter().filter(|default| applies(default, who, standing));
    matching.flat_map(|default| scopes(standing).into_iter().map(|scope| grant(default, scope))).collect()
}

fn applies(default: &DefaultRole, who: &Principal, standing: &Standing) -> bool {
    default.kind == who.kind()
        && default.host.as_ref().is_none_or(|host| host == who.host())
        && default.tenant.as_ref().is_none_or(|tenant| tenant == who.tenant())
        && (default.host_role.is_none() || default.host_role == standing.host_role)
}

fn scopes(standing: &Standing) -> Vec<Scope> {
    match &standing.limited_to {
        None => vec![Scope::Tenant],
        Some(companies) => companies.iter().cloned().map(Scope::Organization).collect(),
    }
}

fn grant(default: &DefaultRole, scope: Scope) -> Grant {
    Grant { holding: Holding::Role(default.role.clone()), scope, source: NAME }
}
