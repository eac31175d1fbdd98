//! `vestibule healthcheck`: exit 0 if the process answers `/healthz`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use super::ConfigFile;
use crate::config::Config;

/// How long the process may take to answer.
const LIMIT: Duration = Duration::from_secs(3);

/// What `healthcheck` understands.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// Ask this address instead of the one in the configuration.
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<SocketAddr>,
}

/// Asks once.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let address = match args.address {
        Some(address) => address,
        // Containers know 0 and 1 only, so a bad configuration has no status of its own here.
        None => configured(&args.file.load().map_err(|problems| anyhow::anyhow!("{problems}"))?)?,
    };
    let status = ask(address).with_context(|| format!("http://{address}/healthz does not answer"))?;
    anyhow::ensure!(status == "200", "http://{address}/healthz answers {status}");
    Ok(ExitCode::SUCCESS)
}

fn configured(config: &Config) -> anyhow::Result<SocketAddr> {
    let listen = config.health.or(config.admin.as_ref().map(|admin| admin.listen));
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
