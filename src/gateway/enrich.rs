//! Builds the request that the app gets, from proven parts only.
//!
//! Nothing is taken away from the caller's request: a new one is made, and what must not be passed on is never copied.

use std::sync::Arc;

use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, Request, Uri, Version};

use super::cookies::Scope;
use super::forward::{UpgradeKey, Wire};
use super::headers::{is_reserved, listed_in_connection, reads_like};
use super::interim::Interim;
use super::peer::Peer;
use super::route::Target;
use super::{bearer, cookies};
use crate::access::{Effective, Origin, Permission, Permit, Principal, RoleKey, Standing};
use crate::assertion::Assertions;
use crate::hosts::Carrier;

/// The names of the headers that the app reads. The defaults are `X-Vestibule-…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// Name of the host.
    pub host: HeaderName,
    /// Host workspace.
    pub tenant: HeaderName,
    /// The person's id.
    pub user: HeaderName,
    /// `client`, `internal`, `external` or `service`.
    pub user_kind: HeaderName,
    /// Company.
    pub organization: HeaderName,
    /// Staff who preview as this client.
    pub actor: HeaderName,
    /// The project of the route.
    pub project: HeaderName,
    /// Roles as granted.
    pub roles: HeaderName,
    /// Expanded permissions.
    pub permissions: HeaderName,
    /// Id in the directory.
    pub directory_user: HeaderName,
    /// The signed assertion.
    pub assertion: HeaderName,
    /// Display name, percent-encoded.
    pub name: HeaderName,
    /// Address, percent-encoded.
    pub email: HeaderName,
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self {
            host: HeaderName::from_static("x-vestibule-host"),
            tenant: HeaderName::from_static("x-vestibule-tenant"),
            user: HeaderName::from_static("x-vestibule-user"),
            user_kind: HeaderName::from_static("x-vestibule-user-kind"),
            organization: HeaderName::from_static("x-vestibule-organization"),
            actor: HeaderName::from_static("x-vestibule-actor"),
            project: HeaderName::from_static("x-vestibule-project"),
            roles: HeaderName::from_static("x-vestibule-roles"),
            permissions: HeaderName::from_static("x-vestibule-permissions"),
            directory_user: HeaderName::from_static("x-vestibule-directory-user"),
            assertion: HeaderName::from_static("x-vestibule-assertion"),
            name: HeaderName::from_static("x-vestibule-name"),
            email: HeaderName::from_static("x-vestibule-email"),
        }
    }
}

impl IdentityHeaders {
    /// What the app is told of who was allowed, but for the assertion and the profile. Nothing where that is nobody.
    pub fn values<'a>(&'a self, permit: &Permit) -> impl Iterator<Item = (&'a HeaderName, HeaderValue)> + use<'a> {
        let who = permit.principal().zip(permit.effective());
        let all = who.map(|(principal, effective)| {
            [
                (&self.host, Some(value(principal.host().as_str()))),
                (&self.tenant, Some(value(principal.tenant().as_str()))),
                (&self.user, Some(value(principal.subject().as_str()))),
                (&self.user_kind, Some(HeaderValue::from_static(principal.kind().as_str()))),
                (&self.organization, principal.organization().map(|id| value(id.as_str()))),
                (&self.actor, principal.actor().map(|id| value(id.as_str()))),
                (&self.project, permit.project().map(|key| value(key.as_str()))),
                (&self.roles, Some(value(&joined(effective.roles.iter().map(RoleKey::as_str))))),
                (&self.permissions, Some(value(&joined(effective.permissions.iter().map(Permission::as_str))))),
            ]
        });
        all.into_iter().flatten().filter_map(|(name, value)| Some((name, value?)))
    }

    fn all(&self) -> [&HeaderName; 13] {
        let Self { host, tenant, user, user_kind, organization, actor, project, roles, permissions, .. } = self;
        let Self { directory_user, assertion, name, email, .. } = self;
        [
            host,
            tenant,
            user,
            user_kind,
            organization,
            actor,
            project,
            roles,
            permissions,
            directory_user,
            assertion,
            name,
            email,
        ]
    }
}

/// What every upstream request is built with.
pub(super) struct Enrich {
    names: IdentityHeaders,
    /// Names that an operator chose instead of ours, which the rule for ours does not cover.
    renamed: Vec<HeaderName>,
    profile: bool,
    path_prefix: String,
    host: HeaderValue,
    authority: Authority,
    scheme: HeaderValue,
    of_hosts: OfHosts,
    assertions: Arc<Assertions>,
}

/// What the hosts put into requests for us, and not for the app.
pub(super) struct OfHosts {
    /// Parameters that are credentials, which the page that asked may still have in its address.
    pub(super) parameters: Vec<Carrier>,
    /// Headers that only the hosts may set.
    pub(super) headers: Vec<HeaderName>,
}

/// One request on its way out: what is known about it beyond the caller's own headers.
pub(super) struct Outbound<'a> {
    pub(super) enrich: &'a Enrich,
    pub(super) target: &'a Target,
    pub(super) peer: &'a Peer,
    pub(super) request_id: &'a str,
    pub(super) standing: Option<&'a Standing>,
    /// Whose cookies of the app go along.
    pub(super) scope: &'a Scope,
    /// Headers of the host that the caller's proof covers.
    pub(super) along: &'a [HeaderName],
    pub(super) upgrade: Option<UpgradeKey>,
    pub(super) interim: Option<Interim>,
}

impl Enrich {
    pub(super) fn new(
        names: IdentityHeaders,
        profile: bool,
        path_prefix: String,
        public: &Origin,
        of_hosts: OfHosts,
        assertions: Arc<Assertions>,
    ) -> Self {
        let ours = IdentityHeaders::default();
        let renamed = names.all().into_iter().filter(|name| !ours.all().contains(name)).cloned().collect();
        let (host, scheme) = (value(public.authority()), value(public.scheme()));
        let authority = Authority::try_from(public.authority()).expect("an origin's authority was parsed before");
        Self { names, renamed, profile, path_prefix, host, authority, scheme, of_hosts, assertions }
    }

    fn copies(&self, name: &HeaderName, along: &[HeaderName]) -> bool {
        !is_reserved(name)
            && !matches!(*name, header::COOKIE | header::REFERER)
            && !self.renamed.iter().any(|ours| reads_like(name, ours))
            && (along.contains(name) || !self.of_hosts.headers.iter().any(|theirs| reads_like(name, theirs)))
    }

    /// The address of the page that asked, without what opens a session. `None` for one that cannot be read.
    fn referer(&self, value: &HeaderValue) -> Option<HeaderValue> {
        let text = value.to_str().ok()?;
        let Some((page, query)) = text.split_once('?') else { return Some(value.clone()) };
        let mut target = Target::from_parts("/", query.split('#').next()).ok()?;
        let mut is_taken = |secret: &&Carrier| !target.take_parameters(|name| secret.takes(name)).is_empty();
        let taken = self.of_hosts.parameters.iter().filter(|secret| is_taken(secret)).count();
        match (taken, target.query()) {
            (0, _) => Some(value.clone()),
            (_, None) => HeaderValue::from_str(page).ok(),
            (_, Some(rest)) => HeaderValue::from_str(&format!("{page}?{rest}")).ok(),
        }
    }
}

impl Outbound<'_> {
    /// The head of the upstream request. The caller's headers are only read.
    pub(super) fn parts(&self, method: &Method, headers: &HeaderMap, permit: &Permit, wire: &Wire) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = method.clone();
        parts.version = if *wire == Wire::Http1 { Version::HTTP_11 } else { Version::HTTP_2 };
        parts.uri = self.uri(wire);
        parts.headers = self.headers(headers, permit, wire);
        parts
    }

    /// Only the path in HTTP/1.1, where `Host` says the rest; everything in HTTP/2 (RFC 9113 §8.3.1).
    fn uri(&self, wire: &Wire) -> Uri {
        let text = format!("{}{}", self.enrich.path_prefix, self.target.to_path_and_query());
        let path = PathAndQuery::try_from(text)
            .expect("a target and a prefix hold only what a URI may hold; both are checked when made");
        let mut uri = http::uri::Parts::default();
        uri.path_and_query = Some(path);
        if let Wire::Http2(scheme) = wire {
            (uri.scheme, uri.authority) = (Some(scheme.clone()), Some(self.enrich.authority.clone()));
        }
        Uri::from_parts(uri).expect("a path alone, or a path with a scheme and an authority")
    }

    fn headers(&self, caller: &HeaderMap, permit: &Permit, wire: &Wire) -> HeaderMap {
        // Hop-by-hop first, so that nothing that `Connection` lists can take away what is added below.
        let listed = listed_in_connection(caller);
        let mut headers = HeaderMap::with_capacity(caller.len() + 16);
        if *wire == Wire::Http1 {
            headers.insert(header::HOST, self.enrich.host.clone());
        }
        for (name, content) in caller {
            if self.enrich.copies(name, self.along) && !listed.contains(name) {
                headers.append(name.clone(), content.clone());
            }
        }
        if let Some(page) = caller.get(header::REFERER).and_then(|value| self.enrich.referer(value)) {
            headers.insert(header::REFERER, page);
        }
        if caller.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
            headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
            if let Some(kept) = bearer::protocols_of_the_app(caller) {
                headers.insert(header::SEC_WEBSOCKET_PROTOCOL, kept);
            }
        }
        if let Some(kept) = cookies::for_the_app(caller, self.scope) {
            headers.insert(header::COOKIE, kept);
        }
        self.describe_the_way(caller, &mut headers, wire);
        if let (Some(principal), Some(effective)) = (permit.principal(), permit.effective()) {
            self.identify(principal, effective, permit, &mut headers);
        }
        headers
    }

    fn describe_the_way(&self, caller: &HeaderMap, headers: &mut HeaderMap, wire: &Wire) {
        headers.insert("x-forwarded-for", value(&self.peer.forwarded_for));
        headers.insert("x-forwarded-proto", self.enrich.scheme.clone());
        headers.insert("x-forwarded-host", self.enrich.host.clone());
        headers.insert("x-request-id", value(self.request_id));
        if self.upgrade.is_some() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        } else if caller.get(header::TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers")) {
            // What we ask of the app on our own connection (RFC 9110 §10.1.4): the caller can take trailers, so can we.
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
            if *wire == Wire::Http1 {
                headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
            }
        }
    }

    fn identify(&self, principal: &Principal, effective: &Effective, permit: &Permit, headers: &mut HeaderMap) {
        let names = &self.enrich.names;
        for (name, value) in names.values(permit) {
            headers.insert(name, value);
        }
        let token =
            self.enrich.assertions.sign(principal, effective, permit.project(), permit.route(), permit.revision());
        headers.insert(&names.assertion, value(&token));
        self.describe(headers);
    }

    /// Name and address, if the operator wants the app to have them and the host gave them.
    fn describe(&self, headers: &mut HeaderMap) {
        let Some(standing) = self.standing.filter(|_| self.enrich.profile) else { return };
        let names = &self.enrich.names;
        for (name, text) in [(&names.name, &standing.name), (&names.email, &standing.email)] {
            // Too long is left out and never cut: half a name is another name.
            if let Some(encoded) =
                text.as_ref().map(|text| percent_encoded(text)).filter(|encoded| encoded.len() <= 1024)
            {
                headers.insert(name, value(&encoded));
            }
        }
    }
}

fn joined<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

/// UTF-8, percent-encoded wherever a byte is not an unreserved character (RFC 3986 §2.3), blanks included.
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("ids, addresses and assertions are visible ASCII by construction")
}
