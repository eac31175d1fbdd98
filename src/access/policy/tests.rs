use super::*;
use crate::access::{Grant, HostName, OrganizationId, SubjectId, TenantId};

fn permission(text: &str) -> Permission {
    Permission::new(text).expect("a permission")
}

fn key(text: &str) -> RoleKey {
    RoleKey::new(text).expect("a role key")
}

fn spec(name: &str, extends: Option<&str>, permissions: &[&str]) -> RoleSpec {
    RoleSpec {
        key: key(name),
        name: name.into(),
        weight: 100,
        extends: extends.map(key),
        permissions: permissions.iter().map(|p| permission(p)).collect(),
    }
}

fn policy() -> Policy {
    Policy::new(&[
        spec("viewer", None, &["projects:read"]),
        spec("editor", Some("viewer"), &["projects:write"]),
        spec("staff", None, &["*"]),
    ])
    .expect("a policy")
}

fn person() -> Principal {
    let id = |text| SubjectId::new(text).expect("an id");
    Principal::proven(
        HostName::new("assembly").expect("a name"),
        TenantId::new("t").expect("an id"),
        id("u"),
        Kind::Client,
    )
    .in_organization(OrganizationId::new("acme").ok())
}

fn grants(list: &[(&str, Scope)]) -> Grants {
    let grant = |(role, scope): &(&str, Scope)| Grant {
        holding: Holding::Role(key(role)),
        scope: scope.clone(),
        source: "config",
    };
    Grants { list: list.iter().map(grant).collect(), revision: 7 }
}

fn project(text: &str) -> ProjectKey {
    ProjectKey::new(text).expect("a project")
}

fn decide(
    access: &Access,
    caller: Option<&Principal>,
    at: Option<&ProjectKey>,
    held: &Grants,
    changes: bool,
) -> Decision {
    let route = RouteName::new("r").expect("a name");
    let request = AccessRequest {
        route: &route,
        access,
        principal: caller,
        project: at,
        changes,
        preview: PreviewRule::ReadOnly,
    };
    policy().decide(&request, held)
}

fn allowed(decision: &Decision) -> bool {
    matches!(decision, Decision::Allow(_))
}

#[test]
fn a_permission_counts_only_where_it_was_granted() {
    let read = Access::Require(permission("projects:read"));
    let (apollo, zeus) = (project("apollo"), project("zeus"));
    let acme = Scope::Organization(OrganizationId::new("acme").expect("an id"));
    let other = Scope::Organization(OrganizationId::new("other").expect("an id"));
    let cases = [
        (grants(&[]), Some(&apollo), false),
        (grants(&[("viewer", Scope::Project(apollo.clone()))]), Some(&apollo), true),
        (grants(&[("viewer", Scope::Project(apollo.clone()))]), Some(&zeus), false),
        (grants(&[("viewer", Scope::Project(apollo.clone()))]), None, false),
        (grants(&[("editor", Scope::Tenant)]), Some(&zeus), true),
        (grants(&[("editor", Scope::Tenant)]), None, true),
        (grants(&[("viewer", acme.clone())]), Some(&apollo), true),
        (grants(&[("viewer", acme)]), None, false),
        (grants(&[("viewer", other)]), Some(&apollo), false),
        (grants(&[("staff", Scope::Tenant)]), Some(&apollo), true),
        (grants(&[("no-such-role", Scope::Tenant)]), Some(&apollo), false),
    ];
    for (held, at, expected) in cases {
        assert_eq!(allowed(&decide(&read, Some(&person()), at, &held, false)), expected, "{held:?} at {at:?}");
    }
}

#[test]
fn nobody_passes_a_route_that_is_not_public() {
    for access in [Access::Authenticated, Access::Require(permission("projects:read"))] {
        let decision = decide(&access, None, None, &grants(&[("staff", Scope::Tenant)]), false);
        assert!(matches!(decision, Decision::Deny(DenyReason::NotAuthenticated)));
    }
}

#[test]
fn a_public_route_passes_no_identity_on() {
    let Decision::Allow(permit) = decide(&Access::Public, Some(&person()), None, &grants(&[]), true) else {
        panic!("a public route is open");
    };
    assert!(permit.principal().is_none() && permit.effective().is_none());
}

#[test]
fn a_preview_looks_but_does_not_touch() {
    let preview = person().previewed_by(SubjectId::new("staff-1").ok());
    let held = grants(&[("editor", Scope::Tenant)]);
    let write = Access::Require(permission("projects:write"));
    assert!(allowed(&decide(&write, Some(&preview), None, &held, false)));
    let changed = decide(&write, Some(&preview), None, &held, true);
    assert!(matches!(changed, Decision::Deny(DenyReason::PreviewReadOnly)));
}

#[test]
fn a_permit_lists_roles_as_granted_and_permissions_expanded() {
    let held = grants(&[("editor", Scope::Tenant)]);
    let Decision::Allow(permit) = decide(&Access::Authenticated, Some(&person()), None, &held, false) else {
        panic!("any proven caller passes");
    };
    let effective = permit.effective().expect("an identity");
    assert_eq!(effective.roles, [key("editor")]);
    assert_eq!(effective.permissions, [permission("projects:read"), permission("projects:write")]);
    assert_eq!(permit.revision(), 7);
}

#[test]
fn roles_that_lead_nowhere_are_all_reported() {
    let errors = Policy::new(&[
        spec("a", Some("b"), &[]),
        spec("b", Some("a"), &[]),
        spec("c", Some("ghost"), &[]),
        spec("c", None, &[]),
    ])
    .expect_err("faults");
    assert!(errors.contains(&RoleError::Duplicate(key("c"))));
    assert!(errors.contains(&RoleError::Cycle(key("a"))));
    assert!(errors.contains(&RoleError::UnknownBase { role: key("c"), extends: key("ghost") }));
}
