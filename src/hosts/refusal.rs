//! Why a token is not accepted, for operators and logs. The caller is told [`HostError::Refused`] or
//! [`HostError::Expired`] and nothing else.

use super::HostError;

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read in one way only.
    #[error("malformed")]
    Malformed,
    /// No key that is known made its signature.
    #[error("bad_signature")]
    BadSignature,
    /// No key that is known opens it.
    #[error("bad_decrypt")]
    BadDecrypt,
    /// It says that it is over, or is older than it may be.
    #[error("expired")]
    Expired,
    /// It says that it begins later, or was made in the future.
    #[error("not_yet_valid")]
    NotYetValid,
    /// It is for another app.
    #[error("wrong_audience")]
    WrongAudience,
    /// Somebody else made it.
    #[error("wrong_issuer")]
    WrongIssuer,
    /// It is of a workspace that is not served.
    #[error("wrong_tenant")]
    WrongTenant,
    /// Something that it must say is not there.
    #[error("missing_claim")]
    MissingClaim,
    /// It is authentic and names no person.
    #[error("names_nobody")]
    NamesNobody,
    /// It says something that it must not say, or in a way that it must not be said.
    #[error("wrong_claim")]
    WrongClaim,
    /// It was made with an algorithm that the configuration does not name.
    #[error("alg_not_allowed")]
    AlgorithmNotAllowed,
    /// It names a key that is not known.
    #[error("unknown_key")]
    UnknownKey,
    /// It belongs to another request than the one that it came with.
    #[error("bad_request_binding")]
    RequestBinding,
    /// It may be used once, and was.
    #[error("replay")]
    Replay,
    /// The keys, or the platform's word, cannot be had now. Neither yes nor no.
    #[error("unavailable")]
    Unavailable,
}

impl From<Refusal> for HostError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Expired => Self::Expired,
            Refusal::Unavailable => Self::Unavailable,
            _ => Self::Refused,
        }
    }
}
