//! The path of a request.
//!
//! `accept` → `route` → `authenticate` → `authorize` → `enrich` → `forward` → `record` → `respond`. `Gateway::pass` is
//! that line; each step either goes on or ends with a `Rejection`. `bootstrap` and `endpoints` answer early.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, Version, header};
use hyper::body::Incoming;
use ipnet::IpNet;
use rustls::ServerConfig;

mod accept;
mod authenticate;
mod authorize;
mod bearer;
mod body;
mod bootstrap;
mod cookies;
mod cors;
mod credentials;
mod each;
mod embed;
mod endpoints;
mod enrich;
mod entrances;
mod form;
mod forward;
mod headers;
mod interim;
mod jar;
mod limiter;
mod limits;
mod live;
mod login;
mod peer;
mod record;
mod respond;
mod route;
mod streams;
mod ticket;

use self::authenticate::{Asking, CONTEXT_PARAMETER, Caller, Selector, TICKET_PARAMETER};
use self::body::{Body, Upload};
use self::embed::Framed;
use self::enrich::Outbound;
use self::form::{Arrival, Posted};
use self::forward::{Bounds, UpgradeKey, Upstream};
use self::interim::Interim;
use self::live::Snapshot;
use self::peer::Peer;
use self::record::Exchange;
use self::respond::Rejection;
use self::route::Destination;
use self::streams::{Right, Socket};
use crate::access::{Access, Origin, Policy};
use crate::assertion::Assertions;
use crate::audit::Audit;
use crate::grants::GrantLookup;
use crate::hosts::HostPlatform;
use crate::session::{SessionId, Sessions};
use crate::telemetry;

pub use accept::{Connections, Drain, serve};
pub use enrich::IdentityHeaders;
pub use forward::{UpstreamAddress, UpstreamProtocol, UpstreamSettings, UpstreamTls};
pub use limits::{Http2Limits, Limits};
pub use live::{Live, Worker};
pub use route::{
    KNOWN_METHODS, NoRoute, PathPattern, PatternError, ProjectSource, RouteMatch, RouteProblem, RouteSpec, Routes,
    Target, TargetError, canonical_project,
};

/// Everything that a gateway works with; `app` puts it together.
pub struct GatewaySettings {
    /// The one origin that is served.
    pub public: Origin,
    /// Whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call with a token of their own.
    pub cors_origins: Vec<Origin>,
    /// Bounds.
    pub limits: Limits,
    /// What callers are shown; without it they come in the clear.
    pub tls: Option<Arc<ServerConfig>>,
    /// Who proves tokens.
    pub hosts: Vec<Arc<dyn HostPlatform>>,
    /// Whether pages whose browser keeps no cookie get a bearer.
    pub bearers: bool,
    /// Sealed cookies.
    pub sessions: Arc<Sessions>,
    /// Who holds what.
    pub grants: Arc<GrantLookup>,
    /// The rule.
    pub policy: Arc<Policy>,
    /// What is where.
    pub routes: Arc<Routes>,
    /// Names of the identity headers.
    pub headers: IdentityHeaders,
    /// Whether names and addresses are passed on.
    pub profile: bool,
    /// The signed header.
    pub assertions: Arc<Assertions>,
    /// Where the app is.
    pub upstream: UpstreamSettings,
    /// Who watches.
    pub audit: Audit,
    /// How old a fact may be that something is decided by; open streams are decided again within it.
    pub fact_life: Duration,
    /// How long a stop may take.
    pub drain_time: Duration,
    /// Random bytes that make request ids of this process differ from any other's.
    pub request_id_prefix: [u8; 8],
}

/// What one request is served with: the configuration as it stands now, and its worker's connections to the app.
#[derive(Clone)]
struct Gateway {
    snapshot: Arc<Snapshot>,
    upstream: Upstream,
}

impl std::ops::Deref for Gateway {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl Gateway {
    /// Answers one request. Never fails: a refusal is an answer, and every answer is recorded. `interim` is where interim
    /// answers can be sent, if they can.
    async fn handle(&self, request: Request<Incoming>, socket: IpAddr, interim: Option<Interim>) -> Response<Body> {
        let (head, incoming) = request.into_parts();
        let (as_page, framed) = (is_navigation(&head), Framed::of(&head));
        let page = self.cors.page(&head.headers);
        let peer = Peer::of(socket, &head.headers, &self.trusted_proxies);
        let mut exchange = Exchange::new(peer, &head, &self.request_ids);
        // What is left of a body must not be read as the next request. HTTP/2 ends the stream alone.
        let closes = !http_body::Body::is_end_stream(&incoming) && head.version < Version::HTTP_2;
        // A panic is a fault of ours and a no to the caller; what it left behind in `exchange` is only written down.
        let passing = AssertUnwindSafe(self.pass(head, incoming, interim, &mut exchange)).catch_unwind();
        let result = passing.await.unwrap_or(Err(Rejection::InternalError("a panic, see standard error")));
        let (mut answer, rejection) = match result {
            Ok(answer) => (answer, None),
            Err(rejection) => (self.refuse(&rejection, as_page, framed.as_ref(), &mut exchange), Some(rejection)),
        };
        let headers = answer.headers_mut();
        if rejection.is_none() {
            for cookie in exchange.take_cookies() {
                headers.append(header::SET_COOKIE, cookie);
            }
        } else if closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        forward::frame(headers, exchange.ancestors().as_deref().unwrap_or(&self.frame_sources));
        if !exchange.is_public() {
            self.cors.open(headers, page);
        }
        if let Ok(id) = HeaderValue::from_str(&exchange.request_id) {
            headers.insert("x-request-id", id);
        }
        let record = exchange.finish(answer.status().as_u16(), rejection.as_ref());
        telemetry::log(&record);
        telemetry::measure(&record);
        self.audit.publish(record);
        answer
    }

    /// A refusal; in a frame that a fresh token would help, as the page that asks for one. That one is shown wherever the
    /// sessions of this browser were.
    fn refuse(
        &self,
        rejection: &Rejection,
        as_page: bool,
        framed: Option<&Framed>,
        exchange: &mut Exchange,
    ) -> Response<Body> {
        let connect =
            framed.and_then(|frame| Some((frame, self.embed.connect(rejection, frame, &exchange.request_id)?)));
        let Some((frame, page)) = connect else { return respond::refuse(rejection, as_page, &exchange.request_id) };
        exchange.framed_by(&frame.ancestors(&self.sessions), &self.frame_sources);
        page
    }

    /// The straight line. From here on the caller's headers and target are only read.
    async fn pass(
        &self,
        head: Parts,
        incoming: Incoming,
        interim: Option<Interim>,
        exchange: &mut Exchange,
    ) -> Result<Response<Body>, Rejection> {
        route::check_head(&head, &self.public, &self.limits)?;
        let mut target = route::target(&head.uri, &self.public)?;
        exchange.at(target.path());
        let contexts = target.take_parameter(CONTEXT_PARAMETER);
        let tickets = target.take_parameter(TICKET_PARAMETER);
        if let Some(answer) = self.preflight(&head, &target, exchange) {
            return Ok(answer);
        }
        let selector = Selector::of(&head.headers, contexts.into_iter().next(), &self.public);
        let arrival = match self.posted(&head, &mut target, incoming, exchange).await? {
            Posted::Answer(answer) => return Ok(answer),
            Posted::Other(arrival) => arrival,
        };
        let found = match route::destination(&self.routes, &head.method, &target)? {
            Destination::Own(endpoint) => {
                exchange.own_route(endpoint.route());
                let upload = self.upload(arrival, None)?;
                return self.answer(endpoint, &head, &selector, upload, exchange).await;
            }
            Destination::App(found) => found,
        };
        exchange.routed(&found);
        if let Some(answer) = self.take_ticket(&head, &target, &tickets, exchange)? {
            return Ok(answer);
        }
        let tokens = self.take_tokens(&head, &mut target, found.route);
        self.take_signatures(&mut target, found.route);
        if let Some(answer) = self.bootstrap(&head, &selector, &target, &tokens, exchange).await? {
            return Ok(answer);
        }
        let mut upload = self.upload(arrival, Some(found.route))?;
        let upgrade = UpgradeKey::of(head.version, &head.method, &head.headers);
        let asking = Asking { head: &head, peer: &exchange.peer, upgrades: upgrade.is_some() };
        let caller = self.caller_on(found.route, &asking, &selector, &mut upload).await?;
        if let Some(caller) = &caller {
            exchange.recognise(&self.sessions, caller);
        }
        let changes = upgrade.is_some() || !matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let (permit, grants) =
            authorize::authorize(&self.grants, &self.policy, &found, caller.as_ref(), changes).await?;
        exchange.allow(&grants);
        let _held = match caller.as_ref().filter(|caller| caller.learns) {
            Some(caller) => self.learn(caller, &mut upload).await?,
            None => None,
        };
        let session = caller.as_ref().map(|caller| caller.session.id());
        let socket = session.filter(|_| upgrade.is_some()).map(|session| self.socket(session)).transpose()?;
        let scope = caller.as_ref().map(|caller| caller.scope(&head.headers)).unwrap_or_default();
        let outbound = Outbound {
            scope: &scope,
            enrich: &self.enrich,
            target: &target,
            peer: &exchange.peer,
            request_id: &exchange.request_id,
            standing: caller.as_ref().map(|caller| caller.standing.as_ref()),
            along: caller.as_ref().map_or(&[], |caller| caller.along.as_slice()),
            upgrade,
            interim,
        };
        let bounds = Bounds::of(&self.limits, &self.upstream, found.route);
        let method = head.method.clone();
        let mut forwarded = forward::forward(&self.upstream, outbound, head, upload, permit, bounds).await?;
        if forwarded.may_last() {
            let right = Right {
                streams: Arc::clone(&self.streams),
                session: caller.map(|caller| caller.renewed.unwrap_or(caller.session)),
                method,
                target,
                changes,
                route: found.route.name.clone(),
                request_id: exchange.request_id.clone(),
            };
            forwarded.lasts_with(right, socket);
        }
        Ok(exchange.forwarded(forwarded))
    }

    /// Who calls, on a route that asks for that.
    async fn caller_on(
        &self,
        route: &RouteSpec,
        asking: &Asking<'_>,
        selector: &Selector,
        upload: &mut Upload,
    ) -> Result<Option<Caller>, Rejection> {
        match route.access {
            Access::Public => Ok(None),
            Access::Authenticated | Access::Require(_) => {
                let credential = self.credentials.find(asking.head, !route.ignore_host_token)?;
                self.authenticate(asking, credential, selector, upload).await.map(Some)
            }
        }
    }

    /// A place for one more WebSocket of the session.
    fn socket(&self, session: SessionId) -> Result<Socket, Rejection> {
        self.streams.admit(session, self.limits.websockets_per_session).ok_or(Rejection::RateLimited)
    }

    /// The caller's body, if what it says of its length is within the limit.
    fn upload(&self, arrival: Arrival, route: Option<&RouteSpec>) -> Result<Upload, Rejection> {
        let limits = &self.limits;
        let limit = route.and_then(|route| route.request_body).unwrap_or(limits.request_body);
        if arrival.least() > limit {
            return Err(Rejection::BodyTooLarge);
        }
        let incoming = match arrival {
            Arrival::Coming(incoming) => incoming,
            Arrival::Read(upload) => return Ok(upload),
        };
        let idle = route.and_then(|route| route.body_idle).unwrap_or(limits.body_idle);
        let min_rate = route.and_then(|route| route.body_min_rate).unwrap_or(limits.body_min_rate);
        Ok(Upload::new(incoming, limit, idle, min_rate))
    }
}

/// Whether a person looks at the answer, so that a refusal should be a page.
fn is_navigation(head: &Parts) -> bool {
    let accepts_html = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/html"));
    match head.headers.get("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        None => head.method == Method::GET && head.headers.get(header::ACCEPT).is_some_and(accepts_html),
    }
}
