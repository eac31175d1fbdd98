//! Is what the configuration names really there?

use std::io;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::parts::Parts;
use crate::access::{Kind, SubjectId};
use crate::clock::Clock;
use crate::config::{Config, HostSettings};
use crate::gateway::UpstreamAddress;
use crate::grants::{GrantSource as _, HttpGrants};
use crate::hosts;

/// How long one part may take to answer.
const LIMIT: Duration = Duration::from_secs(5);

/// The id of a person who cannot exist.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// What was found of one part.
#[derive(Clone, Debug)]
pub struct Finding {
    /// `upstream`, the name of a host, or `permissions`.
    pub part: String,
    /// Whether it is as it should be.
    pub good: bool,
    /// What was found.
    pub says: String,
}

/// Asks the app, every host's API and the permission source elsewhere once.
pub async fn look(config: &Config) -> anyhow::Result<Vec<Finding>> {
    let mut findings = vec![upstream(config).await];
    let parts = Parts::of(config, &Clock::system(), None)?;
    for host in parts.hosts() {
        let good = host.probe().await;
        let troubles = host.troubles();
        let says = if troubles.is_empty() {
            "the API key is accepted, confirmation: liveness".to_owned()
        } else {
            troubles.join("; ")
        };
        findings.push(Finding { part: host.name().to_string(), good, says });
    }
    if let Some(source) = &parts.http_grants {
        findings.push(permissions(config, source).await?);
    }
    Ok(findings)
}

/// Asks about somebody who cannot exist.
async fn permissions(config: &Config, source: &HttpGrants) -> anyhow::Result<Finding> {
    let host = config.hosts.first().context("no host is configured")?;
    let tenant = match host {
        HostSettings::Assembly(settings) => settings.tenants.first().context("no workspace is served")?.clone(),
    };
    let nobody = hosts::supposed(host.name().clone(), tenant, SubjectId::new(NOBODY)?, Kind::Client, None);
    let (good, says) = match source.grants(&nobody).await {
        Ok(told) if told.facts.is_empty() => (true, "answers; somebody made up holds nothing".to_owned()),
        Ok(told) => (true, format!("answers; somebody made up holds {} grants, as everyone may", told.facts.len())),
        Err(error) => (false, error.cause),
    };
    Ok(Finding { part: "permissions".to_owned(), good, says })
}

async fn upstream(config: &Config) -> Finding {
    let part = "upstream".to_owned();
    let answer =
        tokio::time::timeout(LIMIT, status(&config.upstream.address, config.server.public_url.authority())).await;
    match answer {
        Ok(Ok(status)) if is_open_to_others(&config.upstream.address) && (200..300).contains(&status) => {
            let says = format!(
                "answers {status} without us on an address that others may reach; let it listen on loopback, or verify the assertion"
            );
            Finding { part, good: false, says }
        }
        Ok(Ok(status)) => Finding { part, good: true, says: format!("answers {status}") },
        Ok(Err(error)) => Finding { part, good: false, says: error.to_string() },
        Err(_) => Finding { part, good: false, says: format!("no answer in {} s", LIMIT.as_secs()) },
    }
}

fn is_open_to_others(address: &UpstreamAddress) -> bool {
    match address {
        UpstreamAddress::Unix(_) => false,
        UpstreamAddress::Tcp(authority) => {
            !["127.", "localhost:", "[::1]"].iter().any(|start| authority.starts_with(start))
        }
    }
}

/// The status of `GET /`, asked as somebody would who does not come through us.
async fn status(address: &UpstreamAddress, host: &str) -> io::Result<u16> {
    match address {
        UpstreamAddress::Tcp(authority) => ask(TcpStream::connect(authority).await?, host).await,
        UpstreamAddress::Unix(path) => ask(UnixStream::connect(path).await?, host).await,
    }
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &str) -> io::Result<u16> {
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await?;
    let status = std::str::from_utf8(&head[9..]).ok().and_then(|digits| digits.parse().ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "what listens there does not speak HTTP"))
}
