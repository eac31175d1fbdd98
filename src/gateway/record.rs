//! What happened to one request: collected on its way, written down once at its end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response};
use tokio::time::Instant;

use super::authenticate::Caller;
use super::body::Body;
use super::forward::Forwarded;
use super::peer::Peer;
use super::respond::Rejection;
use super::route::RouteMatch;
use crate::access::{Access, Grants, Origin, Permission, Principal, ProjectKey, RouteName};
use crate::audit::RequestRecord;
use crate::session::{Session, Sessions};

/// Makes request ids that differ between processes and between requests; they are names, not secrets.
pub(super) struct RequestIds {
    prefix: String,
    next: AtomicU64,
}

/// One request on its way through.
pub(super) struct Exchange {
    pub(super) request_id: String,
    pub(super) peer: Peer,
    pub(super) event: &'static str,
    trace_id: Option<String>,
    started: Instant,
    method: Method,
    path: String,
    route: Option<RouteName>,
    permission: Option<Permission>,
    project: Option<ProjectKey>,
    principal: Option<Principal>,
    session: Option<String>,
    context: Option<String>,
    grants_from: Vec<&'static str>,
    upstream_duration: Option<Duration>,
    allowed: bool,
    /// Whether the route is a public one.
    public: bool,
    /// Who may frame the answer: the session's own pages, once it is known.
    ancestors: Option<Vec<Origin>>,
    /// Sources for the page of a refusal, where they are not those of all.
    sources: Option<String>,
    cookies: Vec<HeaderValue>,
}

impl RequestIds {
    pub(super) fn new(prefix: [u8; 8]) -> Self {
        Self { prefix: faster_hex::hex_string(&prefix), next: AtomicU64::new(1) }
    }

    /// All of one length, so that two answers differ in nothing else.
    fn next(&self) -> String {
        format!("{}-{:08x}", self.prefix, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

impl Exchange {
    pub(super) fn new(mut peer: Peer, head: &Parts, ids: &RequestIds) -> Self {
        Self {
            request_id: peer.request_id.take().unwrap_or_else(|| ids.next()),
            peer,
            event: "request",
            trace_id: trace_id(&head.headers),
            started: Instant::now(),
            method: head.method.clone(),
            path: String::new(),
            route: None,
            permission: None,
            project: None,
            principal: None,
            session: None,
            context: None,
            grants_from: Vec::new(),
            upstream_duration: None,
            allowed: false,
            public: false,
            ancestors: None,
            sources: None,
            cookies: Vec::new(),
        }
    }

    /// The canonical path, as soon as there is one; a path that has none is never written down.
    pub(super) fn at(&mut self, path: &str) {
        path.clone_into(&mut self.path);
    }

    /// The route of one of our own endpoints.
    pub(super) fn own_route(&mut self, route: &'static str) {
        self.route = RouteName::new(route).ok();
    }

    /// The route that was found, and what it asks.
    pub(super) fn routed(&mut self, found: &RouteMatch<'_>) {
        self.route = Some(found.route.name.clone());
        self.project.clone_from(&found.project);
        self.public = found.route.access == Access::Public;
        if let Access::Require(permission) = &found.route.access {
            self.permission = Some(permission.clone());
        }
    }

    /// Whether it was found to be for a public route.
    pub(super) fn is_public(&self) -> bool {
        self.public
    }

    /// A session, and so a principal and the pages that may frame it.
    pub(super) fn identify(&mut self, session: &Session) {
        self.principal = Some(session.principal().clone());
        self.session = Some(session.short_id());
        self.context = Some(session.context().as_str().to_owned());
        self.ancestors = Some(session.ancestors().to_vec());
    }

    /// A caller of a route; a re-dated session goes back with the answer.
    pub(super) fn recognise(&mut self, sessions: &Sessions, caller: &Caller) {
        self.identify(&caller.session);
        if let Some(renewed) = &caller.renewed {
            self.keep(&sessions.set_cookie(renewed));
        }
    }

    /// What the decision was based on.
    pub(super) fn allow(&mut self, grants: &Grants) {
        self.allowed = true;
        for grant in &grants.list {
            if !self.grants_from.contains(&grant.source) {
                self.grants_from.push(grant.source);
            }
        }
    }

    /// The app answered.
    pub(super) fn forwarded(&mut self, forwarded: Forwarded) -> Response<Body> {
        self.upstream_duration = Some(forwarded.upstream_duration);
        forwarded.answer
    }

    /// A cookie to set with the answer.
    pub(super) fn keep(&mut self, cookie: &str) {
        if let Ok(mut value) = HeaderValue::from_str(cookie) {
            value.set_sensitive(true);
            self.cookies.push(value);
        }
    }

    /// The cookies to set. A refusal sets none: what is refused must not change who is signed in.
    pub(super) fn take_cookies(&mut self) -> Vec<HeaderValue> {
        std::mem::take(&mut self.cookies)
    }

    /// The answer may be framed by these pages too, beside `others`.
    pub(super) fn framed_by(&mut self, pages: &[Origin], others: &str) {
        if !pages.is_empty() {
            let pages = pages.iter().map(Origin::as_str).collect::<Vec<_>>().join(" ");
            self.sources = Some(if others == "'none'" { pages } else { format!("{others} {pages}") });
        }
    }

    /// `frame-ancestors` sources for the answer.
    pub(super) fn ancestors(&self) -> Option<String> {
        if let Some(sources) = &self.sources {
            return Some(sources.clone());
        }
        let list = self.ancestors.as_ref().filter(|list| !list.is_empty())?;
        Some(list.iter().map(Origin::as_str).collect::<Vec<_>>().join(" "))
    }

    /// The whole story.
    pub(super) fn finish(self, status: u16, rejection: Option<&Rejection>) -> RequestRecord {
        let duration = self.started.elapsed();
        RequestRecord {
            request_id: self.request_id,
            trace_id: self.trace_id,
            peer: self.peer.client,
            event: self.event,
            method: self.method.to_string(),
            path: self.path,
            route: self.route,
            status,
            code: rejection.map(Rejection::code),
            decision: decision(self.allowed, rejection),
            reason: rejection.map(Rejection::code),
            cause: rejection.and_then(Rejection::cause).map(str::to_owned),
            principal: self.principal,
            project: self.project,
            permission: self.permission,
            session: self.session,
            context: self.context,
            grants_from: self.grants_from,
            duration,
            upstream_duration: self.upstream_duration,
            overhead: duration.saturating_sub(self.upstream_duration.unwrap_or_default()),
        }
    }
}

/// The trace id of a `traceparent` (W3C Trace Context §3.2): 32 lower-case hex digits, not all zero. The header itself goes on
/// to the app as it is.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("traceparent")?.to_str().ok()?.split('-').nth(1)?;
    let is_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    let fits = id.len() == 32 && id.bytes().all(is_hex) && id.bytes().any(|byte| byte != b'0');
    fits.then(|| id.to_owned())
}

/// A request that was refused before anybody decided, for want of a route for example, has no decision.
fn decision(allowed: bool, rejection: Option<&Rejection>) -> &'static str {
    match rejection {
        _ if allowed => "allow",
        Some(refused) if matches!(refused.status().as_u16(), 401 | 403 | 409 | 429) => "deny",
        Some(_) | None => "none",
    }
}
