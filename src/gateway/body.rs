//! The bodies that travel through the gateway, frame by frame and never as a whole.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::forward::upload_rejection;
use super::respond::Rejection;

mod download;

pub(super) use download::{BodyError, Download};

/// An answer's body: one of ours, or the app's as it comes.
#[derive(Debug)]
pub(super) enum Body {
    /// A text of our own.
    Full(Option<Bytes>),
    /// The app's.
    App(Download),
}

/// The caller's body on its way to the app: counted, paced, and without trailers.
#[derive(Debug)]
pub(super) struct Upload {
    source: Source,
    left: u64,
    pace: Pace,
    progress: Option<Arc<Progress>>,
    /// Whether trailers end it, instead of being left out.
    is_exact: bool,
}

/// Where a body comes from.
#[derive(Debug)]
enum Source {
    Nowhere,
    Caller(Incoming),
    /// It has come as a whole.
    Memory(Bytes),
}

/// How an upload is getting on, for whoever waits for the answer to it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    frames: AtomicU64,
    fault: OnceLock<UploadError>,
    /// Whether the answer has begun and goes on. The two of them may then be a conversation, in which each side has silences;
    /// how long they may be is up to the answer.
    answering: AtomicBool,
}

/// Set in [`Progress::frames`] when the upload has ended well.
const DONE: u64 = u64::MAX;

/// How fast a body comes, counting only the time that we wait for it: an app that reads slowly is not the caller's fault.
#[derive(Debug)]
struct Pace {
    idle: Duration,
    min_rate: u64,
    /// Bytes seen and time waited since the last check.
    seen: u64,
    waited: Duration,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    deadline: Pin<Box<Sleep>>,
}

/// Why a caller's body broke off.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum UploadError {
    #[error("the body is larger than the limit")]
    TooLarge,
    #[error("the body came too slowly")]
    TooSlow,
    #[error("the caller's body broke off")]
    Broken(#[source] Arc<hyper::Error>),
    #[error("trailers behind a body that is taken as a whole")]
    Trailers,
}

impl Body {
    pub(super) fn full(bytes: Bytes) -> Self {
        Self::Full((!bytes.is_empty()).then_some(bytes))
    }

    /// Breaks the app's answer off as soon as this is done. A caller that has not got all of it must not believe that it has.
    pub(super) fn breaks_off_when<T>(&mut self, ends: impl Future<Output = T> + Send + 'static) {
        if let Self::App(download) = self {
            download.breaks_off_when(ends);
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::App(download) => Pin::new(download).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::App(download) => download.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::App(download) => download.size_hint(),
        }
    }
}

impl Progress {
    /// Whether the upload has ended well, so that the connection is clean.
    pub(super) fn is_done(&self) -> bool {
        self.frames.load(Ordering::Relaxed) == DONE
    }

    /// A number that changes with every frame.
    pub(super) fn mark(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    fn advance(&self) {
        self.frames.fetch_add(1, Ordering::Relaxed);
    }

    fn finish(&self) {
        self.frames.store(DONE, Ordering::Relaxed);
    }

    /// What was wrong with the upload, if it broke off: the library does not say in every protocol.
    pub(super) fn fault(&self) -> Option<&UploadError> {
        self.fault.get()
    }

    fn is_answered(&self) -> bool {
        self.answering.load(Ordering::Relaxed)
    }

    fn answering(&self, whether: bool) {
        self.answering.store(whether, Ordering::Relaxed);
    }
}

impl Upload {
    /// Wraps a body that may be at most `limit` bytes long, never silent for `idle`, and in the long run not slower than
    /// `min_rate` bytes a second.
    pub(super) fn new(incoming: Incoming, limit: u64, idle: Duration, min_rate: u64) -> Self {
        let source = if incoming.is_end_stream() { Source::Nowhere } else { Source::Caller(incoming) };
        let progress = matches!(source, Source::Caller(_)).then(Arc::default);
        let pace = Pace { idle, min_rate, seen: 0, waited: Duration::ZERO, waiting: None };
        Self { source, left: limit, pace, progress, is_exact: false }
    }

    /// No body at all.
    pub(super) fn empty() -> Self {
        let pace = Pace { idle: Duration::ZERO, min_rate: 0, seen: 0, waited: Duration::ZERO, waiting: None };
        Self { source: Source::Nowhere, left: 0, pace, progress: None, is_exact: false }
    }

    /// Reads all of it, at most `limit` bytes, as it came and without trailers; it is kept, to be sent on as one piece. Each part
    /// is asked for room.
    pub(super) async fn gather(
        &mut self,
        limit: u64,
        mut has_room: impl FnMut(usize) -> bool,
    ) -> Result<Bytes, Rejection> {
        if self.size_hint().lower() > limit {
            return Err(Rejection::BodyTooLarge);
        }
        (self.left, self.is_exact) = (self.left.min(limit), true);
        let mut body = BytesMut::new();
        while let Some(frame) = self.frame().await {
            let frame = frame.map_err(|error| upload_rejection(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            if !has_room(data.len()) {
                return Err(Rejection::Overloaded);
            }
            body.extend_from_slice(&data);
        }
        let body = body.freeze();
        (self.source, self.left) = (Source::Memory(body.clone()), body.len() as u64);
        self.progress = (!body.is_empty()).then(Arc::default);
        Ok(body)
    }

    /// Shared with the body, so that it can be watched after it was handed over; `None` if there is no body.
    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        self.progress.clone()
    }

    fn take(&mut self, data: Bytes) -> Result<Frame<Bytes>, UploadError> {
        let size = data.len() as u64;
        self.left = self.left.checked_sub(size).ok_or(UploadError::TooLarge)?;
        let patient = self.progress.as_ref().is_some_and(|progress| progress.is_answered());
        self.pace.received(size, patient)?;
        if let Some(progress) = &self.progress {
            progress.advance();
        }
        self.note_end();
        Ok(Frame::data(data))
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let incoming = match &mut self.source {
            Source::Nowhere => return Poll::Ready(None),
            Source::Memory(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Source::Memory(bytes) => {
                let bytes = std::mem::take(bytes);
                return Poll::Ready(Some(self.take(bytes)));
            }
            Source::Caller(incoming) => incoming,
        };
        loop {
            match Pin::new(&mut *incoming).poll_frame(cx) {
                // A caller's trailers could carry an identity header past `enrich`; no browser sends any.
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(self.take(data))),
                    Err(_) if self.is_exact => return Poll::Ready(Some(Err(UploadError::Trailers))),
                    Err(_) => {}
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(UploadError::Broken(Arc::new(error))))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    let patient = self.progress.as_ref().is_some_and(|progress| progress.is_answered());
                    return self.pace.poll_silence(cx, patient).map(|error| Some(Err(error)));
                }
            }
        }
    }

    /// A body of known length is not polled again after its last byte, so its end is looked for after each frame.
    fn note_end(&self) {
        if let Some(progress) = self.progress.as_ref().filter(|_| self.is_end_stream()) {
            progress.finish();
        }
    }
}

impl Pace {
    fn received(&mut self, size: u64, patient: bool) -> Result<(), UploadError> {
        self.seen = self.seen.saturating_add(size);
        if let Some(waiting) = self.waiting.take() {
            self.waited += waiting.since.elapsed();
        }
        if self.waited < self.idle {
            return Ok(());
        }
        let least = u128::from(self.min_rate).saturating_mul(self.waited.as_millis()) / 1000;
        let enough = u128::from(self.seen) >= least;
        (self.seen, self.waited) = (0, Duration::ZERO);
        if enough || patient { Ok(()) } else { Err(UploadError::TooSlow) }
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>, patient: bool) -> Poll<UploadError> {
        let idle = self.idle;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Waiting { since: Instant::now(), deadline: Box::pin(tokio::time::sleep(idle)) });
        while waiting.deadline.as_mut().poll(cx).is_ready() {
            if !patient {
                return Poll::Ready(UploadError::TooSlow);
            }
            waiting.deadline.as_mut().reset(Instant::now() + idle);
        }
        Poll::Pending
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let this = self.get_mut();
        let polled = this.poll_data(cx);
        match (&polled, &this.progress) {
            (Poll::Ready(Some(Err(error))), Some(progress)) => {
                let _ = progress.fault.set(error.clone());
            }
            (Poll::Ready(None), Some(progress)) => progress.finish(),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Nowhere => true,
            Source::Caller(incoming) => incoming.is_end_stream(),
            Source::Memory(bytes) => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Nowhere => SizeHint::with_exact(0),
            Source::Caller(incoming) => incoming.size_hint(),
            Source::Memory(bytes) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}
