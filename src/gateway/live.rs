//! What is in force: one snapshot for all workers, replaced as a whole, so that no request sees half of two configurations.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderName;
use ipnet::IpNet;
use rustls::ServerConfig;
use tokio::sync::watch;

use super::accept::Drain;
use super::authenticate::TICKET_PARAMETER;
use super::cors::Cors;
use super::credentials::Credentials;
use super::each::Proven;
use super::embed::Embed;
use super::enrich::{Enrich, OfHosts};
use super::entrances::Entrances;
use super::forward::{Pool, Requests, Upstream};
use super::limiter::FailureLimiter;
use super::record::RequestIds;
use super::streams::Streams;
use super::{Gateway, GatewaySettings, Limits, UpstreamSettings};
use crate::access::{Origin, Policy};
use crate::assertion::Assertions;
use crate::audit::Audit;
use crate::grants::GrantLookup;
use crate::hosts::{Carrier, HostPlatform};
use crate::session::Sessions;

/// The snapshot that requests are served with. Whoever holds a clone sees every replacement.
#[derive(Clone)]
pub struct Live {
    snapshot: Arc<ArcSwap<Snapshot>>,
    /// Requests that the app has, of all workers.
    requests: Requests,
}

/// One worker's view: the snapshot that everybody has, and connections to the app that are its own.
#[derive(Clone)]
pub struct Worker {
    live: Live,
    pool: Pool,
    /// The requests of the address that this view is for, if it is for one.
    of_address: Option<Requests>,
}

/// One configuration, ready to serve.
pub(super) struct Snapshot {
    generation: u64,
    pub(super) public: Origin,
    pub(super) trusted_proxies: Vec<IpNet>,
    /// Other origins whose pages may call.
    pub(super) cors: Cors,
    pub(super) limits: Limits,
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) hosts: Vec<Arc<dyn HostPlatform>>,
    /// Where tokens that open sessions may stand.
    pub(super) entrances: Entrances,
    /// Where tokens of single requests may stand.
    pub(super) credentials: Credentials,
    pub(super) proven: Proven,
    /// Whether there are bearers.
    pub(super) bearers: bool,
    pub(super) sessions: Arc<Sessions>,
    pub(super) grants: Arc<GrantLookup>,
    pub(super) policy: Arc<Policy>,
    pub(super) routes: Arc<super::Routes>,
    pub(super) enrich: Enrich,
    pub(super) assertions: Arc<Assertions>,
    pub(super) audit: Audit,
    pub(super) limiter: Arc<FailureLimiter>,
    pub(super) request_ids: Arc<RequestIds>,
    pub(super) streams: Arc<Streams>,
    /// How old a fact may be that something is decided by.
    pub(super) fact_life: Duration,
    /// How long a stop may take.
    pub(super) drain_time: Duration,
    /// `frame-ancestors` for answers that belong to no session.
    pub(super) frame_sources: String,
    /// The helper of embedded pages.
    pub(super) embed: Embed,
    upstream: Arc<UpstreamSettings>,
    /// Moves when the app's address does: connections to the old one are not used for the new one.
    upstream_generation: u64,
}

impl Live {
    /// The first snapshot, of generation 1. `drain` says how far a stop has gone.
    pub fn new(settings: GatewaySettings, drain: watch::Receiver<Drain>) -> Self {
        let ids = Arc::new(RequestIds::new(settings.request_id_prefix));
        let snapshot = Arc::new_cyclic(|live| {
            let streams = Arc::new(Streams::new(live.clone(), drain));
            ArcSwap::from_pointee(Snapshot::new(settings, 1, ids, streams))
        });
        Self { snapshot, requests: Requests::default() }
    }

    /// Puts another configuration in force, from the next request of every connection on; returns its generation. Counts that
    /// the new one does not change go on.
    pub fn replace(&self, settings: GatewaySettings) -> u64 {
        let before = self.snapshot.load_full();
        let (ids, streams) = (Arc::clone(&before.request_ids), Arc::clone(&before.streams));
        let mut next = Snapshot::new(settings, before.generation + 1, ids, streams);
        if next.upstream == before.upstream {
            next.upstream_generation = before.upstream_generation;
        }
        if next.limiter.is_like(&before.limiter) {
            next.limiter = Arc::clone(&before.limiter);
        }
        let generation = next.generation;
        self.snapshot.store(Arc::new(next));
        before.streams.replaced(generation);
        generation
    }

    /// How many configurations have been in force, this one included.
    pub fn generation(&self) -> u64 {
        self.snapshot.load().generation
    }

    /// A view with connections of its own.
    pub fn worker(&self) -> Worker {
        Worker { live: self.clone(), pool: Pool::new(self.requests.clone()), of_address: None }
    }
}

impl Worker {
    /// What a connection that begins now is bounded by, and whether it has TLS. A copy, so that a connection that stays
    /// keeps no old configuration alive.
    pub(super) fn terms(&self) -> (Limits, Option<Arc<ServerConfig>>) {
        let snapshot = self.live.snapshot.load();
        (snapshot.limits.clone(), snapshot.tls.clone())
    }

    /// The view of a connection: its requests count among those of its address.
    pub(super) fn for_address(&self, requests: Option<Requests>) -> Self {
        Self { of_address: requests, ..self.clone() }
    }

    /// What a request that begins now is served with. Costs four reference counts.
    pub(super) fn gateway(&self) -> Gateway {
        let snapshot = self.live.snapshot.load_full();
        let (settings, generation) = (Arc::clone(&snapshot.upstream), snapshot.upstream_generation);
        let upstream = Upstream::new(settings, generation, self.pool.clone(), self.of_address.clone());
        Gateway { snapshot, upstream }
    }
}

fn header_name(name: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(name.as_bytes()).ok()
}

impl Snapshot {
    fn new(settings: GatewaySettings, generation: u64, request_ids: Arc<RequestIds>, streams: Arc<Streams>) -> Self {
        let GatewaySettings { public, limits, hosts, assertions, upstream, .. } = settings;
        let prefix = upstream.path_prefix.clone();
        let entrances = Entrances::new(&hosts);
        let credentials = Credentials::new(&hosts);
        let parameters = credentials.parameters().chain([TICKET_PARAMETER]).map(|name| Carrier::Query(name.into()));
        let of_hosts = OfHosts {
            parameters: entrances.parameters().cloned().chain(parameters).collect(),
            headers: hosts.iter().flat_map(|host| host.headers()).filter_map(header_name).collect(),
        };
        let (identity, profile) = (settings.headers, settings.profile);
        let enrich = Enrich::new(identity, profile, prefix, &public, of_hosts, Arc::clone(&assertions));
        let sources: Vec<String> = hosts.iter().flat_map(|host| host.frame_sources()).collect();
        Self {
            generation,
            public,
            trusted_proxies: settings.trusted_proxies,
            cors: Cors::new(&settings.cors_origins),
            limiter: Arc::new(FailureLimiter::new(limits.token_failures, limits.token_failure_window)),
            limits,
            tls: settings.tls,
            credentials,
            proven: Proven::new(),
            entrances,
            embed: Embed::new(&hosts),
            hosts,
            bearers: settings.bearers,
            sessions: settings.sessions,
            grants: settings.grants,
            policy: settings.policy,
            routes: settings.routes,
            enrich,
            assertions,
            audit: settings.audit,
            request_ids,
            streams,
            fact_life: settings.fact_life,
            drain_time: settings.drain_time,
            frame_sources: if sources.is_empty() { "'none'".into() } else { sources.join(" ") },
            upstream: Arc::new(upstream),
            upstream_generation: generation,
        }
    }
}
