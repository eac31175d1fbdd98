//! An answer as it is kept.

use std::sync::Arc;
use std::time::Duration;

use super::{Keep, Told};
use crate::access::{Grant, Grants};
use crate::clock::{Clock, Timestamp};

/// Everything that somebody holds. Most of it has no terms, and is handed out as it is.
#[derive(Clone, Debug)]
pub(super) struct Held {
    grants: Arc<Grants>,
    terms: Option<Arc<Terms>>,
}

/// What the sources say of how long it counts.
#[derive(Debug)]
struct Terms {
    keep: Keep,
    /// The end of each grant, in their order; empty if none has one.
    ends: Vec<Option<Timestamp>>,
}

impl Held {
    /// What was told, without what is over already.
    pub(super) fn new(told: Told, revision: u64, now: Timestamp) -> Self {
        let facts: Vec<_> = told.facts.into_iter().filter(|fact| is_ahead(fact.until, now)).collect();
        let first_end = facts.iter().filter_map(|fact| fact.until).min().map(|end| end.since(now));
        let ends = first_end.map_or_else(Vec::new, |_| facts.iter().map(|fact| fact.until).collect());
        let keep = told.keep.and(Keep { fresh: first_end, stale: true });
        let has_terms = keep != Keep::default();
        let list = facts.into_iter().map(|fact| fact.grant).collect();
        Self { grants: Arc::new(Grants { list, revision }), terms: has_terms.then(|| Arc::new(Terms { keep, ends })) }
    }

    /// What counts now. The clock is read, and the list copied, only where a grant has an end.
    pub(super) fn at(&self, clock: &Clock) -> Arc<Grants> {
        let Some(terms) = self.terms.as_ref().filter(|terms| !terms.ends.is_empty()) else {
            return Arc::clone(&self.grants);
        };
        let now = clock.now();
        if terms.ends.iter().all(|end| is_ahead(*end, now)) {
            return Arc::clone(&self.grants);
        }
        let lasting = self.grants.list.iter().zip(&terms.ends).filter(|(_, end)| is_ahead(**end, now));
        let list: Vec<Grant> = lasting.map(|(grant, _)| grant.clone()).collect();
        Arc::new(Grants { list, revision: self.grants.revision })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.grants.list.is_empty()
    }

    /// How long it may be kept, where the configuration says `configured`.
    pub(super) fn fresh(&self, configured: Duration) -> Duration {
        self.terms.as_ref().and_then(|terms| terms.keep.fresh).map_or(configured, |fresh| fresh.min(configured))
    }

    /// Whether it may serve while a source cannot answer.
    pub(super) fn may_be_stale(&self) -> bool {
        self.terms.as_ref().is_none_or(|terms| terms.keep.stale)
    }
}

fn is_ahead(end: Option<Timestamp>, now: Timestamp) -> bool {
    end.is_none_or(|end| end > now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Holding, RoleKey, Scope};
    use crate::grants::Fact;

    fn fact(role: &str, until: Option<u64>) -> Fact {
        let role = RoleKey::new(role).expect("a role");
        let grant = Grant { holding: Holding::Role(role), scope: Scope::Tenant, source: "test" };
        Fact { grant, until: until.map(Timestamp::from_secs) }
    }

    fn roles(grants: &Grants) -> Vec<String> {
        let role = |grant: &Grant| match &grant.holding {
            Holding::Role(role) => role.to_string(),
            Holding::Permissions(_) => String::new(),
        };
        grants.list.iter().map(role).collect()
    }

    #[test]
    fn a_grant_counts_until_its_end_and_not_in_it() {
        let clock = Clock::manual(Timestamp::from_secs(1000));
        let facts = vec![fact("over", Some(1000)), fact("short", Some(1010)), fact("long", None)];
        let held = Held::new(Told { facts, keep: Keep::default() }, 7, clock.now());
        assert_eq!(roles(&held.at(&clock)), ["short", "long"]);
        clock.advance(Duration::from_millis(9999));
        assert_eq!(roles(&held.at(&clock)), ["short", "long"]);
        clock.advance(Duration::from_millis(1));
        let rest = held.at(&clock);
        assert_eq!((roles(&rest), rest.revision), (vec!["long".to_owned()], 7));
    }

    #[test]
    fn the_first_end_and_the_source_shorten_the_time_and_nothing_lengthens_it() {
        let now = Timestamp::from_secs(1000);
        let fresh = |facts: Vec<Fact>, fresh: Option<u64>| {
            let keep = Keep { fresh: fresh.map(Duration::from_secs), stale: true };
            Held::new(Told { facts, keep }, 0, now).fresh(Duration::from_secs(30)).as_secs()
        };
        assert_eq!(fresh(vec![fact("a", None)], None), 30);
        assert_eq!(fresh(vec![fact("a", None)], Some(3600)), 30);
        assert_eq!(fresh(vec![fact("a", None)], Some(0)), 0);
        assert_eq!(fresh(vec![fact("a", Some(1020)), fact("b", Some(1010))], Some(15)), 10);
        assert_eq!(fresh(vec![fact("a", Some(9000)), fact("over", Some(500))], Some(15)), 15);
    }
}
