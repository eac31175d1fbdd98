//! `vestibule serve`: run until told to stop.

use std::net::TcpListener;
use std::process::ExitCode;

use rustix::fs::{Access, access};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ConfigFile;
use crate::app::{self, Controls, Options, Reloading, Running};
use crate::config::Config;
use crate::telemetry;

/// What `serve` understands.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
}

/// Reads the configuration, serves, drains.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // First of all, while there is one thread: it takes variables away, so that no other process believes they are for it.
    let public = app::inherited()?;
    let source = args.file.source()?;
    let (config, files) = source.read();
    let config = config?;
    let level = telemetry::init_logging(config.telemetry.format, &config.telemetry.level)?;
    allow_open_files(config.limits.connections_total);
    if access(source.path(), Access::WRITE_OK).is_ok() {
        let file = source.path().display();
        tracing::warn!(event = "start", %file, "this process may write its own configuration; let it belong to somebody else");
    }
    // Beside the path only: the admin listener, host probes and signals. Requests have workers of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(serve(config, public, Reloading { source, files, level }));
    // Not waited for: a name that is being looked up could take longer than the stop may.
    runtime.shutdown_background();
    result
}

/// Takes as many open files as the system allows: each connection is one, and the app's side of it another.
fn allow_open_files(connections: usize) {
    let most = getrlimit(Resource::Nofile).maximum;
    // Where this is not allowed, what there is has to do; the limit is looked at again below.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most });
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(2);
    if let Some(allowed) = getrlimit(Resource::Nofile).current.filter(|allowed| *allowed < wanted) {
        tracing::warn!(
            event = "start",
            allowed,
            wanted,
            "this process may have fewer open files than [limits] connections.total needs, and takes fewer connections"
        );
    }
}

async fn serve(config: Config, public: Option<TcpListener>, reloading: Reloading) -> anyhow::Result<ExitCode> {
    // Before anything is served, so that a signal that comes early is not lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let hangup = signal(SignalKind::hangup())?;
    let upstream = config.upstream.to_string();
    let public_url = config.server.public_url.to_string();
    let options = Options { public, reloading: Some(reloading), ..Options::default() };
    let running = app::start(config, options)?;
    announce(&running, &public_url, &upstream);
    tokio::spawn(reload_on(hangup, running.controls()));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!(event = "stop", "draining; a second signal ends at once");
    tokio::select! {
        () = running.drain() => Ok(ExitCode::SUCCESS),
        _ = terminate.recv() => Ok(ExitCode::FAILURE),
        _ = interrupt.recv() => Ok(ExitCode::FAILURE),
    }
}

/// Beside the stop, which must not wait for a reload.
async fn reload_on(mut hangup: Signal, controls: Controls) {
    while hangup.recv().await.is_some() {
        // It is in the log.
        let _ = controls.reload("SIGHUP").await;
    }
}

/// All addresses in one place, once everything listens.
fn announce(running: &Running, public_url: &str, upstream: &str) {
    let or_off =
        |address: Option<std::net::SocketAddr>| address.map_or_else(|| "off".to_owned(), |address| address.to_string());
    tracing::info!(
        event = "ready",
        public = %running.public_address(),
        public_url,
        upstream,
        admin = or_off(running.admin_address()),
        health = or_off(running.health_address()),
        "serving"
    );
    tracing::info!(event = "limits", limits = ?running.limits(), "limits in force");
}
