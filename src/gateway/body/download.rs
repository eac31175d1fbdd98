//! The app's answer on its way to the caller.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::Progress;
use crate::gateway::forward::{Lease, Place};

/// The app's answer as it comes. Holds the lease on the app's connection until the last frame.
#[derive(Debug)]
pub(in crate::gateway) struct Download {
    incoming: Incoming,
    lease: Option<Lease>,
    _place: Place,
    silence: Silence,
    marks_ends: bool,
    /// The body of the request that this answers, which may still be coming.
    upload: Option<Arc<Progress>>,
    /// Removes what the app may not say in trailers.
    clean_trailers: fn(&mut HeaderMap),
    /// Is done when the right to the answer is gone.
    ends: Option<Ends>,
}

/// Looked at before each frame, so that nothing passes after it is done.
struct Ends(Pin<Box<dyn Future<Output = ()> + Send>>);

/// Why an answer broke off.
#[derive(Debug, thiserror::Error)]
pub(in crate::gateway) enum BodyError {
    #[error("the app's answer broke off")]
    App(#[from] hyper::Error),
    #[error("the app ended its answer before the end")]
    Short,
    #[error("the app's answer was silent for longer than answer_idle")]
    Silent,
    #[error("the right to the answer was lost")]
    Ended,
}

/// Time that we wait for the next frame while nothing comes of the request's body either. Costs nothing for an answer that
/// is there as a whole.
#[derive(Debug)]
struct Silence {
    limit: Duration,
    since: Option<Instant>,
    /// How far the upload was then.
    mark: u64,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Download {
    pub(in crate::gateway) fn new(
        incoming: Incoming,
        lease: Lease,
        place: Place,
        upload: Option<Arc<Progress>>,
        idle: Duration,
        clean_trailers: fn(&mut HeaderMap),
    ) -> Self {
        let silence = Silence { limit: idle, since: None, mark: 0, timer: None };
        let marks_ends = lease.marks_ends();
        if let Some(upload) = &upload {
            upload.answering(true);
        }
        let mut download = Self {
            incoming,
            lease: Some(lease),
            _place: place,
            silence,
            marks_ends,
            upload,
            clean_trailers,
            ends: None,
        };
        if download.incoming.is_end_stream() {
            download.give_back();
        }
        download
    }

    pub(super) fn breaks_off_when<T>(&mut self, ends: impl Future<Output = T> + Send + 'static) {
        self.ends = Some(Ends(Box::pin(async { drop(ends.await) })));
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            let mark = self.upload.as_deref().map_or(0, Progress::mark);
            return self.silence.poll(cx, mark).map(|()| Some(Err(BodyError::Silent)));
        };
        self.silence.since = None;
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(Ok(self.cleaned(frame))),
            Some(Err(error)) => Some(Err(error.into())),
            // The library takes a stream that was reset with NO_ERROR, or left behind by a GOAWAY, for one that ended.
            None if self.marks_ends && !self.incoming.is_end_stream() => Some(Err(BodyError::Short)),
            None => None,
        })
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

    /// The answer is complete, so the connection may serve another request.
    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl HttpBody for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.ends.as_mut().is_some_and(|ends| ends.0.as_mut().poll(cx).is_ready()) {
            (this.ends, this.lease) = (None, None);
            return Poll::Ready(Some(Err(BodyError::Ended)));
        }
        let frame = ready!(this.next(cx));
        if let Some(Err(error)) = &frame {
            if this.upload.as_deref().and_then(Progress::fault).is_none() {
                tracing::warn!(event = "answer", error = %error, "an answer of the app broke off");
            }
            // With its lease goes the connection, or the stream.
            this.lease = None;
        } else if frame.is_none() || this.incoming.is_end_stream() {
            this.give_back();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload {
            upload.answering(false);
        }
    }
}

impl fmt::Debug for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ends")
    }
}

impl Silence {
    /// Ready when it has lasted too long. The timer is moved only when it fires, not with every frame.
    fn poll(&mut self, cx: &mut Context<'_>, mark: u64) -> Poll<()> {
        if self.since.is_none() || self.mark != mark {
            (self.since, self.mark) = (Some(Instant::now()), mark);
        }
        let until = self.since.unwrap_or_else(Instant::now) + self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        loop {
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= until {
                return Poll::Ready(());
            }
            timer.as_mut().reset(until);
        }
    }
}
