//! The composition root: turns a checked configuration into a running gateway, and stops it again.
//!
//! The only place that names children of other modules and knows how they fit together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};

use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::{Connections, Drain, Limits, Live, serve};
use crate::grants::Change;
use crate::telemetry::Metrics;

mod explain;
mod listeners;
mod look;
mod parts;
mod reload;

use listeners::{Beside, bind};
use reload::InForce;

pub use crate::audit::RequestRecord;
pub use crate::grants::ConfigGrant;
pub use explain::{ExplainedGrant, Explanation, Question, explain};
pub use listeners::inherited;
pub use look::{Finding, look};
pub use reload::{Refused, Reloading};

/// How long a connection that waits for a request is kept when no new ones are taken any more: longer than a request is on its
/// way, and than it takes to send one on a connection that was just made.
const LAST_REQUEST: Duration = Duration::from_secs(1);

/// What a caller of [`start`] may choose beyond the configuration.
pub struct Options {
    /// Threads that serve requests; one per core is right.
    pub workers: usize,
    /// Where the time comes from.
    pub clock: Clock,
    /// The public listener, if it is bound already; else `[server] listen` is.
    pub public: Option<std::net::TcpListener>,
    /// Where to read the configuration again; without it, it stays as it is.
    pub reloading: Option<Reloading>,
}

/// A gateway that serves.
pub struct Running {
    public: SocketAddr,
    admin: Option<SocketAddr>,
    health: Option<SocketAddr>,
    in_force: Arc<InForce>,
    drain: watch::Sender<Drain>,
    limits: Limits,
    workers: Vec<JoinHandle<()>>,
    beside: Vec<tokio::task::JoinHandle<()>>,
}

/// Hears of every request of a running gateway and can change what is in force; outlives it without harm.
#[derive(Clone)]
pub struct Controls(Arc<InForce>);

impl Default for Options {
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { workers, clock: Clock::system(), public: None, reloading: None }
    }
}

/// Binds every listener first, so that a port in use is found before anything runs, then serves. Called inside of a runtime.
pub fn start(config: Config, options: Options) -> anyhow::Result<Running> {
    let public = match options.public {
        Some(listener) => listener,
        None => bind(config.server.listen, config.server.reuse_port, "[server] listen")?.into_std()?,
    };
    let metrics = Metrics::install().context("metrics")?;
    let watches = options.reloading.is_some();
    let (drain, draining) = watch::channel(Drain::Serving);
    let (in_force, live) = InForce::new(&config, options.clock, options.reloading, draining.clone())?;
    if in_force.parts().assertions.generated() {
        tracing::warn!(
            event = "start",
            "no [identity] assertion key: one was made for this process only, unfit for several replicas"
        );
    }
    for warning in &config.warnings {
        tracing::warn!(event = "start", "{warning}");
    }
    let mut beside = Beside::start(&config, metrics, &in_force, &draining)?;
    let workers = spawn_workers(&public, &live, options.workers, &draining)?;
    if watches {
        beside.tasks.push(tokio::spawn(Arc::clone(&in_force).watch()));
    }
    Ok(Running {
        public: public.local_addr()?,
        admin: beside.admin,
        health: beside.health,
        in_force,
        drain,
        limits: parts::limits(config.limits),
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

    /// The way to watch requests and to change what is in force.
    pub fn controls(&self) -> Controls {
        Controls(Arc::clone(&self.in_force))
    }

    /// Stops: says so on `/readyz` and in every answer for the drain delay, takes no more connections, lets those that are open
    /// finish, and ends at the latest when the drain time is over.
    pub async fn drain(self) {
        self.drain.send_replace(Drain::Announced);
        let times = self.in_force.parts().drain;
        tokio::time::sleep(times.announce).await;
        let limit = times.finish;
        if tokio::time::timeout(limit, self.finish(LAST_REQUEST.min(limit / 2))).await.is_err() {
            tracing::warn!(event = "stop", "some connections did not finish in time and are cut");
        }
    }

    /// Stops without announcing it, and without waiting for requests that may be on their way.
    pub async fn stop(self) {
        let limit = self.in_force.parts().drain.finish;
        // What is still open after that is cut by the end of its worker.
        let _ = tokio::time::timeout(limit, self.finish(Duration::ZERO)).await;
    }

    async fn finish(self, last_request: Duration) {
        self.drain.send_replace(Drain::Finishing);
        let _ = tokio::time::timeout(last_request, self.workers_end()).await;
        self.drain.send_replace(Drain::Closing);
        self.workers_end().await;
        for task in self.beside {
            task.abort();
        }
    }

    /// Not joined on a thread of the runtime: it would wait at its own end for a worker that does not end, such as one with a
    /// stream that goes on for ever.
    async fn workers_end(&self) {
        while self.workers.iter().any(|worker| !worker.is_finished()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Controls {
    /// The outcome of every request from now on.
    pub fn watch(&self) -> broadcast::Receiver<Arc<RequestRecord>> {
        self.0.audit.subscribe()
    }

    /// Replaces the grants of the configuration, until it is read again. Everyone's next request is decided by the new ones.
    pub fn set_grants(&self, grants: Vec<ConfigGrant>) {
        let parts = self.0.parts();
        parts.config_grants.replace(grants);
        parts.grants.moved(&Change { tenant: None });
    }

    /// Reads the configuration again, as a whole; says which generation is in force then. `cause` is for the log.
    pub async fn reload(&self, cause: &'static str) -> Result<u64, Refused> {
        self.0.reload(cause).await
    }
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
