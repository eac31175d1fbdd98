//! Which header fields belong to one connection, to us, or to nobody, whatever their spelling.

use http::HeaderMap;
use http::header::{self, HeaderName};

/// Fields that speak for the caller or about the path in front of the app: built anew or left out, never copied.
/// Spelled with `-`; see [`spelling`].
const RESERVED: [&str; 20] = [
    "authorization",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "max-forwards",
    // CGI makes HTTP_PROXY of it, which many HTTP clients of the app would obey (httpoxy, CVE-2016-5385).
    "proxy",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-http-method",
    "x-http-method-override",
    "x-http-path",
    "x-method-override",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
];

/// The same, for all fields that begin so.
const RESERVED_PREFIXES: [&str; 5] = ["x-vestibule-", "x-original-", "x-forwarded-", "x-envoy-", "proxy-"];

/// Fields that describe one connection (RFC 9110 §7.6.1).
pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Whether the field is one that only we may set, in any spelling: the app reads `X_Vestibule_User` like
/// `X-Vestibule-User` if it stands behind CGI or WSGI.
pub(super) fn is_managed(name: &HeaderName) -> bool {
    spelling(name.as_str(), |name| name.starts_with("x-vestibule-"))
}

/// Whether a caller's field must not be copied to the app.
pub(super) fn is_reserved(name: &HeaderName) -> bool {
    is_hop_by_hop(name)
        || spelling(name.as_str(), |name| {
            RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        })
}

/// Whether two field names would be one to an app that cannot tell separators apart.
pub(super) fn reads_like(name: &HeaderName, ours: &HeaderName) -> bool {
    spelling(name.as_str(), |name| spelling(ours.as_str(), |ours| name == ours))
}

/// The fields that `Connection` lists, without those that must outlive it: listing `Host` or `Cookie` there is an
/// attack and not a wish (RFC 9110 §7.6.1).
pub(super) fn listed_in_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let keeps = |name: &HeaderName| {
        matches!(*name, header::HOST | header::COOKIE | header::CONTENT_TYPE | header::CONTENT_LENGTH)
    };
    let values = headers.get_all(header::CONNECTION).iter();
    let tokens = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    let names = tokens.filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok());
    names.filter(|name| !keeps(name)).collect()
}

/// Calls `test` with the name, every character that is neither letter nor digit written as `-`. Names are lower case
/// already; only odd ones are copied.
fn spelling<T>(name: &str, test: impl FnOnce(&str) -> T) -> T {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return test(name);
    }
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    test(&plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HeaderName {
        HeaderName::from_bytes(text.as_bytes()).expect("a field name")
    }

    #[test]
    fn no_spelling_of_a_managed_field_passes() {
        for text in
            ["X-Vestibule-User", "x_vestibule_user", "X.Vestibule.User", "x-vestibule_roles", "X~Vestibule~Anything"]
        {
            assert!(is_managed(&name(text)) && is_reserved(&name(text)), "{text}");
        }
        assert!(!is_managed(&name("x-vestibules")));
    }

    #[test]
    fn fields_that_frame_or_reroute_a_request_are_not_copied() {
        for text in [
            "Transfer_Encoding",
            "Content_Length",
            "X-Forwarded-For",
            "x_forwarded_host",
            "Forwarded",
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-HTTP-Method-Override",
            "Proxy-Authorization",
            "Proxy",
            "Expect",
            "TE",
            "Trailer",
            "Keep-Alive",
            "Authorization",
            "X-Real-IP",
        ] {
            assert!(is_reserved(&name(text)), "{text}");
        }
        for text in ["Accept", "Cookie", "X-Custom", "Content-Type", "Range", "Origin", "Referer", "Sec-WebSocket-Key"]
        {
            assert!(!is_reserved(&name(text)), "{text}");
        }
    }

    #[test]
    fn connection_cannot_take_away_what_must_stay() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, "close, Host, Cookie, X-Custom".parse().expect("a value"));
        assert_eq!(listed_in_connection(&headers), ["close", "x-custom"]);
    }
}
