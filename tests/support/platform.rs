//! Assembly's API as its official SDK describes it: three paths, their fields, and the key in the SDK's form.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::token::{API_KEY, CLIENT, COMPANY, STAFF, TENANT};
use super::upstream::{Seen, Upstream, answer};

/// The page that embeds the app, as the workspace's own record names it.
pub(crate) const PORTAL: &str = "https://portal.example";

#[derive(Clone)]
pub(crate) struct Platform {
    upstream: Arc<Upstream>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    api_key: String,
    /// Status of every answer, if not 0.
    failing: AtomicU16,
    /// People who do not exist any more.
    gone: Mutex<Vec<String>>,
    /// The companies that staff are limited to.
    limited_to: Mutex<Option<Vec<String>>>,
    /// Accepts any token id, as a platform that checks none.
    careless: AtomicBool,
    slow: AtomicBool,
}

impl Platform {
    pub(crate) fn start() -> Self {
        Self::start_with_key(API_KEY)
    }

    pub(crate) fn start_with_key(api_key: &str) -> Self {
        let state = Arc::new(State { api_key: api_key.to_owned(), ..State::default() });
        let shared = Arc::clone(&state);
        let upstream = Upstream::scripted(move |seen, stream| {
            if shared.slow.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(300));
            }
            let (status, body) = respond(seen, &shared);
            answer(
                stream,
                &format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                ),
            )
        });
        Self { upstream: Arc::new(upstream), state }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.upstream.address
    }

    /// Every answer has this status from now on; 0 for normal again.
    pub(crate) fn fail_with(&self, status: u16) {
        self.state.failing.store(status, Ordering::SeqCst);
    }

    pub(crate) fn delete(&self, person: &str) {
        self.state.gone.lock().expect("no panic").push(person.to_owned());
    }

    pub(crate) fn limit_staff_to(&self, companies: &[&str]) {
        let companies = companies.iter().map(|id| (*id).to_owned()).collect();
        *self.state.limited_to.lock().expect("no panic") = Some(companies);
    }

    pub(crate) fn be_careless(&self) {
        self.state.careless.store(true, Ordering::SeqCst);
    }

    pub(crate) fn be_slow(&self) {
        self.state.slow.store(true, Ordering::SeqCst);
    }

    /// Everything that was asked.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.upstream.seen()
    }

    /// Calls of a path, without those that are about the key and not about a token.
    pub(crate) fn calls(&self, path: &str) -> usize {
        let line = format!("GET {path} ");
        let about_key = |key: &str| path == "/v1/workspaces" && (key.ends_with("probe") || key.split('/').count() == 2);
        let counts = |seen: &&Seen| seen.line().starts_with(&line) && !about_key(seen.value("x-api-key"));
        self.upstream.seen().iter().filter(counts).count()
    }
}

fn respond(seen: &Seen, state: &State) -> (u16, String) {
    let failing = state.failing.load(Ordering::SeqCst);
    if failing != 0 {
        return (failing, "{}".into());
    }
    let path = seen.line().split(' ').nth(1).unwrap_or_default();
    let key: Vec<&str> = seen.value("x-api-key").split('/').collect();
    let known = key.len() >= 2 && key[0] == TENANT && key[1] == state.api_key;
    let alive = key.get(2).is_none_or(|id| id.starts_with("t-")) || state.careless.load(Ordering::SeqCst);
    let gone = state.gone.lock().expect("no panic");
    let last = path.rsplit('/').next().unwrap_or_default();
    match path {
        _ if !known || !alive => (401, "{}".into()),
        _ if gone.iter().any(|id| id == last) => (404, "{}".into()),
        "/v1/workspaces" => (200, format!(r#"{{"id":"{TENANT}","brandName":"Test","portalUrl":"{PORTAL}"}}"#)),
        _ if path == format!("/v1/clients/{CLIENT}") => {
            (200, format!(r#"{{"id":"{CLIENT}","object":"client","givenName":"Ünal","familyName":"A\r\nX-Evil: 1","email":"c@example.com","companyId":"{COMPANY}","companyIds":["{COMPANY}"],"status":"active"}}"#).replace("\r\n", "\\r\\n"))
        }
        _ if path == format!("/v1/internal-users/{STAFF}") => {
            let companies = state.limited_to.lock().expect("no panic").clone();
            let (limited, companies) = (companies.is_some(), serde_json::json!(companies.unwrap_or_default()));
            (200, format!(r#"{{"id":"{STAFF}","object":"internalUser","givenName":"S","familyName":"T","email":"s@example.com","role":"admin","isClientAccessLimited":{limited},"companyAccessList":{companies}}}"#))
        }
        _ if path == format!("/v1/companies/{COMPANY}") => {
            (200, format!(r#"{{"id":"{COMPANY}","object":"company","name":"C"}}"#))
        }
        _ => (404, "{}".into()),
    }
}
