//! The scheme of hosts whose tokens say nothing: the platform is asked what a token means.
//!
//! Built after Webflow's `POST /beta/token/resolve`, whose answers nobody could verify without an account there. A token is a
//! bearer of whatever the platform says of it, so its answer is read strictly and kept for a minute: a page that sends its
//! token with each request is not a question each. Whatever callers present, the platform gets few questions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use metrics::counter;
use moka::{future, sync};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::fetch::{Allowance, Fetcher, has_passed};
use super::refusal::Refusal;
use super::{StartError, json, sha256};
use crate::access::HostName;
use crate::clock::{Clock, Timestamp};
use crate::secret::Secret;

/// Longer tokens are not asked about.
const MAX_TOKEN: usize = 4096;
/// How long an answer holds, be it yes or no.
const KEEP: Duration = Duration::from_mins(1);
/// Answers that are remembered of each kind. There are no more than 600 new ones in the time in which they hold.
const MOST_KEPT: u64 = 1000;
/// Questions at a time, and in a second: rubbish must not become a flood at the platform.
const CONCURRENCY: usize = 8;
const PER_SECOND: u32 = 10;
/// How long a question waits for its place.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// Asks one address with one credential.
pub(super) struct Introspection {
    host: HostName,
    url: String,
    credential: Secret,
    fetcher: Fetcher,
    clock: Clock,
    meant: sync::Cache<Mark, (Arc<Meaning>, Timestamp)>,
    /// Beside the others, which rubbish thus cannot push out.
    refused: sync::Cache<Mark, Timestamp>,
    /// Questions that are being asked. Nothing stays in it.
    asking: future::Cache<Mark, Arc<Meaning>>,
    places: Semaphore,
    allowance: Mutex<Allowance>,
    trouble: Mutex<Option<&'static str>>,
}

/// A token's SHA-256, so that no token is kept.
type Mark = [u8; 32];

/// What the platform says of a token.
pub(super) type Meaning = Map<String, Value>;

/// Why there is no meaning.
enum Failure {
    /// The platform does not know the token.
    Refused,
    /// The platform does not accept our credential.
    Denied,
    /// There were too many questions. Not worth a line each in the log: whoever sends rubbish would fill it.
    NotAsked,
    /// Anything else, as a sentence for the log.
    Unavailable(String),
}

impl Introspection {
    /// Asks nothing yet.
    pub(super) fn new(host: HostName, url: &str, credential: Secret, clock: Clock) -> Result<Self, StartError> {
        Ok(Self {
            host,
            url: url.to_owned(),
            credential,
            fetcher: Fetcher::new()?,
            clock,
            meant: sync::Cache::new(MOST_KEPT),
            refused: sync::Cache::new(MOST_KEPT),
            asking: future::Cache::new(MOST_KEPT),
            places: Semaphore::new(CONCURRENCY),
            allowance: Mutex::new(Allowance::new(PER_SECOND, Duration::from_secs(1))),
            trouble: Mutex::default(),
        })
    }

    /// Whether it asks there with this credential, so that a reload can go on with it.
    pub(super) fn is_like(&self, url: &str, credential: &Secret) -> bool {
        self.url == url && self.credential == *credential
    }

    /// What the platform says that the token means.
    pub(super) async fn resolve(&self, token: &Secret) -> Result<Arc<Meaning>, Refusal> {
        let text = token.expose_str().filter(|text| is_token(text)).ok_or(Refusal::Malformed)?;
        let mark = sha256(text.as_bytes());
        if let Some(known) = self.remembered(&mark) {
            return known;
        }
        let answer = self.asking.try_get_with(mark, self.ask_in_turn(mark, text)).await;
        self.asking.invalidate(&mark).await;
        answer.map_err(|refusal| *refusal)
    }

    /// What does not work, as sentences for `/readyz`.
    pub(super) fn troubles(&self) -> Vec<String> {
        let trouble = *self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.map(str::to_owned).into_iter().collect()
    }

    fn remembered(&self, mark: &Mark) -> Option<Result<Arc<Meaning>, Refusal>> {
        let now = self.clock.now();
        let meant = self.meant.get(mark).filter(|(_, at)| !has_passed(KEEP, *at, now));
        let refused = || self.refused.get(mark).filter(|at| !has_passed(KEEP, *at, now));
        meant.map(|(meaning, _)| Ok(meaning)).or_else(|| refused().map(|_| Err(Refusal::BadSignature)))
    }

    async fn ask_in_turn(&self, mark: Mark, token: &str) -> Result<Arc<Meaning>, Refusal> {
        // An answer may have come between the look and the turn.
        if let Some(known) = self.remembered(&mark) {
            return known;
        }
        let place = tokio::time::timeout(MAX_WAIT, self.places.acquire()).await;
        let (Ok(Ok(_place)), true) = (place, self.may_ask()) else {
            return Err(self.note(&Failure::NotAsked));
        };
        let now = self.clock.now();
        match self.ask(token).await {
            Ok(meaning) => {
                self.count("ok", None);
                let meaning = Arc::new(meaning);
                self.meant.insert(mark, (Arc::clone(&meaning), now));
                Ok(meaning)
            }
            Err(failure) => {
                if matches!(failure, Failure::Refused) {
                    self.refused.insert(mark, now);
                }
                Err(self.note(&failure))
            }
        }
    }

    fn may_ask(&self) -> bool {
        self.allowance.lock().unwrap_or_else(PoisonError::into_inner).take(&self.clock)
    }

    async fn ask(&self, token: &str) -> Result<Meaning, Failure> {
        let unavailable = |cause: &str| Failure::Unavailable(cause.to_owned());
        let request = self.request(token).ok_or_else(|| unavailable("the address or the credential cannot be sent"))?;
        let reply = self.fetcher.send(request).await.map_err(Failure::Unavailable)?;
        match reply.status {
            StatusCode::OK => json::object(&reply.body).ok_or_else(|| unavailable("the answer is no JSON object")),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Failure::Denied),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(unavailable("it asks us to wait")),
            status if status.is_client_error() => Err(Failure::Refused),
            status => Err(Failure::Unavailable(format!("it answers {}", status.as_u16()))),
        }
    }

    fn request(&self, token: &str) -> Option<Request<Full<Bytes>>> {
        let mut bearer = HeaderValue::from_bytes(&[b"Bearer ", self.credential.expose()].concat()).ok()?;
        bearer.set_sensitive(true);
        let request = Request::post(&self.url).header(header::AUTHORIZATION, bearer);
        let request =
            request.header(header::CONTENT_TYPE, "application/json").header(header::ACCEPT, "application/json");
        request.body(Full::from(json!({ "idToken": token }).to_string())).ok()
    }

    fn note(&self, failure: &Failure) -> Refusal {
        let cannot = Some("the platform's API cannot be asked");
        let (word, trouble, cause) = match failure {
            Failure::Refused => ("gone", None, None),
            Failure::Denied => {
                ("denied", Some("the platform's API does not accept the API key"), Some("it refuses our key"))
            }
            Failure::NotAsked => ("unavailable", cannot, None),
            Failure::Unavailable(cause) => ("unavailable", cannot, Some(cause.as_str())),
        };
        self.count(word, trouble);
        if let Some(cause) = cause {
            tracing::warn!(event = "host_request", host = %self.host, cause, "the host's API does not say what a token means");
        }
        if matches!(failure, Failure::Refused) { Refusal::BadSignature } else { Refusal::Unavailable }
    }

    fn count(&self, result: &'static str, trouble: Option<&'static str>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        let host = self.host.to_string();
        counter!("vestibule_host_requests_total", "host" => host, "operation" => "resolve", "result" => result)
            .increment(1);
    }
}

/// Opaque to us, but never anything that has to be escaped.
fn is_token(text: &str) -> bool {
    (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
