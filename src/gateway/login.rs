//! Logins at host platforms whose token is the answer to one: `/.vestibule/login/{host}`, to which a page of the platform sends
//! the browser, and `/.vestibule/callback`, to which the platform has it post the token (OpenID Connect Core §3.2.2, with
//! `response_mode=form_post`).

use http::request::Parts;
use http::{HeaderMap, Method, Response, header};

use super::authenticate::{CONTEXT_PARAMETER, TICKET_PARAMETER};
use super::body::{Body, Upload};
use super::bootstrap::{moved, opening_page};
use super::form::{Fields, Form};
use super::record::Exchange;
use super::respond::Rejection;
use super::route::Target;
use super::{Gateway, cookies};
use crate::access::{HostName, Origin};
use crate::hosts::{HostPlatform, Presented};
use crate::secret::Secret;
use crate::session::{EndedLogin, LoginError};

/// What a platform may say instead of a token (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6), for the log.
const ERRORS: [&str; 9] = [
    "login_required",
    "interaction_required",
    "consent_required",
    "account_selection_required",
    "access_denied",
    "unauthorized_client",
    "invalid_request",
    "invalid_scope",
    "server_error",
];

impl Gateway {
    /// Sends the browser to the platform's own login. Anybody's page may ask: all that it gets is the platform's answer to
    /// somebody who is signed in there.
    pub(super) async fn begin_login(
        &self,
        name: &HostName,
        head: &Parts,
        upload: Upload,
        exchange: &mut Exchange,
    ) -> Result<Response<Body>, Rejection> {
        exchange.event = "login";
        let host = self.hosts.iter().find(|host| host.name() == name).ok_or(Rejection::NotRouted)?;
        let login = host.login().ok_or(Rejection::NotRouted)?;
        let (form, _held) = match head.method {
            Method::POST => self.form(&head.headers, upload).await.map(|(form, held)| (form, Some(held)))?,
            _ => (Form::parse(head.uri.query().unwrap_or_default().as_bytes())?, None),
        };
        let fields = form.into_fields()?;
        let request = login.read(&fields).map_err(Rejection::MalformedRequest)?;
        self.landing(request.target).ok_or(Rejection::MalformedRequest("a target_link_uri that is no page of ours"))?;
        let page = opening_page(&head.headers).ok().flatten().filter(|page| host.allows_origin(page));
        let begun = self.sessions.begin_login(name, page.as_ref());
        exchange.keep(&begun.set_cookie);
        let callback = format!("{}/.vestibule/callback", self.public);
        Ok(moved(&login.address(&request, &callback, &begun.state, &begun.nonce)))
    }

    /// Takes the platform's answer, and shows the page that the token names.
    pub(super) async fn end_login(
        &self,
        head: &Parts,
        upload: Upload,
        exchange: &mut Exchange,
    ) -> Result<Response<Body>, Rejection> {
        exchange.event = "bootstrap";
        // The static rule first, as for every token.
        let poster = posting_origin(&head.headers).ok_or(Rejection::OriginRefused)?;
        if !self.hosts.iter().any(|host| answers_from(host.as_ref(), &poster)) {
            return Err(Rejection::OriginRefused);
        }
        let (form, _held) = self.form(&head.headers, upload).await?;
        let fields = form.into_fields()?;
        let login = self.login_of(&fields, &head.headers)?;
        let host = self.hosts.iter().find(|host| *host.name() == login.host);
        let host = host.filter(|host| answers_from(host.as_ref(), &poster)).ok_or(Rejection::OriginRefused)?;
        if let Some(error) = field(&fields, "error") {
            let known = ERRORS.into_iter().find(|known| *known == error);
            return Err(Rejection::LoginLost(known.unwrap_or("the host answered with an error of its own")));
        }
        let token = field(&fields, "id_token").ok_or(Rejection::MalformedRequest("a callback without a token"))?;
        let jar = self.jar(&head.headers);
        let presented = Presented {
            framed_by: Some(poster),
            live: jar.principals(),
            nonce: Some(login.nonce),
            ..Presented::default()
        };
        let mut proof = self.prove(&[host], &Secret::from(token), &presented, &exchange.peer).await?;
        let target = proof.target.as_deref().and_then(|target| self.landing(target)).ok_or(Rejection::TokenInvalid)?;
        // The page that frames us, where another one of the platform posts the answer.
        proof.ancestors.extend(login.page.filter(|page| !presented.framed_by.iter().any(|poster| poster == page)));
        exchange.keep(&login.clear_cookie);
        Ok(self.land(&target, proof, &jar, exchange))
    }

    /// The login that this browser began, as the state says which came back.
    fn login_of(&self, fields: &Fields, headers: &HeaderMap) -> Result<EndedLogin, Rejection> {
        let state = field(fields, "state").ok_or(Rejection::MalformedRequest("a callback without a state"))?;
        let ended = self.sessions.end_login(state, |name| cookies::named(headers, name));
        ended.map_err(|error| {
            Rejection::LoginLost(match error {
                LoginError::State => "a state that is not of this gateway",
                LoginError::Late => "a login that was begun too long ago",
                LoginError::Cookie => "no cookie of this login",
            })
        })
    }

    /// A page of the app, by its whole address on our own origin, as a link in another site's page names it. Without what only
    /// we put into addresses.
    fn landing(&self, address: &str) -> Option<Target> {
        let rest = address.get(address.find("://")? + 3..)?;
        let start = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        if Origin::of_url(address).ok()? != self.public || address.len() > self.limits.uri {
            return None;
        }
        let (path, query) =
            rest[start..].split_once('?').map_or((&rest[start..], None), |(path, query)| (path, Some(query)));
        let path = if path.is_empty() { "/" } else { path };
        let mut target = Target::from_parts(path, query).ok().filter(|target| !target.is_ours())?;
        let _ours = (target.take_parameter(CONTEXT_PARAMETER), target.take_parameter(TICKET_PARAMETER));
        let _tokens = self.entrances.take_parameters(&mut target, None);
        Some(target)
    }
}

fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

/// Whether the host has logins, and answers them from pages of this origin.
fn answers_from(host: &dyn HostPlatform, poster: &Origin) -> bool {
    host.login().is_some() && host.allows_origin(poster)
}

/// The origin of the page that posted a form by a navigation. Browsers always say it of a `POST` (Fetch §3.1).
fn posting_origin(headers: &HeaderMap) -> Option<Origin> {
    let navigates = headers.get("sec-fetch-mode").is_none_or(|mode| mode == "navigate");
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(only), None) if navigates => Origin::parse(only.to_str().ok()?).ok(),
        _ => None,
    }
}
