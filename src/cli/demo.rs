//! `vestibule demo`: a simulated host, a small app, and the real gateway between them, in one process.
//!
//! The gateway is started as `serve` starts it, from the text in `demo/demo.toml`. Only what stands around it is
//! simulated: `platform` is the host's page and API, `app` the embedded app, `people` who exists. `smoke` drives all of
//! it from outside, through TCP ports only.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{self as gateway, Options, Running};
use crate::config::{self, Environment};
use crate::telemetry;

mod app;
mod people;
mod platform;
mod smoke;

use people::Stage;

/// What `demo` understands.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Drive everything without a browser, on free ports, and say what passed.
    #[arg(long)]
    smoke: bool,
    /// Port of the host's page; the gateway takes the next one.
    #[arg(long, default_value_t = 4400)]
    port: u16,
    /// Log every request.
    #[arg(long)]
    verbose: bool,
}

/// Everything that runs, and where.
struct Demo {
    gateway: Running,
    stage: Arc<Stage>,
    ports: Ports,
}

/// The TCP ports of the demo's parts.
#[derive(Clone, Copy, Debug)]
struct Ports {
    host: SocketAddr,
    gateway: SocketAddr,
    app: SocketAddr,
    /// What the app recorded, for the smoke test.
    records: SocketAddr,
    admin: SocketAddr,
}

/// Shows the demo until Ctrl-C, or drives it.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.verbose {
        telemetry::init_logging(telemetry::LogFormat::Text, "info")?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async { if args.smoke { drive().await } else { show(args.port).await } })
}

async fn drive() -> anyhow::Result<ExitCode> {
    let demo = start(0, 0).await?;
    let passed = smoke::run(&demo).await?;
    demo.gateway.stop().await;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn show(port: u16) -> anyhow::Result<ExitCode> {
    // Before anything is shown, so that a signal that comes early is not lost.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let next = port.checked_add(1).context("--port must leave room for the next one")?;
    let demo = start(port, next).await?;
    announce(&demo)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    demo.gateway.stop().await;
    Ok(ExitCode::SUCCESS)
}

async fn start(host_port: u16, gateway_port: u16) -> anyhow::Result<Demo> {
    let host = bind(host_port).await?;
    let (api, app, records) = (bind(0).await?, bind(0).await?, bind(0).await?);
    // Bound here, because its port has to be known before there is a configuration.
    let public = bind(gateway_port).await?;
    let stage = Arc::new(Stage::new(host.local_addr()?.port(), public.local_addr()?.port())?);
    let config = configure(&stage, api.local_addr()?, app.local_addr()?)?;
    let granted = config.grants.clone();
    let gateway = gateway::start(config, Options { public: Some(public.into_std()?), ..Options::default() })?;
    let ports = Ports {
        host: host.local_addr()?,
        gateway: gateway.public_address(),
        app: app.local_addr()?,
        records: records.local_addr()?,
        admin: gateway.admin_address().context("the demo has an admin listener")?,
    };
    stage.connect(gateway.controls(), granted);
    tokio::spawn(axum::serve(host, platform::page(Arc::clone(&stage))).into_future());
    tokio::spawn(axum::serve(api, platform::api(Arc::clone(&stage))).into_future());
    tokio::spawn(axum::serve(app, app::router(Arc::clone(&stage))).into_future());
    tokio::spawn(axum::serve(records, app::records(Arc::clone(&stage))).into_future());
    Ok(Demo { gateway, stage, ports })
}

/// The configuration is a text like an operator's; only the ports are filled in.
fn configure(stage: &Stage, api: SocketAddr, app: SocketAddr) -> anyhow::Result<config::Config> {
    let text = include_str!("demo/demo.toml")
        .replace("{host}", &stage.host_origin())
        .replace("{gateway}", &stage.gateway_port.to_string())
        .replace("{api}", &api.to_string())
        .replace("{app}", &app.to_string());
    let environment = Environment::from([
        ("DEMO_API_KEY", stage.api_key()),
        ("DEMO_SESSION_KEY", stage.session_key()),
        ("DEMO_ADMIN_TOKEN", stage.session_key()),
    ]);
    Ok(config::parse(&text, Path::new("demo.toml"), &environment)?)
}

async fn bind(port: u16) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await;
    listener
        .with_context(|| format!("port {port} cannot be used; --port N takes N and N + 1 instead, if both are free"))
}

fn announce(demo: &Demo) -> anyhow::Result<()> {
    let Ports { gateway, app, admin, .. } = demo.ports;
    writeln!(
        std::io::stdout(),
        "vestibule demo                              no account, no network, no files\n\
         \x20 host platform  {}     a page that embeds the app, {} people\n\
         \x20 gateway        http://{gateway}     another site on purpose: a really third-party iframe\n\
         \x20 admin          http://{admin}/readyz, /metrics\n\
         \x20 demo app       http://{app}     what the gateway protects\n\
         \x20 Open {} - Ctrl-C ends and leaves nothing behind",
        demo.stage.host_origin(),
        people::PEOPLE.len(),
        demo.stage.host_origin(),
    )?;
    Ok(())
}
