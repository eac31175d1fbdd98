//! The exchanges of one connection: what its socket, its service and its answers know of each other.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::Notify;

use super::http2;
use crate::gateway::body::{Body, BodyError};
use crate::gateway::interim::{Interim, Waiting};

/// Shared by everything that belongs to one connection.
#[derive(Debug)]
pub(super) struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
    /// Exchanges that ended before their answer began.
    cancelled: AtomicU64,
    /// So many of them end an HTTP/2 connection; twice as many cut it.
    cancels: u64,
    tunnel: AtomicBool,
    /// The next answer is the last.
    ends: AtomicBool,
    /// Whether the last request had a body.
    body: AtomicBool,
    /// Told to an HTTP/2 connection that should not be used any longer.
    over: Notify,
    interim: Arc<Waiting>,
}

/// One exchange; it ends when this is dropped.
pub(super) struct Exchange {
    activity: Arc<Activity>,
    version: Version,
    answered: bool,
}

/// An answer on its way. The exchange has ended when it is dropped.
pub(super) struct Answering {
    body: Body,
    /// What is left of a part that was too large for HTTP/2 to take at a time.
    rest: Option<Bytes>,
    exchange: Exchange,
}

impl Activity {
    pub(super) fn new(cancels: usize) -> Self {
        Self {
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            cancels: u64::try_from(cancels).unwrap_or(u64::MAX).max(1),
            tunnel: AtomicBool::new(false),
            ends: AtomicBool::new(false),
            body: AtomicBool::new(false),
            over: Notify::new(),
            interim: Arc::default(),
        }
    }

    /// An exchange, and where its interim answers go: only HTTP/1.1 has a place for them.
    pub(super) fn begin(self: &Arc<Self>, request: &Request<Incoming>) -> (Exchange, Option<Interim>) {
        let before = self.begun.fetch_add(1, Ordering::Relaxed);
        self.body.store(!request.body().is_end_stream(), Ordering::Relaxed);
        let version = request.version();
        let interim = (version == Version::HTTP_11).then(|| self.interim.begin(before + 1));
        (Exchange { activity: Arc::clone(self), version, answered: false }, interim)
    }

    /// How many exchanges there were.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.tunnel.load(Ordering::Relaxed) || self.begun() > self.ended.load(Ordering::Relaxed)
    }

    /// The process is about to stop, or the connection is old. Said to callers of HTTP/1 by their next answer.
    pub(super) fn ends_with_the_next_answer(&self) {
        self.ends.store(true, Ordering::Relaxed);
    }

    pub(super) fn had_body(&self) -> bool {
        self.body.load(Ordering::Relaxed)
    }

    pub(super) fn interim(&self) -> &Waiting {
        &self.interim
    }

    /// Whether the caller went on to break exchanges off after it was told to stop.
    pub(super) fn is_abused(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) >= self.cancels.saturating_mul(2)
    }

    /// The connection should not be used any longer.
    pub(super) fn end(&self) {
        self.over.notify_one();
    }

    /// Waits for that.
    pub(super) async fn over(&self) {
        self.over.notified().await;
    }
}

impl Exchange {
    /// The connection is a tunnel from now on.
    pub(super) fn becomes_tunnel(&self) {
        self.activity.tunnel.store(true, Ordering::Relaxed);
    }

    /// Whether no other exchange follows on the connection. HTTP/2 has a frame of its own to say so.
    pub(super) fn is_last(&self) -> bool {
        self.version < Version::HTTP_2 && self.activity.ends.load(Ordering::Relaxed)
    }

    pub(super) fn answered_by(mut self, body: Body) -> Answering {
        self.answered = true;
        Answering { body, rest: None, exchange: self }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let activity = &self.activity;
        activity.ended.fetch_add(1, Ordering::Relaxed);
        if self.answered {
            return;
        }
        let cancelled = activity.cancelled.fetch_add(1, Ordering::Relaxed) + 1;
        if cancelled.is_multiple_of(activity.cancels) {
            activity.end();
        }
    }
}

impl Answering {
    /// The part of a frame that may go now; the rest waits for the next time.
    fn cut(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        let mut data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => return frame,
        };
        let most = if data.len() > http2::SMALL && self.may_end() { data.len() - 1 } else { data.len() };
        let most = most.min(http2::PART);
        if most < data.len() {
            let part = data.split_to(most);
            self.rest = Some(data);
            return Frame::data(part);
        }
        Frame::data(data)
    }

    /// Whether this may be the end of the answer. The library takes an end that the caller does not take, and then nobody
    /// waits for the caller any more. So one byte of it is kept back, until all before it has gone.
    fn may_end(&self) -> bool {
        self.body.is_end_stream() || self.body.size_hint().exact().is_none()
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match self.rest.take() {
            Some(rest) => Frame::data(rest),
            None => match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            },
        };
        http2::offered();
        Poll::Ready(Some(Ok(self.cut(frame))))
    }
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.exchange.version != Version::HTTP_2 {
            return Pin::new(&mut self.body).poll_frame(cx);
        }
        http2::taken();
        self.poll_part(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.body.is_end_stream()
    }

    /// Asked for before the first part only.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
