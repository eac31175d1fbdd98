//! Tickets: a session for a tab of its own, which is another partition of the browser and has no cookie there.
//!
//! A ticket is sealed as a session is, for another purpose and for one path. The record in it is
//! `end (8 bytes, milliseconds, big endian) ‖ number (16) ‖ session record`. It is good for ten seconds and once; which ones
//! are spent is known to the process that took them.

use std::time::Duration;

use moka::sync::Cache;

use super::{ContextId, Session, SessionError, Sessions, record};
use crate::clock::Timestamp;

/// How long a tab may take to be opened.
const LIFE: Duration = Duration::from_secs(10);

/// Spent ones that are remembered, each with less than a hundred bytes.
const MAX_SPENT: u64 = 100_000;

const PURPOSE: &str = "vestibule ticket v1";

/// Numbers of tickets that were taken, for as long as these would be good.
pub(super) type Spent = Cache<[u8; 16], ()>;

pub(super) fn spent() -> Spent {
    Cache::builder().max_capacity(MAX_SPENT).time_to_live(2 * LIFE).build()
}

impl Sessions {
    /// A ticket to this path for the session.
    pub fn ticket(&self, session: &Session, path: &str) -> String {
        let (mut number, mut nonce) = ([0; 16], [0; 24]);
        self.fill(&mut number);
        self.fill(&mut nonce);
        let end = self.clock.now() + LIFE;
        let bytes = [&end.as_millis().to_be_bytes(), &number[..], &record::encode(session)].concat();
        self.sealer.seal(PURPOSE, path, &nonce, &bytes)
    }

    /// The session that a ticket to this path was made for, once. It is the same session, with its end and the one who
    /// previews, in its newest form.
    pub fn spend(&self, ticket: &str, path: &str) -> Result<Session, SessionError> {
        let opened = self.sealer.open(PURPOSE, path, ticket.as_bytes()).ok_or(SessionError::Invalid)?;
        let (end, rest) = opened.record.split_first_chunk::<8>().ok_or(SessionError::Invalid)?;
        let (number, rest) = rest.split_first_chunk::<16>().ok_or(SessionError::Invalid)?;
        let unnamed = ContextId(String::new());
        let session = record::decode(rest, unnamed, opened.mark).ok_or(SessionError::Invalid)?;
        if self.clock.now() >= Timestamp::from_millis(u64::from_be_bytes(*end)) {
            return Err(SessionError::Expired);
        }
        let session = self.living(Session { context: self.context(&session.principal), is_tab: true, ..session })?;
        let is_first = self.spent.entry(*number).or_insert(()).is_fresh();
        if is_first { Ok(session) } else { Err(SessionError::Expired) }
    }
}
