//! What a session that was ended on purpose leaves in its browser: a mark that there was one, until it would have ended anyway.
//!
//! Its frame may still be on the screen, and what that asks for without saying for whom must not be answered for somebody else
//! who is signed in beside it. The mark is sealed for its name; the record in it is
//! `absolute end (8 bytes, milliseconds, big endian)`.

use super::{COOKIE_PREFIX, ContextId, Session, Sessions, record};
use crate::clock::Timestamp;
use crate::secret::Secret;

const PURPOSE: &str = "vestibule ended v1";

impl Sessions {
    /// The `Set-Cookie` value that leaves the mark.
    pub fn tombstone(&self, session: &Session) -> String {
        let (name, mut nonce) = (session.context.tombstone_name(), [0; 24]);
        self.fill(&mut nonce);
        let sealed = self.sealer.seal(PURPOSE, &name, &nonce, &session.absolute_end.as_millis().to_be_bytes());
        record::cookie(&name, &sealed, self.rest(session).as_secs())
    }

    /// The context that such a cookie is about, and until when.
    pub fn open_tombstone(&self, name: &str, value: &Secret) -> Option<(ContextId, Timestamp)> {
        let context = name.strip_prefix(COOKIE_PREFIX)?.strip_prefix("-ended.")?;
        let opened = self.sealer.open(PURPOSE, name, value.expose())?;
        let end = Timestamp::from_millis(u64::from_be_bytes(opened.record.try_into().ok()?));
        (self.clock.now() < end).then(|| (ContextId(context.to_owned()), end))
    }
}

impl ContextId {
    /// The name of the mark's cookie.
    pub fn tombstone_name(&self) -> String {
        format!("{COOKIE_PREFIX}-ended.{}", self.0)
    }
}
