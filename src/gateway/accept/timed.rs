//! A caller's socket with the timers that the HTTP library does not have, and its place in the count of connections.
//!
//! The library can only time a head, and from the end of the answer before. Here each phase has a limit of its own: the
//! wait for a first byte, a head, the wait for the next request, and an answer that nobody takes. Bodies are timed where
//! they are read, in `body`. A tunnel is only timed while the caller takes nothing. With HTTP/2 the phases overlap, and
//! `frames` says which limit counts.
//!
//! Interim answers are sent from here too. The library flushes the socket when all that it had is written; if it has
//! written nothing yet in this exchange, that is the boundary between two messages. Only there they are sent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use super::Slot;
use super::activity::Activity;
use super::frames::{Conversation, PREFACE};
use super::socket::Socket;
use crate::gateway::Limits;

/// How long, and for how many bytes, a caller is listened to after its last answer, while it sends a body that nobody wants:
/// closing at once would be a reset, which can take the answer away from under a caller that has not read it yet.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 4 << 20;

/// How long each phase of a connection may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) head: Duration,
    pub(super) keep_alive: Duration,
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

/// The socket.
pub(super) struct TimedStream {
    socket: Socket,
    /// Read already, to see what the caller speaks, and to be read once more.
    seen: Bytes,
    /// With HTTP/2, what the caller owes.
    conversation: Option<Conversation>,
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
    /// Set when our side is closed.
    lingering: Option<(Deadline, usize)>,
    _slot: Slot,
    /// Dropped with the socket, which whoever waits for its end sees.
    _open: oneshot::Sender<()>,
}

/// A point in time that can be moved for the price of a comparison: the timer behind it fires at the earliest of its
/// values, and is only then set to the current one.
pub(super) struct Deadline {
    at: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Times {
    pub(super) const fn of(limits: &Limits) -> Self {
        Self { head: limits.header_time, keep_alive: limits.keep_alive, send_idle: limits.send_idle }
    }
}

impl Deadline {
    pub(super) fn after(span: Duration) -> Self {
        Self::at(Instant::now() + span)
    }

    fn at(at: Instant) -> Self {
        Self { at, timer: Box::pin(tokio::time::sleep_until(at)) }
    }

    pub(super) fn move_to(&mut self, at: Instant) {
        self.at = at;
        if self.timer.deadline() > at {
            self.timer.as_mut().reset(at);
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
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
    /// The socket, whose first byte has to come until `first`, and what ends when it is closed, by a tunnel for example that
    /// has outlived the HTTP connection.
    pub(super) fn new(
        socket: Socket,
        first: Instant,
        times: Times,
        activity: Arc<Activity>,
        slot: Slot,
    ) -> (Self, oneshot::Receiver<()>) {
        let (open, closed) = oneshot::channel();
        let stream = Self {
            socket,
            seen: Bytes::new(),
            conversation: None,
            times,
            activity,
            phase: Phase::First,
            begun: 0,
            reading: Deadline::at(first),
            sending: None,
            answered: false,
            interim: Bytes::new(),
            lingering: None,
            _slot: slot,
            _open: open,
        };
        (stream, closed)
    }

    /// Whether the caller speaks HTTP/2: as was agreed with TLS, else by its first bytes. Whoever serves it reads those again.
    pub(super) async fn speaks_http2(&mut self) -> io::Result<bool> {
        let speaks = match self.socket.agreed_on_http2() {
            Some(agreed) => agreed,
            None => self.begins_with_preface().await?,
        };
        self.conversation = speaks.then(Conversation::new);
        Ok(speaks)
    }

    async fn begins_with_preface(&mut self) -> io::Result<bool> {
        let (mut first, mut have) = ([0; PREFACE.len()], 0);
        let mut speaks = true;
        while speaks && have < first.len() {
            let count = self.read(&mut first[have..]).await?;
            have += count;
            speaks = count > 0 && PREFACE.starts_with(&first[..have]);
        }
        self.seen = Bytes::copy_from_slice(&first[..have]);
        Ok(speaks)
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        let span = match phase {
            Phase::Head => self.times.head,
            Phase::Idle => self.times.keep_alive,
            Phase::First | Phase::Busy => return,
        };
        self.reading.move_to(Instant::now() + span);
    }

    /// What has happened since the socket was last read.
    fn catch_up(&mut self) {
        let begun = self.activity.begun();
        if self.conversation.is_some() || (begun == self.begun && self.phase != Phase::Busy) {
            return;
        }
        self.answered &= begun == self.begun;
        self.begun = begun;
        self.enter(if self.activity.is_busy() { Phase::Busy } else { Phase::Idle });
    }

    /// Notes what came.
    fn came(&mut self, bytes: &[u8]) {
        match &mut self.conversation {
            Some(conversation) => conversation.read(bytes),
            None if matches!(self.phase, Phase::First | Phase::Idle) => self.enter(Phase::Head),
            None => {}
        }
    }

    /// Nothing came. Whether that has been so for too long.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(conversation) = &mut self.conversation else {
            return if self.phase == Phase::Busy { Poll::Pending } else { self.reading.poll(cx) };
        };
        let Some(end) = conversation.until(&self.activity, &self.times) else { return Poll::Pending };
        self.reading.move_to(end);
        let error = ready!(self.reading.poll(cx));
        if !conversation.ends_politely() {
            return Poll::Ready(error);
        }
        self.activity.end();
        self.poll_patience(cx)
    }

    /// Sends interim answers, if this is the place for it, and what is left of some in any case.
    fn poll_interim(&mut self, cx: &mut Context<'_>, at_boundary: bool) -> Poll<io::Result<()>> {
        if at_boundary && self.phase == Phase::Busy && !self.answered {
            self.activity.interim().wakes(cx);
            if self.interim.is_empty() {
                self.interim = self.activity.interim().take().into();
            }
        }
        while !self.interim.is_empty() {
            let result = Pin::new(&mut self.socket).poll_write(cx, &self.interim);
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
        self.poll_stalled(cx)
    }

    /// The caller takes nothing. Whether that has been so for too long.
    fn poll_stalled<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let send_idle = self.times.send_idle;
        self.sending.get_or_insert_with(|| Deadline::after(send_idle)).poll(cx).map(Err)
    }

    /// Throws away what still comes, until the caller has closed its side too.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.activity.had_body() && self.conversation.is_none() {
            return Poll::Ready(Ok(()));
        }
        let (end, left) = self.lingering.get_or_insert_with(|| (Deadline::after(LINGER), LINGER_BYTES));
        let mut scratch = [0; 8192];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.socket).poll_read(cx, &mut buffer) {
                Poll::Pending => return end.poll(cx).map(|_| Ok(())),
                Poll::Ready(result) => {
                    let count = buffer.filled().len();
                    *left = left.saturating_sub(count);
                    if result.is_err() || count == 0 || *left == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.catch_up();
        let before = buffer.filled().len();
        let result = if self.seen.is_empty() {
            Pin::new(&mut self.socket).poll_read(cx, buffer)
        } else {
            let count = self.seen.len().min(buffer.remaining());
            buffer.put_slice(&self.seen.split_to(count));
            Poll::Ready(Ok(()))
        };
        if result.is_pending() {
            return self.poll_patience(cx).map(Err);
        }
        self.came(&buffer.filled()[before..]);
        result
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_answering(cx))?;
        let result = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.sent(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_answering(cx))?;
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, parts);
        self.sent(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    /// TLS keeps what the socket does not take, so that only here it shows.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.catch_up();
        ready!(self.poll_interim(cx, true))?;
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Pending => self.poll_stalled(cx),
            ready @ Poll::Ready(_) => ready,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            match Pin::new(&mut self.socket).poll_shutdown(cx) {
                Poll::Pending => return self.poll_stalled(cx),
                Poll::Ready(result) => result?,
            }
        }
        self.poll_linger(cx)
    }
}
