//! Grants that the operator's own platform knows: one question about a person, over HTTP.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderName, HeaderValue, StatusCode, Uri};
use moka::sync::Cache;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

mod answer;
mod breaker;
mod client;
mod question;

use self::answer::{Spelling, Stored, Unread};
use self::breaker::{Breaker, Outcome, Turn};
use self::client::{Client, Reply};
use super::{Answer, GrantSource, Outage, SourceError, Told};
use crate::access::{Principal, ProjectKey};
use crate::clock::Clock;
use crate::secret::Secret;
use crate::tls::{Authorities, TlsError};

pub use client::is_free_header;

/// Questions that may wait for a place, for each place.
const WAITING_PER_PLACE: usize = 16;
/// Bytes of answers that are kept to be compared by their tag.
const TAGGED_BYTES: u64 = 16 * 1024 * 1024;

/// How a platform is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// What goes along with every question, such as a credential.
    pub headers: Vec<(HeaderName, Secret)>,
    /// From the first byte out to the last byte in, waiting for a place included.
    pub timeout: Duration,
    /// Whose certificates are believed.
    pub authorities: Authorities,
    /// Questions at a time.
    pub concurrency: usize,
}

/// A platform that is asked once per person.
pub struct HttpGrants {
    client: Client,
    url: Uri,
    settings: HttpSettings,
    ttl: Duration,
    spelling: Spelling,
    clock: Clock,
    /// One for each question that is asked or waits.
    queue: Semaphore,
    /// One for each question that is asked.
    places: Semaphore,
    breaker: Breaker,
    people: RandomState,
    /// Answers that had a tag, by question.
    tagged: Cache<Bytes, Arc<Tagged>>,
    trouble: Mutex<Option<Trouble>>,
}

struct Tagged {
    tag: HeaderValue,
    told: Told,
    bytes: usize,
}

/// What the last question showed, for `/readyz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Unavailable,
    Refused,
}

/// Why a question had no answer.
struct Failure {
    outage: Outage,
    cause: String,
    /// How long the platform asks to be left alone.
    rest: Option<Duration>,
}

impl HttpGrants {
    /// The name that its grants carry.
    const NAME: &'static str = "http";

    /// Asks nothing yet. `ttl` is how long answers are kept, and `spelling` how a path names a project.
    pub fn new(
        url: Uri,
        settings: HttpSettings,
        ttl: Duration,
        spelling: fn(&str) -> Option<ProjectKey>,
        clock: Clock,
    ) -> Result<Self, TlsError> {
        let concurrency = settings.concurrency;
        // As many questions a second as it may have at a time: a platform that cannot bear that was given too many places.
        let floor = u32::try_from(concurrency).map_or(f64::MAX, f64::from);
        let weight = |_: &Bytes, tagged: &Arc<Tagged>| u32::try_from(tagged.bytes).unwrap_or(u32::MAX);
        Ok(Self {
            client: Client::new(url.clone(), &settings.headers, &settings.authorities)?,
            url,
            settings,
            ttl,
            spelling,
            clock,
            queue: Semaphore::new(concurrency.saturating_mul(1 + WAITING_PER_PLACE).min(Semaphore::MAX_PERMITS)),
            places: Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS)),
            breaker: Breaker::new(floor, ttl, Instant::now()),
            people: RandomState::new(),
            tagged: Cache::builder().max_capacity(TAGGED_BYTES).weigher(weight).build(),
            trouble: Mutex::new(None),
        })
    }

    /// Whether it asks there, and so.
    pub fn is_like(&self, url: &Uri, settings: &HttpSettings, ttl: Duration) -> bool {
        self.url == *url && self.settings == *settings && self.ttl == ttl
    }

    async fn ask(&self, who: &Principal) -> Result<Told, SourceError> {
        let question = question::body(who);
        let Ok(_in_queue) = self.queue.try_acquire() else {
            return Err(not_asked("too many questions wait for an answer"));
        };
        // A person, in whatever company: one who acts in five of them is still one whose record has no answer.
        let person = self.people.hash_one((who.host(), who.tenant(), who.subject()));
        let Some(pass) = self.breaker.enter(Instant::now(), person) else {
            return Err(not_asked("it is not asked for a moment, because it did not answer"));
        };
        let end = tokio::time::Instant::now() + self.settings.timeout;
        let at_once = self.places.try_acquire();
        let has_waited = at_once.is_err();
        let in_turn = async {
            let _place = match at_once {
                Ok(place) => place,
                Err(_) => self.places.acquire().await.map_err(|_| Failure::unavailable("it is asked no more"))?,
            };
            self.ask_now(question, who).await
        };
        let result = match timeout_at(end, in_turn).await {
            Ok(result) => result,
            // Where there are more questions than places, the time that was left says nothing about the source.
            Err(_) if has_waited => return Err(not_asked("no place was free in time")),
            Err(_) => Err(Failure::unavailable("no answer in time")),
        };
        let outcome = result.as_ref().map_or_else(|failure| Outcome::Failed(failure.rest), |_| Outcome::Answered);
        let turn = pass.conclude(Instant::now(), outcome);
        self.note(&result, turn);
        result.map_err(|failure| SourceError { source_name: Self::NAME, outage: failure.outage, cause: failure.cause })
    }

    async fn ask_now(&self, question: Bytes, who: &Principal) -> Result<Told, Failure> {
        let known = self.tagged.get(&question);
        let tag = known.as_ref().map(|tagged| &tagged.tag);
        let reply = self.client.ask(question.clone(), tag).await.map_err(Failure::unavailable)?;
        match (reply.status, known) {
            (StatusCode::OK, _) => self.read(question, &reply, who),
            (StatusCode::NOT_MODIFIED, Some(tagged)) => {
                // Without a word about it, what was said with the answer still holds (RFC 9111 §4.3.4).
                let says_more = reply.headers.contains_key(CACHE_CONTROL);
                let keep = if says_more { answer::keep(&reply.headers).0 } else { tagged.told.keep };
                Ok(Told { keep, ..tagged.told.clone() })
            }
            (StatusCode::NOT_FOUND, _) => Ok(Told { facts: Vec::new(), keep: answer::keep(&reply.headers).0 }),
            (status, _) => Err(self.failure(status, &reply)),
        }
    }

    fn read(&self, question: Bytes, reply: &Reply, who: &Principal) -> Result<Told, Failure> {
        let facts = answer::read(&reply.body, who, self.spelling, Self::NAME).map_err(|unread| match unread {
            Unread::Form(what) => Failure::unavailable(format!("the answer is {what}")),
            Unread::Echo => {
                tracing::error!(
                    event = "permission_source",
                    source = Self::NAME,
                    "an answer is about another person than the question; it is not used"
                );
                Failure::unavailable("the answer is about another person")
            }
        })?;
        let (keep, stored) = answer::keep(&reply.headers);
        let told = Told { facts, keep };
        match answer::etag(&reply.headers).filter(|_| stored == Stored::Yes) {
            Some(tag) => {
                let bytes = question.len() + tag.len() + reply.body.len();
                self.tagged.insert(question, Arc::new(Tagged { tag: tag.clone(), told: told.clone(), bytes }));
            }
            None => self.tagged.invalidate(&question),
        }
        Ok(told)
    }

    fn failure(&self, status: StatusCode, reply: &Reply) -> Failure {
        let code = status.as_u16();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure {
                outage: Outage::Refused,
                cause: format!("it does not accept our credential ({code})"),
                rest: None,
            },
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Failure {
                rest: answer::retry_after(&reply.headers, &self.clock),
                ..Failure::unavailable(format!("it answers {code}"))
            },
            _ if status.is_redirection() => {
                Failure::unavailable(format!("it answers {code}; redirects are not followed"))
            }
            _ => Failure::unavailable(format!("it answers {code}")),
        }
    }

    /// Written down where somebody has to know: a credential that is refused, an outage that begins or ends.
    fn note(&self, result: &Result<Told, Failure>, turn: Turn) {
        let trouble = result.as_ref().err().map(|failure| match failure.outage {
            Outage::Refused => Trouble::Refused,
            Outage::Unavailable | Outage::NotAsked => Trouble::Unavailable,
        });
        *self.trouble() = trouble;
        let source = Self::NAME;
        match (result, turn) {
            (Err(Failure { outage: Outage::Refused, cause, .. }), _) => {
                tracing::error!(event = "permission_source", source, cause, "nobody's permissions can be looked up");
            }
            (Err(Failure { cause, .. }), Turn::Rests) => {
                tracing::warn!(
                    event = "permission_source",
                    source,
                    cause,
                    "it does not answer, and rests for a moment"
                );
            }
            (Err(Failure { cause, .. }), _) => {
                tracing::debug!(event = "permission_source", source, cause, "a question has no answer");
            }
            (Ok(_), Turn::Answers) => {
                tracing::info!(event = "permission_source", source, "it answers again");
            }
            (Ok(_), _) => {}
        }
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Option<Trouble>> {
        // One word, which is whole at any time.
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GrantSource for HttpGrants {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn grants<'a>(&'a self, who: &'a Principal) -> Answer<'a> {
        Box::pin(self.ask(who))
    }

    fn troubles(&self) -> Vec<String> {
        let says = self.trouble().map(|trouble| match trouble {
            Trouble::Unavailable => "permissions: the source http cannot be asked",
            Trouble::Refused => "permissions: the source http does not accept the credential",
        });
        says.map(str::to_owned).into_iter().collect()
    }
}

impl Failure {
    fn unavailable(cause: impl Into<String>) -> Self {
        Self { outage: Outage::Unavailable, cause: cause.into(), rest: None }
    }
}

fn not_asked(cause: &str) -> SourceError {
    SourceError { source_name: HttpGrants::NAME, outage: Outage::NotAsked, cause: cause.into() }
}

#[cfg(test)]
mod tests;
