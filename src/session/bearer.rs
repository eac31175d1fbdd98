//! Bearers: a session for a page whose browser keeps no cookie of it, in the page's memory.
//!
//! A bearer is sealed as a session is, for another purpose. The record in it is
//! `end (8 bytes, milliseconds, big endian) ‖ session record`. It ends with its session, and after five minutes at the latest:
//! a script can carry it away, which it cannot do with a cookie.

use std::time::Duration;

use super::{ContextId, Session, SessionError, Sessions, record};
use crate::clock::Timestamp;
use crate::secret::Secret;

const LIFE: Duration = Duration::from_mins(5);

const PURPOSE: &str = "vestibule bearer v1";

impl Sessions {
    /// A bearer of the session, and its end.
    pub fn bearer(&self, session: &Session) -> (String, Timestamp) {
        let mut nonce = [0; 24];
        self.fill(&mut nonce);
        let end = (self.clock.now() + LIFE).min(session.absolute_end);
        let bytes = [&end.as_millis().to_be_bytes()[..], &record::encode(session)].concat();
        (self.sealer.seal(PURPOSE, "", &nonce, &bytes), end)
    }

    /// The session that a bearer is for, while both are good. It never becomes a cookie.
    pub fn open_bearer(&self, bearer: &Secret) -> Result<Session, SessionError> {
        let opened = self.sealer.open(PURPOSE, "", bearer.expose()).ok_or(SessionError::Invalid)?;
        let (end, rest) = opened.record.split_first_chunk::<8>().ok_or(SessionError::Invalid)?;
        let unnamed = ContextId(String::new());
        let session = record::decode(rest, unnamed, opened.mark).ok_or(SessionError::Invalid)?;
        let idle_end = Timestamp::from_millis(u64::from_be_bytes(*end));
        self.living(Session { context: self.context(&session.principal), idle_end, is_lent: true, ..session })
    }
}
