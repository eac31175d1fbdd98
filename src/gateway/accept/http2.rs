//! HTTP/2 with callers: every bound of the library set, and the two that it does not have.
//!
//! The library gives a stream as much time as the caller likes to take an answer, and a connection as well. Streams are
//! given up here one by one, because one that stands still is no fault of those beside it; connections in `frames`.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::server::conn::http2;
use hyper::service::HttpService;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::time::Instant;

use super::activity::{Activity, Answering};
use super::timed::{Deadline, TimedStream};
use super::{Drain, reached};
use crate::gateway::Limits;

/// The most bytes of an answer that the library gets at a time. Each has `send_idle` to be taken.
pub(super) const PART: usize = 16 * 1024;

/// An end of an answer that is not larger may wait in the library for as long as the connection lasts.
pub(super) const SMALL: usize = 1024;

/// What a caller may send of a body before somebody reads it: of one stream, and of all (the specification's 64 KiB would
/// let one slow stream stop the others).
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What is kept of an answer before the caller takes it, of one stream.
const SEND_BUFFER: usize = 64 * 1024;

/// The specification's own (RFC 9113 §6.5.2); nobody gains by more.
const FRAME: u32 = 16 * 1024;
const HEADER_TABLE: u32 = 4096;

/// Streams that a caller may open and end again before they were looked at (rapid reset, CVE-2023-44487).
const PENDING_RESETS: usize = 20;

tokio::task_local! {
    /// How often the answer of this task's stream was offered and taken: odd while a part waits for the caller. The
    /// library polls an answer's body in the task of its stream, so nothing has to be shared.
    static MOVES: Cell<u64>;
}

/// A part of the answer was given to the library.
pub(super) fn offered() {
    move_to(1);
}

/// The library asks for more: what it had is on its way.
pub(super) fn taken() {
    move_to(0);
}

fn move_to(parity: u64) {
    // Outside of a stream there is nothing to count.
    let _ = MOVES.try_with(|moves| {
        if moves.get() % 2 != parity {
            moves.set(moves.get() + 1);
        }
    });
}

/// Runs the streams of a connection.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    send_idle: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(MOVES.scope(Cell::new(0), patiently(stream, self.send_idle)));
    }
}

/// Runs a stream until it ends, or until the caller has taken nothing of it for too long; then it is reset, and the app is
/// let go.
async fn patiently(stream: impl Future<Output = ()>, send_idle: Duration) {
    let mut stream = pin!(stream);
    let (mut seen, mut waiting) = (0, None);
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let moves = MOVES.with(Cell::get);
        if moves.is_multiple_of(2) {
            return Poll::Pending;
        }
        let deadline = waiting.get_or_insert_with(|| Deadline::after(send_idle));
        if moves != seen {
            seen = moves;
            deadline.move_to(Instant::now() + send_idle);
        }
        deadline.poll(cx).map(|_| tracing::debug!(event = "stream", "nobody takes the answer"))
    })
    .await;
}

/// The header list may be a little larger than our own limit, so that what is a little too much gets an answer with a code.
/// Its size counts 32 bytes for each field (RFC 9113 §10.5.1).
pub(super) fn configured(limits: &Limits) -> http2::Builder<Streams> {
    let list = limits.header_size + limits.uri + limits.header_count.saturating_mul(64);
    let mut builder = http2::Builder::new(Streams { send_idle: limits.send_idle });
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.http2.streams)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(limits.http2.resets)
        .max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX))
        .header_table_size(HEADER_TABLE)
        .max_frame_size(FRAME)
        .adaptive_window(false)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(limits.http2.ping_interval)
        .keep_alive_timeout(limits.http2.ping_timeout);
    builder
}

/// Serves until the caller goes. When the connection is old or idle, or the process drains, the caller is told to send
/// nothing new (GOAWAY), and what is running goes on.
pub(super) async fn serve<S>(
    builder: &http2::Builder<Streams>,
    stream: TimedStream,
    service: S,
    activity: &Activity,
    age: Duration,
    drain: &mut watch::Receiver<Drain>,
) -> hyper::Result<()>
where
    S: HttpService<Incoming, ResBody = Answering, Error = Infallible>,
    S::Future: Send + 'static,
    Streams: Http2ServerConnExec<S::Future, Answering>,
{
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        result = &mut serving => return result,
        () = reached(drain, Drain::Finishing) => {}
        () = tokio::time::sleep(age) => {}
        () = activity.over() => {}
    }
    serving.as_mut().graceful_shutdown();
    loop {
        tokio::select! {
            result = &mut serving => return result,
            () = activity.over() => {}
            // Whoever has not closed by then, and waits for nothing, does not read what it is told.
            () = reached(drain, Drain::Closing), if !activity.is_busy() => return Ok(()),
        }
        if activity.is_abused() {
            return Ok(());
        }
    }
}
