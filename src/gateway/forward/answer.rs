//! Cleans the app's answer, so that it lives in a frame and says nothing in our name.

use http::header::{self, Entry, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode, Version};

use crate::gateway::body::Body;
use crate::gateway::cookies::{Scope, is_scoped, starts_like_ours};
use crate::gateway::headers::{is_hop_by_hop, is_managed, listed_in_connection};

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Removes what belongs to one connection or to us, and adds what an answer with personal content needs. `scope` is whose it
/// is, if it is somebody's.
pub(super) fn clean(mut answer: Response<Body>, scope: Option<&Scope>) -> Response<Body> {
    let upgraded = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    // The app's version is about its connection; the library would repeat it to the caller (RFC 9110 §2.5).
    *answer.version_mut() = Version::HTTP_11;
    let headers = answer.headers_mut();
    if !upgraded {
        remove_hop_by_hop(headers);
    }
    remove_managed(headers);
    rewrite_cookies(headers, scope);
    insert_if_absent(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    insert_if_absent(headers, header::REFERRER_POLICY, "strict-origin-when-cross-origin");
    if scope.is_some() {
        insert_if_absent(headers, CORP, "same-origin");
        protect_from_caches(headers);
    }
    answer
}

/// Names this subprotocol where the app chose none: a browser that offered some ends a WebSocket that has none of them
/// (RFC 6455 §4.1).
pub(super) fn in_protocol(mut answer: Response<Body>, name: &'static str) -> Response<Body> {
    insert_if_absent(answer.headers_mut(), header::SEC_WEBSOCKET_PROTOCOL, name);
    answer
}

/// Trailers may not say in our name what a header may not, nor anything about one connection: a caller of HTTP/2 would take
/// the whole answer for malformed (RFC 9113 §8.2.2).
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    remove_hop_by_hop(trailers);
    remove_managed(trailers);
    for name in [header::CONTENT_LENGTH, header::SET_COOKIE] {
        trailers.remove(name);
    }
}

/// Says who may frame this answer, in place of whatever the app said about it. Its other directives stay.
pub(in crate::gateway) fn frame(headers: &mut HeaderMap, ancestors: &str) {
    headers.remove(header::X_FRAME_OPTIONS);
    let policies: Vec<HeaderValue> = headers.get_all(header::CONTENT_SECURITY_POLICY).iter().cloned().collect();
    headers.remove(header::CONTENT_SECURITY_POLICY);
    for policy in &policies {
        if let Some(rest) = without_frame_ancestors(policy) {
            headers.append(header::CONTENT_SECURITY_POLICY, rest);
        }
    }
    if let Ok(ours) = HeaderValue::from_str(&format!("frame-ancestors {ancestors}")) {
        headers.append(header::CONTENT_SECURITY_POLICY, ours);
    }
}

/// One header value may hold several policies, separated by commas (CSP3 §3.1); directives end with a semicolon.
fn without_frame_ancestors(policy: &HeaderValue) -> Option<HeaderValue> {
    let text = policy.to_str().ok()?;
    let is_kept = |directive: &&str| {
        let name = directive.split_ascii_whitespace().next().unwrap_or_default();
        !name.is_empty() && !name.eq_ignore_ascii_case("frame-ancestors")
    };
    let kept = |one: &str| one.split(';').map(str::trim).filter(is_kept).collect::<Vec<_>>().join("; ");
    let policies: Vec<String> = text.split(',').map(kept).filter(|one| !one.is_empty()).collect();
    HeaderValue::from_str(&policies.join(", ")).ok().filter(|value| !value.is_empty())
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let listed = listed_in_connection(headers);
    let gone: Vec<HeaderName> = headers.keys().filter(|name| is_hop_by_hop(name)).cloned().collect();
    for name in gone.iter().chain(&listed) {
        headers.remove(name);
    }
}

fn remove_managed(headers: &mut HeaderMap) {
    let gone: Vec<HeaderName> = headers.keys().filter(|name| is_managed(name)).cloned().collect();
    for name in &gone {
        headers.remove(name);
    }
}

fn insert_if_absent(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    if let Entry::Vacant(vacant) = headers.entry(name) {
        vacant.insert(HeaderValue::from_static(value));
    }
}

/// What is about somebody must not be given to somebody else by a cache that knows nothing of cookies, nor a page that was
/// kept be shown to whoever signs in next. An app that says something itself knows better.
fn protect_from_caches(headers: &mut HeaderMap) {
    if headers.contains_key(header::CACHE_CONTROL) {
        return;
    }
    let is_html = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let rule = if is_html { "private, no-cache" } else { "private" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(rule));
    if is_html {
        headers.append(header::VARY, HeaderValue::from_static("Cookie"));
    }
}

fn rewrite_cookies(headers: &mut HeaderMap, scope: Option<&Scope>) {
    if !headers.contains_key(header::SET_COOKIE) {
        return;
    }
    let cookies: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
    headers.remove(header::SET_COOKIE);
    for cookie in cookies.iter().flat_map(|cookie| for_the_frame(cookie, scope)) {
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// A browser sends a cookie back from inside a cross-site frame only if it is `SameSite=None`, `Secure` and
/// `Partitioned`. A `Domain` would take it out of this origin. Names that look like ours are refused.
///
/// One that no script can read is kept apart for its context, in place of one of that name that is not. One that scripts may read
/// takes its place, also where it only removes it: many apps do not repeat `HttpOnly` there. A name that is already one of a
/// context is refused, or an app could be led to plant a cookie in another one.
fn for_the_frame(cookie: &HeaderValue, scope: Option<&Scope>) -> Vec<HeaderValue> {
    let mut parts = cookie.as_bytes().split(|&byte| byte == b';');
    let pair = parts.next().unwrap_or_default().trim_ascii();
    if starts_like_ours(pair) {
        return Vec::new();
    }
    let attributes: Vec<&[u8]> = parts.map(<[u8]>::trim_ascii).filter(|attribute| is_kept(attribute)).collect();
    let end = pair.iter().position(|&byte| byte == b'=').unwrap_or(0);
    let (name, value) = (pair[..end].trim_ascii_end(), &pair[end..]);
    if is_scoped(name) {
        return Vec::new();
    }
    let Some((scope, text)) = scope.zip(std::str::from_utf8(name).ok().filter(|name| !name.is_empty())) else {
        return written(pair, &attributes).into_iter().collect();
    };
    let kept_as = |value: &[u8]| [scope.name(text).as_bytes(), value].concat();
    let lasts = |attribute: &&&[u8]| ![&b"max-age"[..], b"expires"].iter().any(|own| is_named(attribute, own));
    let removal: Vec<&[u8]> = attributes.iter().filter(lasts).copied().chain([&b"Max-Age=0"[..]]).collect();
    let is_hidden = attributes.iter().any(|attribute| attribute.eq_ignore_ascii_case(b"httponly"));
    let (kept, other) = if is_hidden { (kept_as(value), name.to_vec()) } else { (pair.to_vec(), kept_as(b"")) };
    let has_other = if is_hidden { scope.has_plain(name) } else { scope.has(name) };
    let removed = has_other.then(|| written(&[&other[..], b"="].concat(), &removal)).flatten();
    written(&kept, &attributes).into_iter().chain(removed).collect()
}

fn written(pair: &[u8], attributes: &[&[u8]]) -> Option<HeaderValue> {
    let own: [&[u8]; 3] = [b"Secure", b"SameSite=None", b"Partitioned"];
    let parts: Vec<&[u8]> = [pair].into_iter().chain(attributes.iter().copied()).chain(own).collect();
    HeaderValue::from_bytes(&parts.join(&b"; "[..])).ok()
}

fn is_named(attribute: &[u8], name: &[u8]) -> bool {
    attribute.split(|&byte| byte == b'=').next().unwrap_or_default().trim_ascii().eq_ignore_ascii_case(name)
}

fn is_kept(attribute: &[u8]) -> bool {
    !is_named(attribute, b"")
        && ![&b"domain"[..], b"secure", b"samesite", b"partitioned"].iter().any(|own| is_named(attribute, own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: Option<HeaderValue>) -> Option<String> {
        value.map(|value| value.to_str().expect("ASCII").to_owned())
    }

    #[test]
    fn cookies_of_the_app_are_made_to_live_in_the_frame() {
        let cases = [
            (
                "sid=1; Domain=example.com; Path=/x; HttpOnly; SameSite=Lax",
                Some("sid=1; Path=/x; HttpOnly; Secure; SameSite=None; Partitioned"),
            ),
            ("sid=a=b;Secure;secure ; Max-Age=5", Some("sid=a=b; Max-Age=5; Secure; SameSite=None; Partitioned")),
            ("__Host-vestibule.abc=x; Path=/", None),
            ("__host-VESTIBULE=x", None),
            ("=__Host-vestibule.abc=x", None),
            (" = __Host-vestibule.abc=x", None),
        ];
        for (before, after) in cases {
            let mut made = for_the_frame(&HeaderValue::from_static(before), None).into_iter();
            assert_eq!(text(made.next()).as_deref(), after, "{before}");
            assert_eq!(made.next(), None, "{before}");
        }
    }

    #[test]
    fn cookies_that_no_script_can_read_are_kept_apart_for_each_context() {
        let sent =
            HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("sid~aaaaaaaaaa=1; xold=1; old=1"))]);
        let scope = Scope::of("aaaaaaaaaa", &sent);
        let rest = "Secure; SameSite=None; Partitioned";
        let cases = [
            ("__Host-a=1; Path=/; HTTPONLY", vec![format!("__Host-a~aaaaaaaaaa=1; Path=/; HTTPONLY; {rest}")]),
            ("a=1; Path=/", vec![format!("a=1; Path=/; {rest}")]),
            (
                "sid=; Path=/x; Max-Age=0",
                vec![
                    format!("sid=; Path=/x; Max-Age=0; {rest}"),
                    format!("sid~aaaaaaaaaa=; Path=/x; Max-Age=0; {rest}"),
                ],
            ),
            ("=1; HttpOnly", vec![format!("=1; HttpOnly; {rest}")]),
            (
                "old=2; HttpOnly; Max-Age=9",
                vec![
                    format!("old~aaaaaaaaaa=2; HttpOnly; Max-Age=9; {rest}"),
                    format!("old=; HttpOnly; Max-Age=0; {rest}"),
                ],
            ),
            ("ol=2; HttpOnly", vec![format!("ol~aaaaaaaaaa=2; HttpOnly; {rest}")]),
            ("sid~bbbbbbbbbb=planted; HttpOnly", vec![]),
            ("sid~bbbbbbbbbb=planted", vec![]),
        ];
        for (before, after) in cases {
            assert_eq!(for_the_frame(&HeaderValue::from_static(before), Some(&scope)), after, "{before}");
        }
    }

    #[test]
    fn only_frame_ancestors_leave_the_apps_policy() {
        let cases = [
            ("frame-ancestors 'none'", None),
            ("default-src 'self'; Frame-Ancestors https://a ; img-src *", Some("default-src 'self'; img-src *")),
            ("frame-ancestors 'none', default-src 'none'", Some("default-src 'none'")),
        ];
        for (before, after) in cases {
            assert_eq!(text(without_frame_ancestors(&HeaderValue::from_static(before))).as_deref(), after, "{before}");
        }
    }

    #[test]
    fn every_answer_names_its_ancestors_once() {
        let mut headers = HeaderMap::new();
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.append(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("frame-ancestors *"));
        headers.append(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'"));
        frame(&mut headers, "https://portal.example");
        let policies: Vec<_> = headers.get_all(header::CONTENT_SECURITY_POLICY).iter().collect();
        assert_eq!(policies, ["default-src 'self'", "frame-ancestors https://portal.example"]);
        assert!(!headers.contains_key(header::X_FRAME_OPTIONS));
    }
}
