//! Names of rights, such as `projects:read`.

use std::fmt;
use std::sync::Arc;

/// One right, written `resource:action`, or `*` for every right.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission(Arc<str>);

/// Why a text is not a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a permission is `*` or 1 to 128 letters, digits, `-`, `_`, `.`, `:`, `/`, such as `projects:read`")]
pub struct PermissionError;

impl Permission {
    /// Checks the text and keeps it.
    pub fn new(text: &str) -> Result<Self, PermissionError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/');
        let valid = text == "*" || (!text.is_empty() && text.len() <= 128 && text.bytes().all(fits));
        valid.then(|| Self(Arc::from(text))).ok_or(PermissionError)
    }

    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `*`, which covers every permission.
    pub(super) fn is_everything(&self) -> bool {
        &*self.0 == "*"
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permission({})", self.0)
    }
}
