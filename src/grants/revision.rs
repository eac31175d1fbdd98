//! A number per tenant that moves with every change of grants. Reading it takes no lock.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Change;
use crate::access::TenantId;
use crate::news::News;

/// The revisions of all tenants.
#[derive(Default)]
pub(super) struct Revisions {
    now: ArcSwap<Numbers>,
    /// Told after the number has moved.
    pub(super) changes: News<TenantId>,
}

/// No number is ever used twice, so the larger of the two is new after either kind of change.
#[derive(Clone, Debug, Default)]
struct Numbers {
    last: u64,
    all: u64,
    by_tenant: HashMap<TenantId, u64>,
}

impl Revisions {
    /// Revisions that go on behind these: what was known at any of them is out of date.
    pub(super) fn after(&self) -> Self {
        let next = self.now.load().last + 1;
        let now = ArcSwap::from_pointee(Numbers { last: next, all: next, by_tenant: HashMap::new() });
        Self { now, changes: self.changes.clone() }
    }

    pub(super) fn of(&self, tenant: &TenantId) -> u64 {
        let now = self.now.load();
        now.by_tenant.get(tenant).copied().unwrap_or(0).max(now.all)
    }

    pub(super) fn moved(&self, change: &Change) {
        self.now.rcu(|now| {
            let mut next = Numbers::clone(now);
            next.last += 1;
            if let Some(tenant) = &change.tenant {
                next.by_tenant.insert(tenant.clone(), next.last);
            } else {
                next.all = next.last;
                next.by_tenant.clear();
            }
            Arc::new(next)
        });
        match &change.tenant {
            Some(tenant) => self.changes.tell(tenant),
            None => self.changes.tell_all(),
        }
    }
}
