//! Who is calling: the cross-site rule, then the session cookie, then, where it is due, the host's word.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, header};

use super::Gateway;
use super::body::Upload;
use super::cookies::Scope;
use super::credentials::Credential;
use super::forward::Held;
use super::live::Snapshot;
use super::peer::Peer;
use super::respond::Rejection;
use super::route::Target;
use crate::access::{Origin, PreviewRule, Principal, Standing};
use crate::hosts::{HostError, HostPlatform};
use crate::session::Session;

/// Which of several live sessions a request means.
pub(super) const CONTEXT_HEADER: &str = "x-vestibule-context";
/// The same, in a URL.
pub(super) const CONTEXT_PARAMETER: &str = "_vestibule_ctx";
/// Reserved for tickets; never reaches the app.
pub(super) const TICKET_PARAMETER: &str = "_vestibule_ticket";

/// A proven caller and what belongs to them.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) principal: Principal,
    pub(super) standing: Arc<Standing>,
    pub(super) preview: PreviewRule,
    pub(super) session: Session,
    /// A re-dated session for the caller to keep, when that is due.
    pub(super) renewed: Option<Session>,
    /// Headers of the host that go on to the app, because the caller's proof covers them.
    pub(super) along: Vec<HeaderName>,
    /// Whether the host has to hear of what the request says, before the app does.
    pub(super) learns: bool,
    /// Room for the body, where it had to be read as a whole.
    pub(super) _held: Option<Held>,
}

impl Caller {
    /// Whose cookies of the app are theirs.
    pub(super) fn scope(&self, headers: &HeaderMap) -> Scope {
        Scope::of(self.session.context().as_str(), headers)
    }
}

/// A request that says who is calling.
pub(super) struct Asking<'a> {
    pub(super) head: &'a Parts,
    pub(super) peer: &'a Peer,
    /// Whether it wants a WebSocket.
    pub(super) upgrades: bool,
}

/// What the request's own address says about the session that is meant; taken out of it before it goes on.
#[derive(Debug, Default)]
pub(super) struct Selector(pub(super) Option<String>);

impl Selector {
    /// From the header, else the parameter that was taken from the target, else the URL of the page that asked.
    pub(super) fn of(headers: &HeaderMap, parameter: Option<String>, public: &Origin) -> Self {
        let text = |value: &http::HeaderValue| value.to_str().ok().map(str::to_owned);
        let header = headers.get(CONTEXT_HEADER).and_then(text);
        Self(header.or(parameter).or_else(|| referring_page(headers, public)))
    }
}

fn referring_page(headers: &HeaderMap, public: &Origin) -> Option<String> {
    let (page, query) = headers.get(header::REFERER)?.to_str().ok()?.split_once('?')?;
    let context = Target::from_parts("/", query.split('#').next()).ok()?.parameters(CONTEXT_PARAMETER).next()?;
    context.filter(|_| Origin::of_url(page).is_ok_and(|origin| origin == *public))
}

/// The rule for every request that could carry a credential, asked before the credential is looked at.
///
/// A `SameSite=None` cookie goes along with whatever any page sends, and a partition is keyed by the top-level site
/// only, so the cookie itself proves nothing about where a request comes from.
pub(super) fn check_origin(
    method: &Method,
    headers: &HeaderMap,
    upgrade: bool,
    public: &Origin,
) -> Result<(), Rejection> {
    check_page(method, headers, upgrade, |origin| origin == public)
}

/// The same, where `is_ours` says which pages are ours.
pub(super) fn check_page(
    method: &Method,
    headers: &HeaderMap,
    upgrade: bool,
    is_ours: impl Fn(&Origin) -> bool,
) -> Result<(), Rejection> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let ours = |origin: &str| Origin::parse(origin).is_ok_and(|origin| is_ours(&origin));
    let origin = headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or_default());
    if upgrade {
        // Chromium sends no fetch metadata here, so `Origin` decides, always.
        return if origin.is_some_and(ours) { Ok(()) } else { Err(Rejection::OriginRefused) };
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let allowed = match text("sec-fetch-site") {
        Some("same-origin" | "none") => true,
        Some(_) => {
            reads
                && text("sec-fetch-mode") == Some("navigate")
                && matches!(text("sec-fetch-dest"), Some("iframe" | "document"))
        }
        None if headers.contains_key("sec-fetch-site") => false,
        None => origin.map_or(reads, ours),
    };
    if allowed { Ok(()) } else { Err(Rejection::CrossSiteRefused) }
}

impl Gateway {
    /// The caller of a request on a route that needs one. A host's token that comes with the request is what counts; if it is
    /// not accepted, no cookie stands in for it.
    pub(super) async fn authenticate(
        &self,
        asking: &Asking<'_>,
        credential: Option<Credential<'_>>,
        selector: &Selector,
        upload: &mut Upload,
    ) -> Result<Caller, Rejection> {
        if let Some(credential) = credential {
            let caller = self.caller_by_token(&credential, asking, upload).await?;
            let context = caller.session.context().as_str();
            let is_meant = selector.0.as_ref().is_none_or(|wanted| wanted == context);
            return if is_meant { Ok(caller) } else { Err(Rejection::ContextMismatch) };
        }
        let Asking { head, upgrades, .. } = asking;
        if let Some(bearer) = self.bearer(head)? {
            return self.caller(self.session_of_bearer(&bearer, selector)?).await;
        }
        check_origin(&head.method, &head.headers, *upgrades, &self.public)?;
        let session = self.session(&head.headers, selector)?;
        self.caller(session).await
    }
}

impl Snapshot {
    /// The one live session that the request means. Several without a selector are never guessed between.
    pub(super) fn session(&self, headers: &HeaderMap, selector: &Selector) -> Result<Session, Rejection> {
        self.jar(headers).into_meant(selector)
    }

    /// Adds what the host says about them, asking it again if that is due.
    pub(super) async fn caller(&self, session: Session) -> Result<Caller, Rejection> {
        let principal = session.principal().clone();
        // A host that left the configuration took its sessions along.
        let host = self.host(&principal).ok_or(Rejection::SessionExpired)?;
        let confirmed = match host.confirmed(&principal, session.confirmed_at()) {
            Some(confirmed) => {
                if host.is_due(&principal, confirmed.at) {
                    self.ask_early(host, &session);
                }
                confirmed
            }
            None => self.ask_again(host, &session).await?,
        };
        let renewed = self.sessions.slide(&session, confirmed.at);
        let standing = ranked(confirmed.standing, session.host_role());
        let (preview, along) = (host.preview(), Vec::new());
        Ok(Caller { principal, standing, preview, session, renewed, along, learns: false, _held: None })
    }

    /// While the request goes on. What comes of it counts from the next one on; only a no ends the session at once.
    fn ask_early(&self, host: &Arc<dyn HostPlatform>, session: &Session) {
        let (host, sessions, session) = (Arc::clone(host), Arc::clone(&self.sessions), session.clone());
        tokio::spawn(async move {
            let answer = host.confirm(session.principal(), session.confirmed_at()).await;
            if matches!(answer, Err(HostError::Refused | HostError::Expired)) {
                sessions.revoke(&session);
            }
        });
    }

    /// To the end, also if the caller leaves: each question costs quota that is everybody's, and its answer is kept.
    async fn ask_again(
        &self,
        host: &Arc<dyn HostPlatform>,
        session: &Session,
    ) -> Result<crate::hosts::Confirmed, Rejection> {
        let (host, principal, at) = (Arc::clone(host), session.principal().clone(), session.confirmed_at());
        let asking = tokio::spawn(async move { host.confirm(&principal, at).await });
        match asking.await.unwrap_or(Err(HostError::Unavailable)) {
            Ok(confirmed) => Ok(confirmed),
            Err(HostError::Refused | HostError::Expired) => {
                self.sessions.revoke(session);
                Err(Rejection::SessionExpired)
            }
            Err(HostError::Unavailable) => Err(Rejection::HostUnavailable),
        }
    }

    pub(super) fn host(&self, principal: &Principal) -> Option<&Arc<dyn HostPlatform>> {
        self.hosts.iter().find(|host| host.name() == principal.host())
    }
}

/// With the rank that the session has, if it has one: what this process remembers may be of another token, or nothing.
fn ranked(standing: Arc<Standing>, role: Option<&str>) -> Arc<Standing> {
    match role {
        Some(role) if standing.host_role.as_deref().unwrap_or_default() != role => {
            let host_role = Some(role.to_owned()).filter(|role| !role.is_empty());
            Arc::new(Standing { host_role, ..standing.as_ref().clone() })
        }
        _ => standing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect()
    }

    type Case<'a> = (Method, &'a [(&'static str, &'static str)], bool, Result<(), Rejection>);

    #[test]
    fn only_our_own_pages_and_plain_navigations_use_a_credential() {
        let public = Origin::parse("https://app.example.com").expect("an origin");
        let (site, mode, dest) = ("sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest");
        let framed = [(site, "cross-site"), (mode, "navigate"), (dest, "iframe")];
        let cases: &[Case<'_>] = &[
            (Method::POST, &[(site, "same-origin")], false, Ok(())),
            (Method::POST, &[(site, "same-origin"), ("origin", "null")], false, Ok(())),
            (Method::GET, &[(site, "none")], false, Ok(())),
            (Method::GET, &framed, false, Ok(())),
            (Method::HEAD, &[(site, "same-site"), (mode, "navigate"), (dest, "document")], false, Ok(())),
            (Method::POST, &framed, false, Err(Rejection::CrossSiteRefused)),
            (
                Method::GET,
                &[(site, "cross-site"), (mode, "cors"), (dest, "empty")],
                false,
                Err(Rejection::CrossSiteRefused),
            ),
            (
                Method::GET,
                &[(site, "same-site"), (mode, "no-cors"), (dest, "image")],
                false,
                Err(Rejection::CrossSiteRefused),
            ),
            (Method::GET, &[(site, "odd")], false, Err(Rejection::CrossSiteRefused)),
            (Method::GET, &[], false, Ok(())),
            (Method::GET, &[("origin", "https://evil.example")], false, Err(Rejection::CrossSiteRefused)),
            (Method::POST, &[], false, Err(Rejection::CrossSiteRefused)),
            (Method::POST, &[("origin", "https://APP.example.com:443")], false, Ok(())),
            (Method::POST, &[("origin", "null")], false, Err(Rejection::CrossSiteRefused)),
            (Method::DELETE, &[("origin", "https://evil.example")], false, Err(Rejection::CrossSiteRefused)),
            (Method::GET, &[("origin", "https://app.example.com")], true, Ok(())),
            (Method::GET, &[(site, "same-origin")], true, Err(Rejection::OriginRefused)),
            (Method::GET, &[("origin", "null")], true, Err(Rejection::OriginRefused)),
            (Method::GET, &[("origin", "https://evil.example")], true, Err(Rejection::OriginRefused)),
        ];
        for (method, pairs, upgrade, expected) in cases {
            assert_eq!(
                check_origin(method, &request(pairs), *upgrade, &public),
                *expected,
                "{method} {pairs:?} {upgrade}"
            );
        }
    }

    #[test]
    fn the_page_that_asks_says_which_session_is_meant() {
        let public = Origin::parse("https://app.example.com").expect("an origin");
        let of = |pairs: &[(&'static str, &'static str)], parameter: Option<&str>| {
            Selector::of(&request(pairs), parameter.map(str::to_owned), &public).0
        };
        assert_eq!(
            of(&[("referer", "https://app.example.com/x?a=1&_vestibule_ctx=abc#f")], None).as_deref(),
            Some("abc")
        );
        assert_eq!(of(&[("referer", "https://evil.example/?_vestibule_ctx=abc")], None), None);
        assert_eq!(
            of(&[("x-vestibule-context", "h"), ("referer", "https://app.example.com/?_vestibule_ctx=r")], Some("p"))
                .as_deref(),
            Some("h")
        );
        assert_eq!(of(&[], Some("p")).as_deref(), Some("p"));
    }
}
