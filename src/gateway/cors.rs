//! Pages of other origins: what their browser is told when it asks whether they may call, and what they may read (Fetch
//! §3.3, the CORS protocol).
//!
//! It is for the origins of `[server] cors_origins`, and for tokens that a page sends itself.
//! `Access-Control-Allow-Credentials` is never said: a request with a cookie is refused by the cross-site rule, and its
//! browser would not show the answer.

use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::Gateway;
use super::authenticate::CONTEXT_HEADER;
use super::body::Body;
use super::endpoints::Endpoint;
use super::headers::is_managed;
use super::record::Exchange;
use super::respond::own;
use super::route::{self, Destination, KNOWN_METHODS, Target};
use crate::access::{Access, Origin};

/// For so long a browser need not ask again, in seconds. Each request is decided anew all the same.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// What a page may read beside what it always may.
const EXPOSED: HeaderValue = HeaderValue::from_static("X-Vestibule-Error, X-Request-Id");

/// The origins whose pages may call. A request costs one look-up and a comparison with each, if there are any.
pub(super) struct Cors(Vec<HeaderValue>);

impl Cors {
    pub(super) fn new(origins: &[Origin]) -> Self {
        let value = |origin: &Origin| HeaderValue::from_str(origin.as_str()).expect("an origin is visible ASCII");
        Self(origins.iter().map(value).collect())
    }

    /// The origin of the page that calls, if it is listed. Browsers have one spelling of it (RFC 6454 §6.2).
    pub(super) fn page(&self, headers: &HeaderMap) -> Option<&HeaderValue> {
        if self.0.is_empty() {
            return None;
        }
        let mut sent = headers.get_all(header::ORIGIN).iter();
        let (Some(page), None) = (sent.next(), sent.next()) else { return None };
        self.0.iter().find(|listed| *listed == page)
    }

    /// Lets the page read the answer, whatever the app said of that. Caches learn that other pages get another answer,
    /// also where none asked.
    pub(super) fn open(&self, headers: &mut HeaderMap, page: Option<&HeaderValue>) {
        if self.0.is_empty() {
            return;
        }
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let Some(page) = page else { return };
        headers.remove(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, page.clone());
        headers.append(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

impl Gateway {
    /// Answers a browser that asks whether a page may call, before anybody is asked who they are: such a request says
    /// nothing of that (Fetch §4.8). `None` for every other request, and where the answer is no.
    pub(super) fn preflight(&self, head: &Parts, target: &Target, exchange: &mut Exchange) -> Option<Response<Body>> {
        if head.method != Method::OPTIONS {
            return None;
        }
        self.cors.page(&head.headers)?;
        let method = asked_method(&head.headers)?;
        match route::destination(&self.routes, &method, target).ok()? {
            Destination::Own(endpoint) if takes_tokens(&endpoint, &method) => exchange.own_route(endpoint.route()),
            Destination::App(found) if found.route.access != Access::Public => exchange.routed(&found),
            Destination::Own(_) | Destination::App(_) => return None,
        }
        let mut answer = own(StatusCode::NO_CONTENT, "text/plain; charset=utf-8", String::new());
        let headers = answer.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_str(method.as_str()).ok()?);
        if let Some(names) = asked_headers(&head.headers) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(answer)
    }
}

/// Whether a token of a single request is enough for it.
fn takes_tokens(endpoint: &Endpoint, method: &Method) -> bool {
    match endpoint {
        Endpoint::Session => matches!(*method, Method::GET | Method::HEAD),
        Endpoint::Logout => *method == Method::POST,
        _ => false,
    }
}

fn asked_method(headers: &HeaderMap) -> Option<Method> {
    let mut sent = headers.get_all(header::ACCESS_CONTROL_REQUEST_METHOD).iter();
    let (Some(asked), None) = (sent.next(), sent.next()) else { return None };
    KNOWN_METHODS.into_iter().find(|method| asked == method.as_str())
}

/// The headers that were asked for and may be sent. Not those that speak in our name, and not `*`, which is all of them.
fn asked_headers(headers: &HeaderMap) -> Option<HeaderValue> {
    let values = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    let names = names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    let may_be_sent =
        |name: &HeaderName| name.as_str() == CONTEXT_HEADER || (name.as_str() != "*" && !is_managed(name));
    let list = names.filter(may_be_sent).map(|name| name.as_str().to_owned()).collect::<Vec<_>>().join(", ");
    HeaderValue::from_str(&list).ok().filter(|list| !list.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "https://www.example.com";

    fn cors() -> Cors {
        Cors::new(&[Origin::parse(PAGE).expect("an origin")])
    }

    fn headers(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        let mut all = HeaderMap::new();
        for value in values {
            all.append(name, HeaderValue::from_static(value));
        }
        all
    }

    #[test]
    fn a_page_is_listed_exactly_or_not_at_all() {
        let listed = |values: &[&'static str]| cors().page(&headers(&header::ORIGIN, values)).is_some();
        assert!(listed(&[PAGE]));
        for origin in [
            "null",
            "*",
            "",
            "http://www.example.com",
            "https://example.com",
            "https://www.example.com:8443",
            "https://www.example.com/",
            "https://www.example.com.evil.example",
            "https://evil.example https://www.example.com",
        ] {
            assert!(!listed(&[origin]), "{origin}");
        }
        assert!(!listed(&[PAGE, PAGE]) && !listed(&[]));
        assert!(Cors::new(&[]).page(&headers(&header::ORIGIN, &[PAGE])).is_none());
    }

    #[test]
    fn a_preflight_gets_no_header_that_speaks_in_our_name() {
        let asked = |values: &[&'static str]| {
            let names = asked_headers(&headers(&header::ACCESS_CONTROL_REQUEST_HEADERS, values));
            names.map(|names| names.to_str().expect("ASCII").to_owned())
        };
        let given =
            asked(&["authorization, X-Vestibule-Context,x_vestibule_user", "x-vestibule-roles, *, a b,, x-own"]);
        assert_eq!(given.as_deref(), Some("authorization, x-vestibule-context, x-own"));
        assert_eq!(asked(&["x-vestibule-user"]), None);
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn a_preflight_asks_for_one_method_that_is_known() {
        let asked = |values: &[&'static str]| asked_method(&headers(&header::ACCESS_CONTROL_REQUEST_METHOD, values));
        assert_eq!(asked(&["DELETE"]), Some(Method::DELETE));
        for values in [&["TRACE"][..], &["get"], &["GET, POST"], &["GET", "GET"], &[""], &[]] {
            assert_eq!(asked(values), None, "{values:?}");
        }
    }

    #[test]
    fn what_the_app_says_of_readers_does_not_count() {
        let mut answer = HeaderMap::new();
        answer.append(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        answer.append(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://evil.example"));
        answer.append(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        answer.append(header::VARY, HeaderValue::from_static("Cookie"));
        let cors = cors();
        cors.open(&mut answer, cors.page(&headers(&header::ORIGIN, &[PAGE])));
        let all = |name: HeaderName| answer.get_all(name).iter().cloned().collect::<Vec<_>>();
        assert_eq!(all(header::ACCESS_CONTROL_ALLOW_ORIGIN), [PAGE]);
        assert_eq!(all(header::ACCESS_CONTROL_ALLOW_CREDENTIALS), Vec::<HeaderValue>::new());
        assert_eq!(all(header::VARY), ["Cookie", "Origin"]);
    }
}
