//! Sockets that are listened on: bound here, or taken over from whoever started this process.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use super::reload::InForce;
use crate::admin::{self, Api, Probes, ReadyReport};
use crate::config::Config;
use crate::gateway::Drain;
use crate::grants::Change;
use crate::telemetry::Metrics;

/// Connections that the system holds until a worker takes them.
const BACKLOG: u32 = 1024;

/// The listener that a service manager bound and holds (systemd's `LISTEN_FDS`), if there is one. Connections wait at it
/// while this process is not there, and none is lost when it ends. To be asked before there are threads.
pub fn inherited() -> anyhow::Result<Option<std::net::TcpListener>> {
    let mut handed = listenfd::ListenFd::from_env();
    anyhow::ensure!(handed.len() <= 1, "LISTEN_FDS: {} sockets were handed over, and one is needed", handed.len());
    let listener = handed.take_tcp_listener(0).context("LISTEN_FDS: what was handed over is no TCP socket")?;
    if let Some(listener) = &listener {
        let listens = SockRef::from(listener).is_listener().unwrap_or(false);
        anyhow::ensure!(listens, "LISTEN_FDS: the socket that was handed over does not listen");
        listener.set_nonblocking(true)?;
    }
    Ok(listener)
}

/// With `reuse_port`, other processes of the same user can listen there too, and each gets a share of the connections.
pub(super) fn bind(address: SocketAddr, reuse_port: bool, key: &str) -> anyhow::Result<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.set_reuseport(reuse_port)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().with_context(|| format!("{key}: {address} cannot be used"))
}

/// The listeners beside the path.
pub(super) struct Beside {
    pub(super) admin: Option<SocketAddr>,
    pub(super) health: Option<SocketAddr>,
    pub(super) tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Beside {
    pub(super) fn start(
        config: &Config,
        metrics: Metrics,
        in_force: &Arc<InForce>,
        drain: &watch::Receiver<Drain>,
    ) -> anyhow::Result<Self> {
        let mut beside = Self { admin: None, health: None, tasks: Vec::new() };
        beside.tasks.push(tokio::spawn(metrics.clone().keep_small()));
        let (known, drain) = (Arc::clone(in_force), drain.clone());
        let probes = Probes {
            readiness: Arc::new(move || readiness(&known, *drain.borrow())),
            metrics: Arc::new(move || metrics.render()),
        };
        if let Some(settings) = &config.admin {
            let listener = bind(settings.listen, false, "[admin] listen")?;
            let listen = listener.local_addr()?;
            beside.admin = Some(listen);
            beside
                .tasks
                .push(tokio::spawn(admin::serve(listener, admin::router(probes.clone(), api(in_force, listen)))));
        }
        if let Some(listen) = config.health {
            let listener = bind(listen, false, "[health] listen")?;
            beside.health = Some(listener.local_addr()?);
            beside.tasks.push(tokio::spawn(admin::serve(listener, admin::health_router(probes))));
        }
        Ok(beside)
    }
}

fn api(in_force: &Arc<InForce>, listen: SocketAddr) -> Api {
    let (asked, invalidated, reloaded) = (Arc::clone(in_force), Arc::clone(in_force), Arc::clone(in_force));
    Api {
        invalidate: Box::new(move |tenant| invalidated.parts().grants.moved(&Change { tenant })),
        reload: Box::new(move || {
            let in_force = Arc::clone(&reloaded);
            Box::pin(async move { in_force.reload("POST /v1/reload").await.map_err(|refused| refused.problems) })
        }),
        token: Box::new(move || asked.parts().admin_token.clone()),
        listen,
    }
}

fn readiness(in_force: &InForce, drain: Drain) -> ReadyReport {
    let behind = in_force.is_behind().then(|| "reload: refused, see the log".to_owned());
    // Without a store, a restart forgets which sessions were ended.
    let mut reasons: Vec<String> = behind.into_iter().chain([String::from("revocations: memory")]).collect();
    let parts = in_force.parts();
    reasons.extend(parts.hosts().flat_map(|host| host.troubles()));
    reasons.extend(parts.grants.troubles());
    ReadyReport::new(drain != Drain::Serving, reasons, in_force.generation())
}
