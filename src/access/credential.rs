//! What a caller presents before anything is proven.

use crate::secret::Secret;

/// One way in which a caller says who they are. Secret until proven.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The host platform's session token, as it came in the query or the body.
    HostToken(Secret),
    /// Our own sealed cookies: (cookie name, sealed value), at most one per name.
    SessionCookies(Vec<(String, Secret)>),
    /// Nothing at all.
    None,
}
