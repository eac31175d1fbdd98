//! The contexts that one browser has: people who are signed in side by side, and marks of those who were.

use http::HeaderMap;

use super::authenticate::Selector;
use super::cookies;
use super::live::Snapshot;
use super::respond::Rejection;
use crate::access::Principal;
use crate::clock::Timestamp;
use crate::session::{ContextId, Session, SessionError, clear_cookie};

/// How many contexts a browser keeps. It holds about 10 KiB of cookies for us and the app together, and drops the oldest
/// cookie when that is full, whichever it is.
const MAX_CONTEXTS: usize = 4;

/// What a request's cookies say.
pub(super) struct Jar {
    /// At most one of a context.
    pub(super) live: Vec<Session>,
    /// Contexts that have ended. They are not forgotten before their absolute end: a frame of theirs may still be there.
    ended: Vec<Ended>,
}

struct Ended {
    /// The name of its cookie.
    cookie: String,
    context: ContextId,
    end: Timestamp,
}

impl Snapshot {
    /// What the cookies of a request are.
    pub(super) fn jar(&self, headers: &HeaderMap) -> Jar {
        let (mut live, mut ended) = (Vec::new(), Vec::new());
        for (cookie, value) in cookies::ours(headers) {
            match self.sessions.open(&cookie, &value) {
                Ok(session) => live.push(session),
                Err(SessionError::Expired | SessionError::Revoked) => {
                    let Some(session) = self.sessions.recall(&cookie, &value) else { continue };
                    ended.push(Ended { cookie, end: session.absolute_end(), context: session.context().clone() });
                }
                Err(SessionError::Invalid) => {
                    let Some((context, end)) = self.sessions.open_tombstone(&cookie, &value) else { continue };
                    ended.push(Ended { cookie, context, end });
                }
            }
        }
        Jar { live, ended }
    }
}

impl Jar {
    /// The one live session that a request means. Between several contexts nothing is ever guessed, and one that has ended is
    /// one of them: the request may well be of its frame.
    pub(super) fn into_meant(mut self, selector: &Selector) -> Result<Session, Rejection> {
        if let Some(wanted) = &selector.0 {
            self.live.retain(|session| session.context().as_str() == wanted);
        } else {
            let is_live = |ended: &Ended| self.live.iter().any(|session| *session.context() == ended.context);
            let others = self.ended.iter().filter(|ended| !is_live(ended)).count();
            if !self.live.is_empty() && self.live.len() + others > 1 {
                return Err(Rejection::ContextAmbiguous);
            }
        }
        match self.live.pop() {
            Some(session) => Ok(session),
            None if self.ended.is_empty() => Err(Rejection::SessionMissing),
            None => Err(Rejection::SessionExpired),
        }
    }

    /// Whether there are other contexts, so that a page has to say which one it is of.
    pub(super) fn has_others(&self, session: &Session) -> bool {
        self.live.iter().any(|other| other.context() != session.context())
            || self.ended.iter().any(|other| other.context != *session.context())
    }

    /// Who is signed in.
    pub(super) fn principals(&self) -> Vec<Principal> {
        self.live.iter().map(|session| session.principal().clone()).collect()
    }

    /// Makes room for a session that begins: what is left of its own context goes, and of the others the oldest, which end first.
    /// So the ones that stay outlive those that go, and what a forgotten frame asks for stays ambiguous for as long as it matters.
    /// Gives the sessions to end, and the cookies to remove.
    pub(super) fn make_room(&self, session: &Session) -> (Vec<&Session>, Vec<String>) {
        let is_own = |context: &ContextId| context == session.context();
        let stale = |ended: &&Ended| ended.cookie == ended.context.tombstone_name();
        let own = self.ended.iter().filter(|ended| is_own(&ended.context)).filter(stale);
        let mut removed: Vec<String> = own.map(|ended| clear_cookie(&ended.cookie)).collect();
        let live = self.live.iter().filter(|live| !is_own(live.context()));
        let live = live.map(|live| (live.absolute_end(), live.context().cookie_name(), Some(live)));
        let ended = self.ended.iter().filter(|ended| !is_own(&ended.context));
        let mut others: Vec<_> = live.chain(ended.map(|ended| (ended.end, ended.cookie.clone(), None))).collect();
        others.sort_by_key(|(end, ..)| *end);
        let excess = others.len().saturating_sub(MAX_CONTEXTS - 1);
        let gone = &others[..excess];
        removed.extend(gone.iter().map(|(_, cookie, _)| clear_cookie(cookie)));
        (gone.iter().filter_map(|(.., session)| *session).collect(), removed)
    }
}
