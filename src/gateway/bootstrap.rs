//! From a host's token to a session of ours: the 303 of a frame's first navigation, and `POST /.vestibule/session`.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::authenticate::CONTEXT_PARAMETER;
use super::body::Body;
use super::peer::Peer;
use super::record::Exchange;
use super::respond::{Rejection, own};
use super::route::{RouteSpec, Target};
use super::{Gateway, cookies};
use crate::access::{Origin, Principal};
use crate::hosts::{Carrier, HostError, HostPlatform, Presented, Proof};
use crate::secret::Secret;
use crate::session::Session;

/// A token as it stood in the target, taken out of it.
pub(super) struct QueryToken {
    parameter: String,
    values: Vec<Secret>,
}

impl Gateway {
    /// Takes the hosts' token parameters out of the target, so that nothing behind can see them.
    pub(super) fn take_tokens(&self, target: &mut Target, route: Option<&RouteSpec>) -> Vec<QueryToken> {
        if route.is_some_and(|route| route.ignore_host_token) {
            return Vec::new();
        }
        let mut tokens: Vec<QueryToken> = Vec::new();
        for parameter in self.hosts.iter().flat_map(|host| parameters(host.as_ref())) {
            let values = target.take_parameter(parameter);
            if !values.is_empty() {
                let values = values.iter().map(|value| Secret::from(value.as_str())).collect();
                tokens.push(QueryToken { parameter: parameter.to_owned(), values });
            }
        }
        tokens
    }

    /// Answers a framed navigation that carries a token; `None` for every other request, which has lost the token by now.
    pub(super) async fn bootstrap(
        &self,
        head: &Parts,
        target: &Target,
        mut tokens: Vec<QueryToken>,
        exchange: &mut Exchange,
    ) -> Result<Option<Response<Body>>, Rejection> {
        if tokens.iter().any(|token| token.values.len() > 1) {
            return Err(Rejection::MalformedRequest("a token parameter that is repeated"));
        }
        let Some(token) = tokens.pop().filter(|_| is_framed_navigation(&head.method, &head.headers)) else {
            return Ok(None);
        };
        exchange.event = "bootstrap";
        // The static rule first: a page that may not frame us learns nothing about a token, not even that it is bad.
        let framed_by = referring_origin(&head.headers).ok_or(Rejection::OriginRefused)?;
        let hosts: Vec<_> = self
            .hosts
            .iter()
            .filter(|host| parameters(host.as_ref()).any(|one| one == token.parameter))
            .filter(|host| host.allows_origin(&framed_by))
            .collect();
        let secret =
            token.values.first().filter(|_| !hosts.is_empty() && tokens.is_empty()).ok_or(Rejection::OriginRefused)?;
        let live = self.live(&head.headers);
        let presented = Presented { framed_by: Some(framed_by), live: principals(&live), ..Presented::default() };
        let proof = self.prove(&hosts, secret, &presented, &exchange.peer).await?;
        let session = self.begin(proof, &live, exchange);
        Ok(Some(see_other(target, &session, &live)))
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

    /// A new session for a proven caller, in place of the one that this browser had for them; never an old one under a
    /// new name.
    pub(super) fn begin(&self, proof: Proof, live: &[Session], exchange: &mut Exchange) -> Session {
        let session = self.sessions.begin(proof.principal, proof.confirmed.at, proof.first_seen, proof.ancestors);
        for replaced in live.iter().filter(|old| old.principal() == session.principal()) {
            self.sessions.replace(replaced, &session);
        }
        exchange.identify(&session);
        exchange.keep(&self.sessions.set_cookie(&session));
        session
    }

    /// The sessions of this browser that are alive, at most one of a context.
    pub(super) fn live(&self, headers: &HeaderMap) -> Vec<Session> {
        let cookies = cookies::ours(headers).into_iter();
        cookies.filter_map(|(name, value)| self.sessions.open(&name, &value).ok()).collect()
    }
}

/// The parameters of an address that hold a token of this host.
pub(super) fn parameters(host: &dyn HostPlatform) -> impl Iterator<Item = &str> {
    host.carriers().iter().filter_map(|carrier| match carrier {
        Carrier::Query(name) => Some(name.as_ref()),
        _ => None,
    })
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
pub(super) fn see_other(target: &Target, session: &Session, live: &[Session]) -> Response<Body> {
    let mut location = target.to_path_and_query();
    if live.iter().any(|other| other.principal() != session.principal()) {
        // Without a selector the landing page could not tell which of the sessions it belongs to.
        let separator = if target.query().is_some() { '&' } else { '?' };
        location = format!("{location}{separator}{CONTEXT_PARAMETER}={}", session.context().as_str());
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

/// A navigation of a frame, as far as the browser says. One that comes from our own page is none of the host's.
fn is_framed_navigation(method: &Method, headers: &HeaderMap) -> bool {
    let says = |name: &str, accepted: &[&str]| {
        headers.get(name).is_none_or(|value| accepted.iter().any(|one| value.as_bytes() == one.as_bytes()))
    };
    method == Method::GET
        && says("sec-fetch-mode", &["navigate"])
        && says("sec-fetch-dest", &["iframe", "frame"])
        && says("sec-fetch-site", &["cross-site", "same-site", "none"])
}

pub(super) fn principals(live: &[Session]) -> Vec<Principal> {
    live.iter().map(|session| session.principal().clone()).collect()
}

/// The origin of the page that a request comes from, as far as the browser says.
pub(super) fn referring_origin(headers: &HeaderMap) -> Option<Origin> {
    Origin::of_url(headers.get(header::REFERER)?.to_str().ok()?).ok()
}
