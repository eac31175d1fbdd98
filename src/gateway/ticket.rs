//! A page of the app in a tab of its own: `POST /.vestibule/ticket` gives an address that is good once, and the navigation to
//! it brings the session along. A tab is another partition of the browser, in which the frame's cookie does not exist.

use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode, header};
use serde::Deserialize;

use super::authenticate::{CONTEXT_PARAMETER, Selector, TICKET_PARAMETER};
use super::body::{Body, Upload};
use super::bootstrap::see_other;
use super::endpoints::{Exchanged, read_json};
use super::record::Exchange;
use super::respond::{Rejection, own};
use super::route::Target;
use super::{Gateway, authenticate};
use crate::access::PreviewRule;
use crate::session::{Session, SessionError};

/// The body of `POST /.vestibule/ticket`. With a token no session is needed: that of the token begins, and lives in the tab only.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketRequest {
    path: String,
    token: Option<String>,
    host: Option<String>,
    parent: Option<String>,
}

impl Gateway {
    /// The address of a page for a tab of its own.
    pub(super) async fn give_ticket(
        &self,
        head: &Parts,
        selector: &Selector,
        mut upload: Upload,
        exchange: &mut Exchange,
    ) -> Result<Response<Body>, Rejection> {
        exchange.event = "ticket";
        let bearer = self.bearer(head)?;
        if bearer.is_none() {
            authenticate::check_origin(&head.method, &head.headers, false, &self.public)?;
        }
        let asked: TicketRequest = read_json(&mut upload, "the body is not {\"path\":…}").await?;
        let path = wanted(&asked.path)?;
        let session = if let Some(token) = asked.token {
            let exchanged = Exchanged { token, host: asked.host, parent: asked.parent };
            let (proof, _) = self.exchanged(&exchanged, head, selector, exchange).await?;
            self.made(proof)
        } else {
            let known = bearer.map(|bearer| self.session_of_bearer(&bearer, selector));
            let session = known.unwrap_or_else(|| self.session(&head.headers, selector))?;
            self.caller(session).await?.session
        };
        exchange.identify(&session);
        self.check_preview(&session)?;
        let ticket = self.sessions.ticket(&session, path.path());
        let url = with_parameter(&path, TICKET_PARAMETER, &ticket);
        if url.len() > self.limits.uri {
            return Err(Rejection::UriTooLong);
        }
        Ok(own(StatusCode::OK, "application/json", serde_json::json!({ "url": url }).to_string()))
    }

    /// Answers the navigation that brings a ticket; `None` for every other request, which has lost it by now.
    pub(super) fn take_ticket(
        &self,
        head: &Parts,
        target: &Target,
        tickets: &[String],
        exchange: &mut Exchange,
    ) -> Result<Option<Response<Body>>, Rejection> {
        let [ticket] = tickets else {
            return if tickets.is_empty() { Ok(None) } else { Err(Rejection::MalformedRequest("two tickets")) };
        };
        let navigates = head.headers.get("sec-fetch-mode").is_none_or(|mode| mode == "navigate");
        if head.method != Method::GET || !navigates {
            return Ok(None);
        }
        exchange.event = "ticket";
        if !self.comes_from_us(&head.headers) {
            return Err(Rejection::CrossSiteRefused);
        }
        let session = self.sessions.spend(ticket, target.path()).map_err(|error| match error {
            SessionError::Expired | SessionError::Revoked => Rejection::SessionExpired,
            SessionError::Invalid => Rejection::SessionMissing,
        })?;
        self.check_preview(&session)?;
        let jar = self.jar(&head.headers);
        self.settle(&session, &jar, exchange);
        Ok(Some(see_other(target, &session, &jar)))
    }

    /// Whoever may only look gets no tab in which that could be forgotten.
    fn check_preview(&self, session: &Session) -> Result<(), Rejection> {
        let host = self.host(session.principal()).ok_or(Rejection::SessionExpired)?;
        let only_looks = session.principal().actor().is_some() && host.preview() != PreviewRule::Full;
        if only_looks { Err(Rejection::PreviewReadOnly) } else { Ok(()) }
    }

    /// A link with somebody else's ticket, on another site, would sign a person in as that one.
    fn comes_from_us(&self, headers: &HeaderMap) -> bool {
        let page = |value: &http::HeaderValue| {
            value.to_str().is_ok_and(|page| crate::access::Origin::of_url(page).is_ok_and(|page| page == self.public))
        };
        match headers.get("sec-fetch-site") {
            Some(site) => site == "same-origin",
            None => headers.get(header::REFERER).is_some_and(page),
        }
    }
}

/// A page of the app: a path of this origin, in its one spelling, without what is ours in the query.
fn wanted(path: &str) -> Result<Target, Rejection> {
    let refused = Rejection::MalformedRequest("the path is no page of the app");
    if path.starts_with("//") {
        return Err(refused);
    }
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut target = Target::from_parts(path, query).map_err(|_| refused.clone())?;
    let _ours = target.take_parameters(|name| [CONTEXT_PARAMETER, TICKET_PARAMETER].contains(&name));
    if target.is_ours() { Err(refused) } else { Ok(target) }
}

/// The address with one more parameter.
pub(super) fn with_parameter(target: &Target, name: &str, value: &str) -> String {
    let separator = if target.query().is_some() { '&' } else { '?' };
    format!("{}{separator}{name}={value}", target.to_path_and_query())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_app_are_opened_in_a_tab() {
        for (path, page) in
            [("/", "/"), ("/x/../y?a=1", "/y?a=1"), ("/x?a=1&_vestibule_ctx=abc&_vestibule_ticket=t", "/x?a=1")]
        {
            assert_eq!(wanted(path).map(|target| target.to_path_and_query()).as_deref(), Ok(page), "{path}");
        }
        for path in [
            "",
            "x",
            "//evil.example",
            "/\\evil.example",
            "/%09/evil.example",
            "https://evil.example/",
            "https:evil.example",
            "/%5Cevil",
            "/x#y",
            "/x?a#b",
            "/.vestibule/session",
            "/x/../.vestibule/logout",
            "/a b",
        ] {
            assert!(wanted(path).is_err(), "{path}");
        }
    }
}
