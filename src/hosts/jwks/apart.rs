//! Keys that have an address each: the set's address, `/` and the key's id, which gives PEM.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::{Fetched, Source, Unavailable, no_keys};
use crate::clock::Timestamp;
use crate::hosts::fetch::{Allowance, has_passed};
use crate::hosts::keys::{Algorithm, PublicKey};

/// How long a key is not asked for again. Then it is, before it is used.
const KEEP: Duration = Duration::from_hours(1);
/// How long it is used when the platform cannot be asked. Anybody can use up the fetches with made-up ids, and must not keep
/// the platform's own calls out by that.
const MAX_STALE: Duration = Duration::from_hours(24);
/// How long an id that the platform does not know is taken to be unknown.
const KEEP_UNKNOWN: Duration = Duration::from_mins(1);
/// Keys that are remembered, and ids without one.
const MOST_KEPT: u64 = 64;
/// Fetches in a minute. A platform has a few keys, and anybody can make up an id.
const FETCHES: u32 = 10;
/// The longest wait for the fetches of others.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// The longest id that is asked about.
const MAX_ID: usize = 128;

/// The keys below one address.
pub(super) struct KeysApart {
    url: String,
    source: Source,
    known: Cache<String, Known>,
    /// Ids without a key. Beside the others, which made-up ids thus cannot push out.
    unknown: Cache<String, Known>,
    allowance: Mutex<Allowance>,
    /// Held by the one who fetches.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What the platform said of an id, and when.
#[derive(Clone)]
struct Known {
    key: Option<Arc<PublicKey>>,
    at: Timestamp,
}

impl KeysApart {
    pub(super) fn new(url: &str, source: Source) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            source,
            known: Cache::builder().max_capacity(MOST_KEPT).eviction_policy(EvictionPolicy::lru()).build(),
            unknown: Cache::builder().max_capacity(MOST_KEPT).eviction_policy(EvictionPolicy::lru()).build(),
            allowance: Mutex::new(Allowance::new(FETCHES, Duration::from_mins(1))),
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
        let Some(kid) = kid.filter(|kid| is_plain(kid)) else { return Ok(None) };
        let known = match self.remembered(kid) {
            Some(known) => known,
            None => self.fetch_in_turn(kid).await.or_else(|unavailable| self.stale(kid).ok_or(unavailable))?,
        };
        Ok(known.key.filter(|key| key.fits(algorithm)))
    }

    /// What is known of the id; `None` if it has to be asked for.
    fn remembered(&self, kid: &str) -> Option<Known> {
        let now = self.source.clock.now();
        let known = self.known.get(kid).filter(|known| !has_passed(KEEP, known.at, now));
        known.or_else(|| self.unknown.get(kid).filter(|known| !has_passed(KEEP_UNKNOWN, known.at, now)))
    }

    /// What was known of the id when the platform last said something of it.
    fn stale(&self, kid: &str) -> Option<Known> {
        let now = self.source.clock.now();
        self.known.get(kid).filter(|known| now.since(known.at) < MAX_STALE)
    }

    async fn fetch_in_turn(self: &Arc<Self>, kid: &str) -> Result<Known, Unavailable> {
        let turn =
            tokio::time::timeout(MAX_WAIT, Arc::clone(&self.turn).lock_owned()).await.map_err(|_| Unavailable)?;
        // Whoever waited may find the key in what another one fetched.
        if let Some(known) = self.remembered(kid) {
            return Ok(known);
        }
        if !self.allowance.lock().unwrap_or_else(PoisonError::into_inner).take(&self.source.clock) {
            return Err(Unavailable);
        }
        let (keys, kid) = (Arc::clone(self), kid.to_owned());
        // A task of its own: a caller who goes away does not take the answer from the others.
        let fetch = tokio::spawn(async move {
            let known = keys.fetch(kid).await;
            drop(turn);
            known
        });
        fetch.await.unwrap_or(Err(Unavailable))
    }

    async fn fetch(&self, kid: String) -> Result<Known, Unavailable> {
        let at = self.source.clock.now();
        let fetched = self.fetched(&kid).await;
        let word = |key: &Option<PublicKey>| if key.is_some() { Fetched::Keys } else { Fetched::Nothing };
        self.source.note(fetched.as_ref().map(word).map_err(String::as_str));
        let known = Known { key: fetched.map_err(|_| Unavailable)?.map(Arc::new), at };
        let (with, without) =
            if known.key.is_some() { (&self.known, &self.unknown) } else { (&self.unknown, &self.known) };
        without.invalidate(&kid);
        with.insert(kid, known.clone());
        Ok(known)
    }

    async fn fetched(&self, kid: &str) -> Result<Option<PublicKey>, String> {
        let reply = self.source.get(&format!("{}/{kid}", self.url), "*/*").await?;
        match reply.status {
            StatusCode::OK => {}
            // 403 is what file stores say of files that do not exist.
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            status => return Err(no_keys(status)),
        }
        let pem = std::str::from_utf8(&reply.body).map_err(|_| "the answer is no text".to_owned())?;
        PublicKey::from_pem(pem).map(Some).map_err(|error| error.to_string())
    }
}

/// An id that is one segment of a path and nothing else, whatever a server makes of paths.
fn is_plain(kid: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_ID).contains(&kid.len()) && kid.bytes().all(is_plain) && kid != "." && !kid.contains("..")
}
