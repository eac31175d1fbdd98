//! `/.vestibule/embed.js`, the helper of an embedded page, and the page that connects a frame whose session is missing.
//!
//! Both are written once for each configuration. They hold names and origins of hosts, and nothing that is secret.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use ring::digest;

use super::authenticate::CONTEXT_PARAMETER;
use super::body::Body;
use super::cookies;
use super::respond::{self, Rejection};
use crate::access::Origin;
use crate::hosts::{Bridge, HostPlatform};
use crate::session::Sessions;

/// The script and the page of one configuration.
pub(super) struct Embed {
    script: Bytes,
    etag: HeaderValue,
    /// Absent where no host has a way to be asked for a token.
    connect: Option<Connect>,
}

/// What of the connect page is the same for all.
struct Connect {
    sdks: String,
    policy: HeaderValue,
}

impl Embed {
    /// Writes both.
    pub(super) fn new(hosts: &[Arc<dyn HostPlatform>]) -> Self {
        let bridged: Vec<_> = hosts.iter().filter(|host| host.opens_session() && host.bridge().is_some()).collect();
        let list = bridged.iter().filter_map(|host| Some(entry(&host.frame_sources(), host.bridge()?)));
        let script = script(&list.collect::<Vec<_>>());
        let etag = format!("\"{}\"", hash(&script));
        let sdks = bridged.iter().map(|host| sdk(host.as_ref())).collect();
        let sources: Vec<&str> = bridged.iter().filter_map(|host| host.bridge()?.sdk).collect();
        Self {
            script: Bytes::from(script),
            etag: HeaderValue::from_str(&etag).expect("base64 in quotes is a header value"),
            connect: (!bridged.is_empty()).then(|| Connect { sdks, policy: policy(&sources) }),
        }
    }

    /// The script, or 304 to who has it (RFC 9110 §15.4.5).
    pub(super) fn answer(&self, headers: &HeaderMap) -> Response<Body> {
        let has_it = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| names(value, &self.etag));
        let mut answer = respond::own(StatusCode::OK, "text/javascript; charset=utf-8", String::new());
        if has_it {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            answer.headers_mut().remove(header::CONTENT_TYPE);
        } else {
            *answer.body_mut() = Body::full(self.script.clone());
        }
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        answer.headers_mut().insert(header::ETAG, self.etag.clone());
        answer
    }

    /// The refusal as a page that connects, if a fresh token would help.
    pub(super) fn connect(&self, rejection: &Rejection, frame: &Framed, request_id: &str) -> Option<Response<Body>> {
        let connect = self.connect.as_ref().filter(|_| rejection.is_renewable())?;
        let left = if frame.was_left() { " data-left=\"yes\"" } else { "" };
        let mut answer = respond::refuse(rejection, true, request_id);
        *answer.body_mut() = Body::full(Bytes::from(respond::fill(
            include_str!("embed/connect.html"),
            rejection,
            request_id,
            &[("sdks", &connect.sdks), ("script", SCRIPT), ("left", left)],
        )));
        answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, connect.policy.clone());
        Some(answer)
    }
}

/// What runs on the connect page after the helper.
const SCRIPT: &str = include_str!("embed/connect.js");

/// The helper for these hosts.
fn script(hosts: &[String]) -> String {
    include_str!("embed/embed.min.js").replacen("HOSTS", &format!("[{}]", hosts.join(",")), 1)
}

/// A navigation of a frame that can be repeated: what is kept of it in case that it is refused.
pub(super) struct Framed {
    uri: Uri,
    cookies: HeaderMap,
}

impl Framed {
    /// `None` for every other request. Costs a map and a few reference counts.
    pub(super) fn of(head: &Parts) -> Option<Self> {
        let shown = head.headers.get("sec-fetch-dest").is_some_and(|shown| shown == "iframe" || shown == "frame");
        let goes = head.headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
        if !(shown && goes && head.method == Method::GET) {
            return None;
        }
        let cookies = head.headers.get_all(header::COOKIE).iter();
        let cookies = cookies.map(|cookie| (header::COOKIE, cookie.clone())).collect();
        Some(Self { uri: head.uri.clone(), cookies })
    }

    /// Whether somebody signed out of the context that is asked for, or of the only one. A hint to the page and no more.
    fn was_left(&self) -> bool {
        let mut parameters = self.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        if let Some((_, asked)) = parameters.find(|(name, _)| *name == CONTEXT_PARAMETER) {
            return cookies::left(&self.cookies).any(|context| context == asked);
        }
        let marks = cookies::left(&self.cookies).count();
        marks > 0 && cookies::ours(&self.cookies).len() == marks
    }

    /// The pages that framed sessions of this browser, which may be a workspace's own portal that no configuration names.
    pub(super) fn ancestors(&self, sessions: &Sessions) -> Vec<Origin> {
        let ours = cookies::ours(&self.cookies);
        let before = ours.iter().filter_map(|(name, value)| sessions.recall(name, value));
        before.flat_map(|session| session.ancestors().to_vec()).collect()
    }
}

/// Whether a list of entity tags names this one, weakly or not (RFC 9110 §13.1.2).
fn names(list: &HeaderValue, etag: &HeaderValue) -> bool {
    let Ok(etag) = etag.to_str() else { return false };
    let mut listed = list.to_str().unwrap_or_default().split(',').map(str::trim);
    listed.any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
}

/// One host for the script: who may frame it, and how it is asked.
fn entry(origins: &[impl AsRef<str>], bridge: &Bridge) -> String {
    let origins = serde_json::json!(origins.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    format!("{{origins:{origins},bridge:{}}}", bridge.script)
}

/// The platform's own script as a line of the page, if it has one, and where it finds the app's id.
fn sdk(host: &dyn HostPlatform) -> String {
    let Some(bridge) = host.bridge() else { return String::new() };
    let mut lines = String::new();
    if let (Some(name), Some(app)) = (bridge.app_meta, host.app()) {
        let _ = writeln!(lines, "<meta name=\"{name}\" content=\"{}\">", respond::escaped(app));
    }
    if let Some(address) = bridge.sdk {
        let _ = writeln!(lines, "<script src=\"{address}\"></script>");
    }
    lines
}

/// Nothing but our two scripts, our style and the platforms' own scripts.
fn policy(sdks: &[&str]) -> HeaderValue {
    let (script, style) = (hash(SCRIPT), hash(respond::STYLE));
    let sdks = sdks.join(" ");
    let policy = format!(
        "default-src 'none'; script-src 'self' 'sha256-{script}' {sdks}; style-src 'sha256-{style}'; connect-src 'self'; base-uri 'none'; form-action 'none'"
    );
    HeaderValue::from_str(&policy).expect("addresses and base64 are a header value")
}

fn hash(text: &str) -> String {
    STANDARD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

#[cfg(test)]
mod tests;
