//! Who exists in the demo, and what is remembered while it runs.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::app::{ConfigGrant, Controls, RequestRecord};
use crate::hosts::assembly;
use crate::secret::Secret;

pub(super) const TENANT: &str = "11111111-2222-4333-8444-555555555555";
pub(super) const OTHER_TENANT: &str = "22222222-2222-4333-8444-555555555555";
/// How long the simulated platform accepts a token's id.
const TOKEN_LIFE: Duration = Duration::from_secs(60);
/// Requests of the app that are remembered.
const MAX_RECORDS: usize = 500;

/// The projects of the app.
pub(super) const PROJECTS: [(&str, &str); 3] = [("apollo", "Apollo"), ("borealis", "Borealis"), ("cassini", "Cassini")];

/// One person of the simulated platform. What they hold stands in `demo.toml`.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) key: &'static str,
    pub(super) given_name: &'static str,
    pub(super) family_name: &'static str,
    pub(super) says: &'static str,
    /// The page of the app that the host opens for them.
    pub(super) home: &'static str,
    pub(super) client: Option<&'static str>,
    pub(super) internal: Option<&'static str>,
    pub(super) company: Option<&'static str>,
    /// Staff who see only these companies.
    pub(super) limited_to: Option<&'static [&'static str]>,
}

const ACME: &str = "99999999-8888-4777-8666-000000000001";
const BIRCH: &str = "99999999-8888-4777-8666-000000000002";
const ANN: &str = "aaaaaaaa-bbbb-4ccc-8ddd-000000000001";
const DANA: &str = "77777777-6666-4555-8444-000000000001";

pub(super) const PEOPLE: [Person; 5] = [
    Person {
        key: "ann",
        given_name: "Ann",
        family_name: "of Acme",
        says: "client, edits Apollo, reads Borealis",
        home: "/projects/apollo",
        client: Some(ANN),
        internal: None,
        company: Some(ACME),
        limited_to: None,
    },
    Person {
        key: "ben",
        given_name: "Ben",
        family_name: "of Birch",
        says: "client of another company, reads Cassini",
        home: "/projects/cassini",
        client: Some("aaaaaaaa-bbbb-4ccc-8ddd-000000000002"),
        internal: None,
        company: Some(BIRCH),
        limited_to: None,
    },
    Person {
        key: "dana",
        given_name: "Dana",
        family_name: "of the staff",
        says: "internal, may do everything",
        home: "/projects/apollo",
        client: None,
        internal: Some(DANA),
        company: None,
        limited_to: None,
    },
    Person {
        key: "eli",
        given_name: "Eli",
        family_name: "of the staff",
        says: "internal, limited to one company: no role in the whole tenant",
        home: "/projects",
        client: None,
        internal: Some("77777777-6666-4555-8444-000000000002"),
        company: None,
        limited_to: Some(&[ACME]),
    },
    Person {
        key: "preview",
        given_name: "Dana",
        family_name: "previewing as Ann",
        says: "sees what Ann sees, changes nothing",
        home: "/projects/apollo",
        client: Some(ANN),
        internal: Some(DANA),
        company: Some(ACME),
        limited_to: None,
    },
];

/// What is on the stage: keys made for this run, living token ids, grants, and what the app was asked.
pub(super) struct Stage {
    pub(super) host_port: u16,
    pub(super) gateway_port: u16,
    api_key: Secret,
    session_key: Secret,
    memory: Mutex<Memory>,
    gateway: OnceLock<Connected>,
}

/// The running gateway, and what its configuration grants.
struct Connected {
    controls: Controls,
    granted: Vec<ConfigGrant>,
}

#[derive(Default)]
struct Memory {
    tokens: HashMap<String, Instant>,
    /// Clients whose grants are taken away at the moment.
    revoked: Vec<&'static str>,
    records: VecDeque<AppRecord>,
    last_token: u64,
}

/// A request as the app got it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct AppRecord {
    pub(super) request_id: String,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) trailers: bool,
}

impl Stage {
    pub(super) fn new(host_port: u16, gateway_port: u16) -> anyhow::Result<Self> {
        let key = || -> anyhow::Result<Secret> {
            let mut bytes = [0; 32];
            SystemRandom::new().fill(&mut bytes).ok().context("the system gives no random bytes")?;
            Ok(Secret::from(faster_hex::hex_string(&bytes).as_str()))
        };
        Ok(Self {
            host_port,
            gateway_port,
            api_key: key()?,
            session_key: key()?,
            memory: Mutex::default(),
            gateway: OnceLock::new(),
        })
    }

    /// The host's page, under a name that is another site than the gateway's address.
    pub(super) fn host_origin(&self) -> String {
        format!("http://localhost:{}", self.host_port)
    }

    pub(super) fn gateway_origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.gateway_port)
    }

    pub(super) fn api_key(&self) -> &str {
        self.api_key.expose_str().unwrap_or_default()
    }

    pub(super) fn session_key(&self) -> &str {
        self.session_key.expose_str().unwrap_or_default()
    }

    /// Hands the running gateway over. A stage is connected once; a second gateway would have no audience.
    pub(super) fn connect(&self, controls: Controls, granted: Vec<ConfigGrant>) {
        let _ = self.gateway.set(Connected { controls, granted });
    }

    pub(super) fn watch(&self) -> Option<broadcast::Receiver<Arc<RequestRecord>>> {
        self.gateway.get().map(|gateway| gateway.controls.watch())
    }

    /// A token as the platform gives it to its page. Its id lives for a minute.
    pub(super) fn token(&self, person: &Person, tenant: &str) -> String {
        let id = {
            let mut memory = self.memory();
            memory.last_token += 1;
            let id = format!("token-{}", memory.last_token);
            memory.tokens.insert(id.clone(), Instant::now() + TOKEN_LIFE);
            id
        };
        self.mint(person, tenant, &[("tokenId", &id)])
    }

    /// A token that states an end which has passed.
    pub(super) fn expired_token(&self, person: &Person) -> String {
        self.mint(person, TENANT, &[("tokenId", "token-of-yesterday"), ("expiresAt", "2020-01-01T00:00:00Z")])
    }

    fn mint(&self, person: &Person, tenant: &str, more: &[(&str, &str)]) -> String {
        let optional =
            [("clientId", person.client), ("internalUserId", person.internal), ("companyId", person.company)];
        let mut fields = vec![("workspaceId", tenant)];
        fields.extend_from_slice(more);
        fields.extend(optional.iter().filter_map(|(name, value)| Some((*name, (*value)?))));
        assembly::mint(&self.api_key, &fields)
    }

    pub(super) fn token_is_alive(&self, id: &str) -> bool {
        self.memory().tokens.get(id).is_some_and(|end| Instant::now() < *end)
    }

    /// Takes a client's grants away, or gives them back. The gateway obeys with the next request.
    pub(super) fn revoke(&self, client: &'static str, revoked: bool) {
        let revoked = {
            let mut memory = self.memory();
            memory.revoked.retain(|other| *other != client);
            if revoked {
                memory.revoked.push(client);
            }
            memory.revoked.clone()
        };
        if let Some(Connected { controls, granted }) = self.gateway.get() {
            let left = granted.iter().filter(|grant| !revoked.contains(&grant.subject.as_str()));
            controls.set_grants(left.cloned().collect());
        }
    }

    pub(super) fn is_revoked(&self, client: &str) -> bool {
        self.memory().revoked.contains(&client)
    }

    pub(super) fn record(&self, record: AppRecord) {
        let mut memory = self.memory();
        if memory.records.len() == MAX_RECORDS {
            memory.records.pop_front();
        }
        memory.records.push_back(record);
    }

    pub(super) fn records(&self) -> Vec<AppRecord> {
        self.memory().records.iter().cloned().collect()
    }

    /// What the app got for one request, if it came that far.
    pub(super) fn record_of(&self, request_id: &str) -> Option<AppRecord> {
        self.memory().records.iter().rev().find(|record| record.request_id == request_id).cloned()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn person(key: &str) -> Option<&'static Person> {
    PEOPLE.iter().find(|person| person.key == key)
}
