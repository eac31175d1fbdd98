//! What was seen of tokens: when first, and whose.
//!
//! In memory and bounded; a restart forgets. A token without an end of its own can then be presented once more, which
//! `docs/hosts.md` says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use ring::digest;

use super::claims::Refused;
use super::confirm::Identity;
use crate::access::TenantId;
use crate::clock::Timestamp;

/// Tokens that are remembered; the one that was not seen for longest goes first.
const MAX_TOKENS: u64 = 200_000;

/// Questions about one person's tokens, and the time in which they may be asked. A renewal needs none, so a browser that keeps
/// its cookie asks a few. Somebody who keeps trying gets 4,800 questions a month, of the usual quota of 8,000.
const MAX_QUESTIONS: u32 = 20;
const QUESTIONS_TIME: Duration = Duration::from_hours(3);

/// Whoever holds a clone sees the same.
#[derive(Clone)]
pub(super) struct Memory {
    first_seen: Cache<[u8; 32], Timestamp>,
    /// A token id, hashed with its tenant, and the ids that came with it first.
    bound: Cache<[u8; 32], Identity>,
    /// Tokens that the platform was asked about and did not refuse.
    confirmed: Cache<[u8; 32], ()>,
    /// Questions about one person's tokens.
    questions: Cache<Identity, Arc<AtomicU32>>,
    /// Workspaces whose tokens have an id. One without is then not theirs.
    with_token_ids: Cache<TenantId, ()>,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            first_seen: newest(MAX_TOKENS),
            bound: newest(MAX_TOKENS),
            confirmed: newest(MAX_TOKENS),
            questions: Cache::builder().max_capacity(MAX_TOKENS).time_to_live(QUESTIONS_TIME).build(),
            with_token_ids: newest(MAX_TOKENS),
        }
    }

    /// The same memory for another key or API, which has confirmed nothing yet.
    pub(super) fn unconfirmed(&self) -> Self {
        Self { confirmed: newest(MAX_TOKENS), ..self.clone() }
    }

    /// When a token of this body was presented first: now, unless it was before.
    pub(super) fn first_seen(&self, body: [u8; 32], now: Timestamp) -> Timestamp {
        self.first_seen.get_with(body, || now)
    }

    /// A token id belongs to the ids that it was first seen with, and a workspace that has sent one always sends one.
    pub(super) fn bind(&self, identity: &Identity, token_id: Option<&str>) -> Result<(), Refused> {
        let Some(token_id) = token_id else {
            return if self.with_token_ids.contains_key(&identity.tenant) { Err(Refused) } else { Ok(()) };
        };
        let name = digest::digest(&digest::SHA256, format!("{}\0{token_id}", identity.tenant).as_bytes());
        let name = *name.as_ref().first_chunk().expect("a SHA-256 digest has 32 bytes");
        if self.bound.get_with(name, || identity.clone()) == *identity { Ok(()) } else { Err(Refused) }
    }

    pub(super) fn is_confirmed(&self, name: [u8; 32]) -> bool {
        self.confirmed.contains_key(&name)
    }

    pub(super) fn note_confirmed(&self, name: [u8; 32]) {
        self.confirmed.insert(name, ());
    }

    /// Whether there were so many questions about this person's tokens that no more are asked for a while.
    pub(super) fn has_asked_enough(&self, identity: &Identity) -> bool {
        self.questions.get(identity).is_some_and(|count| count.load(Ordering::Relaxed) >= MAX_QUESTIONS)
    }

    pub(super) fn note_question(&self, identity: &Identity) {
        self.questions.get_with_by_ref(identity, Arc::default).fetch_add(1, Ordering::Relaxed);
    }

    /// A token was accepted for this workspace; if it has an id, all have. Only then, because anybody can garble an id
    /// into a token.
    pub(super) fn note_token_id(&self, tenant: &TenantId, token_id: Option<&str>) {
        if token_id.is_some() {
            self.with_token_ids.insert(tenant.clone(), ());
        }
    }
}

fn newest<K, V>(capacity: u64) -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(capacity).eviction_policy(EvictionPolicy::lru()).build()
}
