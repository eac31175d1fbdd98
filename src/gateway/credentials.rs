//! Host tokens that come with a request and count for it alone: where they stand, and whose they may be.

use std::sync::Arc;

use http::header::{self, HeaderName};
use http::{HeaderMap, Method};

use super::authenticate::check_page;
use super::respond::Rejection;
use crate::access::Origin;
use crate::hosts::{Binding, Carrier, Comes, HostPlatform};
use crate::secret::Secret;

/// Where tokens may stand in a request. Made once for a configuration.
///
/// A request costs one look-up for each of these, which is nothing where no host has such tokens.
pub(super) struct Credentials(Vec<Place>);

/// A header, and the hosts that read it.
struct Place {
    header: HeaderName,
    /// What stands before the token.
    scheme: Option<String>,
    hosts: Vec<Arc<dyn HostPlatform>>,
    /// Whether any page can cause it, because a proxy of the host adds it as a browser adds a cookie.
    ambient: bool,
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
            for (header, scheme, ambient) in host.carriers().iter().filter_map(place) {
                let known = places.iter_mut().find(|place| place.is_at(&header, scheme));
                if let Some(place) = known {
                    place.hosts.push(Arc::clone(host));
                    place.ambient |= ambient;
                } else {
                    let (scheme, hosts) = (scheme.map(str::to_owned), vec![Arc::clone(host)]);
                    places.push(Place { header, scheme, hosts, ambient });
                }
            }
        }
        Self(places)
    }

    /// The token that the request came with, if it is one and only one.
    pub(super) fn find(&self, headers: &HeaderMap) -> Result<Option<Credential<'_>>, Rejection> {
        let mut found: Option<Credential<'_>> = None;
        for place in &self.0 {
            let Some(token) = place.token(headers)? else { continue };
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

/// The header of a carrier of single requests, with its scheme, and whether it is ambient.
fn place(carrier: &Carrier) -> Option<(HeaderName, Option<&str>, bool)> {
    let (name, scheme, ambient) = match carrier {
        Carrier::Header { comes: Comes::First, .. } => return None,
        Carrier::Header { name, scheme, comes } => (name.as_ref(), scheme.as_deref(), *comes == Comes::FromProxy),
        Carrier::Signature { name, .. } => (*name, None, false),
        Carrier::Query(_) | Carrier::SignedQuery { .. } | Carrier::Form(_) | Carrier::Script => return None,
    };
    // The configuration has seen that it is one.
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, scheme, ambient))
}

impl Place {
    fn is_at(&self, header: &HeaderName, scheme: Option<&str>) -> bool {
        let same = match (&self.scheme, scheme) {
            (Some(own), Some(other)) => own.eq_ignore_ascii_case(other),
            (own, other) => own.is_none() && other.is_none(),
        };
        same && self.header == *header
    }

    /// Whether the header is one of several that the other's tokens consist of.
    fn belongs_to(&self, other: &Self) -> bool {
        other.hosts.iter().any(|host| host.headers().contains(&self.header.as_str()))
    }

    fn token(&self, headers: &HeaderMap) -> Result<Option<Secret>, Rejection> {
        let mut values = headers.get_all(&self.header).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Rejection::MalformedRequest("a header with a token that is repeated"));
        }
        let unreadable = Rejection::MalformedRequest("a header with a token that cannot be read");
        let Ok(text) = value.to_str() else { return Err(unreadable) };
        let token = match &self.scheme {
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
        for part in [self.place.header.as_str(), self.place.scheme.as_deref().unwrap_or_default()] {
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
    /// not answered. So who says nothing of where it comes from is no browser. What a host's proxy adds comes along with whatever
    /// any page sends, as a cookie does; there the page may also be one of the host's, because the browser knows the app by
    /// the proxy's address.
    pub(super) fn readers(
        &self,
        method: &Method,
        headers: &HeaderMap,
        upgrade: bool,
        public: &Origin,
    ) -> Result<Vec<&'a Arc<dyn HostPlatform>>, Rejection> {
        let hosts = self.place.hosts.iter();
        if !self.place.ambient {
            let from_browser = headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN);
            if from_browser {
                check_page(method, headers, upgrade, |origin| origin == public)?;
            }
            return Ok(hosts.collect());
        }
        let page = headers.get(header::ORIGIN).map(|value| Origin::parse(value.to_str().unwrap_or_default()).ok());
        let allows = |host: &&Arc<dyn HostPlatform>| match &page {
            None => true,
            Some(page) => page.as_ref().is_some_and(|page| page == public || host.allows_origin(page)),
        };
        let readers: Vec<_> = hosts.filter(allows).collect();
        check_page(method, headers, upgrade, |_| !readers.is_empty())?;
        if readers.is_empty() { Err(Rejection::CrossSiteRefused) } else { Ok(readers) }
    }
}
