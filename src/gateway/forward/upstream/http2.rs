//! Connections of HTTP/2: few, each with many requests at once.
//!
//! A connection takes as many streams as the app allows, and never more than [`MAX_STREAMS`]; then another one is opened.
//! One that the app takes leave of (GOAWAY), that closes, or on which a request got no answer in its time, gets no more
//! requests; those that it has may finish.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use http::Request;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::Instant;

use super::settings::{UpstreamProtocol, UpstreamSettings};
use super::{Attempt, Lease, MAX_ANSWER_HEAD, Pool, Upstream};
use crate::gateway::body::Upload;
use crate::gateway::forward::with_causes;

/// The most requests of one connection at a time.
const MAX_STREAMS: u32 = 100;

/// What the app may send of one answer before the caller has taken it. With 1 ms between us and the app that is 128 MB/s.
const STREAM_WINDOW: u32 = 128 * 1024;

/// The same for the connection: all its streams, so that no caller who takes nothing holds up the others.
const CONNECTION_WINDOW: u32 = MAX_STREAMS * STREAM_WINDOW;

/// What is buffered of one request before the app takes it.
const SEND_BUFFER: usize = 128 * 1024;

/// Servers of gRPC take pings that come more often than every five minutes for abuse, and end the connection.
const PING: Ping = Ping { after: Duration::from_mins(6), within: Duration::from_secs(20) };

/// How long a connection is kept that nobody uses. The app may close it sooner, which HTTP/2 says in time.
const IDLE: Duration = Duration::from_mins(1);

/// So many new connections that are closed at once are enough for one request.
const MAX_CLOSED: usize = 3;

/// Connections of one worker. Beyond them, requests wait for a stream.
const MAX_CONNECTIONS: usize = 256;

/// The question whether the app is still there.
#[derive(Clone, Copy)]
struct Ping {
    /// After this silence on a connection with open streams.
    after: Duration,
    /// How long it may take to answer that.
    within: Duration,
}

/// A connection in the making, that many can wait for.
type Dialing = Shared<BoxFuture<'static, Result<u64, Arc<io::Error>>>>;

/// The connections to one app that take requests, the oldest first.
pub(super) struct Shareable {
    /// Of which settings they are.
    pub(super) generation: u64,
    list: Vec<Connection>,
    next_id: u64,
    dialing: Option<Dialing>,
    /// What the app allowed last: a new connection begins with that, until the app has said it there too.
    allowed: usize,
}

struct Connection {
    id: u64,
    sender: SendRequest<Upload>,
    /// Streams that the app allows at a time.
    allowed: Arc<AtomicUsize>,
    streams: usize,
    /// Whether it has ever had a request.
    used: bool,
    /// When its last stream ended.
    idle_since: Instant,
}

/// One stream of a connection, from before its request is sent until its answer has ended.
pub(in crate::gateway) struct Stream {
    sender: SendRequest<Upload>,
    id: u64,
    generation: u64,
    pool: Pool,
    reused: bool,
    /// When the answer should have begun.
    overdue: Instant,
    /// Whether it has, or never will.
    settled: bool,
}

/// What there is for a request.
enum Found {
    Stream(Stream),
    /// A connection is being made. `lost` if the one before it is gone already.
    Wait {
        dialing: Dialing,
        lost: bool,
    },
    /// The settings are those of an older configuration, whose connections are not kept any more.
    Alone,
}

/// A stream on a connection with room for it, or on a new one.
pub(super) async fn lease(upstream: &Upstream, overdue: Instant) -> io::Result<Stream> {
    let (mut made, mut closed) = (None, 0);
    while closed < MAX_CLOSED {
        match find(upstream, overdue, made) {
            Found::Stream(stream) => return Ok(stream),
            Found::Wait { dialing, lost } => {
                closed += usize::from(lost);
                let id = dialing.await.map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
                made = Some(id);
            }
            Found::Alone => {
                let connection = open(&upstream.settings, MAX_STREAMS as usize, PING).await?;
                return Ok(stream(upstream, &connection, overdue));
            }
        }
    }
    Err(io::Error::other("it closes connections before a request can be sent"))
}

/// `made` is the connection that was waited for.
fn find(upstream: &Upstream, overdue: Instant, made: Option<u64>) -> Found {
    let Some(mut open) = upstream.pool.http2(upstream.generation) else { return Found::Alone };
    let now = Instant::now();
    open.list.retain(|one| !one.sender.is_closed() && (one.streams > 0 || now.duration_since(one.idle_since) < IDLE));
    let full = open.list.len() >= MAX_CONNECTIONS;
    let chosen = match open.list.iter().position(Connection::has_room) {
        None if full => open.list.iter().enumerate().min_by_key(|(_, one)| one.streams).map(|(index, _)| index),
        first => first,
    };
    if let Some(connection) = chosen.and_then(|index| open.list.get_mut(index)) {
        connection.streams += 1;
        let found = stream(upstream, connection, overdue);
        connection.used = true;
        return Found::Stream(found);
    }
    if let Some(newest) = open.list.last() {
        open.allowed = newest.allowed();
    }
    let lost = made.is_some_and(|made| open.list.iter().all(|one| one.id != made));
    let allowed = open.allowed;
    let dialing = open.dialing.get_or_insert_with(|| dial(upstream, allowed)).clone();
    Found::Wait { dialing, lost }
}

/// Makes one connection for all who wait, and goes on when whoever asked first has left.
fn dial(upstream: &Upstream, allowed: usize) -> Dialing {
    let (settings, generation, pool) = (Arc::clone(&upstream.settings), upstream.generation, upstream.pool.clone());
    let task = tokio::spawn(async move {
        let opened = open(&settings, allowed, PING).await;
        if let Some(mut shareable) = pool.http2(generation) {
            shareable.dialing = None;
            if let Ok(connection) = opened {
                let id = shareable.next_id;
                shareable.next_id += 1;
                shareable.list.push(Connection { id, ..connection });
                return Ok(id);
            }
        }
        opened.map(|connection| connection.id).map_err(Arc::new)
    });
    let result = |joined: Result<_, tokio::task::JoinError>| {
        joined.unwrap_or_else(|error| Err(Arc::new(io::Error::other(error))))
    };
    task.map(result).boxed().shared()
}

async fn open(settings: &UpstreamSettings, allowed: usize, ping: Ping) -> io::Result<Connection> {
    let stream = settings.connect(UpstreamProtocol::Http2).await?;
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_max_send_streams(allowed)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(MAX_ANSWER_HEAD).unwrap_or(u32::MAX))
        .keep_alive_interval(ping.after)
        .keep_alive_timeout(ping.within);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let allowed = Arc::new(AtomicUsize::new(allowed));
    tokio::spawn(run(connection, Arc::clone(&allowed)));
    Ok(Connection { id: u64::MAX, sender, allowed, streams: 0, used: false, idle_since: Instant::now() })
}

/// Drives a connection, and keeps what the app allows where it can be seen. It is looked at with every request.
async fn run(
    connection: http2::Connection<TokioIo<Box<dyn super::Socket>>, Upload, TokioExecutor>,
    allowed: Arc<AtomicUsize>,
) {
    let mut connection = std::pin::pin!(connection);
    let ended = std::future::poll_fn(|cx| {
        let polled = connection.as_mut().poll(cx);
        if polled.is_pending() {
            allowed.store(connection.current_max_send_streams(), Ordering::Relaxed);
            return Poll::Pending;
        }
        polled
    });
    if let Err(error) = ended.await {
        tracing::debug!(event = "upstream_connection", error = with_causes(&error), "a connection to the app ended");
    }
}

fn stream(upstream: &Upstream, connection: &Connection, overdue: Instant) -> Stream {
    Stream {
        sender: connection.sender.clone(),
        id: connection.id,
        generation: upstream.generation,
        pool: upstream.pool.clone(),
        reused: connection.used,
        overdue,
        settled: false,
    }
}

impl Connection {
    fn has_room(&self) -> bool {
        self.streams < self.allowed()
    }

    fn allowed(&self) -> usize {
        // An app that allows none would have a connection made for every request.
        self.allowed.load(Ordering::Relaxed).clamp(1, MAX_STREAMS as usize)
    }
}

impl Stream {
    /// Sends the request and waits for the head of the answer. The stream is reset if this is dropped.
    pub(super) async fn send(mut self, request: Request<Upload>) -> Attempt {
        let reused = self.reused;
        match self.sender.try_send_request(request).await {
            Ok(answer) => {
                self.settled = true;
                Attempt::Answered(answer, Lease::Stream(self))
            }
            Err(failure) => {
                self.settled = true;
                if !is_about_the_stream(failure.error()) {
                    self.retire();
                }
                Attempt::of(failure, reused)
            }
        }
    }

    /// No new requests for this connection.
    fn retire(&self) {
        if let Some(mut open) = self.pool.http2(self.generation) {
            open.list.retain(|one| one.id != self.id);
        }
    }
}

/// The place is free again. A connection on which an answer did not begin in time is given no more requests: it may be dead,
/// and nothing else would tell.
impl Drop for Stream {
    fn drop(&mut self) {
        let now = Instant::now();
        if !self.settled && now >= self.overdue {
            self.retire();
        }
        let Some(mut open) = self.pool.http2(self.generation) else { return };
        if let Some(connection) = open.list.iter_mut().find(|one| one.id == self.id) {
            connection.streams = connection.streams.saturating_sub(1);
            connection.idle_since = now;
        }
    }
}

impl Shareable {
    /// None yet, of these settings.
    pub(super) const fn new(generation: u64) -> Self {
        Self { generation, list: Vec::new(), next_id: 0, dialing: None, allowed: MAX_STREAMS as usize }
    }
}

/// Whether the app said that it has not looked at the request (RFC 9113 §8.7): a stream above the last one of a GOAWAY,
/// or one that was refused.
pub(super) fn refused(error: &hyper::Error) -> bool {
    let is_refusal = |cause: &h2::Error| cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM);
    cause(error).is_some_and(|cause| cause.is_remote() && (cause.is_go_away() || is_refusal(cause)))
}

/// Whether the others of its connection go on.
fn is_about_the_stream(error: &hyper::Error) -> bool {
    cause(error).is_some_and(h2::Error::is_reset)
}

fn cause(error: &hyper::Error) -> Option<&h2::Error> {
    std::error::Error::source(error).and_then(|source| source.downcast_ref())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::UpstreamAddress;
    use super::*;

    #[tokio::test]
    async fn an_app_that_does_not_answer_a_ping_is_gone() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let silent = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            // Empty SETTINGS, and then nothing.
            stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("sent");
            while stream.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {}
        });
        let settings = UpstreamSettings {
            address: UpstreamAddress::Tcp(address.clone()),
            protocol: UpstreamProtocol::Http2,
            tls: None,
            path_prefix: String::new(),
            connect_timeout: Duration::from_secs(3),
            header_timeout: Duration::from_secs(60),
        };
        let ping = Ping { after: Duration::from_millis(100), within: Duration::from_millis(100) };
        let mut connection = open(&settings, 1, ping).await.expect("a connection");
        let request = Request::get(format!("http://{address}/")).body(Upload::empty()).expect("a request");
        let answer = tokio::time::timeout(Duration::from_secs(10), connection.sender.send_request(request)).await;
        assert!(answer.expect("it does not wait for ever").is_err());
        tokio::time::timeout(Duration::from_secs(10), silent).await.expect("closed").expect("no panic");
    }
}
