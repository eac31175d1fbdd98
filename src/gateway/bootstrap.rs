//! From a host's token to a session of ours: the 303 of a frame's first navigation, and `POST /.vestibule/session`.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::Gateway;
use super::authenticate::{CONTEXT_PARAMETER, Selector};
use super::body::Body;
use super::each::called;
use super::entrances::Token;
use super::jar::Jar;
use super::peer::Peer;
use super::record::Exchange;
use super::respond::{Rejection, own};
use super::route::{RouteSpec, Target};
use super::ticket::with_parameter;
use crate::access::Origin;
use crate::hosts::{Binding, Carrier, HostError, HostPlatform, Presented, Proof};
use crate::secret::Secret;
use crate::session::Session;

/// What a host's page opens us in.
pub(super) const FRAMES: [&str; 2] = ["iframe", "frame"];

/// What a platform's own client opens us in.
const WINDOWS: [&str; 3] = ["iframe", "frame", "document"];

impl Gateway {
    /// Takes the hosts' tokens out of the target, so that nothing behind can see them, and finds those in headers.
    pub(super) fn take_tokens(&self, head: &Parts, target: &mut Target, route: &RouteSpec) -> Vec<Token<'_>> {
        if route.ignore_host_token {
            return Vec::new();
        }
        let mut tokens = self.entrances.take_parameters(target, head.uri.query());
        tokens.extend(self.entrances.in_headers(&head.headers));
        tokens
    }

    /// Answers a navigation that carries a token; `None` for every other request, which has lost the token by now.
    pub(super) async fn bootstrap(
        &self,
        head: &Parts,
        selector: &Selector,
        target: &Target,
        tokens: &[Token<'_>],
        exchange: &mut Exchange,
    ) -> Result<Option<Response<Body>>, Rejection> {
        if tokens.iter().any(Token::is_repeated) {
            return Err(Rejection::MalformedRequest("a token that is repeated"));
        }
        let mut opening = tokens.iter().filter(|token| self.opens(token.carrier, head));
        let Some(token) = opening.next() else { return Ok(None) };
        exchange.event = "bootstrap";
        if opening.next().is_some() {
            return Err(Rejection::MalformedRequest("tokens in two places"));
        }
        // The static rule first: a page that may not frame us learns nothing about a token, not even that it is bad.
        let page = opening_page(&head.headers)?;
        let in_header = matches!(token.carrier, Carrier::Header { .. });
        let hosts = self.readers(token.carrier, |host| match &page {
            Some(page) => host.allows_origin(page) || (in_header && host.frame_sources().is_empty()),
            // No page can add a header to a navigation, so where it says nothing the platform's client opens us itself.
            None => in_header,
        });
        let framed_by = page.filter(|page| hosts.iter().any(|host| host.allows_origin(page)));
        let (proof, jar) = self.first_token(head, token.secret()?, &hosts, framed_by, exchange).await?;
        // A client may add its header again when it follows our answer, and the answer must not be the same then.
        let current = self.session(&head.headers, selector);
        if in_header && current.is_ok_and(|session| *session.principal() == proof.principal) {
            exchange.event = "request";
            return Ok(None);
        }
        Ok(Some(self.land(target, proof, &jar, exchange)))
    }

    /// Whether a token that stands there opens a session with this request. One that comes from our own page is none of the
    /// host's.
    fn opens(&self, carrier: &Carrier, head: &Parts) -> bool {
        let from_us = || opening_page(&head.headers).is_ok_and(|page| page.as_ref() == Some(&self.public));
        let windows = match carrier {
            Carrier::Header { .. } if from_us() => return false,
            Carrier::Header { .. } => &WINDOWS[..],
            _ => &FRAMES[..],
        };
        head.method == Method::GET && is_navigation_to(windows, &head.headers)
    }

    /// The hosts whose tokens stand there and open sessions, of those that may be asked.
    pub(super) fn readers(
        &self,
        carrier: &Carrier,
        may_come: impl Fn(&dyn HostPlatform) -> bool,
    ) -> Vec<&Arc<dyn HostPlatform>> {
        let reads = |host: &&Arc<dyn HostPlatform>| host.opens_session() && host.carriers().contains(carrier);
        self.hosts.iter().filter(reads).filter(|host| may_come(host.as_ref())).collect()
    }

    /// Proves the token of a first navigation. Also says which sessions the browser has already.
    pub(super) async fn first_token(
        &self,
        head: &Parts,
        token: &Secret,
        hosts: &[&Arc<dyn HostPlatform>],
        framed_by: Option<Origin>,
        exchange: &Exchange,
    ) -> Result<(Proof, Jar), Rejection> {
        if hosts.is_empty() {
            return Err(Rejection::OriginRefused);
        }
        let jar = self.jar(&head.headers);
        let is_bound = hosts.iter().any(|host| matches!(host.binding(), Binding::Head | Binding::Call));
        let call = is_bound.then(|| Arc::new(called(head, &self.public, Bytes::new())));
        let presented = Presented { framed_by, live: jar.principals(), call, ..Presented::default() };
        let proof = self.prove(hosts, token, &presented, &exchange.peer).await?;
        Ok((proof, jar))
    }

    /// Begins the session and goes to the page that was asked for, at its address without the token.
    pub(super) fn land(&self, target: &Target, proof: Proof, jar: &Jar, exchange: &mut Exchange) -> Response<Body> {
        let session = self.begin(proof, jar, exchange);
        see_other(target, &session, jar)
    }

    /// Asks the hosts, most of the time one, whether the token is good. To the end, also if the caller leaves: a question
    /// costs quota that is everybody's, and its answer is counted.
    pub(super) async fn prove(
        &self,
        hosts: &[&Arc<dyn HostPlatform>],
        token: &Secret,
        presented: &Presented,
        peer: &Peer,
    ) -> Result<Proof, Rejection> {
        if self.limiter.is_exhausted(peer.client) {
            return Err(Rejection::RateLimited);
        }
        let hosts: Vec<_> = hosts.iter().map(|host| Arc::clone(host)).collect();
        let (token, presented) = (token.clone(), presented.clone());
        let (limiter, client) = (Arc::clone(&self.limiter), peer.client);
        let proving = tokio::spawn(async move {
            let result = first_proof(&hosts, &token, &presented).await;
            if result.as_ref().is_err_and(|refusal| *refusal != Rejection::HostUnavailable) {
                limiter.count(client);
            }
            result
        });
        proving.await.unwrap_or(Err(Rejection::HostUnavailable))
    }

    /// The cookie of a session, in a browser that may have to give up others for it.
    pub(super) fn settle(&self, session: &Session, jar: &Jar, exchange: &mut Exchange) {
        let (pushed_out, removed) = jar.make_room(session);
        for other in pushed_out {
            self.sessions.revoke(other);
        }
        for cookie in &removed {
            exchange.keep(cookie);
        }
        exchange.identify(session);
        exchange.keep(&self.sessions.set_cookie(session));
    }

    /// A new session for a proven caller, in place of the one that this browser had for them; never an old one under a
    /// new name.
    pub(super) fn begin(&self, proof: Proof, jar: &Jar, exchange: &mut Exchange) -> Session {
        let session = self.made(proof);
        for replaced in jar.live.iter().filter(|old| old.principal() == session.principal()) {
            self.sessions.replace(replaced, &session);
        }
        self.settle(&session, jar, exchange);
        session
    }

    /// A new session for a proven caller.
    pub(super) fn made(&self, proof: Proof) -> Session {
        let Proof { principal, confirmed, first_seen, ancestors, .. } = proof;
        let is_asked = self.host(&principal).is_none_or(|host| host.knows_people());
        let role = (!is_asked).then(|| confirmed.standing.host_role.clone().unwrap_or_default());
        self.sessions.begin(principal, confirmed.at, first_seen, ancestors, role)
    }
}

async fn first_proof(
    hosts: &[Arc<dyn HostPlatform>],
    token: &Secret,
    presented: &Presented,
) -> Result<Proof, Rejection> {
    let mut refusal = Rejection::TokenInvalid;
    for host in hosts {
        match host.prove(token, presented).await {
            Ok(proof) => return Ok(proof),
            Err(HostError::Refused) => {}
            Err(HostError::Expired) => refusal = Rejection::TokenExpired,
            // Another host may still know the token, but "no" would be a lie now.
            Err(HostError::Unavailable) => refusal = Rejection::HostUnavailable,
        }
    }
    Err(refusal)
}

/// To the page that was wanted, where the session's cookie goes along.
pub(super) fn see_other(target: &Target, session: &Session, jar: &Jar) -> Response<Body> {
    let mut location = target.to_path_and_query();
    if jar.has_others(session) {
        // Without a selector the landing page could not tell which of the sessions it belongs to.
        location = with_parameter(target, CONTEXT_PARAMETER, session.context().as_str());
    }
    moved(&location)
}

/// 303: what is there is got anew, without the body of this request (RFC 9110 §15.4.4).
pub(super) fn moved(location: &str) -> Response<Body> {
    let mut answer = own(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", String::new());
    if let Ok(location) = HeaderValue::from_str(location) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    answer
}

/// A navigation to one of these, from elsewhere, as far as the browser says.
pub(super) fn is_navigation_to(windows: &[&str], headers: &HeaderMap) -> bool {
    let says = |name: &str, accepted: &[&str]| {
        headers.get(name).is_none_or(|value| accepted.iter().any(|one| value.as_bytes() == one.as_bytes()))
    };
    says("sec-fetch-mode", &["navigate"])
        && says("sec-fetch-dest", windows)
        && says("sec-fetch-site", &["cross-site", "same-site", "none"])
}

/// The page that opens us, where the request says so. What it says has to be readable.
pub(super) fn opening_page(headers: &HeaderMap) -> Result<Option<Origin>, Rejection> {
    let Some(page) = headers.get(header::REFERER).or_else(|| headers.get(header::ORIGIN)) else { return Ok(None) };
    let page = page.to_str().ok().and_then(|page| Origin::of_url(page).ok());
    page.map(Some).ok_or(Rejection::OriginRefused)
}
