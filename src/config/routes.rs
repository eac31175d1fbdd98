//! `[[routes]]`

use std::time::Duration;

use http::Method;

use super::access::{Roles, permission};
use super::document::{Node, Value};
use super::reader::{Reader, Table};
use super::units::{DAY, HOUR};
use super::values::{Fault, duration, fault, pace, size, suggestion, text, word};
use crate::access::{Access, Permission, RouteName};
use crate::gateway::{KNOWN_METHODS, PathPattern, ProjectSource, RouteProblem, RouteSpec, Routes};

/// All routes, checked against each other and against the roles, where those are in order.
pub(super) fn read(root: &mut Table<'_>, roles: Option<&Roles>, reader: &mut Reader<'_>) -> Option<Routes> {
    let before = reader.errors();
    let tables = root.tables("routes", reader);
    let written = tables.len();
    if written == 0 && reader.errors() == before {
        reader.warning(
            &root.place_of("routes"),
            "routes",
            "there are no routes, so every path is answered with 404",
            "write [[routes]] with a path and what it requires",
        );
    }
    let mut at = Vec::new();
    let mut specs = Vec::new();
    for table in tables {
        let place = (table.place.clone(), table.path.clone());
        if let Some(spec) = route(table, roles, reader) {
            at.push(place);
            specs.push(spec);
        }
    }
    let whole = specs.len() == written;
    match Routes::new(specs) {
        Ok(routes) => whole.then_some(routes),
        Err(problems) => {
            for RouteProblem { route, other, message } in problems {
                let (place, key) = &at[route];
                let help = other.map_or_else(
                    || "correct the path or the project of the route".to_owned(),
                    |other| {
                        let line =
                            reader.line(&at[other].0).map_or_else(String::new, |line| format!(" in line {line}"));
                        format!("see {}{line}; the most specific path wins, then the method", at[other].1)
                    },
                );
                reader.error(place, key, message, help);
            }
            None
        }
    }
}

fn route(mut table: Table<'_>, roles: Option<&Roles>, reader: &mut Reader<'_>) -> Option<RouteSpec> {
    let path = table.required("path", "\"/projects/{project}/**\"", reader, pattern);
    let methods = table.list("methods", reader, method);
    let sound = methods.is_some() == table.has("methods");
    let access = access(&mut table, reader);
    if let (Some(Access::Require(wanted)), Some(roles)) = (&access, roles) {
        check_permission(wanted, &table, roles, reader);
    }
    let project = project(&mut table, path.as_ref(), access.as_ref(), reader);
    let ignore_host_token = table.or("host_token", false, reader, word(&[("consume", false), ("ignore", true)]));
    let request_body = table.optional("request_body", reader, size);
    let mut body = table.table("body", reader);
    let body_idle = body.optional("idle", reader, duration(Duration::from_millis(10), HOUR));
    let body_min_rate = body.optional("min_rate", reader, pace);
    body.finish(reader);
    let header_timeout = table.optional("header_timeout", reader, duration(Duration::from_millis(10), HOUR));
    let answer_idle = table.optional("answer_idle", reader, duration(Duration::from_millis(10), DAY));
    let name = table.optional("name", reader, |node| {
        let written = text(node)?;
        RouteName::new(&written).or_else(|error| {
            fault(format!("`{written}` cannot name a route: it {error}"), "write letters, digits and `-`")
        })
    });
    let named = table.has("name");
    let (place, key) = (table.place.clone(), table.key("name"));
    table.finish(reader);
    let path = path?;
    let name = name.or_else(|| RouteName::new(&path.to_string()).ok());
    if name.is_none() && !named {
        let message = format!("`{path}` is too long, or has letters too special, to be the route's name too");
        reader.error(&place, &key, message, "give the route a name, such as name = \"uploads\"");
    }
    let methods = methods.unwrap_or_default();
    sound.then_some(())?;
    let (name, access, project) = (name?, access?, project?);
    Some(RouteSpec {
        name,
        path,
        methods,
        access,
        project,
        ignore_host_token,
        request_body,
        body_idle,
        body_min_rate,
        header_timeout,
        answer_idle,
    })
}

/// Exactly one of `access` and `require`: a route that says nothing must not be open by accident.
fn access(table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Access> {
    let (require, access) = (table.node("require"), table.node("access"));
    match (require, access) {
        (Some(node), Some(_)) => {
            let key = table.key("require");
            reader.error(&node.place, &key, "a route has `access` or `require`, not both", "remove one of them");
            None
        }
        (None, None) => {
            reader.error(
                &table.place,
                &table.key("require"),
                "the route does not say who may use it",
                "write require = \"projects:read\", or access = \"authenticated\", or access = \"public\"",
            );
            None
        }
        (Some(_), None) => table.optional("require", reader, permission).map(Access::Require),
        (None, Some(_)) => {
            let open = word(&[("public", true), ("authenticated", false)]);
            let open = table.optional("access", reader, open)?;
            Some(if open { Access::Public } else { Access::Authenticated })
        }
    }
}

fn project(
    table: &mut Table<'_>,
    path: Option<&PathPattern>,
    access: Option<&Access>,
    reader: &mut Reader<'_>,
) -> Option<ProjectSource> {
    let written = table.has("project");
    let parameter = table.optional("project", reader, |node| match &node.value {
        Value::Table(entries) => match entries.iter().next() {
            Some((key, Node { value: Value::Text(name), .. }))
                if key == "query" && entries.len() == 1 && !name.is_empty() =>
            {
                Ok(name.clone())
            }
            _ => fault("the project's source is not understood", "write project = { query = \"name\" }"),
        },
        _ => fault(
            "the project's source is not understood",
            "write project = { query = \"name\" }, or use {project} in the path",
        ),
    });
    match (parameter, written) {
        (Some(name), _) => Some(ProjectSource::Query(name)),
        (None, true) => None,
        (None, false) if path?.names("project") && access != Some(&Access::Public) => Some(ProjectSource::Segment),
        (None, false) => Some(ProjectSource::None),
    }
}

/// A permission that no role names is held by `*` at most, which is most likely a typing error.
fn check_permission(wanted: &Permission, table: &Table<'_>, roles: &Roles, reader: &mut Reader<'_>) {
    let given: Vec<&Permission> = roles.ready.iter().flat_map(|(_, role)| &role.permissions).collect();
    if given.contains(&wanted) {
        return;
    }
    let known: Vec<&str> = given.iter().map(|held| held.as_str()).collect();
    let nearest = suggestion(wanted.as_str(), &known);
    let add = "list it under `permissions` of a role";
    let help = if known.is_empty() { add.to_owned() } else { format!("{nearest}; else {add}") };
    let message = format!("no role names the permission `{wanted}`");
    reader.error(&table.place_of("require"), &table.key("require"), message, help);
}

fn pattern(node: &Node) -> Result<PathPattern, Fault> {
    let written = text(node)?;
    PathPattern::parse(&written).or_else(|error| fault(format!("`{written}` is no path pattern"), error.to_string()))
}

fn method(node: &Node) -> Result<Method, Fault> {
    let written = text(node)?;
    KNOWN_METHODS.into_iter().find(|known| known.as_str() == written).map_or_else(
        || fault(format!("`{written}` is no method"), suggestion(&written.to_ascii_uppercase(), &KNOWN_METHODS)),
        Ok,
    )
}
