//! Who exists in the demo, and what is remembered while it runs.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::access::{HostName, RoleKey, Scope, SubjectId, TenantId};
use crate::app::Running;
use crate::audit::RequestRecord;
use crate::gateway::canonical_project;
use crate::grants::ConfigGrant;
use crate::hosts::assembly;
use crate::secret::Secret;

pub(super) const TENANT: &str = "11111111-2222-4333-8444-555555555555";
pub(super) const OTHER_TENANT: &str = "22222222-2222-4333-8444-555555555555";
/// The host's name in `demo.toml`.
const HOST: &str = "harbor";
/// How long the simulated platform accepts a token's id.
const TOKEN_LIFE: Duration = Duration::from_secs(60);
/// Requests of the app that are remembered.
const MAX_RECORDS: usize = 500;

/// The projects of the app.
pub(super) const PROJECTS: [(&str, &str); 3] = [("apollo", "Apollo"), ("borealis", "Borealis"), ("cassini", "Cassini")];

/// One person of the simulated platform.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) key: &'static str,
    pub(super) given_name: &'static str,
    pub(super) family_name: &'static str,
    pub(super) says: &'static str,
    pub(super) client: Option<&'static str>,
    pub(super) internal: Option<&'static str>,
    pub(super) company: Option<&'static str>,
    /// Staff who see only these companies.
    pub(super) limited_to: Option<&'static [&'static str]>,
    /// (role, project)
    pub(super) grants: &'static [(&'static str, &'static str)],
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
        client: Some(ANN),
        internal: None,
        company: Some(ACME),
        limited_to: None,
        grants: &[("editor", "apollo"), ("viewer", "borealis")],
    },
    Person {
        key: "ben",
        given_name: "Ben",
        family_name: "of Birch",
        says: "client of another company, reads Cassini",
        client: Some("aaaaaaaa-bbbb-4ccc-8ddd-000000000002"),
        internal: None,
        company: Some(BIRCH),
        limited_to: None,
        grants: &[("viewer", "cassini")],
    },
    Person {
        key: "dana",
        given_name: "Dana",
        family_name: "of the staff",
        says: "internal, may do everything",
        client: None,
        internal: Some(DANA),
        company: None,
        limited_to: None,
        grants: &[],
    },
    Person {
        key: "eli",
        given_name: "Eli",
        family_name: "of the staff",
        says: "internal, limited to one company: no role in the whole tenant",
        client: None,
        internal: Some("77777777-6666-4555-8444-000000000002"),
        company: None,
        limited_to: Some(&[ACME]),
        grants: &[],
    },
    Person {
        key: "preview",
        given_name: "Dana",
        family_name: "previewing as Ann",
        says: "sees what Ann sees, changes nothing",
        client: Some(ANN),
        internal: Some(DANA),
        company: Some(ACME),
        limited_to: None,
        grants: &[],
    },
];

/// What is on the stage: keys made for this run, living token ids, grants, and what the app was asked.
pub(super) struct Stage {
    pub(super) host_port: u16,
    pub(super) gateway_port: u16,
    api_key: Secret,
    session_key: Secret,
    memory: Mutex<Memory>,
    gateway: OnceLock<Handle>,
}

/// The two ends of the running gateway that the stage needs.
struct Handle {
    watch: broadcast::Sender<Arc<RequestRecord>>,
    set_grants: Box<dyn Fn(Vec<ConfigGrant>) + Send + Sync>,
}

#[derive(Default)]
struct Memory {
    tokens: HashMap<String, Instant>,
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

    /// Hands the running gateway over, and gives everybody what they are granted.
    pub(super) fn connect(&self, gateway: &Running) {
        let handle = Handle { watch: gateway.audit().sender(), set_grants: gateway.grant_setter() };
        (handle.set_grants)(self.grants());
        // A stage is connected once; a second gateway would have no audience.
        let _ = self.gateway.set(handle);
    }

    pub(super) fn watch(&self) -> Option<broadcast::Receiver<Arc<RequestRecord>>> {
        self.gateway.get().map(|handle| handle.watch.subscribe())
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

    /// Takes a person's grants away, or gives them back. The gateway obeys with the next request.
    pub(super) fn revoke(&self, person: &'static Person, revoked: bool) {
        {
            let mut memory = self.memory();
            memory.revoked.retain(|key| *key != person.key);
            if revoked {
                memory.revoked.push(person.key);
            }
        }
        if let Some(handle) = self.gateway.get() {
            (handle.set_grants)(self.grants());
        }
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

    fn grants(&self) -> Vec<ConfigGrant> {
        let revoked = self.memory().revoked.clone();
        let held = PEOPLE.iter().filter(|person| !revoked.contains(&person.key));
        held.flat_map(|person| person.grants.iter().filter_map(|(role, project)| grant(person, role, project)))
            .collect()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn person(key: &str) -> Option<&'static Person> {
    PEOPLE.iter().find(|person| person.key == key)
}

fn grant(person: &Person, role: &str, project: &str) -> Option<ConfigGrant> {
    Some(ConfigGrant {
        host: HostName::new(HOST).ok()?,
        tenant: TenantId::new(TENANT).ok()?,
        subject: SubjectId::new(person.client?).ok()?,
        role: RoleKey::new(role).ok()?,
        scope: Scope::Project(canonical_project(project)?),
    })
}
