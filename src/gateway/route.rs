//! What a request is about: the canonical [`Target`], and the endpoint or route that it belongs to.
//!
//! The most specific path wins, segment by segment (literal, `{name}`, `/**`); only then is the method looked at, so a
//! method that the winner does not list is 405 and never passed to a weaker route. Whatever is ambiguous is a problem
//! at load, not a surprise at run time.

use std::collections::BTreeMap;
use std::time::Duration;

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method, Uri, Version, header};

use super::Limits;
use super::endpoints::Endpoint;
use super::respond::Rejection;
use crate::access::{Access, Origin, ProjectKey, RouteName};

mod pattern;
mod target;

pub use pattern::{PathPattern, PatternError};
pub(super) use target::decode_query;
pub use target::{Target, TargetError};

/// The methods that are known; any other is refused before a route is looked for.
pub const KNOWN_METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// Where a route's project comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProjectSource {
    /// The `{project}` segment of the path.
    Segment,
    /// The query parameter of this name, which must be there exactly once.
    Query(String),
    /// The route has no project.
    None,
}

/// One `[[routes]]` entry, its pattern already understood.
#[derive(Clone, Debug)]
pub struct RouteSpec {
    /// Metric label and assertion claim; the pattern if the operator gave none.
    pub name: RouteName,
    /// The path pattern.
    pub path: PathPattern,
    /// Upper-case methods; empty = every known method.
    pub methods: Vec<Method>,
    /// What it asks.
    pub access: Access,
    /// Where its project comes from.
    pub project: ProjectSource,
    /// `host_token = "ignore"`: the token parameter belongs to the app here and is left alone.
    pub ignore_host_token: bool,
    /// Body limit of this route, in bytes, instead of the general one.
    pub request_body: Option<u64>,
    /// Longest silence inside a body of this route, instead of the general one.
    pub body_idle: Option<Duration>,
    /// Slowest pace of a body of this route, in bytes per second, instead of the general one.
    pub body_min_rate: Option<u64>,
    /// Time for the head of the answer, instead of the general one.
    pub header_timeout: Option<Duration>,
    /// Longest silence inside the answer, instead of the general one.
    pub answer_idle: Option<Duration>,
}

/// The most bytes of a canonical target, which can be three times as long as what came. The HTTP library sends no more than
/// 64 KiB; the rest is for the app's path prefix.
const MAX_CANONICAL: usize = 56 * 1024;

/// Where a request goes.
#[derive(Debug)]
pub(super) enum Destination<'a> {
    /// One of our own paths.
    Own(Endpoint),
    /// The app.
    App(RouteMatch<'a>),
}

/// Checks what has to be right before anything else of a request is looked at.
pub(super) fn check_head(head: &Parts, public: &Origin, limits: &Limits) -> Result<(), Rejection> {
    if uri_length(&head.uri) > limits.uri {
        return Err(Rejection::UriTooLong);
    }
    let size: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if head.headers.len() > limits.header_count || size > limits.header_size {
        return Err(Rejection::HeadersTooLarge);
    }
    if !KNOWN_METHODS.contains(&head.method) {
        // CONNECT and TRACE among them, and `get`: methods are case-sensitive (RFC 9110 §9.1).
        return Err(Rejection::MethodNotAllowed);
    }
    check_host(head, public)?;
    check_framing(&head.headers)
}

/// The target, or why it has none.
pub(super) fn target(uri: &Uri, public: &Origin) -> Result<Target, Rejection> {
    let target = Target::parse(uri, public).map_err(|error| {
        Rejection::MalformedRequest(match error {
            TargetError::Form => "a target that is no path on this origin",
            TargetError::Path => "a path without a safe reading",
            TargetError::Query => "a query with a character that no URL has",
        })
    })?;
    let length = target.path().len() + target.query().map_or(0, str::len);
    if length > MAX_CANONICAL { Err(Rejection::UriTooLong) } else { Ok(target) }
}

/// Ours, or the app's.
pub(super) fn destination<'a>(
    routes: &'a Routes,
    method: &Method,
    target: &Target,
) -> Result<Destination<'a>, Rejection> {
    if target.is_ours() {
        let names: Vec<&str> = target.segments().skip(1).collect();
        return Endpoint::of(&names).map(Destination::Own).ok_or(Rejection::NotRouted);
    }
    routes.find(method, target).map(Destination::App).map_err(|missing| match missing {
        NoRoute::Path => Rejection::NotRouted,
        NoRoute::Method => Rejection::MethodNotAllowed,
        NoRoute::Project => Rejection::MalformedRequest("the project parameter is missing, repeated or unreadable"),
    })
}

fn uri_length(uri: &Uri) -> usize {
    uri.path().len() + uri.query().map_or(0, |query| query.len() + 1)
}

/// Exactly one name of a host, and it is ours: `Host` (RFC 9112 §3.2), or with HTTP/2 `:authority`, which a `Host` beside it
/// must repeat (RFC 9113 §8.3.1).
fn check_host(head: &Parts, public: &Origin) -> Result<(), Rejection> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let authority = head.uri.authority().filter(|_| head.version == Version::HTTP_2).map(Authority::as_str);
    let host = match (authority, hosts.next(), hosts.next()) {
        (Some(authority), None, None) => authority,
        (Some(authority), Some(host), None) if host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => authority,
        (None, Some(host), None) => host.to_str().map_err(|_| Rejection::MalformedRequest("an unreadable Host"))?,
        _ => return Err(Rejection::MalformedRequest("no host, or more than one")),
    };
    if public.matches_host(host) {
        return Ok(());
    }
    let is_name = Origin::parse(&format!("http://{host}")).is_ok() && !host.ends_with('/');
    Err(if is_name || host.ends_with('.') {
        Rejection::WrongHost
    } else {
        Rejection::MalformedRequest("an unreadable Host")
    })
}

/// The HTTP library has read the framing; what it lets through and an app might read otherwise ends here
/// (RFC 9112 §6.1): codings besides `chunked`, and expectations that are not `100-continue`.
fn check_framing(headers: &HeaderMap) -> Result<(), Rejection> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => {}
        (Some(only), None) if only.as_bytes().eq_ignore_ascii_case(b"chunked") => {}
        _ => return Err(Rejection::MalformedRequest("a transfer coding that is not plain chunked")),
    }
    let expects_only_continue =
        headers.get_all(header::EXPECT).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects_only_continue { Ok(()) } else { Err(Rejection::ExpectationFailed) }
}

impl RouteSpec {
    /// Whether the route takes this method. GET includes HEAD.
    fn takes(&self, method: &Method) -> bool {
        self.methods.is_empty()
            || self.methods.contains(method)
            || (method == Method::HEAD && self.methods.contains(&Method::GET))
    }
}

/// Something wrong with a set of routes. Indexes count from zero, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteProblem {
    /// The route with the fault.
    pub route: usize,
    /// The other route that is part of it, if any.
    pub other: Option<usize>,
    /// What is wrong and what to do, as a sentence.
    pub message: String,
}

/// All routes, most specific first.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// Routes of the same shape are neighbours; shapes are sorted from specific to general.
    shapes: Vec<Vec<RouteSpec>>,
}

/// A route that takes the request, and the project that the target names for it.
#[derive(Debug)]
pub struct RouteMatch<'a> {
    /// The route.
    pub route: &'a RouteSpec,
    /// The project, where the route has one.
    pub project: Option<ProjectKey>,
}

/// Why no route takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// No pattern matches the path.
    Path,
    /// The best pattern does not list the method.
    Method,
    /// The project parameter is missing, repeated or unreadable.
    Project,
}

impl Routes {
    /// Sorts the routes and checks them against each other; reports all problems at once.
    pub fn new(specs: Vec<RouteSpec>) -> Result<Self, Vec<RouteProblem>> {
        let problems = problems(&specs);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut shapes: BTreeMap<_, Vec<RouteSpec>> = BTreeMap::new();
        for spec in specs {
            shapes.entry(spec.path.shape()).or_default().push(spec);
        }
        Ok(Self { shapes: shapes.into_values().collect() })
    }

    /// The one route for this method and target.
    pub fn find<'a>(&'a self, method: &Method, target: &Target) -> Result<RouteMatch<'a>, NoRoute> {
        let shape = self.shapes.iter().find(|shape| shape[0].path.matches(target)).ok_or(NoRoute::Path)?;
        let route = shape.iter().find(|route| route.takes(method)).ok_or(NoRoute::Method)?;
        let project = match &route.project {
            ProjectSource::None => None,
            ProjectSource::Segment => Some(segment_project(route, target).ok_or(NoRoute::Project)?),
            ProjectSource::Query(name) => Some(query_project(name, target).ok_or(NoRoute::Project)?),
        };
        Ok(RouteMatch { route, project })
    }

    /// Every route, most specific first.
    pub fn iter(&self) -> impl Iterator<Item = &RouteSpec> {
        self.shapes.iter().flatten()
    }
}

/// A project as an operator writes it, in the spelling that paths are matched in.
pub fn canonical_project(text: &str) -> Option<ProjectKey> {
    ProjectKey::new(&target::canonical_segment(text)?).ok()
}

fn segment_project(route: &RouteSpec, target: &Target) -> Option<ProjectKey> {
    ProjectKey::new(route.path.capture("project", target)?).ok()
}

fn query_project(name: &str, target: &Target) -> Option<ProjectKey> {
    let mut values = target.parameters(name);
    match (values.next(), values.next()) {
        (Some(value), None) => canonical_project(&value?),
        _ => None,
    }
}

fn problems(specs: &[RouteSpec]) -> Vec<RouteProblem> {
    let mut found = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        found.extend(own_problem(spec).map(|message| RouteProblem { route: index, other: None, message }));
        for (before, earlier) in specs[..index].iter().enumerate() {
            let message = same_shape_problem(earlier, spec).or_else(|| public_cover_problem(earlier, spec));
            found.extend(message.map(|message| RouteProblem { route: index, other: Some(before), message }));
        }
    }
    found
}

fn own_problem(spec: &RouteSpec) -> Option<String> {
    let names_project = spec.path.names("project");
    match (&spec.project, &spec.access) {
        (ProjectSource::Segment, _) if !names_project => {
            Some(format!("`{}` has no {{project}} segment to take the project from", spec.path))
        }
        (ProjectSource::Query(_), _) if names_project => {
            Some(format!("`{}` has a {{project}} segment and a project parameter; keep one", spec.path))
        }
        (ProjectSource::Query(_), Access::Public) => {
            Some(format!("`{}` is public and cannot have a project; remove `project`", spec.path))
        }
        _ => None,
    }
}

fn same_shape_problem(earlier: &RouteSpec, later: &RouteSpec) -> Option<String> {
    if earlier.path.shape() != later.path.shape() {
        return None;
    }
    let shared = KNOWN_METHODS.iter().find(|method| earlier.takes(method) && later.takes(method))?;
    let all = later.methods.is_empty() && earlier.methods.is_empty();
    Some(if all {
        format!(
            "`{}` can never be reached: `{}` matches the same paths and takes every method",
            later.path, earlier.path
        )
    } else {
        format!(
            "`{}` and `{}` match the same paths and both take {shared}; give each method to one of them",
            later.path, earlier.path
        )
    })
}

/// A public route may be carved out of a protected one (`/assets/**` of `/**`). But where the two only cross, the public
/// one would win on paths for which the other was written.
fn public_cover_problem(earlier: &RouteSpec, later: &RouteSpec) -> Option<String> {
    let (public, protected) = match (&earlier.access, &later.access) {
        (Access::Public, Access::Authenticated | Access::Require(_)) => (earlier, later),
        (Access::Authenticated | Access::Require(_), Access::Public) => (later, earlier),
        _ => return None,
    };
    let wins = public.path.shape() < protected.path.shape() && public.path.overlaps(&protected.path);
    let hides = wins && !protected.path.contains(&public.path);
    hides.then(|| {
        format!(
            "public `{}` wins over `{}` on paths that both match, so they would be open to everybody; make the public path narrower",
            public.path, protected.path
        )
    })
}

#[cfg(test)]
mod tests;
