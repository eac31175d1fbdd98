//! The app, and a worker's connections to it.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::uri::Scheme;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::Instant;

use crate::gateway::body::Upload;

mod dial;
mod held;
mod http1;
mod http2;
mod settings;

use self::dial::Socket;
pub(in crate::gateway) use self::held::Held;
pub use self::settings::{UpstreamAddress, UpstreamProtocol, UpstreamSettings, UpstreamTls};

/// The most header fields that an app's answer may have.
pub(super) const MAX_ANSWER_FIELDS: usize = 200;

/// The most bytes that the head of an app's answer may have. As much is kept of a body that one side does not take, of which
/// there may be thousands: with twice that, a large answer costs a twentieth less.
const MAX_ANSWER_HEAD: usize = 64 * 1024;

/// The app, and the connections to it of one worker.
#[derive(Clone)]
pub(in crate::gateway) struct Upstream {
    pub(super) settings: Arc<UpstreamSettings>,
    generation: u64,
    pool: Pool,
    /// Those of the caller's address, unless it is shared by many.
    of_address: Option<Requests>,
}

/// One worker's connections, and the count of requests of all workers.
#[derive(Clone)]
pub(in crate::gateway) struct Pool(Arc<Connections>);

struct Connections {
    http1: Mutex<http1::Idles>,
    http2: Mutex<http2::Shareable>,
    requests: Requests,
}

/// How many requests the app has, or will have as soon as there is a connection: of everybody, or of one address.
#[derive(Clone, Debug, Default)]
pub(in crate::gateway) struct Requests(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicUsize,
    /// Bytes of bodies that are held as a whole.
    held: AtomicUsize,
}

/// One of them; counted until it is dropped.
#[derive(Debug)]
struct Counted(Requests);

/// The place of a request among all, and among those of its address where that is known.
#[derive(Debug)]
pub(in crate::gateway) struct Place {
    _of_all: Counted,
    _of_address: Option<Counted>,
}

/// How one request is put on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Wire {
    Http1,
    /// With the scheme that the connection has.
    Http2(Scheme),
}

/// A connection, or a part of one, that is in use. Dropping it ends what was going on there.
pub(in crate::gateway) enum Lease {
    Exclusive(http1::Exclusive),
    Stream(http2::Stream),
}

/// What became of one attempt to send.
pub(super) enum Attempt {
    Answered(Response<Incoming>, Lease),
    /// Never written; here it is again.
    Unsent {
        request: Request<Upload>,
        error: hyper::Error,
    },
    /// Written at least in part, and no answer came.
    Failed {
        error: hyper::Error,
        reused: bool,
        /// Whether the app said that it has not looked at it.
        refused: bool,
    },
}

impl Upstream {
    /// `generation` moves when the settings do: a connection of one generation is never used in another.
    pub(in crate::gateway) const fn new(
        settings: Arc<UpstreamSettings>,
        generation: u64,
        pool: Pool,
        of_address: Option<Requests>,
    ) -> Self {
        Self { settings, generation, pool, of_address }
    }

    /// A place among the requests of all workers, if there are fewer than `most`, and fewer than `share` of this address.
    pub(super) fn admit(&self, most: usize, share: usize) -> Option<Place> {
        let of_address = match &self.of_address {
            Some(requests) => Some(requests.admit(share)?),
            None => None,
        };
        Some(Place { _of_all: self.pool.0.requests.admit(most)?, _of_address: of_address })
    }

    /// Room for a body that is held as a whole: `most` for those of everybody, `share` for those of this address.
    pub(in crate::gateway) fn hold(&self, most: usize, share: usize) -> Held {
        Held::new(self.pool.0.requests.clone(), most, self.of_address.clone(), share)
    }

    /// How a request is put; an upgrade needs a connection of its own, which HTTP/1.1 has.
    pub(super) fn wire(&self, is_upgrade: bool) -> Wire {
        match self.settings.protocol {
            UpstreamProtocol::Http2 if !is_upgrade => {
                Wire::Http2(if self.settings.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP })
            }
            _ => Wire::Http1,
        }
    }

    /// A connection that is there already if it has room, else a new one. An answer has to begin until `overdue`.
    pub(super) async fn lease(&self, wire: &Wire, overdue: Instant) -> io::Result<Lease> {
        match wire {
            Wire::Http1 => http1::lease(self).await.map(Lease::Exclusive),
            Wire::Http2(_) => http2::lease(self, overdue).await.map(Lease::Stream),
        }
    }

    /// After a failed attempt: not the connection that failed.
    pub(super) async fn lease_another(&self, wire: &Wire, overdue: Instant) -> io::Result<Lease> {
        match wire {
            Wire::Http1 => http1::connect(self).await.map(Lease::Exclusive),
            // The one that failed is not among those that there are, unless it only had no room.
            Wire::Http2(_) => http2::lease(self, overdue).await.map(Lease::Stream),
        }
    }
}

impl Pool {
    /// `requests` is the count that all workers share.
    pub(in crate::gateway) fn new(requests: Requests) -> Self {
        let (http1, http2) = (Mutex::new(http1::Idles::new(0)), Mutex::new(http2::Shareable::new(0)));
        Self(Arc::new(Connections { http1, http2, requests }))
    }

    /// The idle connections of this generation; `None` if there are newer ones. Older ones are closed.
    fn http1(&self, generation: u64) -> Option<MutexGuard<'_, http1::Idles>> {
        // Nothing that holds one of these locks can leave a list half changed.
        let mut idles = self.0.http1.lock().unwrap_or_else(PoisonError::into_inner);
        if idles.generation < generation {
            *idles = http1::Idles::new(generation);
        }
        (idles.generation == generation).then_some(idles)
    }

    /// The same for those that are shared. Older ones are closed when their last stream ends.
    fn http2(&self, generation: u64) -> Option<MutexGuard<'_, http2::Shareable>> {
        let mut open = self.0.http2.lock().unwrap_or_else(PoisonError::into_inner);
        if open.generation < generation {
            *open = http2::Shareable::new(generation);
        }
        (open.generation == generation).then_some(open)
    }
}

impl Requests {
    fn admit(&self, most: usize) -> Option<Counted> {
        let counted = Counted(self.clone());
        (self.0.requests.fetch_add(1, Ordering::Relaxed) < most).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lease {
    /// Sends the request and waits for the head of the answer.
    pub(super) async fn send(self, request: Request<Upload>) -> Attempt {
        match self {
            Self::Exclusive(connection) => connection.send(request).await,
            Self::Stream(stream) => stream.send(request).await,
        }
    }

    /// The answer is complete.
    pub(in crate::gateway) fn give_back(self) {
        if let Self::Exclusive(connection) = self {
            connection.give_back();
        }
    }

    /// Whether the end of an answer is marked in every case. In HTTP/1.1 it can be the end of the connection.
    pub(in crate::gateway) const fn marks_ends(&self) -> bool {
        matches!(self, Self::Stream(_))
    }
}

impl Attempt {
    fn of(mut failure: TrySendError<Request<Upload>>, reused: bool) -> Self {
        let request = failure.take_message();
        let error = failure.into_error();
        match request {
            Some(request) => Self::Unsent { request, error },
            None => Self::Failed { reused, refused: http2::refused(&error), error },
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.marks_ends() { "Stream" } else { "Exclusive" })
    }
}
