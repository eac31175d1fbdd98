//! A caller's socket with the timers that the HTTP library does not have, and its place in the count of connections.
//!
//! The library can only time a head, and from the end of the answer before. Here each phase has a limit of its own: the
//! wait for a first byte, a head, the wait for the next request, and an answer that nobody takes. Bodies are timed where
//! they are read, in `body`. A tunnel is only timed while the caller takes nothing.
//!
//! Interim answers are sent from here too. The library flushes the socket when all that it had is written; if it has
//! written nothing yet in this exchange, that is the boundary between two messages. Only there they are sent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use super::Slot;
use crate::gateway::Limits;
use crate::gateway::body::{Body, BodyError};
use crate::gateway::interim::{Interim, Waiting};

/// How long each phase of a connection may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    first_byte: Duration,
    head: Duration,
    keep_alive: Duration,
    send_idle: Duration,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its first byte.
    First,
    /// The rest of a head.
    Head,
    /// An exchange, or a tunnel; not timed here.
    Busy,
    /// The next request.
    Idle,
}

/// The exchanges of one connection; shared by its socket, its service and its answers.
#[derive(Debug, Default)]
pub(super) struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
    tunnel: AtomicBool,
    /// The next answer is the last.
    ends: AtomicBool,
    interim: Arc<Waiting>,
}

/// An answer on its way. The exchange has ended when it is dropped.
pub(super) struct Answering {
    body: Body,
    _exchange: Exchange,
}

/// One exchange; it ends when this is dropped.
pub(super) struct Exchange(Arc<Activity>);

/// The socket.
pub(super) struct TimedStream {
    stream: TcpStream,
    times: Times,
    activity: Arc<Activity>,
    phase: Phase,
    /// Exchanges that had begun when the phase was last looked at.
    begun: u64,
    reading: Deadline,
    sending: Option<Deadline>,
    /// Whether the library has written anything in this exchange.
    answered: bool,
    /// Interim answers of which a part is sent, so that the rest comes before anything else.
    interim: Bytes,
    _slot: Slot,
    /// Dropped with the socket, which whoever waits for its end sees.
    _open: oneshot::Sender<()>,
}

/// A point in time that can be moved for the price of a comparison: the timer behind it fires at the earliest of its
/// values, and is only then set to the current one.
struct Deadline {
    at: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Times {
    pub(super) const fn of(limits: &Limits) -> Self {
        Self {
            first_byte: limits.first_byte,
            head: limits.header_time,
            keep_alive: limits.keep_alive,
            send_idle: limits.send_idle,
        }
    }
}

impl Activity {
    pub(super) fn begin(self: &Arc<Self>) -> (Exchange, Interim) {
        let before = self.begun.fetch_add(1, Ordering::Relaxed);
        (Exchange(Arc::clone(self)), self.interim.begin(before + 1))
    }

    /// The process is about to stop.
    pub(super) fn ends_with_the_next_answer(&self) {
        self.ends.store(true, Ordering::Relaxed);
    }

    fn is_busy(&self) -> bool {
        self.tunnel.load(Ordering::Relaxed) || self.begun.load(Ordering::Relaxed) > self.ended.load(Ordering::Relaxed)
    }
}

impl Exchange {
    /// The connection is a tunnel from now on.
    pub(super) fn becomes_tunnel(&self) {
        self.0.tunnel.store(true, Ordering::Relaxed);
    }

    /// Whether no other exchange follows on the connection.
    pub(super) fn is_last(&self) -> bool {
        self.0.ends.load(Ordering::Relaxed)
    }

    pub(super) fn answered_by(self, body: Body) -> Answering {
        Answering { body, _exchange: self }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Deadline {
    fn after(span: Duration) -> Self {
        let at = Instant::now() + span;
        Self { at, timer: Box::pin(tokio::time::sleep_until(at)) }
    }

    fn move_to(&mut self, at: Instant) {
        self.at = at;
        if self.timer.deadline() > at {
            self.timer.as_mut().reset(at);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        while self.timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= self.at {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.timer.as_mut().reset(self.at);
        }
        Poll::Pending
    }
}

impl TimedStream {
    /// The socket, and what ends when it is closed, by a tunnel for example that has outlived the HTTP connection.
    pub(super) fn new(
        stream: TcpStream,
        times: Times,
        activity: Arc<Activity>,
        slot: Slot,
    ) -> (Self, oneshot::Receiver<()>) {
        let reading = Deadline::after(times.first_byte);
        let (open, closed) = oneshot::channel();
        let stream = Self {
            stream,
            times,
            activity,
            phase: Phase::First,
            begun: 0,
            reading,
            sending: None,
            answered: false,
            interim: Bytes::new(),
            _slot: slot,
            _open: open,
        };
        (stream, closed)
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        let span = match phase {
            Phase::First => self.times.first_byte,
            Phase::Head => self.times.head,
            Phase::Idle => self.times.keep_alive,
            Phase::Busy => return,
        };
        self.reading.move_to(Instant::now() + span);
    }

    /// What has happened since the socket was last read.
    fn catch_up(&mut self) {
        let begun = self.activity.begun.load(Ordering::Relaxed);
        if begun == self.begun && self.phase != Phase::Busy {
            return;
        }
        self.answered &= begun == self.begun;
        self.begun = begun;
        self.enter(if self.activity.is_busy() { Phase::Busy } else { Phase::Idle });
    }

    /// Sends interim answers, if this is the place for it, and what is left of some in any case.
    fn poll_interim(&mut self, cx: &mut Context<'_>, at_boundary: bool) -> Poll<io::Result<()>> {
        if at_boundary && self.phase == Phase::Busy && !self.answered {
            self.activity.interim.wakes(cx);
            if self.interim.is_empty() {
                self.interim = self.activity.interim.take().into();
            }
        }
        while !self.interim.is_empty() {
            let result = Pin::new(&mut self.stream).poll_write(cx, &self.interim);
            let count = ready!(self.sent(cx, result))?;
            self.interim.advance(count);
        }
        Poll::Ready(Ok(()))
    }

    /// Before the library writes: it is answering now.
    fn poll_answering(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.catch_up();
        self.answered = true;
        self.poll_interim(cx, false)
    }

    fn sent<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.sending = None;
            return result;
        }
        let send_idle = self.times.send_idle;
        self.sending.get_or_insert_with(|| Deadline::after(send_idle)).poll(cx).map(Err)
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.catch_up();
        if let Poll::Ready(result) = Pin::new(&mut self.stream).poll_read(cx, buffer) {
            if matches!(self.phase, Phase::First | Phase::Idle) {
                self.enter(Phase::Head);
            }
            return Poll::Ready(result);
        }
        if self.phase == Phase::Busy { Poll::Pending } else { self.reading.poll(cx).map(Err) }
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_answering(cx))?;
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.sent(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_answering(cx))?;
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.sent(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.catch_up();
        ready!(self.poll_interim(cx, true))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
