//! Connections of HTTP/1.1: one request at a time, and a pool of those that are idle.
//!
//! A pool of our own and not a client library's: it stays on its worker, needs no routing key, and hands a request that
//! was never sent back for another try. Measured against the usual client it saves about a tenth of a request's cost.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::settings::{UpstreamProtocol, UpstreamSettings};
use super::{Attempt, Lease, MAX_ANSWER_FIELDS, MAX_ANSWER_HEAD, Pool, Upstream};
use crate::gateway::body::{Progress, Upload};
use crate::gateway::forward::with_causes;

/// How long a connection may wait for its next request. Below the 5 s after which Node's server closes one, because a
/// connection that closes under a POST cannot be helped.
const IDLE: Duration = Duration::from_secs(4);

/// How long a connection rests after a request with a body. An app that takes no notice of a body reads it as the next request,
/// and its kernel may hold the answer to that back for 40 ms, until what came before is acknowledged (RFC 1122 §4.2.3.2 and
/// §4.2.3.4). An answer that nobody asked for ends a connection that rests; on one that is in use it would reach whoever
/// uses it.
const REST: Duration = Duration::from_millis(50);

/// Idle connections that one worker keeps.
const MAX_IDLE: usize = 256;

/// The idle connections to one app, the newest last.
pub(super) struct Idles {
    /// Of which settings they are.
    pub(super) generation: u64,
    list: Vec<Idle>,
}

struct Idle {
    sender: SendRequest<Upload>,
    usable_from: Instant,
}

/// A connection that is in use. Given back when both directions are done, dropped and so closed otherwise.
pub(in crate::gateway) struct Exclusive {
    sender: SendRequest<Upload>,
    generation: u64,
    pool: Pool,
    upload: Option<Arc<Progress>>,
    /// A request with a body where none belongs: an app that ignores it reads it as the next request.
    doubtful: bool,
    /// Whether it has already served a request, and so may have been closed by the app without our knowing.
    reused: bool,
}

/// An idle connection if there is one, else a new one.
pub(super) async fn lease(upstream: &Upstream) -> io::Result<Exclusive> {
    while let Some(sender) = pop(upstream) {
        let mut lease = leased(upstream, sender, true);
        // The connection's own task may still be tidying up after the last answer, or have found it closed.
        if lease.sender.ready().await.is_ok() {
            return Ok(lease);
        }
    }
    connect(upstream).await
}

/// A new connection, whatever the pool holds.
pub(super) async fn connect(upstream: &Upstream) -> io::Result<Exclusive> {
    let sender = open(&upstream.settings).await?;
    Ok(leased(upstream, sender, false))
}

async fn open(settings: &UpstreamSettings) -> io::Result<SendRequest<Upload>> {
    let stream = settings.connect(UpstreamProtocol::Http1).await?;
    let mut builder = http1::Builder::new();
    builder.max_headers(MAX_ANSWER_FIELDS).max_buf_size(MAX_ANSWER_HEAD);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(
                event = "upstream_connection",
                error = with_causes(&error),
                "a connection to the app ended"
            );
        }
    });
    Ok(sender)
}

fn leased(upstream: &Upstream, sender: SendRequest<Upload>, reused: bool) -> Exclusive {
    let (generation, pool) = (upstream.generation, upstream.pool.clone());
    Exclusive { sender, generation, pool, upload: None, doubtful: false, reused }
}

fn pop(upstream: &Upstream) -> Option<SendRequest<Upload>> {
    let mut idles = upstream.pool.http1(upstream.generation)?;
    let idle = &mut idles.list;
    let now = Instant::now();
    let newest = idle.iter().rposition(|one| one.usable_from <= now)?;
    if now.duration_since(idle[newest].usable_from) > IDLE {
        // All before it are as old, give or take a rest.
        idle.drain(..=newest);
        return None;
    }
    Some(idle.remove(newest).sender)
}

impl Exclusive {
    /// Sends the request and waits for the head of the answer.
    pub(super) async fn send(mut self, request: Request<Upload>) -> Attempt {
        self.upload = request.body().progress();
        self.doubtful = self.upload.is_some() && request.method().is_safe();
        let reused = self.reused;
        match self.sender.try_send_request(request).await {
            Ok(answer) => Attempt::Answered(answer, Lease::Exclusive(self)),
            Err(failure) => Attempt::of(failure, reused),
        }
    }

    /// Returns the connection to the pool, if the request went out in full: an answer that came before the end of its
    /// request leaves bytes behind that the app could read as another request, and the answer to that one would be somebody
    /// else's.
    pub(super) fn give_back(self) {
        let rest = if self.upload.is_some() { REST } else { Duration::ZERO };
        if self.sender.is_closed() || self.doubtful || self.upload.is_some_and(|upload| !upload.is_done()) {
            return;
        }
        if let Some(mut idles) = self.pool.http1(self.generation).filter(|idles| idles.list.len() < MAX_IDLE) {
            idles.list.push(Idle { sender: self.sender, usable_from: Instant::now() + rest });
        }
    }
}

impl Idles {
    /// None yet, of these settings.
    pub(super) const fn new(generation: u64) -> Self {
        Self { generation, list: Vec::new() }
    }
}
