//! Roles, default roles, grants, and how long they are kept.

use std::time::Duration;

use super::Cache;
use super::document::Node;
use super::hosts::Hosts;
use super::problem::Place;
use super::reader::{Reader, Table};
use super::values::{Fault, duration, fault, number, suggestion, text, word};
use crate::access::{
    HostName, Kind, OrganizationId, Permission, Policy, ProjectKey, RoleError, RoleKey, RoleSpec, Scope, SubjectId,
    TenantId,
};
use crate::gateway::canonical_project;
use crate::grants::{ConfigGrant, DefaultRole};

/// The roles that are in order, each with the place where it extends another, and the keys of all.
pub(super) struct Roles {
    pub(super) ready: Vec<(Place, RoleSpec)>,
    written: Vec<String>,
}

/// `[roles.*]`
pub(super) fn roles(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Roles {
    let tables = root.named_tables("roles", reader);
    let written = tables.iter().map(|(name, _)| (*name).to_owned()).collect();
    let ready = tables.into_iter().filter_map(|(name, table)| role(name, table, reader)).collect();
    Roles { ready, written }
}

fn role(name: &str, mut table: Table<'_>, reader: &mut Reader<'_>) -> Option<(Place, RoleSpec)> {
    let before = reader.errors();
    let key = RoleKey::new(name);
    if let Err(error) = &key {
        reader.error(&table.place, &table.path, format!("`{name}` cannot be a role: it {error}"), "choose another key");
    }
    let shown = table.or("name", name.to_owned(), reader, text);
    let weight = table.required("weight", "500", reader, number(1, 1000)).and_then(|weight| u16::try_from(weight).ok());
    let extends = table.optional("extends", reader, role_key);
    let permissions = table.list("permissions", reader, permission).unwrap_or_default();
    let place = table.place_of("extends");
    table.finish(reader);
    let spec = RoleSpec { key: key.ok()?, name: shown, weight: weight?, extends, permissions };
    (reader.errors() == before).then_some((place, spec))
}

/// The roles with everything that they extend; nothing if one of them is in disorder.
pub(super) fn policy(roles: &Roles, reader: &mut Reader<'_>) -> Option<Policy> {
    let specs: Vec<RoleSpec> = roles.ready.iter().map(|(_, role)| role.clone()).collect();
    let errors = match Policy::new(&specs) {
        Ok(policy) => return (specs.len() == roles.written.len()).then_some(policy),
        Err(errors) => errors,
    };
    // A role that extends one in disorder is told the same fault again.
    let again = |(at, error): &(usize, &RoleError)| errors[..*at].contains(error);
    for (_, error) in errors.iter().enumerate().filter(|error| !again(error)) {
        let (RoleError::Duplicate(key) | RoleError::Cycle(key) | RoleError::UnknownBase { role: key, .. }) = error;
        let place = roles.ready.iter().find(|(_, role)| role.key == *key).map_or(&Place::Nowhere, |(place, _)| place);
        let help = match error {
            RoleError::UnknownBase { extends, .. } if roles.knows(extends) => continue,
            RoleError::UnknownBase { extends, .. } => suggestion(extends.as_str(), &roles.written),
            RoleError::Duplicate(_) => "keep one of them".to_owned(),
            RoleError::Cycle(_) => "let one of the roles extend nothing".to_owned(),
        };
        reader.error(place, &format!("roles.{key}.extends"), error.to_string(), help);
    }
    None
}

impl Roles {
    fn knows(&self, key: &RoleKey) -> bool {
        self.written.iter().any(|written| written == key.as_str())
    }
}

/// `[[default_roles]]`
pub(super) fn default_roles(
    root: &mut Table<'_>,
    hosts: &Hosts,
    roles: &Roles,
    reader: &mut Reader<'_>,
) -> Vec<DefaultRole> {
    let tables = root.tables("default_roles", reader);
    tables.into_iter().filter_map(|table| default_role(table, hosts, roles, reader)).collect()
}

fn default_role(mut table: Table<'_>, hosts: &Hosts, roles: &Roles, reader: &mut Reader<'_>) -> Option<DefaultRole> {
    let kinds = word(&[("internal", Kind::Internal), ("client", Kind::Client), ("service", Kind::Service)]);
    let kind = table.required("kind", "\"internal\"", reader, kinds);
    let role = table.required("role", "\"viewer\"", reader, known_role(roles));
    let host = table.optional("host", reader, known_host(hosts));
    let tenant = table.optional("tenant", reader, known_tenant(hosts, host.as_ref()));
    let host_role = table.optional("host_role", reader, text);
    table.finish(reader);
    Some(DefaultRole { host, tenant, kind: kind?, host_role, role: role? })
}

/// `[[grants]]`
pub(super) fn grants(root: &mut Table<'_>, hosts: &Hosts, roles: &Roles, reader: &mut Reader<'_>) -> Vec<ConfigGrant> {
    let tables = root.tables("grants", reader);
    tables.into_iter().filter_map(|table| grant(table, hosts, roles, reader)).collect()
}

fn grant(mut table: Table<'_>, hosts: &Hosts, roles: &Roles, reader: &mut Reader<'_>) -> Option<ConfigGrant> {
    let place = table.place.clone();
    let mut host = table.optional("host", reader, known_host(hosts));
    if !table.has("host") && hosts.written.len() == 1 {
        host = hosts.ready.first().map(|only| only.name().clone());
    } else if !table.has("host") && hosts.written.len() > 1 {
        let message = "several hosts are configured, and the grant names none";
        reader.error(&place, &table.key("host"), message, "write host = \"…\"");
    }
    let tenant = table.required("tenant", "\"workspace id\"", reader, known_tenant(hosts, host.as_ref()));
    let of = host.as_ref().and_then(|host| hosts.ready.iter().find(|settings| settings.name() == host));
    let fold = |id: &str| of.map_or_else(|| id.to_owned(), |of| of.fold(id));
    let subject = table.required("subject", "\"the host's id of the person\"", reader, |node| {
        id(node, |id| SubjectId::new(&fold(id)))
    });
    let role = table.required("role", "\"viewer\"", reader, known_role(roles));
    let project = table.optional("project", reader, project);
    let organization = table.optional("organization", reader, |node| id(node, |id| OrganizationId::new(&fold(id))));
    let scope = match (project, organization) {
        (Some(_), Some(_)) => {
            reader.error(
                &table.place_of("project"),
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

fn known_role(roles: &Roles) -> impl Fn(&Node) -> Result<RoleKey, Fault> + '_ {
    move |node| {
        let key = role_key(node)?;
        if roles.knows(&key) {
            return Ok(key);
        }
        fault(format!("there is no role `{key}`"), suggestion(key.as_str(), &roles.written))
    }
}

fn known_host(hosts: &Hosts) -> impl Fn(&Node) -> Result<HostName, Fault> + '_ {
    move |node| {
        let name = text(node)?;
        match HostName::new(&name) {
            Ok(host) if hosts.written.contains(&name) => Ok(host),
            _ => fault(format!("there is no [hosts.{name}]"), suggestion(&name, &hosts.written)),
        }
    }
}

/// In a workspace that its host does not serve nobody can hold anything. Nobody knows what a host in disorder serves.
fn known_tenant<'a>(hosts: &'a Hosts, host: Option<&'a HostName>) -> impl Fn(&Node) -> Result<TenantId, Fault> + 'a {
    move |node| {
        let written = id(node, TenantId::new)?;
        let mut asked = hosts.ready.iter().filter(|settings| host.is_none_or(|host| settings.name() == host));
        let served = asked.find_map(|settings| {
            let tenant = TenantId::new(&settings.fold(written.as_str())).ok()?;
            settings.serves(&tenant).then_some(tenant)
        });
        if let Some(tenant) = served {
            return Ok(tenant);
        }
        if hosts.ready.len() < hosts.written.len() || hosts.written.is_empty() {
            return Ok(written);
        }
        let who = host.map_or_else(|| "no host serves".to_owned(), |host| format!("[hosts.{host}] does not serve"));
        fault(format!("{who} the tenant `{written}`"), "list it under `tenants` of its host, or correct it here")
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
