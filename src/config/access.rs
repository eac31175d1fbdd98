//! Roles, default roles, grants, and how they are looked up.

use std::time::Duration;

use super::document::Node;
use super::problem::Place;
use super::reader::{Fault, Reader, Table, duration, fault, list, number, suggestion, text, word};
use super::{Cache, HostSettings, Permissions};
use crate::access::{
    HostName, Kind, OrganizationId, Permission, Policy, ProjectKey, RoleError, RoleKey, RoleSpec, Scope, SubjectId,
    TenantId,
};
use crate::gateway::canonical_project;
use crate::grants::{ConfigGrant, DefaultRole, OnOutage};

type Hosts = [(Place, HostSettings)];

/// `[roles.*]`, each with its place.
pub(super) fn roles(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Vec<(Place, RoleSpec)> {
    let tables = root.named_tables("roles", reader);
    tables.into_iter().filter_map(|(name, table)| role(name, table, reader)).collect()
}

fn role(name: &str, mut table: Table<'_>, reader: &mut Reader<'_>) -> Option<(Place, RoleSpec)> {
    let (place, path) = (table.place.clone(), table.path.clone());
    let key = RoleKey::new(name);
    if let Err(error) = &key {
        reader.error(&place, &path, format!("`{name}` cannot be a role: it {error}"), "choose another key");
    }
    let shown = table.or("name", name.to_owned(), reader, text);
    let weight = table.required("weight", "500", reader, number(1, 1000)).and_then(|weight| u16::try_from(weight).ok());
    let extends = table.optional("extends", reader, role_key);
    let permissions = table.or("permissions", Vec::new(), reader, list(permission));
    table.finish(reader);
    Some((place, RoleSpec { key: key.ok()?, name: shown, weight: weight?, extends, permissions }))
}

/// The roles with everything that they extend.
pub(super) fn policy(roles: &[(Place, RoleSpec)], reader: &mut Reader<'_>) -> Option<Policy> {
    let specs: Vec<RoleSpec> = roles.iter().map(|(_, role)| role.clone()).collect();
    let errors = match Policy::new(&specs) {
        Ok(policy) => return Some(policy),
        Err(errors) => errors,
    };
    for error in errors {
        let (RoleError::Duplicate(key) | RoleError::Cycle(key) | RoleError::UnknownBase { role: key, .. }) = &error;
        let place = roles.iter().find(|(_, role)| role.key == *key).map_or(&Place::Nowhere, |(place, _)| place);
        let help = match &error {
            RoleError::UnknownBase { extends, .. } => suggestion(extends.as_str(), &keys(specs.iter())),
            RoleError::Duplicate(_) => "keep one of them".to_owned(),
            RoleError::Cycle(_) => "let one of the roles extend nothing".to_owned(),
        };
        reader.error(place, &format!("roles.{key}.extends"), error.to_string(), help);
    }
    None
}

fn keys<'a>(roles: impl Iterator<Item = &'a RoleSpec>) -> Vec<&'a str> {
    roles.map(|role| role.key.as_str()).collect()
}

/// `[[default_roles]]`
pub(super) fn default_roles(
    root: &mut Table<'_>,
    hosts: &Hosts,
    roles: &[&RoleSpec],
    reader: &mut Reader<'_>,
) -> Vec<DefaultRole> {
    let tables = root.tables("default_roles", reader);
    tables.into_iter().filter_map(|table| default_role(table, hosts, roles, reader)).collect()
}

fn default_role(
    mut table: Table<'_>,
    hosts: &Hosts,
    roles: &[&RoleSpec],
    reader: &mut Reader<'_>,
) -> Option<DefaultRole> {
    let kind =
        table.required("kind", "\"internal\"", reader, word(&[("internal", Kind::Internal), ("client", Kind::Client)]));
    let role = table.required("role", "\"viewer\"", reader, known_role(roles));
    let host = table.optional("host", reader, known_host(hosts));
    let tenant = table.optional("tenant", reader, known_tenant(hosts));
    let host_role = table.optional("host_role", reader, text);
    table.finish(reader);
    Some(DefaultRole { host, tenant, kind: kind?, host_role, role: role? })
}

/// `[[grants]]`
pub(super) fn grants(
    root: &mut Table<'_>,
    hosts: &Hosts,
    roles: &[&RoleSpec],
    reader: &mut Reader<'_>,
) -> Vec<ConfigGrant> {
    let tables = root.tables("grants", reader);
    tables.into_iter().filter_map(|table| grant(table, hosts, roles, reader)).collect()
}

fn grant(mut table: Table<'_>, hosts: &Hosts, roles: &[&RoleSpec], reader: &mut Reader<'_>) -> Option<ConfigGrant> {
    let place = table.place.clone();
    let host = match (table.optional("host", reader, known_host(hosts)), hosts) {
        (Some(host), _) => Some(host),
        (None, [(_, only)]) if !table.has("host") => Some(only.name().clone()),
        (None, _) => {
            if !table.has("host") && hosts.len() > 1 {
                reader.error(
                    &place,
                    &table.key("host"),
                    "several hosts are configured, and the grant names none",
                    "write host = \"…\"",
                );
            }
            None
        }
    };
    let tenant = table.required("tenant", "\"workspace id\"", reader, known_tenant(hosts));
    let subject = table.required("subject", "\"the host's id of the person\"", reader, |node| {
        id(node, |id| SubjectId::new(&id.to_ascii_lowercase()))
    });
    let role = table.required("role", "\"viewer\"", reader, known_role(roles));
    let project = table.optional("project", reader, project);
    let organization =
        table.optional("organization", reader, |node| id(node, |id| OrganizationId::new(&id.to_ascii_lowercase())));
    let scope = match (project, organization) {
        (Some(_), Some(_)) => {
            reader.error(
                &place,
                &table.key("project"),
                "a grant counts in a project or in an organization, not in both",
                "write two grants, or remove one of the keys",
            );
            None
        }
        (Some(project), None) => Some(Scope::Project(project)),
        (None, Some(organization)) => Some(Scope::Organization(organization)),
        // A scope that was written and not understood must not become the whole tenant.
        (None, None) => (!table.has("project") && !table.has("organization")).then_some(Scope::Tenant),
    };
    table.finish(reader);
    Some(ConfigGrant { host: host?, tenant: tenant?, subject: subject?, role: role?, scope: scope? })
}

/// `[permissions]`
pub(super) fn permissions(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Permissions {
    let mut table = root.table("permissions", reader);
    let source = |node: &Node| match text(node) {
        Ok(source) if source == "config" => Ok(()),
        _ => fault("only \"config\" is available in this version", "write source = \"config\""),
    };
    let _ = table.optional("source", reader, source);
    for key in ["url", "headers", "timeout"] {
        let _: Option<()> =
            table.optional(key, reader, |_| fault("this is not available in this version", "leave the key out"));
    }
    let serves_stale = table.or("on_outage", false, reader, word(&[("deny", false), ("serve_stale", true)]));
    let stale_for = table.or("stale_for", Duration::ZERO, reader, duration(Duration::ZERO, Duration::from_hours(24)));
    table.finish(reader);
    let on_outage = if serves_stale { OnOutage::ServeStale(stale_for) } else { OnOutage::Deny };
    Permissions { on_outage }
}

/// `[cache]`
pub(super) fn cache(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Cache {
    let mut table = root.table("cache", reader);
    let (least, most) = (Duration::from_millis(1), Duration::from_hours(1));
    let ttl = table.or("ttl", Duration::from_secs(30), reader, duration(least, most));
    let negative_ttl =
        table.or("negative_ttl", Duration::from_secs(5), reader, duration(least, Duration::from_mins(1)));
    let capacity = table.or("capacity", 100_000, reader, number(1, 100_000_000));
    table.finish(reader);
    Cache { ttl, negative_ttl, capacity }
}

pub(super) fn permission(node: &Node) -> Result<Permission, Fault> {
    let written = text(node)?;
    Permission::new(&written).or_else(|error| fault(format!("`{written}` is no permission"), error.to_string()))
}

fn role_key(node: &Node) -> Result<RoleKey, Fault> {
    id(node, RoleKey::new)
}

fn known_role<'a>(roles: &'a [&RoleSpec]) -> impl Fn(&Node) -> Result<RoleKey, Fault> + 'a {
    move |node| {
        let key = role_key(node)?;
        if roles.iter().any(|role| role.key == key) {
            return Ok(key);
        }
        fault(format!("there is no role `{key}`"), suggestion(key.as_str(), &keys(roles.iter().copied())))
    }
}

fn known_host(hosts: &Hosts) -> impl Fn(&Node) -> Result<HostName, Fault> + '_ {
    move |node| {
        let name = text(node)?;
        let names: Vec<&HostName> = hosts.iter().map(|(_, host)| host.name()).collect();
        let found = names.iter().find(|known| known.as_str() == name);
        let known: Vec<&str> = names.iter().map(|known| known.as_str()).collect();
        found.map_or_else(
            || fault(format!("there is no [hosts.{name}]"), suggestion(&name, &known)),
            |host| Ok((*host).clone()),
        )
    }
}

/// A workspace that no host serves can hold nothing.
fn known_tenant(hosts: &Hosts) -> impl Fn(&Node) -> Result<TenantId, Fault> + '_ {
    move |node| {
        let tenant = id(node, |id| TenantId::new(&id.to_ascii_lowercase()))?;
        let serves = |host: &HostSettings| match host {
            HostSettings::Assembly(settings) => settings.tenants.contains(&tenant),
        };
        if hosts.is_empty() || hosts.iter().any(|(_, host)| serves(host)) {
            return Ok(tenant);
        }
        fault(
            format!("no host serves the tenant `{tenant}`"),
            "list it under `tenants` of its host, or correct it here",
        )
    }
}

fn project(node: &Node) -> Result<ProjectKey, Fault> {
    let written = text(node)?;
    canonical_project(&written).map_or_else(
        || fault(format!("`{written}` cannot be one segment of a path"), "write the project as it stands in the path"),
        Ok,
    )
}

fn id<T, E: std::fmt::Display>(node: &Node, read: impl FnOnce(&str) -> Result<T, E>) -> Result<T, Fault> {
    let written = text(node)?;
    read(&written).or_else(|error| fault(format!("`{written}` {error}"), "correct the id"))
}
