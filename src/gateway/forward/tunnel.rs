//! WebSocket tunnels (RFC 6455 §4): opened by a matching 101 of the app, and by nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use ring::digest;

use crate::gateway::body::Body;
use crate::gateway::respond::Rejection;
use crate::gateway::streams::{Kind, Right, Socket};

mod frames;
mod joined;

/// What a server appends to the key before it hashes (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A caller's wish for a WebSocket, as the answer that would fulfil it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) struct UpgradeKey {
    accept: [u8; 28],
}

impl UpgradeKey {
    /// The wish, if the request is a WebSocket handshake and nothing else: `Upgrade` names `websocket` alone. In HTTP/1.0 it
    /// means nothing (RFC 9110 §7.8).
    pub(in crate::gateway) fn of(version: Version, method: &Method, headers: &HeaderMap) -> Option<Self> {
        let upgrade = only(headers, header::UPGRADE)?;
        let key = only(headers, header::SEC_WEBSOCKET_KEY)?;
        let asks = version == Version::HTTP_11
            && method == Method::GET
            && upgrade.as_bytes().eq_ignore_ascii_case(b"websocket");
        (asks && has_token(headers, "upgrade")).then(|| Self::answering(key.as_bytes()))
    }

    fn answering(key: &[u8]) -> Self {
        let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        context.update(key);
        context.update(GUID);
        let mut accept = [0; 28];
        // 20 bytes are 28 characters of base64, always.
        let _ = STANDARD.encode_slice(context.finish(), &mut accept);
        Self { accept }
    }

    fn is_fulfilled_by(&self, headers: &HeaderMap) -> bool {
        let switched =
            only(headers, header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let accepted = only(headers, header::SEC_WEBSOCKET_ACCEPT).is_some_and(|value| value.as_bytes() == self.accept);
        switched && accepted && has_token(headers, "upgrade")
    }
}

/// The two sides of a WebSocket, to be joined when the caller has its 101.
pub(super) struct Tunnel {
    caller: OnUpgrade,
    app: OnUpgrade,
}

/// The 101, and what follows it. Bytes that the caller sent early are still unread in its connection and follow only then.
pub(super) fn open(
    mut answer: Response<Incoming>,
    key: &UpgradeKey,
    head: Parts,
) -> Result<(Response<Body>, Tunnel), Rejection> {
    if !key.is_fulfilled_by(answer.headers()) {
        return Err(Rejection::UpstreamUnavailable("a 101 that does not answer the handshake".into()));
    }
    let app = hyper::upgrade::on(&mut answer);
    let caller = hyper::upgrade::on(Request::from_parts(head, ()));
    Ok((answer.map(|_| Body::full(bytes::Bytes::new())), Tunnel { caller, app }))
}

impl Tunnel {
    /// Joins the two sides until one of them ends it, or the right to it is gone. `socket` is its place among those of its
    /// session.
    pub(super) fn start(self, right: Right, socket: Option<Socket>) {
        tokio::spawn(async move {
            let _counted = socket;
            let (caller, app) = match tokio::try_join!(self.caller, self.app) {
                Ok(sides) => sides,
                Err(error) => {
                    return tracing::debug!(event = "tunnel", error = %error, "an upgrade came to nothing");
                }
            };
            let ends = right.ends(Kind::WebSocket);
            if let Err(error) = joined::join(TokioIo::new(caller), TokioIo::new(app), ends).await {
                tracing::debug!(event = "tunnel", error = %error, "a tunnel broke off");
            }
        });
    }
}

fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether `Connection` lists the token.
fn has_token(headers: &HeaderMap, token: &str) -> bool {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(upgrade: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static(upgrade));
        headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        headers
    }

    #[test]
    fn the_accept_value_is_that_of_rfc_6455() {
        let key = UpgradeKey::of(Version::HTTP_11, &Method::GET, &handshake("websocket")).expect("a handshake");
        assert_eq!(&key.accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn nothing_but_a_websocket_is_an_upgrade() {
        for upgrade in ["h2c", "websocket, h2c", "h2c, websocket", ""] {
            assert_eq!(UpgradeKey::of(Version::HTTP_11, &Method::GET, &handshake(upgrade)), None, "{upgrade}");
        }
        for (version, method) in [(Version::HTTP_11, Method::POST), (Version::HTTP_10, Method::GET)] {
            assert_eq!(UpgradeKey::of(version, &method, &handshake("websocket")), None, "{version:?} {method}");
        }
    }
}
