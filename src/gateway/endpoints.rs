//! Our own paths on the public listener, all below `/.vestibule/`.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::authenticate::{Asking, Caller, Selector, check_origin};
use super::body::{Body, Upload};
use super::forward::upload_rejection;
use super::jar::Jar;
use super::record::Exchange;
use super::respond::{Rejection, own};
use super::route::{self, Target, canonical_project};
use super::{Gateway, cookies};
use crate::access::{HostName, OrganizationId, Origin, Permission, ProjectKey, RoleKey, SubjectId};
use crate::clock::Timestamp;
use crate::hosts::{HostPlatform, Manner, Presented, Proof};
use crate::secret::Secret;
use crate::session::{ContextId, Session, clear_cookie};

/// The most bytes that a body for us may have: a token of 8 KiB and what is around it.
const MAX_BODY: usize = 16 * 1024;

/// One of our own paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// `session`: who am I; exchange a token.
    Session,
    /// `logout`.
    Logout,
    /// `ticket`: an address for a tab of its own.
    Ticket,
    /// `jwks.json`.
    Jwks,
    /// `embed.js`: the helper of embedded pages.
    Embed,
    /// `login/{host}`: a page of the host's platform asks for a login.
    Login(HostName),
    /// `callback`: the platform answers it.
    Callback,
}

/// The body of `POST /.vestibule/session`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenExchange {
    token: String,
    host: Option<String>,
    /// The page that frames the one that asks, as its browser says.
    parent: Option<String>,
    /// Whether a bearer is wanted too, in case that the browser does not keep the cookie.
    #[serde(default)]
    bearer: bool,
}

/// A host's token that a page of ours came with, from where, and whose it may be.
pub(super) struct Exchanged {
    pub(super) token: String,
    pub(super) host: Option<String>,
    pub(super) parent: Option<String>,
}

impl Endpoint {
    /// The endpoint of a path, in segments, below `/.vestibule/`.
    pub(super) fn of(names: &[&str]) -> Option<Self> {
        match names {
            ["session"] => Some(Self::Session),
            ["logout"] => Some(Self::Logout),
            ["ticket"] => Some(Self::Ticket),
            ["jwks.json"] => Some(Self::Jwks),
            ["embed.js"] => Some(Self::Embed),
            ["login", host] => HostName::new(host).ok().map(Self::Login),
            ["callback"] => Some(Self::Callback),
            _ => None,
        }
    }

    /// The name for logs and metrics.
    pub(super) const fn route(&self) -> &'static str {
        match self {
            Self::Session => "/.vestibule/session",
            Self::Logout => "/.vestibule/logout",
            Self::Ticket => "/.vestibule/ticket",
            Self::Jwks => "/.vestibule/jwks.json",
            Self::Embed => "/.vestibule/embed.js",
            Self::Login(_) => "/.vestibule/login/{host}",
            Self::Callback => "/.vestibule/callback",
        }
    }
}

impl Gateway {
    /// Answers a request for ourselves.
    pub(super) async fn answer(
        &self,
        endpoint: Endpoint,
        head: &Parts,
        selector: &Selector,
        upload: Upload,
        exchange: &mut Exchange,
    ) -> Result<Response<Body>, Rejection> {
        match (&endpoint, &head.method) {
            (Endpoint::Jwks, &Method::GET | &Method::HEAD) => Ok(self.jwks()),
            (Endpoint::Embed, &Method::GET | &Method::HEAD) => Ok(self.embed.answer(&head.headers)),
            (Endpoint::Session, &Method::GET | &Method::HEAD) => self.who_am_i(head, selector, upload, exchange).await,
            (Endpoint::Session, &Method::POST) => self.exchange_token(head, selector, upload, exchange).await,
            (Endpoint::Logout, &Method::POST) => self.log_out(head, selector, upload, exchange).await,
            (Endpoint::Ticket, &Method::POST) => self.give_ticket(head, selector, upload, exchange).await,
            (Endpoint::Login(host), &Method::GET | &Method::POST) => {
                self.begin_login(host, head, upload, exchange).await
            }
            (Endpoint::Callback, &Method::POST) => self.end_login(head, upload, exchange).await,
            _ => Err(Rejection::MethodNotAllowed),
        }
    }

    fn jwks(&self) -> Response<Body> {
        let mut answer = own(StatusCode::OK, "application/jwk-set+json", self.assertions.jwks());
        // Short enough that a new key is known before it signs, long enough that nobody asks per request.
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        answer
    }

    async fn who_am_i(
        &self,
        head: &Parts,
        selector: &Selector,
        mut upload: Upload,
        exchange: &mut Exchange,
    ) -> Result<Response<Body>, Rejection> {
        let credential = self.credentials.find(head, true)?;
        let asking = Asking { head, peer: &exchange.peer, upgrades: false };
        let caller = self.authenticate(&asking, credential, selector, &mut upload).await?;
        let project = asked_project(&route::target(&head.uri, &self.public)?)?;
        self.describe(&caller, project.as_ref(), None, exchange).await
    }

    async fn exchange_token(
        &self,
        head: &Parts,
        selector: &Selector,
        mut upload: Upload,
        exchange: &mut Exchange,
    ) -> Result<Response<Body>, Rejection> {
        check_origin(&head.method, &head.headers, false, &self.public)?;
        exchange.event = "exchange";
        let asked: TokenExchange = read_json(&mut upload, "the body is not {\"token\":…}").await?;
        let wants_bearer = asked.bearer && self.bearers;
        let exchanged = Exchanged { token: asked.token, host: asked.host, parent: asked.parent };
        let (proof, jar) = self.exchanged(&exchanged, head, selector, exchange).await?;
        let session = self.begin(proof, &jar, exchange);
        let bearer = wants_bearer.then(|| self.sessions.bearer(&session));
        let caller = self.caller(session).await?;
        self.describe(&caller, None, bearer, exchange).await
    }

    /// Proves a token that a page of ours came with. It must be of the context that the page is in, if it is in one.
    pub(super) async fn exchanged(
        &self,
        exchanged: &Exchanged,
        head: &Parts,
        selector: &Selector,
        exchange: &Exchange,
    ) -> Result<(Proof, Jar), Rejection> {
        let Exchanged { token, host, parent } = exchanged;
        if token.is_empty() {
            return Err(Rejection::TokenMissing);
        }
        let wanted = host.as_deref().map(HostName::new).transpose().map_err(|_| Rejection::TokenInvalid)?;
        let parent = parent.as_deref().map(Origin::parse).transpose().map_err(|_| Rejection::OriginRefused)?;
        let may_read = |host: &&Arc<dyn HostPlatform>| {
            host.opens_session() && wanted.as_ref().is_none_or(|name| host.name() == name)
        };
        let may_come = |host: &&Arc<dyn HostPlatform>| parent.as_ref().is_none_or(|page| host.allows_origin(page));
        let hosts: Vec<_> = self.hosts.iter().filter(may_read).filter(may_come).collect();
        if hosts.is_empty() && parent.is_some() {
            return Err(Rejection::OriginRefused);
        }
        // Ended, or one of several: the selector, if there is one, still says which context the token must be of.
        let current = self.session(&head.headers, selector).ok();
        let jar = self.jar(&head.headers);
        let (principals, manner) = (jar.principals(), Manner::Exchange);
        let presented = Presented { framed_by: parent, live: principals, manner, ..Presented::default() };
        let mut proof = self.prove(&hosts, &Secret::from(token.as_str()), &presented, &exchange.peer).await?;
        let context = self.sessions.context(&proof.principal);
        let expected = selector.0.as_deref().or(current.as_ref().map(|session| session.context().as_str()));
        if expected.is_some_and(|expected| expected != context.as_str()) {
            return Err(Rejection::ContextMismatch);
        }
        self.keep_framing_pages(&mut proof, &context, &head.headers);
        Ok((proof, jar))
    }

    /// A renewal does not change the page that frames us, and the token does not know it; the cookie does, also after its
    /// session's end.
    fn keep_framing_pages(&self, proof: &mut Proof, context: &ContextId, headers: &HeaderMap) {
        let name = context.cookie_name();
        let cookie = cookies::ours(headers).into_iter().find(|(own, _)| *own == name);
        let Some(before) = cookie.and_then(|(name, value)| self.sessions.recall(&name, &value)) else { return };
        for page in before.ancestors() {
            if !proof.ancestors.contains(page) {
                proof.ancestors.push(page.clone());
            }
        }
    }

    /// Ends the cookie's session; or, where the request came with a token of its own, what that token can do here.
    async fn log_out(
        &self,
        head: &Parts,
        selector: &Selector,
        mut upload: Upload,
        exchange: &mut Exchange,
    ) -> Result<Response<Body>, Rejection> {
        let done = || own(StatusCode::NO_CONTENT, "text/plain; charset=utf-8", String::new());
        if let Some(credential) = self.credentials.find(head, true)? {
            exchange.event = "logout";
            let asking = Asking { head, peer: &exchange.peer, upgrades: false };
            let caller = self.prove_caller(&credential, &asking, &mut upload).await?;
            exchange.identify(&caller.session);
            self.sessions.revoke(&caller.session);
            return Ok(done());
        }
        exchange.event = "logout";
        if let Some(bearer) = self.bearer(head)? {
            let session = self.session_of_bearer(&bearer, selector)?;
            exchange.identify(&session);
            self.sessions.revoke(&session);
            return Ok(done());
        }
        check_origin(&head.method, &head.headers, false, &self.public)?;
        match self.session(&head.headers, selector) {
            Ok(session) => {
                exchange.identify(&session);
                self.sessions.revoke(&session);
                exchange.keep(&clear_cookie(&session.context().cookie_name()));
                exchange.keep(&self.sessions.tombstone(&session));
            }
            // Nobody is signed in, which is what was wanted.
            Err(Rejection::SessionMissing | Rejection::SessionExpired) => {}
            Err(other) => return Err(other),
        }
        Ok(done())
    }

    /// The body of `GET /.vestibule/session`: who, and what they hold on the project, or else in the whole tenant.
    async fn describe(
        &self,
        caller: &Caller,
        project: Option<&ProjectKey>,
        bearer: Option<(String, Timestamp)>,
        exchange: &mut Exchange,
    ) -> Result<Response<Body>, Rejection> {
        exchange.recognise(&self.sessions, caller);
        let grants = self
            .grants
            .of(&caller.principal, &caller.standing)
            .await
            .map_err(|error| Rejection::PermissionsUnavailable(error.to_string()))?;
        let effective = self.policy.effective(&caller.principal, project, &grants);
        let session: &Session = caller.renewed.as_ref().unwrap_or(&caller.session);
        let principal = &caller.principal;
        let mut body = serde_json::json!({
            "context": session.context().as_str(),
            "host": principal.host().as_str(),
            "tenant": principal.tenant().as_str(),
            "user": principal.subject().as_str(),
            "kind": principal.kind().as_str(),
            "organization": principal.organization().map(OrganizationId::as_str),
            "actor": principal.actor().map(SubjectId::as_str),
            "roles": effective.roles.iter().map(RoleKey::as_str).collect::<Vec<_>>(),
            "permissions": effective.permissions.iter().map(Permission::as_str).collect::<Vec<_>>(),
            "expires_at": session.expires_at().to_rfc3339(),
        });
        if let Some((bearer, end)) = bearer {
            body["bearer"] = bearer.into();
            body["bearer_expires_at"] = end.to_rfc3339().into();
        }
        Ok(own(StatusCode::OK, "application/json", body.to_string()))
    }
}

/// The project of `?project=`, if there is one, as it would be written in a path.
fn asked_project(target: &Target) -> Result<Option<ProjectKey>, Rejection> {
    let mut values = target.parameters("project");
    match (values.next(), values.next()) {
        (None, _) => Some(None),
        (Some(Some(value)), None) => canonical_project(&value).map(Some),
        _ => None,
    }
    .ok_or(Rejection::MalformedRequest("the project parameter is repeated or unreadable"))
}

/// The body, as JSON. `problem` is for the log; a caller is told nothing of what was sent.
pub(super) async fn read_json<T: DeserializeOwned>(upload: &mut Upload, problem: &'static str) -> Result<T, Rejection> {
    serde_json::from_slice(&collect(upload).await?).map_err(|_| Rejection::MalformedRequest(problem))
}

async fn collect(upload: &mut Upload) -> Result<Bytes, Rejection> {
    let mut body = BytesMut::new();
    while let Some(frame) = upload.frame().await {
        let frame = frame.map_err(|error| upload_rejection(&error))?;
        if let Ok(data) = frame.into_data() {
            if body.len() + data.len() > MAX_BODY {
                return Err(Rejection::BodyTooLarge);
            }
            body.extend_from_slice(&data);
        }
    }
    Ok(body.freeze())
}
