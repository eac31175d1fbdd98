//! The bodies that travel through the gateway, frame by frame and never as a whole.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::forward::Lease;

/// An answer's body: one of ours, or the app's as it comes.
#[derive(Debug)]
pub(super) enum Body {
    /// A text of our own.
    Full(Option<Bytes>),
    /// The app's.
    App(Download),
}

/// The app's answer on its way to the caller. Holds the lease on the app's connection until the last frame.
#[derive(Debug)]
pub(super) struct Download {
    incoming: Incoming,
    lease: Option<Lease>,
    /// Removes what the app may not say in trailers.
    clean_trailers: fn(&mut HeaderMap),
    /// Is done when the right to the answer is gone.
    ends: Option<Ends>,
}

/// Looked at before each frame, so that nothing passes after it is done.
struct Ends(Pin<Box<dyn Future<Output = ()> + Send>>);

/// Why an answer broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the app's answer broke off")]
    App(#[source] hyper::Error),
    #[error("the right to the answer was lost")]
    Ended,
}

/// The caller's body on its way to the app: counted, paced, and without trailers.
#[derive(Debug)]
pub(super) struct Upload {
    /// Nothing, if there is no body.
    incoming: Option<Incoming>,
    left: u64,
    pace: Pace,
    progress: Option<Arc<Progress>>,
}

/// How an upload is getting on, for whoever waits for the answer to it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    frames: AtomicU64,
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
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    #[error("the body is larger than the limit")]
    TooLarge,
    #[error("the body came too slowly")]
    TooSlow,
    #[error("the caller's body broke off")]
    Broken(#[source] hyper::Error),
}

impl Body {
    pub(super) fn full(bytes: Bytes) -> Self {
        Self::Full((!bytes.is_empty()).then_some(bytes))
    }

    pub(super) fn app(incoming: Incoming, lease: Lease, clean_trailers: fn(&mut HeaderMap)) -> Self {
        let mut download = Download { incoming, lease: Some(lease), clean_trailers, ends: None };
        if download.incoming.is_end_stream() {
            download.give_back();
        }
        Self::App(download)
    }

    /// Breaks the app's answer off as soon as this is done. A caller that has not got all of it must not believe that it has.
    pub(super) fn breaks_off_when<T>(&mut self, ends: impl Future<Output = T> + Send + 'static) {
        if let Self::App(download) = self {
            download.ends = Some(Ends(Box::pin(async { drop(ends.await) })));
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::App(download) => download.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::App(download) => download.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::App(download) => download.incoming.size_hint(),
        }
    }
}

impl Download {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ends.as_mut().is_some_and(|ends| ends.0.as_mut().poll(cx).is_ready()) {
            (self.ends, self.lease) = (None, None);
            return Poll::Ready(Some(Err(BodyError::Ended)));
        }
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        let frame = match frame {
            Some(Ok(frame)) => Some(Ok(self.cleaned(frame))),
            other => other.map(|frame| frame.map_err(BodyError::App)),
        };
        if frame.is_none() || self.incoming.is_end_stream() {
            self.give_back();
        }
        Poll::Ready(frame)
    }

    fn cleaned(&self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_trailers() {
            Ok(mut trailers) => {
                (self.clean_trailers)(&mut trailers);
                Frame::trailers(trailers)
            }
            Err(frame) => frame,
        }
    }

    /// The answer is complete, so the connection may serve another request. A broken one is dropped with its lease.
    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl fmt::Debug for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ends")
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
}

impl Upload {
    /// Wraps a body that may be at most `limit` bytes long, never silent for `idle`, and in the long run not slower than
    /// `min_rate` bytes a second.
    pub(super) fn new(incoming: Incoming, limit: u64, idle: Duration, min_rate: u64) -> Self {
        let incoming = (!incoming.is_end_stream()).then_some(incoming);
        let progress = incoming.is_some().then(Arc::default);
        let pace = Pace { idle, min_rate, seen: 0, waited: Duration::ZERO, waiting: None };
        Self { incoming, left: limit, pace, progress }
    }

    /// No body at all.
    pub(super) fn empty() -> Self {
        let pace = Pace { idle: Duration::ZERO, min_rate: 0, seen: 0, waited: Duration::ZERO, waiting: None };
        Self { incoming: None, left: 0, pace, progress: None }
    }

    /// Shared with the body, so that it can be watched after it was handed over; `None` if there is no body.
    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        self.progress.clone()
    }

    fn take(&mut self, data: Bytes) -> Result<Frame<Bytes>, UploadError> {
        let size = data.len() as u64;
        self.left = self.left.checked_sub(size).ok_or(UploadError::TooLarge)?;
        self.pace.received(size)?;
        if let Some(progress) = &self.progress {
            progress.advance();
        }
        self.note_end();
        Ok(Frame::data(data))
    }

    /// A body of known length is not polled again after its last byte, so its end is looked for after each frame.
    fn note_end(&self) {
        if let Some(progress) = self.progress.as_ref().filter(|_| self.is_end_stream()) {
            progress.finish();
        }
    }
}

impl Pace {
    fn received(&mut self, size: u64) -> Result<(), UploadError> {
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
        if enough { Ok(()) } else { Err(UploadError::TooSlow) }
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<UploadError> {
        let idle = self.idle;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Waiting { since: Instant::now(), deadline: Box::pin(tokio::time::sleep(idle)) });
        waiting.deadline.as_mut().poll(cx).map(|()| UploadError::TooSlow)
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        loop {
            match Pin::new(&mut *incoming).poll_frame(cx) {
                // A caller's trailers could carry an identity header past `enrich`; no browser sends any.
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(this.take(data).map_err(Into::into)));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(UploadError::Broken(error).into()))),
                Poll::Ready(None) => {
                    if let Some(progress) = &this.progress {
                        progress.finish();
                    }
                    return Poll::Ready(None);
                }
                Poll::Pending => return this.pace.poll_silence(cx).map(|error| Some(Err(error.into()))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}
