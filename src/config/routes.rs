//! `[[routes]]`

use http::Method;

use super::access::permission;
use super::document::{Node, Value};
use super::problem::Place;
use super::reader::{Fault, Reader, Table, fault, list, size, suggestion, text, word};
use crate::access::{Access, Permission, Policy, RoleSpec, RouteName};
use crate::gateway::{PathPattern, ProjectSource, RouteSpec, Routes};

/// The methods that a route can list.
const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

/// All routes, checked against each other and against the roles.
pub(super) fn read(
    root: &mut Table<'_>,
    policy: Option<&Policy>,
    roles: &[&RoleSpec],
    reader: &mut Reader<'_>,
) -> Option<Routes> {
    let tables = root.tables("routes", reader);
    let written = tables.len();
    if written == 0 {
        reader.warning(
            &Place::Nowhere,
            "routes",
            "there are no routes, so every path is answered with 404",
            "write [[routes]] with a path and what it requires",
        );
    }
    let mut places = Vec::new();
    let mut specs = Vec::new();
    for table in tables {
        let place = table.place.clone();
        if let Some(spec) = route(table, reader) {
            check_permission(&spec, &place, policy, roles, reader);
            places.push(place);
            specs.push(spec);
        }
    }
    let whole = specs.len() == written;
    match Routes::new(specs) {
        Ok(routes) => whole.then_some(routes),
        Err(problems) => {
            for problem in problems {
                let place = places.get(problem.route).unwrap_or(&Place::Nowhere);
                reader.error(
                    place,
                    "routes",
                    problem.message,
                    "see the two routes; the most specific path wins, then the method",
                );
            }
            None
        }
    }
}

fn route(mut table: Table<'_>, reader: &mut Reader<'_>) -> Option<RouteSpec> {
    let path = table.required("path", "\"/projects/{project}/**\"", reader, pattern);
    let methods = table.or("methods", Vec::new(), reader, list(method));
    let access = access(&mut table, reader);
    let project = project(&mut table, path.as_ref(), access.as_ref(), reader);
    let ignore_host_token = table.or("host_token", false, reader, word(&[("consume", false), ("ignore", true)]));
    let request_body = table.optional("request_body", reader, size);
    let name = table.optional("name", reader, |node| {
        let written = text(node)?;
        RouteName::new(&written).or_else(|error| {
            fault(format!("`{written}` cannot name a route: it {error}"), "write letters, digits and `-`")
        })
    });
    table.finish(reader);
    let path = path?;
    let name = name.or_else(|| RouteName::new(&path.to_string()).ok())?;
    Some(RouteSpec { name, path, methods, access: access?, project: project?, ignore_host_token, request_body })
}

/// Exactly one of `access` and `require`: a route that says nothing must not be open by accident.
fn access(table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Access> {
    let (place, key) = (table.place.clone(), table.key("require"));
    let required = table.optional("require", reader, permission);
    let open = table.optional("access", reader, word(&[("public", 0), ("authenticated", 1)]));
    match (table.has("require"), table.has("access")) {
        (true, true) => {
            reader.error(&place, &key, "a route has `access` or `require`, not both", "remove one of them");
            None
        }
        (false, false) => {
            reader.error(
                &place,
                &key,
                "the route does not say who may use it",
                "write require = \"projects:read\", or access = \"authenticated\", or access = \"public\"",
            );
            None
        }
        (true, false) => required.map(Access::Require),
        (false, true) => open.map(|open| if open == 0 { Access::Public } else { Access::Authenticated }),
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

/// A permission that no role gives can never be held, which is most likely a typing error.
fn check_permission(
    spec: &RouteSpec,
    place: &Place,
    policy: Option<&Policy>,
    roles: &[&RoleSpec],
    reader: &mut Reader<'_>,
) {
    let (Access::Require(wanted), Some(_)) = (&spec.access, policy) else { return };
    let given: Vec<&Permission> = roles.iter().flat_map(|role| &role.permissions).collect();
    if given.contains(&wanted) {
        return;
    }
    let known: Vec<&str> = given.iter().map(|held| held.as_str()).collect();
    let help = suggestion(wanted.as_str(), &known);
    reader.error(
        place,
        "routes.require",
        format!("no role gives the permission `{wanted}`"),
        format!("{help} Otherwise list it under `permissions` of a role."),
    );
}

fn pattern(node: &Node) -> Result<PathPattern, Fault> {
    let written = text(node)?;
    PathPattern::parse(&written).or_else(|error| fault(format!("`{written}` is no path pattern"), error.to_string()))
}

fn method(node: &Node) -> Result<Method, Fault> {
    let written = text(node)?;
    let known = METHODS.contains(&written.as_str()).then(|| written.parse().ok()).flatten();
    known.map_or_else(
        || fault(format!("`{written}` is no method"), suggestion(&written.to_ascii_uppercase(), &METHODS)),
        Ok,
    )
}
