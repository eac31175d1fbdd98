//! What happened, told to whoever watches: one record per request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::access::{Permission, Principal, ProjectKey, RouteName};

/// Records that a slow watcher may lag behind before it misses some.
const BACKLOG: usize = 1024;

/// The outcome of one request. Holds no token, cookie, key or query.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// The id that the app and the caller see too.
    pub request_id: String,
    /// The trace that the request is part of (W3C Trace Context), if a `traceparent` came with it.
    pub trace_id: Option<String>,
    /// The caller's address.
    pub peer: IpAddr,
    /// `request`, `bootstrap`, `exchange` or `logout`.
    pub event: &'static str,
    /// The method as it came.
    pub method: String,
    /// The canonical path; empty if there is none.
    pub path: String,
    /// The route that was matched.
    pub route: Option<RouteName>,
    /// Status of the answer.
    pub status: u16,
    /// Code of the refusal, if it was one.
    pub code: Option<&'static str>,
    /// `allow`, `deny`, or `none` where nothing was decided.
    pub decision: &'static str,
    /// Why not.
    pub reason: Option<&'static str>,
    /// What only the log may know about a failure.
    pub cause: Option<String>,
    /// The caller.
    pub principal: Option<Principal>,
    /// The project of the route.
    pub project: Option<ProjectKey>,
    /// The permission that the route asks.
    pub permission: Option<Permission>,
    /// Eight characters of a hash of the session's id.
    pub session: Option<String>,
    /// The session's context.
    pub context: Option<String>,
    /// Where the caller's grants come from.
    pub grants_from: Vec<&'static str>,
    /// From the request's head to the answer's head.
    pub duration: Duration,
    /// The app's part of it.
    pub upstream_duration: Option<Duration>,
    /// Our part of it.
    pub overhead: Duration,
}

/// Tells watchers of requests. Costs nothing while nobody watches.
#[derive(Clone, Debug)]
pub struct Audit {
    watchers: broadcast::Sender<Arc<RequestRecord>>,
}

impl Audit {
    /// Nobody watches yet.
    #[expect(clippy::new_without_default, reason = "an audit that nobody can have subscribed to is made on purpose")]
    pub fn new() -> Self {
        Self { watchers: broadcast::Sender::new(BACKLOG) }
    }

    /// All records from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<RequestRecord>> {
        self.watchers.subscribe()
    }

    /// Tells all watchers.
    pub fn publish(&self, record: RequestRecord) {
        if self.watchers.receiver_count() > 0 {
            // The last watcher may have left in between, which is fine.
            let _ = self.watchers.send(Arc::new(record));
        }
    }
}
