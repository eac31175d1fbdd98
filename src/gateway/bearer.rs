//! Sessions of pages whose browser keeps no cookie: a bearer of ours, with each request that their scripts make.
//!
//! It comes as `Authorization: Vestibule BEARER`, or, because a script cannot set headers of a WebSocket, among its subprotocols:
//! `vestibule.v1, vestibule.bearer.BEARER`. Neither reaches the app.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

use super::Gateway;
use super::authenticate::Selector;
use super::respond::Rejection;
use crate::access::Origin;
use crate::secret::Secret;
use crate::session::{Session, SessionError};

const SCHEME: &str = "Vestibule";

/// What a WebSocket with a bearer speaks, as far as we are concerned.
pub(super) const PROTOCOL: &str = "vestibule.v1";

const PROTOCOL_PREFIX: &str = "vestibule.bearer.";

impl Gateway {
    /// The bearer of a request, where there are bearers at all. It is no ambient credential, so the cross-site rule is not for it;
    /// but only pages of ours have one to send.
    pub(super) fn bearer(&self, head: &Parts) -> Result<Option<Secret>, Rejection> {
        if !self.bearers {
            return Ok(None);
        }
        let found = in_header(&head.headers)?.or(in_protocols(&head.headers)?);
        let page = head.headers.get(header::ORIGIN);
        let is_ours = |page: &HeaderValue| {
            page.to_str().is_ok_and(|page| Origin::parse(page).is_ok_and(|page| page == self.public))
        };
        match found {
            Some(_) if !page.is_none_or(is_ours) => Err(Rejection::OriginRefused),
            found => Ok(found),
        }
    }

    /// The session that a bearer is for, if it is the one that the request means.
    pub(super) fn session_of_bearer(&self, bearer: &Secret, selector: &Selector) -> Result<Session, Rejection> {
        let session = self.sessions.open_bearer(bearer).map_err(|error| match error {
            SessionError::Expired | SessionError::Revoked => Rejection::SessionExpired,
            SessionError::Invalid => Rejection::SessionMissing,
        })?;
        let is_meant = selector.0.as_ref().is_none_or(|wanted| wanted == session.context().as_str());
        if is_meant { Ok(session) } else { Err(Rejection::ContextMismatch) }
    }
}

fn in_header(headers: &HeaderMap) -> Result<Option<Secret>, Rejection> {
    let mut ours = headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case(SCHEME).then(|| Secret::from(rest.trim_start_matches(' ')))
    });
    only(&mut ours)
}

fn in_protocols(headers: &HeaderMap) -> Result<Option<Secret>, Rejection> {
    let mut ours = protocols(headers).filter_map(|name| name.strip_prefix(PROTOCOL_PREFIX).map(Secret::from));
    only(&mut ours)
}

fn only(found: &mut impl Iterator<Item = Secret>) -> Result<Option<Secret>, Rejection> {
    let first = found.next();
    if found.next().is_some() { Err(Rejection::MalformedRequest("two bearers")) } else { Ok(first) }
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|name| !name.is_empty())
}

fn is_ours(name: &str) -> bool {
    name == PROTOCOL || name.starts_with(PROTOCOL_PREFIX)
}

/// Whether the caller of a WebSocket speaks with a bearer.
pub(super) fn asks_for_ours(headers: &HeaderMap) -> bool {
    protocols(headers).any(|name| name == PROTOCOL)
}

/// The subprotocols that are the app's own; `None` where none is left.
pub(super) fn protocols_of_the_app(headers: &HeaderMap) -> Option<HeaderValue> {
    let own: Vec<&str> = protocols(headers).filter(|name| !is_ours(name)).collect();
    if own.is_empty() { None } else { HeaderValue::from_str(&own.join(", ")).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs =
            pairs.iter().map(|&(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    #[test]
    fn a_bearer_is_one_and_never_the_apps() {
        let asked = headers(&[
            ("sec-websocket-protocol", "chat, vestibule.v1,vestibule.bearer.abc"),
            ("sec-websocket-protocol", "v2"),
        ]);
        assert_eq!(in_protocols(&asked), Ok(Some(Secret::from("abc"))));
        assert_eq!(protocols_of_the_app(&asked).expect("two are left"), "chat, v2");
        let only_ours = headers(&[("sec-websocket-protocol", "vestibule.v1, vestibule.bearer.abc")]);
        assert_eq!(protocols_of_the_app(&only_ours), None);
        let two = headers(&[("sec-websocket-protocol", "vestibule.bearer.a, vestibule.bearer.b")]);
        assert!(in_protocols(&two).is_err());
        assert_eq!(in_header(&headers(&[("authorization", "Bearer abc")])), Ok(None));
        assert_eq!(in_header(&headers(&[("authorization", "vestibule abc")])), Ok(Some(Secret::from("abc"))));
        assert!(in_header(&headers(&[("authorization", "Vestibule a"), ("authorization", "Vestibule b")])).is_err());
    }
}
