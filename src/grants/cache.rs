//! The cache in front of the sources.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::counter;
use moka::Expiry;
use moka::future::Cache;

use super::held::Held;
use super::revision::Revisions;
use super::{Change, DefaultRole, GrantSource, OnOutage, SourceError, Told, defaults};
use crate::access::{Grants, Principal, Standing, TenantId};
use crate::clock::{Clock, jittered};
use crate::news::Listener;

/// How grants are looked up.
pub struct GrantSettings {
    /// All are asked; the answer is their union, or an error if one of them cannot say.
    pub sources: Vec<Arc<dyn GrantSource>>,
    /// What kinds of people hold without being named.
    pub default_roles: Vec<DefaultRole>,
    /// Longest life of a cached answer.
    pub ttl: Duration,
    /// Life of a cached answer that holds nothing.
    pub negative_ttl: Duration,
    /// Cached answers.
    pub capacity: u64,
    /// What happens while a source cannot answer.
    pub on_outage: OnOutage,
    /// Says which grants are over.
    pub clock: Clock,
}

/// Answers what a principal holds.
pub struct GrantLookup {
    sources: Vec<Arc<dyn GrantSource>>,
    default_roles: Vec<DefaultRole>,
    revisions: Revisions,
    cache: Cache<Key, Held>,
    /// The last complete answers, for outages.
    last: Option<moka::sync::Cache<Key, Held>>,
    clock: Clock,
}

/// Who, with what standing, at which revision: a key that another person, tenant or time cannot share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    principal: Principal,
    standing: Arc<Standing>,
    revision: u64,
}

impl GrantLookup {
    /// An empty cache in front of the sources.
    pub fn new(settings: GrantSettings) -> Self {
        Self::with(settings, Revisions::default())
    }

    /// With other settings from now on. Everything is asked anew, also what an outage would have let pass: nothing that was
    /// found under the settings before is known under these.
    pub fn after(before: &Self, settings: GrantSettings) -> Self {
        Self::with(settings, before.revisions.after())
    }

    fn with(settings: GrantSettings, revisions: Revisions) -> Self {
        let GrantSettings { sources, default_roles, ttl, negative_ttl, capacity, on_outage, clock } = settings;
        let life = Life { ttl, negative_ttl, stale_for: Duration::ZERO };
        let cache = Cache::builder().max_capacity(capacity).expire_after(life).build();
        let last = match on_outage {
            OnOutage::Deny => None,
            OnOutage::ServeStale(stale_for) => {
                let life = Life { stale_for, ..life };
                Some(moka::sync::Cache::builder().max_capacity(capacity).expire_after(life).build())
            }
        };
        Self { sources, default_roles, revisions, cache, last, clock }
    }

    /// Everything that the principal holds. Concurrent questions about one person are asked once; an error is kept by
    /// nobody, so the next request asks anew. A question that was begun is asked to its end: callers that leave would
    /// otherwise ask as often as they come, and the source would have more questions than are counted.
    pub async fn of(self: &Arc<Self>, who: &Principal, standing: &Arc<Standing>) -> Result<Arc<Grants>, SourceError> {
        let revision = self.revisions.of(who.tenant());
        let key = Key { principal: who.clone(), standing: Arc::clone(standing), revision };
        if let Some(held) = self.cache.get(&key).await {
            counter!("vestibule_cache_requests_total", "cache" => "grants", "result" => "hit").increment(1);
            return Ok(held.at(&self.clock));
        }
        counter!("vestibule_cache_requests_total", "cache" => "grants", "result" => "miss").increment(1);
        let (lookup, asked) = (Arc::clone(self), key.clone());
        let asking = tokio::spawn(async move { lookup.cache.try_get_with_by_ref(&asked, lookup.ask(&asked)).await });
        match asking.await.unwrap_or_else(|_| Err(Arc::new(SourceError::broke_off()))) {
            Ok(held) => Ok(held.at(&self.clock)),
            Err(error) => self.stale(&key).ok_or_else(|| SourceError::clone(&error)),
        }
    }

    /// Something changed: what was cached before cannot be reached any more.
    pub fn moved(&self, change: &Change) {
        self.revisions.moved(change);
    }

    /// What does not work of the sources, for `/readyz`.
    pub fn troubles(&self) -> Vec<String> {
        self.sources.iter().flat_map(|source| source.troubles()).collect()
    }

    /// Hears when something changes that may be about somebody in this tenant.
    pub fn changes_in(&self, tenant: &TenantId) -> Listener<TenantId> {
        self.revisions.changes.about(tenant)
    }

    async fn ask(&self, key: &Key) -> Result<Held, SourceError> {
        let who = &key.principal;
        let mut all = Told::from(defaults::of(&self.default_roles, who, &key.standing));
        for source in &self.sources {
            let answer = source.grants(who).await;
            let result = match &answer {
                Ok(told) if told.facts.is_empty() => "none",
                Ok(_) => "ok",
                Err(error) => error.outage.as_str(),
            };
            counter!("vestibule_permission_requests_total", "source" => source.name(), "result" => result).increment(1);
            let told = answer?;
            all.facts.extend(told.facts);
            all.keep = all.keep.and(told.keep);
        }
        let held = Held::new(all, key.revision, self.clock.now());
        // Here and not where the answer is used: questions about one person follow one another, their users do not.
        if let Some(last) = &self.last {
            if held.may_be_stale() {
                last.insert(key.clone(), held.clone());
            } else {
                last.invalidate(key);
            }
        }
        Ok(held)
    }

    /// The last answer, if nothing changed since: the key carries the revision.
    fn stale(&self, key: &Key) -> Option<Arc<Grants>> {
        let held = self.last.as_ref()?.get(key)?;
        counter!("vestibule_cache_requests_total", "cache" => "grants", "result" => "stale").increment(1);
        Some(held.at(&self.clock))
    }
}

/// How long answers live: what the configuration says, or less where their source says so, and `stale_for` after that.
#[derive(Clone, Copy)]
struct Life {
    ttl: Duration,
    negative_ttl: Duration,
    stale_for: Duration,
}

impl Life {
    /// Two thirds to four fifths of that, different for each entry: what was loaded in one second must not be asked for again
    /// in one second. Not all of it, because it bounds how long a revocation takes that nobody tells us of, and an open stream
    /// is decided again only every fifth of it.
    fn of(&self, key: &Key, held: &Held) -> Duration {
        let configured =
            if held.is_empty() { self.negative_ttl } else { jittered(self.ttl.mul_f64(0.735), 0.088, key) };
        held.fresh(configured) + self.stale_for
    }
}

impl Expiry<Key, Held> for Life {
    fn expire_after_create(&self, key: &Key, held: &Held, _: Instant) -> Option<Duration> {
        Some(self.of(key, held))
    }

    fn expire_after_update(&self, key: &Key, held: &Held, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(self.of(key, held))
    }
}

#[cfg(test)]
mod tests;
