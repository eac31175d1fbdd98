//! `vestibule healthcheck`: exit 0 if the process answers `/healthz`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use crate::config::{self, Environment};

/// How long the process may take to answer.
const LIMIT: Duration = Duration::from_secs(3);

/// What `healthcheck` understands.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration of the process that is asked.
    #[arg(short, long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    /// Ask this address instead of the one in the configuration.
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<SocketAddr>,
}

/// Asks once.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let address = match args.address {
        Some(address) => address,
        None => configured(args.config.as_deref())?,
    };
    let status = ask(address).with_context(|| format!("http://{address}/healthz does not answer"))?;
    anyhow::ensure!(status == "200", "http://{address}/healthz answers {status}");
    Ok(ExitCode::SUCCESS)
}

fn configured(file: Option<&std::path::Path>) -> anyhow::Result<SocketAddr> {
    let environment = Environment::from_process();
    let path = config::find(file, &environment)?;
    let config = config::load(&path, &environment)?;
    let listen = config.health.or(config.admin.map(|admin| admin.listen));
    let mut address =
        listen.context("neither [health] nor [admin] is configured, so there is nothing to ask; give --address")?;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    Ok(address)
}

fn ask(address: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    Ok(String::from_utf8_lossy(&head[9..]).into_owned())
}
