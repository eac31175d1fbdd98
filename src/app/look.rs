//! Is what the configuration names really there?

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::uri::Authority;
use http::{Request, header};
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::parts::Parts;
use crate::access::{Kind, SubjectId, TenantId};
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::{UpstreamAddress, UpstreamProtocol, UpstreamSettings};
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
        let says = if troubles.is_empty() { host.all_is_well().to_owned() } else { troubles.join("; ") };
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
    let tenant = host.a_tenant().cloned().map_or_else(|| TenantId::new(NOBODY), Ok)?;
    let nobody = hosts::supposed(host.name().clone(), tenant, SubjectId::new(NOBODY)?, Kind::Client, None);
    let (good, says) = match source.grants(&nobody).await {
        Ok(told) if told.facts.is_empty() => (true, "answers; somebody made up holds nothing".to_owned()),
        Ok(told) => (true, format!("answers; somebody made up holds {} grants, as everyone may", told.facts.len())),
        Err(error) => (false, error.cause),
    };
    Ok(Finding { part: "permissions".to_owned(), good, says })
}

async fn upstream(config: &Config) -> Finding {
    let host = config.server.public_url.authority();
    let (good, says) = match status(&config.upstream, host).await {
        Ok(status) if (200..300).contains(&status) && is_open_to_others(&config.upstream, host).await => {
            let remedy = "let it listen on loopback, or ask for our certificate, or verify the assertion";
            (false, format!("answers {status} without us on an address that others may reach; {remedy}"))
        }
        Ok(status) => (true, format!("answers {status}")),
        Err(error) => (false, format!("{}: {error:#}", config.upstream)),
    };
    Finding { part: "upstream".to_owned(), good, says }
}

/// Whether somebody else would have got that answer too: not on this machine's own addresses, and not without our certificate
/// where the app wants one.
async fn is_open_to_others(upstream: &UpstreamSettings, host: &str) -> bool {
    let UpstreamAddress::Tcp(authority) = &upstream.address else { return false };
    if is_here(authority) {
        return false;
    }
    let Some(tls) = upstream.tls.as_ref().filter(|tls| tls.has_identity()) else { return true };
    let Ok(plain) = tls.without_identity() else { return true };
    let as_others = UpstreamSettings { tls: Some(plain), ..upstream.clone() };
    status(&as_others, host).await.is_ok_and(|status| (200..300).contains(&status))
}

/// Whether it is this machine's own address; a name that only begins like one is not.
fn is_here(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The status of `GET /`, asked as somebody would who does not come through us.
async fn status(upstream: &UpstreamSettings, host: &str) -> anyhow::Result<u16> {
    let limit = format!("no answer in {} s", LIMIT.as_secs());
    tokio::time::timeout(LIMIT, ask(upstream, host)).await.context(limit)?
}

async fn ask(upstream: &UpstreamSettings, host: &str) -> anyhow::Result<u16> {
    let stream = TokioIo::new(upstream.connect(upstream.protocol).await?);
    let answer = match upstream.protocol {
        UpstreamProtocol::Http1 => {
            let (mut sender, connection) = http1::handshake(stream).await?;
            tokio::spawn(connection);
            let request = Request::get("/").header(header::HOST, host).body(Empty::<Bytes>::new())?;
            sender.send_request(request).await?
        }
        UpstreamProtocol::Http2 => {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            let scheme = if upstream.tls.is_some() { "https" } else { "http" };
            sender.send_request(Request::get(format!("{scheme}://{host}/")).body(Empty::<Bytes>::new())?).await?
        }
    };
    Ok(answer.status().as_u16())
}

#[cfg(test)]
mod tests {
    use super::is_here;

    #[test]
    fn an_address_is_this_machines_own_by_what_it_is_and_not_by_how_it_begins() {
        for here in ["127.0.0.1:3000", "127.0.0.53:80", "localhost:3000", "[::1]:3000"] {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in ["127.0.0.1.example.com:80", "localhost.example.com:80", "[::2]:80", "10.0.0.1:80", ""] {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
    }
}
