//! Grants that stand in the configuration.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Answer, ConfigGrant, GrantSource, Told};
use crate::access::{Grant, Holding, HostName, Principal, SubjectId, TenantId};

/// A person; none of the three means anything alone.
type Person = (HostName, TenantId, SubjectId);

/// The `[[grants]]` of the configuration, replaceable as a whole.
#[derive(Debug)]
pub struct ConfigGrants {
    by_person: ArcSwap<HashMap<Person, Vec<Grant>>>,
}

impl ConfigGrants {
    /// The name that its grants carry.
    const NAME: &'static str = "config";

    /// Sorts the entries by person.
    pub fn new(grants: Vec<ConfigGrant>) -> Self {
        Self { by_person: ArcSwap::from_pointee(sorted(grants)) }
    }

    /// Replaces all entries. Whoever calls this tells the lookup of the change.
    pub fn replace(&self, grants: Vec<ConfigGrant>) {
        self.by_person.store(Arc::new(sorted(grants)));
    }
}

impl GrantSource for ConfigGrants {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn grants<'a>(&'a self, who: &'a Principal) -> Answer<'a> {
        let person = (who.host().clone(), who.tenant().clone(), who.subject().clone());
        let held = self.by_person.load().get(&person).cloned().unwrap_or_default();
        Box::pin(std::future::ready(Ok(Told::from(held))))
    }
}

fn sorted(grants: Vec<ConfigGrant>) -> HashMap<Person, Vec<Grant>> {
    let mut by_person: HashMap<Person, Vec<Grant>> = HashMap::new();
    for ConfigGrant { host, tenant, subject, role, scope } in grants {
        let grant = Grant { holding: Holding::Role(role), scope, source: ConfigGrants::NAME };
        by_person.entry((host, tenant, subject)).or_default().push(grant);
    }
    by_person
}
