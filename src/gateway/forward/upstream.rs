//! The app's address and a pool of connections to it, one pool per worker.
//!
//! A pool of our own and not a client library's: it stays on its worker, needs no routing key, and hands a request that
//! was never sent back for another try. Measured against the usual client it saves about a tenth of a request's cost.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

use crate::gateway::body::{Progress, Upload};

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

/// The most header fields that an app's answer may have.
const MAX_ANSWER_HEADERS: usize = 200;

/// The most bytes that the head of an app's answer may have.
const MAX_ANSWER_HEAD: usize = 128 * 1024;

/// Where the app listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamAddress {
    /// `host:port`; resolved anew for each connection.
    Tcp(String),
    /// A unix socket.
    Unix(PathBuf),
}

/// As an operator writes it, without the path prefix.
impl fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(authority) => write!(f, "http://{authority}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How to reach the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// Where it listens.
    pub address: UpstreamAddress,
    /// Put before every path; empty, or `/x` without a slash at the end.
    pub path_prefix: String,
    /// Time for a connection to be made.
    pub connect_timeout: Duration,
    /// Time from the end of the request to the head of the answer.
    pub header_timeout: Duration,
}

/// The app, and the connections to it of one worker.
#[derive(Clone)]
pub(in crate::gateway) struct Upstream {
    pub(super) settings: Arc<UpstreamSettings>,
    generation: u64,
    pool: Pool,
}

/// Idle connections.
#[derive(Clone, Default)]
pub(in crate::gateway) struct Pool(Arc<Mutex<Idles>>);

/// The idle connections to one app, the newest last.
#[derive(Default)]
struct Idles {
    /// Of which settings they are.
    generation: u64,
    list: Vec<Idle>,
}

struct Idle {
    sender: SendRequest<Upload>,
    usable_from: Instant,
}

/// A connection that is in use. Given back when both directions are done, dropped and so closed otherwise.
pub(in crate::gateway) struct Lease {
    sender: SendRequest<Upload>,
    generation: u64,
    pool: Pool,
    upload: Option<Arc<Progress>>,
    /// A request with a body where none belongs: an app that ignores it reads it as the next request.
    doubtful: bool,
    /// Whether it has already served a request, and so may have been closed by the app without our knowing.
    pub(super) reused: bool,
}

/// What became of one attempt to send.
pub(super) enum Attempt {
    Answered(Response<Incoming>, Lease),
    /// Never written; here it is again.
    Unsent(Box<Request<Upload>>),
    /// Written at least in part, and no answer came.
    Failed {
        error: hyper::Error,
        reused: bool,
    },
}

impl Upstream {
    /// `generation` moves when the settings do: a connection of one generation is never used in another.
    pub(in crate::gateway) const fn new(settings: Arc<UpstreamSettings>, generation: u64, pool: Pool) -> Self {
        Self { settings, generation, pool }
    }

    /// An idle connection if there is one, else a new one.
    pub(super) async fn lease(&self) -> io::Result<Lease> {
        while let Some(sender) = self.pop() {
            let mut lease = self.leased(sender, true);
            // The connection's own task may still be tidying up after the last answer, or have found it closed.
            if lease.sender.ready().await.is_ok() {
                return Ok(lease);
            }
        }
        self.connect().await
    }

    /// A new connection, whatever the pool holds.
    pub(super) async fn connect(&self) -> io::Result<Lease> {
        let connecting = async {
            match &self.settings.address {
                UpstreamAddress::Tcp(authority) => {
                    let stream = TcpStream::connect(authority).await?;
                    stream.set_nodelay(true)?;
                    self.handshake(stream).await
                }
                UpstreamAddress::Unix(path) => self.handshake(UnixStream::connect(path).await?).await,
            }
        };
        let timed_out = |_| Err(io::Error::from(io::ErrorKind::TimedOut));
        tokio::time::timeout(self.settings.connect_timeout, connecting).await.unwrap_or_else(timed_out)
    }

    async fn handshake<S>(&self, stream: S) -> io::Result<Lease>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut builder = http1::Builder::new();
        builder.max_headers(MAX_ANSWER_HEADERS).max_buf_size(MAX_ANSWER_HEAD);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(event = "upstream_connection", error = %error, "a connection to the app ended");
            }
        });
        Ok(self.leased(sender, false))
    }

    fn leased(&self, sender: SendRequest<Upload>, reused: bool) -> Lease {
        let (generation, pool) = (self.generation, self.pool.clone());
        Lease { sender, generation, pool, upload: None, doubtful: false, reused }
    }

    fn pop(&self) -> Option<SendRequest<Upload>> {
        let mut idles = self.pool.of(self.generation)?;
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
}

impl Lease {
    /// Sends the request and waits for the head of the answer.
    pub(super) async fn send(mut self, request: Request<Upload>) -> Attempt {
        self.upload = request.body().progress();
        self.doubtful = self.upload.is_some() && request.method().is_safe();
        let reused = self.reused;
        match self.sender.try_send_request(request).await {
            Ok(answer) => Attempt::Answered(answer, self),
            Err(mut failure) => match failure.take_message() {
                Some(request) => Attempt::Unsent(Box::new(request)),
                None => Attempt::Failed { error: failure.into_error(), reused },
            },
        }
    }

    /// Returns the connection to the pool, if the request went out in full: an answer that came before the end of its
    /// request leaves bytes behind that the app could read as another request, and the answer to that one would be somebody
    /// else's.
    pub(in crate::gateway) fn give_back(self) {
        let rest = if self.upload.is_some() { REST } else { Duration::ZERO };
        if self.sender.is_closed() || self.doubtful || self.upload.is_some_and(|upload| !upload.is_done()) {
            return;
        }
        if let Some(mut idles) = self.pool.of(self.generation).filter(|idles| idles.list.len() < MAX_IDLE) {
            idles.list.push(Idle { sender: self.sender, usable_from: Instant::now() + rest });
        }
    }
}

impl Pool {
    /// The connections of this generation; `None` if there are newer ones. Older ones are closed.
    fn of(&self, generation: u64) -> Option<std::sync::MutexGuard<'_, Idles>> {
        // Nothing that holds the lock can leave the list half changed.
        let mut idles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idles.generation < generation {
            *idles = Idles { generation, list: Vec::new() };
        }
        (idles.generation == generation).then_some(idles)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("reused", &self.reused).finish_non_exhaustive()
    }
}
