//! The composition root: turns a checked configuration into a running gateway, and stops it again.
//!
//! The only place that names children of other modules and knows how they fit together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use http::Uri;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};

use crate::admin::{self, Api, Probes, ReadyReport};
use crate::assertion::{AssertionSettings, Assertions};
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::{Config, HostSettings, PermissionSource};
use crate::gateway::{Connections, Drain, GatewaySettings, Limits, Live, canonical_project, serve};
use crate::grants::{Change, ConfigGrants, GrantLookup, GrantSettings, GrantSource, HttpGrants};
use crate::hosts::HostPlatform;
use crate::hosts::assembly::Assembly;
use crate::session::{SessionSettings, Sessions};
use crate::telemetry::Metrics;

mod explain;
mod look;

pub use crate::audit::RequestRecord;
pub use crate::grants::ConfigGrant;
pub use explain::{ExplainedGrant, Explanation, Question, explain};
pub use look::{Finding, look};

/// When a host that did not answer at start is looked at again. A day of that is 144 questions.
const PROBE_AGAIN: Duration = Duration::from_mins(10);

/// What a caller of [`start`] may choose beyond the configuration.
#[derive(Debug)]
pub struct Options {
    /// Threads that serve requests; one per core is right.
    pub workers: usize,
    /// Where the time comes from.
    pub clock: Clock,
    /// The public listener, if it is bound already; else `[server] listen` is.
    pub public: Option<std::net::TcpListener>,
}

/// The parts of a gateway that requests work with, before any socket is opened.
struct Parts {
    hosts: Vec<Arc<dyn HostPlatform>>,
    grants: Arc<GrantLookup>,
    config_grants: Arc<ConfigGrants>,
    sessions: Arc<Sessions>,
    assertions: Arc<Assertions>,
}

/// A gateway that serves.
pub struct Running {
    public: SocketAddr,
    admin: Option<SocketAddr>,
    health: Option<SocketAddr>,
    controls: Controls,
    drain: watch::Sender<Drain>,
    limits: Limits,
    times: DrainTimes,
    workers: Vec<JoinHandle<()>>,
    beside: Vec<tokio::task::JoinHandle<()>>,
}

/// Hears of every request of a running gateway and can change who holds what; outlives it without harm.
#[derive(Clone)]
pub struct Controls {
    audit: Audit,
    grants: Arc<GrantLookup>,
    config_grants: Arc<ConfigGrants>,
}

#[derive(Clone, Copy)]
struct DrainTimes {
    announce: Duration,
    finish: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { workers, clock: Clock::system(), public: None }
    }
}

/// Builds everything that needs no socket.
fn build(config: &Config, clock: &Clock) -> anyhow::Result<Parts> {
    let mut hosts: Vec<Arc<dyn HostPlatform>> = Vec::new();
    for host in &config.hosts {
        match host {
            HostSettings::Assembly(settings) => {
                let host = Assembly::new(settings.clone(), clock.clone()).context("[hosts] assembly")?;
                hosts.push(Arc::new(host));
            }
        }
    }
    let config_grants = Arc::new(ConfigGrants::new(config.grants.clone()));
    let grants = GrantLookup::new(GrantSettings {
        sources: sources(config, &config_grants, clock)?,
        default_roles: config.default_roles.clone(),
        ttl: config.cache.ttl,
        negative_ttl: config.cache.negative_ttl,
        capacity: config.cache.capacity,
        on_outage: config.permissions.on_outage,
        clock: clock.clone(),
    });
    let sessions = Sessions::new(SessionSettings {
        keys: config.session.keys.clone(),
        idle: config.session.idle,
        absolute: config.session.absolute,
        origin: config.server.public_url.clone(),
        clock: clock.clone(),
    })?;
    let assertions = Assertions::new(AssertionSettings {
        keys: config.identity.assertion_keys.clone(),
        ttl: config.identity.assertion_ttl,
        issuer: config.server.public_url.clone(),
        audience: config.identity.audience.clone(),
        clock: clock.clone(),
    })?;
    Ok(Parts {
        hosts,
        grants: Arc::new(grants),
        config_grants,
        sessions: Arc::new(sessions),
        assertions: Arc::new(assertions),
    })
}

fn sources(
    config: &Config,
    config_grants: &Arc<ConfigGrants>,
    clock: &Clock,
) -> anyhow::Result<Vec<Arc<dyn GrantSource>>> {
    let source = |source: &PermissionSource| -> anyhow::Result<Arc<dyn GrantSource>> {
        match source {
            PermissionSource::Config => Ok(Arc::clone(config_grants) as Arc<dyn GrantSource>),
            PermissionSource::Http(url) => Ok(Arc::new(http_grants(config, url, clock)?)),
        }
    };
    config.permissions.sources.iter().map(source).collect()
}

fn http_grants(config: &Config, url: &Uri, clock: &Clock) -> anyhow::Result<HttpGrants> {
    let (settings, ttl) = (config.permissions.http.clone(), config.cache.ttl);
    HttpGrants::new(url.clone(), settings, ttl, canonical_project, clock.clone()).context("[permissions] TLS")
}

/// Binds every listener first, so that a port in use is found before anything runs, then serves.
pub async fn start(config: Config, options: Options) -> anyhow::Result<Running> {
    let public = match options.public {
        Some(listener) => listener,
        None => bind(config.server.listen, "[server] listen").await?,
    };
    let parts = build(&config, &options.clock)?;
    if parts.assertions.generated() {
        tracing::warn!(
            event = "start",
            "no [identity] assertion key: one was made for this process only, unfit for several replicas"
        );
    }
    for warning in &config.warnings {
        tracing::warn!(event = "start", "{warning}");
    }
    let (drain, draining) = watch::channel(Drain::Serving);
    let audit = Audit::new();
    let live = Live::new(gateway(&config, &parts, &audit)?);
    let beside = Beside::start(&config, &parts, &draining).await?;
    let workers = spawn_workers(&public, &live, options.workers, &draining)?;
    for host in parts.hosts {
        tokio::spawn(async move {
            while !host.probe().await {
                tokio::time::sleep(PROBE_AGAIN).await;
            }
        });
    }
    Ok(Running {
        public: public.local_addr()?,
        admin: beside.admin,
        health: beside.health,
        controls: Controls { audit, grants: parts.grants, config_grants: parts.config_grants },
        drain,
        limits: config.limits,
        times: DrainTimes { announce: config.server.drain_delay, finish: config.server.drain },
        workers,
        beside: beside.tasks,
    })
}

impl Running {
    /// The address that the public listener got.
    pub const fn public_address(&self) -> SocketAddr {
        self.public
    }

    /// The address that the admin listener got, if there is one.
    pub const fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// The address that the health listener got, if there is one.
    pub const fn health_address(&self) -> Option<SocketAddr> {
        self.health
    }

    /// The bounds in force.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The way to watch requests and to change grants.
    pub fn controls(&self) -> Controls {
        self.controls.clone()
    }

    /// Stops: says so on `/readyz` for the drain delay, takes no more connections, lets those that are open finish, and
    /// ends at the latest when the drain time is over.
    pub async fn drain(self) {
        self.drain.send_replace(Drain::Announced);
        tokio::time::sleep(self.times.announce).await;
        let limit = self.times.finish;
        if tokio::time::timeout(limit, self.finish()).await.is_err() {
            tracing::warn!(event = "stop", "some connections did not finish in time and are cut");
        }
    }

    /// Stops without announcing it.
    pub async fn stop(self) {
        let limit = self.times.finish;
        // What is still open after that is cut by the end of its worker.
        let _ = tokio::time::timeout(limit, self.finish()).await;
    }

    async fn finish(self) {
        self.drain.send_replace(Drain::Finishing);
        // Not joined on a thread of the runtime: it would wait at its own end for a worker that does not end, such as one
        // with a stream that goes on for ever.
        while self.workers.iter().any(|worker| !worker.is_finished()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for task in self.beside {
            task.abort();
        }
    }
}

impl Controls {
    /// The outcome of every request from now on.
    pub fn watch(&self) -> broadcast::Receiver<Arc<RequestRecord>> {
        self.audit.subscribe()
    }

    /// Replaces the grants of the configuration. Everyone's next request is decided by the new ones.
    pub fn set_grants(&self, grants: Vec<ConfigGrant>) {
        self.config_grants.replace(grants);
        self.grants.moved(&Change { tenant: None });
    }
}

fn gateway(config: &Config, parts: &Parts, audit: &Audit) -> anyhow::Result<GatewaySettings> {
    let mut request_id_prefix = [0; 8];
    let random = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&random, &mut request_id_prefix).ok().context("the system gives no random bytes")?;
    Ok(GatewaySettings {
        public: config.server.public_url.clone(),
        trusted_proxies: config.server.trusted_proxies.clone(),
        limits: config.limits.clone(),
        hosts: parts.hosts.clone(),
        sessions: Arc::clone(&parts.sessions),
        grants: Arc::clone(&parts.grants),
        policy: Arc::new(config.policy.clone()),
        routes: Arc::new(config.routes.clone()),
        headers: config.identity.headers.clone(),
        profile: config.identity.profile,
        assertions: Arc::clone(&parts.assertions),
        upstream: config.upstream.clone(),
        audit: audit.clone(),
        request_id_prefix,
    })
}

/// One thread and one runtime per worker. They take turns at one listener: no connection is bound to a worker that is
/// busy, and none is lost when a worker ends.
fn spawn_workers(
    listener: &std::net::TcpListener,
    live: &Live,
    count: usize,
    drain: &watch::Receiver<Drain>,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let connections = Arc::<Connections>::default();
    let spawn = |index: usize| {
        let listener = listener.try_clone().context("the listener cannot be shared with a worker")?;
        let (worker, connections, drain) = (live.worker(), Arc::clone(&connections), drain.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = move || {
            runtime.block_on(async {
                match TcpListener::from_std(listener) {
                    Ok(listener) => serve(listener, worker, connections, drain).await,
                    Err(error) => tracing::error!(event = "start", error = %error, "a worker cannot use the listener"),
                }
            });
        };
        Ok(std::thread::Builder::new().name(format!("worker-{index}")).spawn(work)?)
    };
    (0..count.max(1)).map(spawn).collect()
}

async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<std::net::TcpListener> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("{key}: {address} cannot be used"))?;
    Ok(listener.into_std()?)
}

/// The listeners beside the path.
struct Beside {
    admin: Option<SocketAddr>,
    health: Option<SocketAddr>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Beside {
    async fn start(config: &Config, parts: &Parts, drain: &watch::Receiver<Drain>) -> anyhow::Result<Self> {
        let mut beside = Self { admin: None, health: None, tasks: Vec::new() };
        let metrics = Metrics::install().context("metrics")?;
        beside.tasks.push(tokio::spawn(metrics.clone().keep_small()));
        let (hosts, grants, drain) = (parts.hosts.clone(), Arc::clone(&parts.grants), drain.clone());
        let probes = Probes {
            readiness: Arc::new(move || readiness(&hosts, &grants, *drain.borrow())),
            metrics: Arc::new(move || metrics.render()),
        };
        if let Some(settings) = &config.admin {
            let listener = TcpListener::from_std(bind(settings.listen, "[admin] listen").await?)?;
            let (listen, token, grants) = (listener.local_addr()?, settings.token.clone(), Arc::clone(&parts.grants));
            let invalidate = Box::new(move |tenant| grants.moved(&Change { tenant }));
            let router = admin::router(probes.clone(), Api { invalidate, token, listen });
            beside.admin = Some(listen);
            beside.tasks.push(tokio::spawn(admin::serve(listener, router)));
        }
        if let Some(listen) = config.health {
            let listener = TcpListener::from_std(bind(listen, "[health] listen").await?)?;
            beside.health = Some(listener.local_addr()?);
            beside.tasks.push(tokio::spawn(admin::serve(listener, admin::health_router(probes))));
        }
        Ok(beside)
    }
}

fn readiness(hosts: &[Arc<dyn HostPlatform>], grants: &GrantLookup, drain: Drain) -> ReadyReport {
    // Without a store, a restart forgets which sessions were ended.
    let mut reasons = vec![String::from("revocations: memory")];
    reasons.extend(hosts.iter().flat_map(|host| host.troubles()));
    reasons.extend(grants.troubles());
    ReadyReport::new(drain != Drain::Serving, reasons)
}
