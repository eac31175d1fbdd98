//! Who is at the other end of the connection, and who is behind that.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// A caller's addresses. What a proxy says is believed only if the proxy is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// The nearest address that is not a trusted proxy's: limits and logs go by it.
    pub(super) client: IpAddr,
    /// `X-Forwarded-For` for the app.
    pub(super) forwarded_for: String,
    /// The request id of a trusted proxy, if it is a plain one.
    pub(super) request_id: Option<String>,
}

impl Peer {
    /// Reads the forwarding headers, if the socket's own address may write them.
    pub(super) fn of(socket: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let socket = socket.to_canonical();
        let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
        if !is_trusted(&socket) {
            return Self { client: socket, forwarded_for: socket.to_string(), request_id: None };
        }
        let mut chain = forwarded_chain(headers);
        chain.push(socket);
        // From the right: everybody up to the first stranger was added by somebody whom we trust.
        let client =
            chain.iter().rev().find(|address| !is_trusted(address)).or(chain.first()).copied().unwrap_or(socket);
        let forwarded_for = chain.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Self { client, forwarded_for, request_id: request_id(headers) }
    }
}

/// The addresses of `X-Forwarded-For`, cut off before anything that is none.
fn forwarded_chain(headers: &HeaderMap) -> Vec<IpAddr> {
    let values = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let mut chain: Vec<IpAddr> = Vec::new();
    for part in values.flat_map(|value| value.split(',')).map(str::trim) {
        match part.parse::<IpAddr>() {
            Ok(address) => chain.push(address.to_canonical()),
            // What stands left of an unreadable entry was not checked by whoever wrote it.
            Err(_) => chain.clear(),
        }
    }
    chain
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("x-request-id")?.to_str().ok()?;
    let plain = (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(socket: &str, forwarded: &'static str, id: &'static str) -> Peer {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", http::HeaderValue::from_static(forwarded));
        headers.insert("x-request-id", http::HeaderValue::from_static(id));
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        Peer::of(socket.parse().expect("an address"), &headers, &trusted)
    }

    #[test]
    fn a_strangers_word_about_addresses_and_ids_is_not_taken() {
        let stranger = peer("192.0.2.1", "1.2.3.4", "chosen");
        assert_eq!(
            stranger,
            Peer { client: "192.0.2.1".parse().expect("ip"), forwarded_for: "192.0.2.1".into(), request_id: None }
        );
    }

    #[test]
    fn a_trusted_proxy_names_the_client() {
        let cases = [
            ("1.2.3.4", "1.2.3.4", "1.2.3.4, 10.0.0.1"),
            ("6.6.6.6, 1.2.3.4, 10.0.0.9", "1.2.3.4", "6.6.6.6, 1.2.3.4, 10.0.0.9, 10.0.0.1"),
            ("junk, 1.2.3.4", "1.2.3.4", "1.2.3.4, 10.0.0.1"),
            ("1.2.3.4, junk", "10.0.0.1", "10.0.0.1"),
        ];
        for (header, client, forwarded_for) in cases {
            let found = peer("10.0.0.1", header, "abc-1");
            assert_eq!(
                (found.client.to_string().as_str(), found.forwarded_for.as_str()),
                (client, forwarded_for),
                "{header}"
            );
            assert_eq!(found.request_id.as_deref(), Some("abc-1"));
        }
    }

    #[test]
    fn an_odd_request_id_is_replaced() {
        for id in ["", "a b", "a\"b", "ä"] {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", http::HeaderValue::from_bytes(id.as_bytes()).expect("a value"));
            assert_eq!(request_id(&headers), None, "{id}");
        }
    }
}
