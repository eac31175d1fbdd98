//! Host tokens that come with a request and count for it alone: where they stand, and whose they may be.

use std::sync::Arc;

use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderMap, Method};

use super::authenticate::check_page;
use super::cors::Cors;
use super::respond::Rejection;
use super::route::Target;
use crate::access::Origin;
use crate::hosts::{Binding, Carrier, Comes, HostPlatform};
use crate::secret::Secret;

/// Where tokens may stand in a request. Made once for a configuration.
///
/// A request costs one look-up for each of these, which is nothing where no host has such tokens.
pub(super) struct Credentials(Vec<Place>);

/// A part of a request, and the hosts that read it.
struct Place {
    at: At,
    hosts: Vec<Arc<dyn HostPlatform>>,
    /// Whether any page can cause it, because a proxy of the host adds it as a browser adds a cookie.
    ambient: bool,
}

#[derive(PartialEq, Eq)]
enum At {
    /// A header, and in lower case the scheme that stands before the token.
    Header(HeaderName, Option<String>),
    /// The query as a whole, where this parameter is in it.
    Query(&'static str),
}

/// A token that a request came with; nothing of it is proven.
pub(super) struct Credential<'a> {
    place: &'a Place,
    pub(super) token: Secret,
}

impl Credentials {
    pub(super) fn new(hosts: &[Arc<dyn HostPlatform>]) -> Self {
        let mut places: Vec<Place> = Vec::new();
        for host in hosts {
            for (at, ambient) in host.carriers().iter().filter_map(|carrier| place(host.as_ref(), carrier)) {
                if let Some(place) = places.iter_mut().find(|place| place.at == at) {
                    place.hosts.push(Arc::clone(host));
                    place.ambient |= ambient;
                } else {
                    places.push(Place { at, hosts: vec![Arc::clone(host)], ambient });
                }
            }
        }
        Self(places)
    }

    /// The parameters that sign a query, which no app sees.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.iter().filter_map(|place| match place.at {
            At::Header(..) => None,
            At::Query(parameter) => Some(parameter),
        })
    }

    /// The token that the request came with, if it is one and only one. `in_query` is false where the query is the app's alone.
    pub(super) fn find(&self, head: &Parts, in_query: bool) -> Result<Option<Credential<'_>>, Rejection> {
        let mut found: Option<Credential<'_>> = None;
        for place in self.0.iter().filter(|place| in_query || matches!(place.at, At::Header(..))) {
            let Some(token) = place.token(head)? else { continue };
            found = match found {
                None => Some(Credential { place, token }),
                Some(first) if place.belongs_to(first.place) => Some(first),
                Some(first) if first.place.belongs_to(place) => Some(Credential { place, token }),
                Some(_) => return Err(Rejection::MalformedRequest("tokens of two hosts")),
            };
        }
        Ok(found)
    }
}

/// Where a carrier has tokens of single requests, and whether any page can cause them.
fn place(host: &dyn HostPlatform, carrier: &Carrier) -> Option<(At, bool)> {
    // The configuration has seen that each is a header's name.
    let header = |name: &str| HeaderName::from_bytes(name.as_bytes()).ok();
    match carrier {
        Carrier::Header { comes: Comes::First, .. } => None,
        Carrier::Header { name, scheme, comes } => {
            let scheme = scheme.as_deref().map(str::to_ascii_lowercase);
            Some((At::Header(header(name)?, scheme), *comes == Comes::FromProxy))
        }
        Carrier::Signature { name, .. } => Some((At::Header(header(name)?, None), false)),
        Carrier::SignedQuery { signature, .. } if !host.opens_session() => Some((At::Query(signature), false)),
        Carrier::Query(_) | Carrier::SignedQuery { .. } | Carrier::Form(_) | Carrier::Script => None,
    }
}

impl Place {
    /// Whether it is one of several headers that the other's tokens consist of.
    fn belongs_to(&self, other: &Self) -> bool {
        let At::Header(header, _) = &self.at else { return false };
        other.hosts.iter().any(|host| host.headers().contains(&header.as_str()))
    }

    fn token(&self, head: &Parts) -> Result<Option<Secret>, Rejection> {
        match &self.at {
            At::Header(name, scheme) => in_header(&head.headers, name, scheme.as_deref()),
            At::Query(parameter) => in_query(head.uri.query(), parameter),
        }
    }
}

fn in_header(headers: &HeaderMap, name: &HeaderName, scheme: Option<&str>) -> Result<Option<Secret>, Rejection> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Rejection::MalformedRequest("a header with a token that is repeated"));
    }
    let unreadable = Rejection::MalformedRequest("a header with a token that cannot be read");
    let Ok(text) = value.to_str() else { return Err(unreadable) };
    let token = match scheme {
        None => text,
        Some(scheme) => {
            let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
            if !word.eq_ignore_ascii_case(scheme) {
                return Ok(None);
            }
            rest.trim_start_matches(' ')
        }
    };
    let whole = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if whole { Ok(Some(Secret::from(token))) } else { Err(unreadable) }
}

fn in_query(query: Option<&str>, parameter: &str) -> Result<Option<Secret>, Rejection> {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(None) };
    let target = Target::from_parts("/", Some(query));
    let target = target.map_err(|_| Rejection::MalformedRequest("a query with a character that no URL has"))?;
    match target.parameters(parameter).count() {
        0 => Ok(None),
        1 => Ok(Some(Secret::from(query))),
        _ => Err(Rejection::MalformedRequest("a signature that is repeated")),
    }
}

impl<'a> Credential<'a> {
    /// Whether its proof rests on the body too.
    pub(super) fn is_signature(&self) -> bool {
        self.place.hosts.iter().any(|host| host.binding() == Binding::Call)
    }

    /// Whether its proof rests on the request at all.
    pub(super) fn is_bound(&self) -> bool {
        self.place.hosts.iter().any(|host| matches!(host.binding(), Binding::Head | Binding::Call))
    }

    /// What it is remembered by once it is proven: itself and where it stood. `None` where it cannot be used again.
    pub(super) fn key(&self) -> Option<[u8; 32]> {
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        let (name, scheme) = match &self.place.at {
            At::Header(name, scheme) => (name.as_str(), scheme.as_deref().unwrap_or_default()),
            At::Query(parameter) => ("?", *parameter),
        };
        for part in [name, scheme] {
            digest.update(part.as_bytes());
            digest.update(b"\0");
        }
        digest.update(self.token.expose());
        let is_bearer = self.place.hosts.iter().any(|host| host.binding() == Binding::Bearer);
        is_bearer.then(|| *digest.finish().as_ref().first_chunk().expect("a SHA-256 digest has 32 bytes"))
    }

    /// The hosts that read it, if it may be used from where the request came.
    ///
    /// What a page sends itself, or a server, no other site's page can send: it would have to ask first (Fetch §4.8), and is
    /// not answered unless its origin is listed. So who says nothing of where it comes from is no browser. What a host's proxy adds comes along with whatever
    /// any page sends, as a cookie does; there the page may also be one of the host's, because the browser knows the app by
    /// the proxy's address. A pattern is no such page by itself: other apps of the platform have pages that fit it, so there the
    /// browser has to say that the page is of the very address that is asked.
    pub(super) fn readers(
        &self,
        method: &Method,
        headers: &HeaderMap,
        upgrade: bool,
        public: &Origin,
        cors: &Cors,
    ) -> Result<Vec<&'a Arc<dyn HostPlatform>>, Rejection> {
        let hosts = self.place.hosts.iter();
        if !self.place.ambient {
            let from_browser = headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN);
            if from_browser && cors.page(headers).is_none() {
                check_page(method, headers, upgrade, |origin| origin == public)?;
            }
            return Ok(hosts.collect());
        }
        let page = headers.get(header::ORIGIN).map(|value| Origin::parse(value.to_str().unwrap_or_default()).ok());
        let is_own = headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
        let is_its = |host: &dyn HostPlatform, page: &Origin| {
            page == public || host.names_origin(page) || (is_own && host.allows_origin(page))
        };
        let allows = |host: &&Arc<dyn HostPlatform>| match &page {
            None => true,
            Some(page) => page.as_ref().is_some_and(|page| is_its(host.as_ref(), page)),
        };
        let readers: Vec<_> = hosts.filter(allows).collect();
        check_page(method, headers, upgrade, |_| !readers.is_empty())?;
        if readers.is_empty() { Err(Rejection::CrossSiteRefused) } else { Ok(readers) }
    }
}
