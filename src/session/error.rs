//! What does not become a session.

/// Why sessions cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key at all.
    #[error("[session] keys needs at least one key")]
    None,
    /// Not 32 bytes, or an id that cannot be written down.
    #[error("[session] keys: key `{0}` must be 32 bytes and its id 1 to 32 characters")]
    Unfit(String),
}

/// Why a cookie is no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Not sealed by us, for this name, on this origin.
    #[error("the cookie is not a session of this gateway")]
    Invalid,
    /// Idle or absolute end passed.
    #[error("the session has ended")]
    Expired,
    /// Logged out or revoked.
    #[error("the session was ended")]
    Revoked,
}
