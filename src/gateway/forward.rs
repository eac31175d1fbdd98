//! Sends an allowed request to the app and brings its answer back, both ways as a stream.

use std::error::Error as _;
use std::io;
use std::pin::pin;
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::Instant;

use self::upstream::Attempt;
use super::Limits;
use super::bearer;
use super::body::{Body, Download, Progress, Upload, UploadError};
use super::enrich::Outbound;
use super::respond::Rejection;
use super::route::RouteSpec;
use super::streams::{Kind, Right, Socket};
use crate::access::Permit;

mod answer;
mod tunnel;
mod upstream;

pub(super) use answer::frame;
use tunnel::Tunnel;
pub(super) use tunnel::UpgradeKey;
pub(super) use upstream::{Held, Lease, Place, Pool, Requests, Upstream, Wire};
pub use upstream::{UpstreamAddress, UpstreamProtocol, UpstreamSettings, UpstreamTls};

/// The app's answer, and how long the app took to begin it.
pub(super) struct Forwarded {
    pub(super) answer: Response<Body>,
    pub(super) upstream_duration: Duration,
    /// What follows a 101.
    tunnel: Option<Tunnel>,
}

/// A longer answer takes its time; a shorter one of known length is on its way as a whole.
const LONG: u64 = 1 << 20;

impl Forwarded {
    /// Whether it can go on for so long that the right to it may be lost on the way.
    pub(super) fn may_last(&self) -> bool {
        let body = self.answer.body();
        self.tunnel.is_some() || (!body.is_end_stream() && body.size_hint().exact().is_none_or(|bytes| bytes > LONG))
    }

    /// Lets it go on for as long as the right to it.
    pub(super) fn lasts_with(&mut self, right: Right, socket: Option<Socket>) {
        if let Some(tunnel) = self.tunnel.take() {
            return tunnel.start(right, socket);
        }
        let content_type = self.answer.headers().get(header::CONTENT_TYPE);
        let has_no_end = content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let ends = right.ends(if has_no_end { Kind::Events } else { Kind::Answer });
        self.answer.body_mut().breaks_off_when(ends);
    }
}

/// What one request may take of the app.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Requests at a time, of all workers.
    requests: usize,
    /// The same of one address.
    share: usize,
    /// Time for the head of the answer.
    header: Duration,
    /// Longest silence inside the answer.
    idle: Duration,
}

impl Bounds {
    /// Those of the route, where it has its own.
    pub(super) fn of(limits: &Limits, upstream: &Upstream, route: &RouteSpec) -> Self {
        let header = route.header_timeout.unwrap_or(upstream.settings.header_timeout);
        let idle = route.answer_idle.unwrap_or(limits.answer_idle);
        Self { requests: limits.upstream_requests, share: limits.upstream_requests_per_address, header, idle }
    }
}

/// Passes the request on. The permit is spent here: one permit, one request.
///
/// A request that was never written is tried again on a new connection. One without a body is tried again too if the app
/// said that it did not look at it (HTTP/2), or if it is safe to repeat (RFC 9110 §9.2.2), was written on a used connection
/// and came to nothing.
pub(super) async fn forward(
    upstream: &Upstream,
    outbound: Outbound<'_>,
    head: Parts,
    upload: Upload,
    permit: Permit,
    bounds: Bounds,
) -> Result<Forwarded, Rejection> {
    let started = Instant::now();
    let place = upstream.admit(bounds.requests, bounds.share).ok_or(Rejection::Overloaded)?;
    let upgrade = outbound.upgrade;
    let wire = upstream.wire(upgrade.is_some());
    let progress = upload.progress();
    let (is_safe, has_body) = (head.method.is_safe(), !upload.is_end_stream());
    let build = |upload| {
        let outgoing = Request::from_parts(outbound.parts(&head.method, &head.headers, &permit, &wire), upload);
        match &outbound.interim {
            Some(interim) => interim.listening(outgoing),
            None => outgoing,
        }
    };
    let again = |refused: bool| (!has_body && (is_safe || refused)).then(|| build(Upload::empty()));
    let way = Way { upstream, wire: &wire, overdue: started + bounds.header, progress: progress.as_deref() };
    let sending = way.exchange(build(upload), again);
    let (answer, lease) = until_head(sending, progress.as_deref(), bounds.header).await?;
    let upstream_duration = started.elapsed();
    if let Some(interim) = &outbound.interim {
        interim.let_pass().await;
    }
    if answer.headers().len() > upstream::MAX_ANSWER_FIELDS {
        return Err(broken("an answer with too many header fields"));
    }
    let scope = permit.principal().is_some().then_some(outbound.scope);
    let (answer, tunnel) = match (answer.status(), upgrade) {
        (StatusCode::SWITCHING_PROTOCOLS, Some(key)) => {
            let speaks_ours = bearer::asks_for_ours(&head.headers);
            let (answer, tunnel) = tunnel::open(answer, &key, head)?;
            let answer = if speaks_ours { answer::in_protocol(answer, bearer::PROTOCOL) } else { answer };
            (answer, Some(tunnel))
        }
        (StatusCode::SWITCHING_PROTOCOLS, None) => return Err(broken("101 although no upgrade was asked for")),
        _ => {
            let clean = answer::clean_trailers;
            let body = |incoming| Body::App(Download::new(incoming, lease, place, progress, bounds.idle, clean));
            (answer.map(body), None)
        }
    };
    Ok(Forwarded { answer: answer::clean(answer, scope), upstream_duration, tunnel })
}

/// What one exchange goes over.
struct Way<'a> {
    upstream: &'a Upstream,
    wire: &'a Wire,
    /// When the head of the answer should be there.
    overdue: Instant,
    progress: Option<&'a Progress>,
}

impl Way<'_> {
    /// One request and its answer, with at most one more try.
    async fn exchange(
        &self,
        request: Request<Upload>,
        again: impl FnOnce(bool) -> Option<Request<Upload>>,
    ) -> Result<(Response<Incoming>, Lease), Rejection> {
        let Self { upstream, wire, overdue, .. } = *self;
        let lease = upstream.lease(wire, overdue).await.map_err(|error| unreachable(&error))?;
        let once_more = match lease.send(request).await {
            Attempt::Answered(answer, lease) => return Ok((answer, lease)),
            Attempt::Unsent { request, .. } => request,
            Attempt::Failed { error, reused, refused } => {
                let request = if refused || (reused && broke_off(&error)) { again(refused) } else { None };
                request.ok_or_else(|| self.failed(&error))?
            }
        };
        let lease = upstream.lease_another(wire, overdue).await.map_err(|error| unreachable(&error))?;
        match lease.send(once_more).await {
            Attempt::Answered(answer, lease) => Ok((answer, lease)),
            Attempt::Unsent { error, .. } | Attempt::Failed { error, .. } => Err(self.failed(&error)),
        }
    }

    /// Finds whose fault it was: the caller's body can break a request as well as the app can.
    fn failed(&self, error: &hyper::Error) -> Rejection {
        match self.progress.and_then(Progress::fault) {
            Some(fault) => upload_rejection(fault),
            None => Rejection::UpstreamUnavailable(with_causes(error)),
        }
    }
}

/// Waits for the head of the answer. An upload in progress is not the app's fault, so the time starts anew as long as
/// bytes are moving; their pace is bounded by the upload itself.
async fn until_head<T>(
    sending: impl Future<Output = Result<T, Rejection>>,
    progress: Option<&Progress>,
    limit: Duration,
) -> Result<T, Rejection> {
    let mut sending = pin!(sending);
    loop {
        let before = progress.map(Progress::mark);
        match tokio::time::timeout(limit, &mut sending).await {
            Ok(result) => return result,
            Err(_) if progress.map(Progress::mark) != before => {}
            Err(_) => return Err(Rejection::UpstreamTimeout),
        }
    }
}

/// Whether a connection ended without an answer, as one does that the app had already closed.
fn broke_off(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_closed() || error.is_canceled() || io_error(error).is_some()
}

fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    error.source().and_then(|source| source.downcast_ref())
}

fn with_causes(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// What a caller is told whose body did not come as it should.
pub(super) fn upload_rejection(error: &UploadError) -> Rejection {
    match error {
        UploadError::TooLarge => Rejection::BodyTooLarge,
        UploadError::TooSlow => Rejection::RequestTimeout,
        UploadError::Trailers => Rejection::MalformedRequest("trailers behind a signed body"),
        UploadError::Broken(_) => Rejection::MalformedRequest("the body broke off or was malformed"),
    }
}

fn unreachable(error: &io::Error) -> Rejection {
    Rejection::UpstreamUnavailable(format!("no connection: {error}"))
}

fn broken(cause: &str) -> Rejection {
    Rejection::UpstreamUnavailable(cause.to_owned())
}
