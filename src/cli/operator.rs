//! Asks a running process: the one whose admin listener the configuration names, or another.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;

use super::ConfigFile;
use crate::secret::Secret;

/// How long the process may take to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// The longest answer that is read.
const MAX_ANSWER: u64 = 1 << 20;

/// Which process is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Process {
    #[command(flatten)]
    file: ConfigFile,
    /// Ask this address instead of the one in the configuration.
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<SocketAddr>,
}

/// What it said.
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) body: serde_json::Value,
}

impl Process {
    /// Where probes are answered: `[health]` if there is one, else `[admin]`. What is wrong elsewhere in the file does not
    /// matter, because the process may well run with what it had before.
    pub(super) fn probes(&self) -> anyhow::Result<SocketAddr> {
        if let Some(address) = self.address {
            return Ok(address);
        }
        // Containers know 0 and 1 only, so a bad configuration has no status of its own here.
        let asked = self.file.source().and_then(|source| source.operator());
        let (admin, health) = asked.map_err(|problems| anyhow::anyhow!("{problems}"))?;
        let listen = health.or(admin.map(|admin| admin.listen));
        let mut address =
            listen.context("neither [health] nor [admin] is configured, so there is nothing to ask; give --address")?;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        Ok(address)
    }

    /// Where the operator's requests go, and what they need.
    pub(super) fn admin(&self) -> anyhow::Result<(SocketAddr, Secret)> {
        let (admin, _) = self.file.source()?.operator()?;
        let admin = admin.context("[admin] is not configured, so there is nobody to ask")?;
        Ok((self.address.unwrap_or(admin.listen), admin.token))
    }
}

/// One request and its answer.
pub(super) fn ask(method: &str, address: SocketAddr, path: &str, token: Option<&Secret>) -> anyhow::Result<Said> {
    let answer = exchange(method, address, path, token);
    let answer = answer.with_context(|| format!("http://{address}{path} does not answer"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.get(9..12).and_then(|digits| digits.parse().ok());
    let status = status.with_context(|| format!("what listens at {address} does not speak HTTP"))?;
    Ok(Said { status, body: serde_json::from_str(body).unwrap_or_default() })
}

fn exchange(method: &str, address: SocketAddr, path: &str, token: Option<&Secret>) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n")?;
    if let Some(token) = token {
        stream.write_all(&[b"authorization: Bearer ", token.expose(), b"\r\n"].concat())?;
    }
    write!(stream, "content-length: 0\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
