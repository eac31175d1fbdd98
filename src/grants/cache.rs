//! The cache in front of the sources.

use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::counter;
use moka::Expiry;
use moka::future::Cache;

use super::revision::Revisions;
use super::{Change, DefaultRole, GrantSource, OnOutage, SourceError, defaults};
use crate::access::{Grants, Principal, Standing, TenantId};
use crate::clock::jittered;
use crate::news::Listener;

/// How grants are looked up.
pub struct GrantSettings {
    /// All are asked; the answer is their union, or an error if one of them cannot say.
    pub sources: Vec<Arc<dyn GrantSource>>,
    /// What kinds of people hold without being named.
    pub default_roles: Vec<DefaultRole>,
    /// Life of a cached answer, ±10 %.
    pub ttl: Duration,
    /// Life of a cached answer that holds nothing.
    pub negative_ttl: Duration,
    /// Cached answers.
    pub capacity: u64,
    /// What happens while a source cannot answer.
    pub on_outage: OnOutage,
}

/// Answers what a principal holds.
pub struct GrantLookup {
    sources: Vec<Arc<dyn GrantSource>>,
    default_roles: Vec<DefaultRole>,
    revisions: Revisions,
    cache: Cache<Key, Arc<Grants>>,
    /// The last complete answers, for outages.
    last: Option<moka::sync::Cache<Key, Arc<Grants>>>,
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
        let GrantSettings { sources, default_roles, ttl, negative_ttl, capacity, on_outage } = settings;
        let cache = Cache::builder().max_capacity(capacity).expire_after(Life { ttl, negative_ttl }).build();
        let last = match on_outage {
            OnOutage::Deny => None,
            OnOutage::ServeStale(span) => {
                Some(moka::sync::Cache::builder().max_capacity(capacity).time_to_live(ttl + span).build())
            }
        };
        Self { sources, default_roles, revisions, cache, last }
    }

    /// Everything that the principal holds. Concurrent questions about one person are asked once; an error is kept by
    /// nobody, so the next request asks anew.
    pub async fn of(&self, who: &Principal, standing: &Arc<Standing>) -> Result<Arc<Grants>, SourceError> {
        let revision = self.revisions.of(who.tenant());
        let key = Key { principal: who.clone(), standing: Arc::clone(standing), revision };
        if let Some(held) = self.cache.get(&key).await {
            counter!("vestibule_cache_requests_total", "cache" => "grants", "result" => "hit").increment(1);
            return Ok(held);
        }
        counter!("vestibule_cache_requests_total", "cache" => "grants", "result" => "miss").increment(1);
        match self.cache.try_get_with_by_ref(&key, self.ask(who, standing, revision)).await {
            Ok(held) => {
                if let Some(last) = &self.last {
                    last.insert(key, Arc::clone(&held));
                }
                Ok(held)
            }
            Err(error) => self.stale(&key).ok_or_else(|| SourceError::clone(&error)),
        }
    }

    /// Something changed: what was cached before cannot be reached any more.
    pub fn moved(&self, change: &Change) {
        self.revisions.moved(change);
    }

    /// Hears when something changes that may be about somebody in this tenant.
    pub fn changes_in(&self, tenant: &TenantId) -> Listener<TenantId> {
        self.revisions.changes.about(tenant)
    }

    async fn ask(&self, who: &Principal, standing: &Standing, revision: u64) -> Result<Arc<Grants>, SourceError> {
        let mut list = defaults::of(&self.default_roles, who, standing);
        for source in &self.sources {
            let answer = source.grants(who).await;
            let result = if answer.is_ok() { "ok" } else { "unavailable" };
            counter!("vestibule_permission_requests_total", "source" => source.name(), "result" => result).increment(1);
            list.extend(answer?);
        }
        Ok(Arc::new(Grants { list, revision }))
    }

    /// The last answer, if nothing changed since: the key carries the revision.
    fn stale(&self, key: &Key) -> Option<Arc<Grants>> {
        let held = self.last.as_ref()?.get(key)?;
        counter!("vestibule_cache_requests_total", "cache" => "grants", "result" => "stale").increment(1);
        Some(held)
    }
}

struct Life {
    ttl: Duration,
    negative_ttl: Duration,
}

impl Expiry<Key, Arc<Grants>> for Life {
    /// ±10 %, different for each entry: what was loaded in one second must not be asked for again in one second.
    fn expire_after_create(&self, key: &Key, held: &Arc<Grants>, _: Instant) -> Option<Duration> {
        Some(if held.list.is_empty() { self.negative_ttl } else { jittered(self.ttl, 0.1, key) })
    }
}

#[cfg(test)]
mod tests;
