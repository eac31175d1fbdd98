//! Our own short proof of a principal: a sealed cookie, and the list of those that were ended early.
//!
//! # Format
//!
//! The cookie's value is unpadded base64url of
//! `version (1 byte) ‖ key id length (1) ‖ key id ‖ nonce (24) ‖ XAES-256-GCM(record)`, with additional data
//! `"vestibule session v1" ‖ 0 ‖ cookie name ‖ 0 ‖ public origin`. The record is described in `session/record.rs`; it
//! holds ids, times, and the host's word for a person's rank where the host cannot be asked again; never rights. A release
//! reads the next version before any release writes it.
//!
//! XAES-256-GCM ([C2SP](https://c2sp.org/XAES-256-GCM)) derives a key per nonce, so that random nonces are safe for any
//! number of cookies under one key.

use std::fmt;
use std::time::Duration;

use ring::digest;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::access::{Origin, Principal};
use crate::clock::{Clock, Timestamp};
use crate::news::{Listener, News};
use crate::secret::Secret;

mod bearer;
mod ended;
mod error;
mod login;
mod record;
mod seal;
mod ticket;
mod tombstone;

pub use error::{KeyError, SessionError};
use record::cookie;
use seal::{KeyMark, Opened, Sealer};

pub use login::{BegunLogin, EndedLogin, LoginError};

/// What the names of all our cookies begin with. `__Host-` binds a cookie to this exact origin.
pub const COOKIE_PREFIX: &str = "__Host-vestibule";

/// What the sessions of a gateway are made with.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// (id, 32 bytes): the first seals, all open.
    pub keys: Vec<(String, Secret)>,
    /// A session ends after this time without a request.
    pub idle: Duration,
    /// A session ends this long after its token was first seen, whatever happens.
    pub absolute: Duration,
    /// The public origin; a cookie of another origin does not open.
    pub origin: Origin,
    /// What time it is.
    pub clock: Clock,
}

/// The random name of one session.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; 16]);

/// Which of several sessions in one browser: a short hash of origin, host, tenant, kind, user, organization and actor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContextId(String);

/// A proven principal for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    id: SessionId,
    context: ContextId,
    principal: Principal,
    confirmed_at: Timestamp,
    idle_end: Timestamp,
    absolute_end: Timestamp,
    ancestors: Vec<Origin>,
    /// The host's word for their rank, empty for none, where nobody but the token can say it.
    host_role: Option<String>,
    /// The key that it was sealed with.
    mark: KeyMark,
    /// Of something that comes with each request, and so never a cookie.
    is_lent: bool,
    /// Of a tab that was opened with a ticket. Nobody renews it there, so it goes on with what takes its place elsewhere.
    is_tab: bool,
}

/// The `Set-Cookie` value that removes one of our cookies. Every attribute is repeated, or a browser would keep it.
pub fn clear_cookie(name: &str) -> String {
    cookie(name, "", 0)
}

/// Makes, seals, opens and ends sessions.
pub struct Sessions {
    sealer: Sealer,
    idle: Duration,
    absolute: Duration,
    origin: Origin,
    clock: Clock,
    random: SystemRandom,
    revoked: ended::List,
    spent: ticket::Spent,
    ends: News<SessionId>,
}

impl Sessions {
    /// Checks the keys; each must be 32 bytes.
    pub fn new(settings: SessionSettings) -> Result<Self, KeyError> {
        let revoked = ended::list(&settings.clock);
        Self::with(settings, revoked, ticket::spent(), News::default())
    }

    /// With other settings from now on. What was ended before stays ended: both have one list.
    pub fn after(before: &Self, settings: SessionSettings) -> Result<Self, KeyError> {
        Self::with(settings, before.revoked.clone(), before.spent.clone(), before.ends.clone())
    }

    fn with(
        settings: SessionSettings,
        revoked: ended::List,
        spent: ticket::Spent,
        ends: News<SessionId>,
    ) -> Result<Self, KeyError> {
        let SessionSettings { keys, idle, absolute, origin, clock } = settings;
        let sealer = Sealer::new(&keys, &origin)?;
        Ok(Self { sealer, idle, absolute, origin, clock, random: SystemRandom::new(), revoked, spent, ends })
    }

    /// A new session with a new id. Its absolute end counts from the first sight of its token, so that a token which is
    /// presented again does not prolong it. A `host_role` goes along in it; one that is too long counts as none at once.
    pub fn begin(
        &self,
        principal: Principal,
        confirmed_at: Timestamp,
        first_seen: Timestamp,
        ancestors: Vec<Origin>,
        host_role: Option<String>,
    ) -> Session {
        let mut id = [0; 16];
        self.fill(&mut id);
        let absolute_end = first_seen + self.absolute;
        let idle_end = (self.clock.now() + self.idle).min(absolute_end);
        let ancestors = ancestors.into_iter().take(record::MAX_ANCESTORS).collect();
        let host_role = host_role.map(|role| if role.len() > record::MAX_ROLE { String::new() } else { role });
        let (id, context, mark) = (SessionId(id), self.context(&principal), self.sealer.mark());
        Session {
            id,
            context,
            principal,
            confirmed_at,
            idle_end,
            absolute_end,
            ancestors,
            host_role,
            mark,
            is_lent: false,
            is_tab: false,
        }
    }

    /// The session of a token that comes with each request. There is no cookie of it: it ends when the token does, or is idle
    /// where the token says nothing. One token has one id, so that what ends the session ends the token here. `mark` tells
    /// the token from the others of its host.
    pub fn lend(
        &self,
        principal: Principal,
        mark: &[u8; 32],
        confirmed_at: Timestamp,
        ends: Option<Timestamp>,
    ) -> Session {
        let end = ends.unwrap_or_else(|| self.clock.now() + self.idle);
        let name = [b"vestibule token v1\0", principal.host().as_str().as_bytes(), b"\0", mark].concat();
        let digest = digest::digest(&digest::SHA256, &name);
        let id = SessionId(*digest.as_ref().first_chunk().expect("a SHA-256 digest has 32 bytes"));
        let begun = self.begin(principal, confirmed_at, confirmed_at, Vec::new(), None);
        Session { id, idle_end: end, absolute_end: end, is_lent: true, ..begun }
    }

    /// Whether a session that was lent has neither reached its end nor been ended.
    pub fn check(&self, session: &Session) -> Result<(), SessionError> {
        let now = self.clock.now();
        match now >= session.absolute_end {
            true => Err(SessionError::Expired),
            false if self.has_ended(&session.id, now) => Err(SessionError::Revoked),
            false => Ok(()),
        }
    }

    /// The context of a principal: the same on every replica and for every key.
    pub fn context(&self, principal: &Principal) -> ContextId {
        ContextId(record::context(&self.origin, principal))
    }

    /// The `Set-Cookie` value that stores the session. Every attribute is needed inside a cross-site frame, and logout
    /// has to repeat them all.
    pub fn set_cookie(&self, session: &Session) -> String {
        let name = session.context.cookie_name();
        let mut nonce = [0; 24];
        self.fill(&mut nonce);
        let purpose = if session.is_tab { record::TAB_PURPOSE } else { record::PURPOSE };
        let sealed = self.sealer.seal(purpose, &name, &nonce, &record::encode(session));
        let rest = session.absolute_end.since(self.clock.now()).as_secs();
        cookie(&name, &sealed, rest)
    }

    /// The session in a cookie, if it is one and has not ended.
    pub fn open(&self, name: &str, value: &Secret) -> Result<Session, SessionError> {
        self.living(self.recall(name, value).ok_or(SessionError::Invalid)?)
    }

    /// The session, if it has neither reached an end of its own nor been ended. That of a tab is the one that has taken its place.
    fn living(&self, session: Session) -> Result<Session, SessionError> {
        let now = self.clock.now();
        if now >= session.idle_end || now >= session.absolute_end {
            return Err(SessionError::Expired);
        }
        if session.is_tab {
            return self.still(&session);
        }
        if self.has_ended(&session.id, now) { Err(SessionError::Revoked) } else { Ok(session) }
    }

    /// The session that a cookie was, whether or not it has ended. It proves nothing any more. The seal holds for this name
    /// only, so the name says which context it was sealed for.
    pub fn recall(&self, name: &str, value: &Secret) -> Option<Session> {
        let context = ContextId::of_cookie(name)?;
        let opened = |purpose| self.sealer.open(purpose, name, value.expose());
        let tab = || opened(record::TAB_PURPOSE).map(|opened| (opened, true));
        let (Opened { record, mark }, is_tab) = opened(record::PURPOSE).map(|opened| (opened, false)).or_else(tab)?;
        record::decode(&record, context, mark).map(|session| Session { is_tab, ..session })
    }

    /// A re-dated copy, when that is due: a quarter of the idle time has passed, the host confirmed anew, or the key is
    /// an old one. Never of one that was lent.
    pub fn slide(&self, session: &Session, confirmed_at: Timestamp) -> Option<Session> {
        let idle_end = (self.clock.now() + self.idle).min(session.absolute_end);
        let moved = idle_end.since(session.idle_end) >= self.idle / 4;
        let mark = self.sealer.mark();
        let due = moved || session.mark != mark || confirmed_at > session.confirmed_at;
        let confirmed_at = confirmed_at.max(session.confirmed_at);
        (due && !session.is_lent).then(|| Session { confirmed_at, idle_end, mark, ..session.clone() })
    }

    /// The session as something goes on with it that was begun with it, a stream for example: as the one that has taken its
    /// place, if one has. Its idle end does not count, because whoever holds a stream open is there.
    pub fn still(&self, session: &Session) -> Result<Session, SessionError> {
        if !self.sealer.knows(session.mark) {
            return Err(SessionError::Invalid);
        }
        if self.rest(session).is_zero() {
            return Err(SessionError::Expired);
        }
        let id = self.heir(session.id).ok_or(SessionError::Revoked)?;
        Ok(Session { id, ..session.clone() })
    }

    /// How long until the absolute end.
    pub fn rest(&self, session: &Session) -> Duration {
        session.absolute_end.since(self.clock.now())
    }

    /// Hears when the session is ended or replaced.
    pub fn ends_of(&self, session: &Session) -> Listener<SessionId> {
        self.ends.about(&session.id)
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.random.fill(bytes).expect("the operating system gives random bytes, or nothing here is safe");
    }
}

impl Session {
    /// Its random name.
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// Which of several sessions in one browser it is.
    pub const fn context(&self) -> &ContextId {
        &self.context
    }

    /// Who it is a proof of.
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// When the host last vouched for them.
    pub const fn confirmed_at(&self) -> Timestamp {
        self.confirmed_at
    }

    /// When it ends if nothing more happens.
    pub fn expires_at(&self) -> Timestamp {
        self.idle_end.min(self.absolute_end)
    }

    /// When it ends whatever happens.
    pub const fn absolute_end(&self) -> Timestamp {
        self.absolute_end
    }

    /// The pages that may frame it.
    pub fn ancestors(&self) -> &[Origin] {
        &self.ancestors
    }

    /// The host's word for their rank, where the session has to know it: empty for none.
    pub fn host_role(&self) -> Option<&str> {
        self.host_role.as_deref()
    }

    /// Eight characters that tell sessions apart in a log and open nothing.
    pub fn short_id(&self) -> String {
        faster_hex::hex_string(&digest::digest(&digest::SHA256, &self.id.0).as_ref()[..4])
    }
}

impl ContextId {
    /// Ten characters of base32.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the context's cookie.
    pub fn cookie_name(&self) -> String {
        format!("{COOKIE_PREFIX}.{}", self.0)
    }

    fn of_cookie(name: &str) -> Option<Self> {
        name.strip_prefix(COOKIE_PREFIX)?.strip_prefix('.').map(|context| Self(context.to_owned()))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId([redacted])")
    }
}

#[cfg(test)]
mod tests;
