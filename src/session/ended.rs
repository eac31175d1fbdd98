//! Sessions that were ended early, or that another one has taken the place of.

use std::time::{Duration, Instant};

use moka::Expiry;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::{Session, SessionId, Sessions};
use crate::clock::{Clock, Timestamp};

/// Ended sessions that are remembered. Each is kept until its absolute end.
pub(super) const MAX_REVOKED: u64 = 200_000;

/// How long a session that was replaced by a newer one goes on: requests that were sent with the old cookie are on their way.
pub(super) const REPLACED_GOES_ON: Duration = Duration::from_secs(30);

/// How many sessions that took each other's place are looked at. A host that renews every minute makes 720 in twelve hours.
const MAX_CHAIN: usize = 2000;

/// What is known of sessions that do not go on as they are.
pub(super) type List = Cache<SessionId, Ended>;

/// From when on a session counts for nothing, and when it may be forgotten.
#[derive(Clone, Copy)]
pub(super) struct Ended {
    at: Timestamp,
    absolute_end: Timestamp,
    /// Who took its place. It does not outlive that one.
    successor: Option<SessionId>,
}

pub(super) fn list(clock: &Clock) -> List {
    // A full list gives up what was not asked for longest. The usual policy would turn the newest away instead.
    let list = Cache::builder().max_capacity(MAX_REVOKED).eviction_policy(EvictionPolicy::lru());
    list.expire_after(UntilItsEnd(clock.clone())).build()
}

impl Sessions {
    /// Ends the session in this process, whoever holds its cookie.
    pub fn revoke(&self, session: &Session) {
        self.end(session, self.clock.now(), None);
    }

    /// Ends a session that has a successor, a moment later, or with its successor if that is sooner.
    pub fn replace(&self, session: &Session, successor: &Session) {
        self.end(session, self.clock.now() + REPLACED_GOES_ON, Some(successor.id));
    }

    /// What was ended before stays ended, and what was replaced before keeps its first end and successor.
    fn end(&self, session: &Session, at: Timestamp, successor: Option<SessionId>) {
        let ended = Ended { at, absolute_end: session.absolute_end, successor };
        self.revoked.entry(session.id).and_compute_with(|before| match before {
            Some(before) if before.value().at <= at => Op::Nop,
            _ => Op::Put(ended),
        });
        self.ends.tell(&session.id);
    }

    pub(super) fn has_ended(&self, id: &SessionId, now: Timestamp) -> bool {
        let mut next = Some(*id);
        // A chain of renewals within one moment is short; who makes a long one loses the old end of it.
        for _ in 0..MAX_CHAIN {
            let Some(ended) = next.and_then(|id| self.revoked.get(&id)) else { return false };
            if now >= ended.at {
                return true;
            }
            next = ended.successor;
        }
        true
    }

    /// The last of those that took each other's place, if it is alive. The way there is made short for the next time.
    pub(super) fn heir(&self, id: SessionId) -> Option<SessionId> {
        let (mut heir, mut first) = (id, None);
        for _ in 0..MAX_CHAIN {
            let Some(ended) = self.revoked.get(&heir) else {
                self.shorten(id, first, heir);
                return Some(heir);
            };
            first = first.or(Some(ended));
            heir = ended.successor?;
        }
        None
    }

    /// Unless what is known of it has changed meanwhile.
    fn shorten(&self, id: SessionId, known: Option<Ended>, heir: SessionId) {
        let Some(known) = known.filter(|known| known.successor != Some(heir)) else { return };
        self.revoked.entry(id).and_compute_with(|now| match now {
            Some(now) if now.value().at == known.at && now.value().successor == known.successor => {
                Op::Put(Ended { successor: Some(heir), ..known })
            }
            _ => Op::Nop,
        });
    }
}

/// A revocation is forgotten when the session it ended would have ended anyway.
struct UntilItsEnd(Clock);

impl Expiry<SessionId, Ended> for UntilItsEnd {
    fn expire_after_create(&self, _: &SessionId, ended: &Ended, _: Instant) -> Option<Duration> {
        Some(ended.absolute_end.since(self.0.now()))
    }
}
