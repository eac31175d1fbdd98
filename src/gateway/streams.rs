//! Streams end with the right to them: WebSockets, event streams, and whatever else of an answer takes long.
//!
//! An open stream is decided again, by the code that decides requests, as soon as something changes that may be about it: its
//! session, the grants of its tenant, the configuration. Where nothing is heard of a change, a re-check comes five times in
//! the life of a cached fact. What is no longer allowed ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Method;
use metrics::{counter, gauge};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::accept::{Drain, reached};
use super::authorize::authorize;
use super::live::Snapshot;
use super::respond::Rejection;
use super::route::{self, Destination, Target};
use crate::access::{Access, RouteName, TenantId};
use crate::clock::jittered;
use crate::news::Listener;
use crate::session::{Session, SessionId};

/// An answer that is over by then is none that has to be watched.
const SETTLES: Duration = Duration::from_millis(250);

/// The time between two re-checks that changes ask for: many changes at once are one.
const GAP: Duration = Duration::from_millis(100);

/// When somebody is asked again who could not say.
const AGAIN: Duration = Duration::from_secs(2);

/// What all streams of a process have in common; outlives every snapshot.
pub(super) struct Streams {
    live: Weak<ArcSwap<Snapshot>>,
    /// Moves with the generation of the snapshot.
    generation: watch::Sender<u64>,
    drain: watch::Receiver<Drain>,
    sockets: Mutex<HashMap<SessionId, usize>>,
}

/// One WebSocket of a session; counted until it is dropped.
pub(super) struct Socket {
    streams: Arc<Streams>,
    session: SessionId,
}

/// What a stream is, for metrics and at a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A tunnel.
    WebSocket,
    /// An answer that has no end of its own.
    Events,
    /// Any other.
    Answer,
}

/// Why a stream is ended that neither side has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The session is over.
    SessionOver,
    /// The same request would be refused now.
    Forbidden,
    /// For too long nobody could say whether it would be.
    Unavailable,
    /// The process stops.
    Stopping,
}

/// What a stream rests on: who asked, and what for.
pub(super) struct Right {
    pub(super) streams: Arc<Streams>,
    /// `None` on a public route.
    pub(super) session: Option<Session>,
    pub(super) method: Method,
    pub(super) target: Target,
    /// As in the question that was answered with yes.
    pub(super) changes: bool,
    pub(super) route: RouteName,
    pub(super) request_id: String,
}

/// Hears of what may change under a stream; of nothing, where nobody is signed in.
struct Ears(Option<(SessionId, Listener<SessionId>, Listener<TenantId>)>);

/// Since when nobody can say whether a stream may go on.
#[derive(Default)]
struct Doubt(Option<Instant>);

/// An open stream as it is counted.
struct Counted {
    kind: Kind,
    end: &'static str,
}

impl Streams {
    pub(super) fn new(live: Weak<ArcSwap<Snapshot>>, drain: watch::Receiver<Drain>) -> Self {
        Self { live, generation: watch::Sender::new(1), drain, sockets: Mutex::default() }
    }

    /// Another snapshot is in force.
    pub(super) fn replaced(&self, generation: u64) {
        self.generation.send_replace(generation);
    }

    /// A place for one more WebSocket of the session, if it has fewer than `most`.
    pub(super) fn admit(self: &Arc<Self>, session: SessionId, most: usize) -> Option<Socket> {
        let mut sockets = self.sockets();
        let open = sockets.entry(session).or_default();
        if *open >= most {
            return None;
        }
        *open += 1;
        Some(Socket { streams: Arc::clone(self), session })
    }

    fn sockets(&self) -> MutexGuard<'_, HashMap<SessionId, usize>> {
        // The counts are whole between any two statements that hold the lock.
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.live.upgrade().map(|live| live.load_full())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut sockets = self.streams.sockets();
        let left = sockets.get(&self.session).map_or(0, |open| open.saturating_sub(1));
        if left == 0 {
            sockets.remove(&self.session);
        } else {
            sockets.insert(self.session, left);
        }
    }
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Events => "events",
            Self::Answer => "answer",
        }
    }
}

impl End {
    /// The word for logs and metrics, and what a WebSocket is told with the code.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::SessionOver => "session_over",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
            Self::Stopping => "stopping",
        }
    }

    /// The code of a WebSocket's Close frame (RFC 6455 §7.4): two of our own, "try again later" and "going away".
    pub(super) const fn close_code(self) -> u16 {
        match self {
            Self::SessionOver => 4401,
            Self::Forbidden => 4403,
            Self::Unavailable => 1013,
            Self::Stopping => 1001,
        }
    }

    /// What a refusal means for a stream; `None` if it is neither yes nor no.
    const fn of(rejection: &Rejection) -> Option<Self> {
        match rejection {
            Rejection::HostUnavailable | Rejection::PermissionsUnavailable(_) => None,
            Rejection::SessionMissing | Rejection::SessionExpired => Some(Self::SessionOver),
            _ => Some(Self::Forbidden),
        }
    }
}

impl Right {
    /// Waits until the stream has to end, and counts it for as long as it waits.
    pub(super) async fn ends(mut self, kind: Kind) -> End {
        if kind != Kind::WebSocket {
            sleep(SETTLES).await;
        }
        let (began, mut counted) = (Instant::now(), Counted::new(kind));
        let streams = Arc::clone(&self.streams);
        let request_id = self.request_id.clone();
        let end = tokio::select! {
            end = self.lost() => end,
            end = stopping(&streams, kind, &request_id) => end,
        };
        counted.end = end.as_str();
        tracing::info!(
            event = "stream_ended",
            request_id = self.request_id,
            route = %self.route,
            kind = kind.as_str(),
            reason = end.as_str(),
            close_code = end.close_code(),
            duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "a stream was ended"
        );
        end
    }

    /// Decides again and again, until the answer is no.
    async fn lost(&mut self) -> End {
        let mut doubt = Doubt::default();
        let (mut replaced, mut not_before) = (self.streams.generation.subscribe(), Instant::now());
        loop {
            replaced.mark_unchanged();
            let Some(snapshot) = self.streams.snapshot() else { return End::Stopping };
            // First listen, then look: what changes after the look is heard.
            let mut ears = Ears::of(&snapshot, self.session.as_ref());
            // Boxed, so that a stream that only waits is small.
            let verdict = tokio::select! {
                verdict = Box::pin(self.check(&snapshot)) => verdict,
                () = ears.hear_of_session() => continue,
            };
            let rest = match doubt.after(&verdict, snapshot.fact_life) {
                Ok(rest) => self.jittered(rest, &snapshot),
                Err(end) => return end,
            };
            if !ears.are_for(self.session.as_ref()) {
                continue;
            }
            // A snapshot that is no longer in force is not kept for the sake of a stream.
            drop(snapshot);
            tokio::select! {
                () = ears.hear() => {}
                // The sender is in `self`.
                _ = replaced.changed() => {}
                () = sleep(rest) => {}
            }
            sleep_until(not_before).await;
            not_before = Instant::now() + GAP;
        }
    }

    /// Never later than that or than the session's end, and not all streams together.
    fn jittered(&self, rest: Duration, snapshot: &Snapshot) -> Duration {
        let rest = jittered(rest.mul_f64(0.9), 0.1, &(&self.request_id, Instant::now()));
        self.session.as_ref().map_or(rest, |session| snapshot.sessions.rest(session).min(rest))
    }

    /// The way of a request through the snapshot in force, from the session to the decision.
    async fn check(&mut self, snapshot: &Snapshot) -> Result<(), Rejection> {
        let Destination::App(found) = route::destination(&snapshot.routes, &self.method, &self.target)? else {
            return Err(Rejection::NotRouted);
        };
        if found.route.access == Access::Public {
            return Ok(());
        }
        let session = self.session.as_ref().ok_or(Rejection::SessionMissing)?;
        let session = snapshot.sessions.still(session).map_err(|_| Rejection::SessionExpired)?;
        let caller = snapshot.caller(session).await?;
        authorize(&snapshot.grants, &snapshot.policy, &found, Some(&caller), self.changes).await?;
        // What was found out on the way, such as the host's word, is not asked for again.
        self.session = Some(caller.renewed.unwrap_or(caller.session));
        Ok(())
    }
}

impl Ears {
    fn of(snapshot: &Snapshot, session: Option<&Session>) -> Self {
        Self(session.map(|session| {
            let changes = snapshot.grants.changes_in(session.principal().tenant());
            (session.id(), snapshot.sessions.ends_of(session), changes)
        }))
    }

    /// False if another session has taken the place of the one that is listened to.
    fn are_for(&self, session: Option<&Session>) -> bool {
        self.0.as_ref().map(|(id, ..)| *id) == session.map(Session::id)
    }

    async fn hear_of_session(&mut self) {
        match &mut self.0 {
            Some((_, ends, _)) => ends.hears().await,
            None => std::future::pending().await,
        }
    }

    async fn hear(&mut self) {
        let Some((_, ends, changes)) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            () = ends.hears() => {}
            () = changes.hears() => {}
        }
    }
}

impl Doubt {
    /// When to decide again, or why not to. Where the answer is neither yes nor no, a request would be refused now; an open
    /// stream goes on for as long as a fact lives.
    fn after(&mut self, verdict: &Result<(), Rejection>, fact_life: Duration) -> Result<Duration, End> {
        let often = fact_life / 5;
        let Err(rejection) = verdict else {
            self.0 = None;
            return Ok(often);
        };
        if let Some(end) = End::of(rejection) {
            return Err(end);
        }
        let left = fact_life.saturating_sub(self.0.get_or_insert_with(Instant::now).elapsed());
        if left.is_zero() { Err(End::Unavailable) } else { Ok(often.min(AGAIN).min(left)) }
    }
}

/// At a stop, what has no end of its own is ended during the first half of the time that there is, not all at once: whoever
/// comes back, comes back to somebody else.
async fn stopping(streams: &Streams, kind: Kind, key: &str) -> End {
    if kind == Kind::Answer {
        return std::future::pending().await;
    }
    reached(&mut streams.drain.clone(), Drain::Finishing).await;
    if let Some(snapshot) = streams.snapshot() {
        sleep(jittered(snapshot.drain_time / 4, 1.0, &key)).await;
    }
    End::Stopping
}

impl Counted {
    fn new(kind: Kind) -> Self {
        gauge!("vestibule_streams_open", "kind" => kind.as_str()).increment(1.0);
        Self { kind, end: "closed" }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        gauge!("vestibule_streams_open", "kind" => self.kind.as_str()).decrement(1.0);
        counter!("vestibule_streams_total", "kind" => self.kind.as_str(), "end" => self.end).increment(1);
    }
}

#[cfg(test)]
mod tests;
