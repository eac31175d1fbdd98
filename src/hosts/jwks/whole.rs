//! A JWK set at an address.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::{HeaderMap, StatusCode, header};
use tokio::sync::OwnedMutexGuard;

use super::{Fetched, Source, Unavailable, no_keys};
use crate::clock::Timestamp;
use crate::hosts::fetch::has_passed;
use crate::hosts::keys::{Algorithm, KeySet, PublicKey};

/// How long a set is not asked for again. What the platform says about that (`max-age`) can only shorten it, because a key that
/// was taken back is believed for as long.
const REFRESH: Duration = Duration::from_mins(10);
/// The shortest time between two fetches that are not for want of an answer.
const MIN_REFRESH: Duration = Duration::from_mins(1);
/// How long the last good set is used when there is no newer one.
const MAX_STALE: Duration = Duration::from_hours(24);
/// The longest rest after failures; they begin with one second and double.
const MAX_REST: Duration = Duration::from_mins(1);

/// The keys of one address.
pub(super) struct WholeSet {
    url: String,
    source: Source,
    known: ArcSwapOption<Known>,
    pace: Mutex<Pace>,
    /// Held by the one who fetches.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A set that was fetched and has at least one key that can be used.
struct Known {
    keys: KeySet,
    at: Timestamp,
    fresh_for: Duration,
}

/// Why there should be a fetch.
#[derive(Clone, Copy)]
enum Need {
    /// There are no keys, or none that may still be believed.
    Any,
    /// There are keys that are not fresh.
    Newer,
    /// There are keys, and this one is not among them.
    This,
}

/// How the last fetches went.
#[derive(Default)]
struct Pace {
    last: Option<Timestamp>,
    failures: u32,
}

impl WholeSet {
    pub(super) fn new(url: &str, source: Source) -> Self {
        Self {
            url: url.to_owned(),
            source,
            known: ArcSwapOption::empty(),
            pace: Mutex::default(),
            turn: Arc::default(),
        }
    }

    pub(super) const fn source(&self) -> &Source {
        &self.source
    }

    pub(super) async fn find(
        self: &Arc<Self>,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Option<Arc<PublicKey>>, Unavailable> {
        let now = self.now();
        let key = self.look(kid, algorithm, now);
        match (&key, self.need(key.is_some(), now)) {
            (Some(_), None) => return Ok(key),
            (Some(_), Some(Need::Newer)) if !self.is_worth_a_wait(now) => {
                if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
                    drop(self.fetch_if_due(turn, true));
                }
                return Ok(key);
            }
            _ => {}
        }
        let turn = Arc::clone(&self.turn).lock_owned().await;
        // Whoever waited may find the key in what another one fetched.
        let known = self.look(kid, algorithm, self.now()).is_some();
        if let Some(fetch) = self.fetch_if_due(turn, known) {
            // A task of its own: a caller who goes away does not take the answer from the others.
            fetch.await.unwrap_or_default();
        }
        let now = self.now();
        match (self.look(kid, algorithm, now), self.need(true, now)) {
            (Some(key), _) => Ok(Some(key)),
            (None, Some(Need::Any)) => Err(Unavailable),
            // Nobody can say of a key that it does not exist while the platform cannot be asked.
            (None, _) if self.pace().failures > 0 => Err(Unavailable),
            (None, _) => Ok(None),
        }
    }

    fn now(&self) -> Timestamp {
        self.source.clock.now()
    }

    fn look(&self, kid: Option<&str>, algorithm: Algorithm, now: Timestamp) -> Option<Arc<PublicKey>> {
        let known = self.known.load();
        let known = known.as_ref().filter(|known| now.since(known.at) < MAX_STALE)?;
        known.keys.find(kid, algorithm).map(Arc::clone)
    }

    fn need(&self, has_key: bool, now: Timestamp) -> Option<Need> {
        match self.known.load().as_ref() {
            None => Some(Need::Any),
            Some(known) if now.since(known.at) >= MAX_STALE => Some(Need::Any),
            Some(_) if !has_key => Some(Need::This),
            Some(known) => has_passed(known.fresh_for, known.at, now).then_some(Need::Newer),
        }
    }

    /// Whether what is known was not looked at for so long that it is not used before there was a fetch. In an outage it is: the
    /// fetches say that there is nothing better.
    fn is_worth_a_wait(&self, now: Timestamp) -> bool {
        let is_old = |known: &Arc<Known>| has_passed(2 * known.fresh_for, known.at, now);
        self.known.load().as_ref().is_some_and(is_old) && self.pace().failures == 0
    }

    /// Begins a fetch, if one is needed and may be made.
    fn fetch_if_due(self: &Arc<Self>, turn: OwnedMutexGuard<()>, has_key: bool) -> Option<tokio::task::JoinHandle<()>> {
        let now = self.now();
        let need = self.need(has_key, now)?;
        if !self.pace().is_due(need, now) {
            return None;
        }
        self.pace().last = Some(now);
        let set = Arc::clone(self);
        Some(tokio::spawn(async move {
            set.fetch(now).await;
            drop(turn);
        }))
    }

    async fn fetch(&self, now: Timestamp) {
        // Only what is good replaces what was.
        let result = self.fetched(now).await.map(|known| self.known.store(Some(Arc::new(known))));
        let mut pace = self.pace();
        pace.last = Some(self.now());
        pace.failures = if result.is_ok() { 0 } else { pace.failures.saturating_add(1) };
        drop(pace);
        self.source.note(result.as_ref().map(|()| Fetched::Keys).map_err(String::as_str));
    }

    async fn fetched(&self, at: Timestamp) -> Result<Known, String> {
        let reply = self.source.get(&self.url, "application/json").await?;
        if reply.status != StatusCode::OK {
            return Err(no_keys(reply.status));
        }
        let keys = KeySet::parse(&reply.body).map_err(|error| error.to_string())?;
        if keys.is_empty() {
            return Err("there is no key in it that can be used".into());
        }
        let fresh_for = max_age(&reply.headers).map_or(REFRESH, |age| age.clamp(MIN_REFRESH, REFRESH));
        Ok(Known { keys, at, fresh_for })
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        // Counts are whole between any two statements that hold the lock.
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace {
    fn is_due(&self, need: Need, now: Timestamp) -> bool {
        let rest = match need {
            // Anybody can make up a key's id.
            Need::This => MIN_REFRESH,
            Need::Any | Need::Newer => self.rest(),
        };
        self.last.is_none_or(|last| has_passed(rest, last, now))
    }

    fn rest(&self) -> Duration {
        match self.failures {
            0 => Duration::ZERO,
            failures => Duration::from_secs(1 << (failures - 1).min(6)).min(MAX_REST),
        }
    }
}

/// How long the platform lets an answer be kept (RFC 9111 §5.2.2); what cannot be read is not kept.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(header::CACHE_CONTROL).iter().map(|line| line.to_str().unwrap_or("no-store"));
    let age = |directive: &str| {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => Some(0),
            "max-age" => Some(value.trim().trim_matches('"').parse().unwrap_or(0)),
            _ => None,
        }
    };
    lines.flat_map(|line| line.split(',')).filter_map(age).min().map(Duration::from_secs)
}
