//! Identifiers, checked once: an id that exists can be a header value, a log field and a cache key as it is.

use std::fmt;
use std::sync::Arc;

/// The longest id that is accepted, in bytes.
const MAX_ID_BYTES: usize = 128;

/// Why a text is not an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing there.
    #[error("must not be empty")]
    Empty,
    /// Longer than 128 bytes.
    #[error("is longer than {MAX_ID_BYTES} bytes")]
    TooLong,
    /// A byte outside of the alphabet of this kind of id.
    #[error("holds a character that is not allowed here ({0})")]
    Character(&'static str),
}

fn check(text: &str, allowed: fn(u8) -> bool, alphabet: &'static str) -> Result<(), IdError> {
    match text.len() {
        0 => Err(IdError::Empty),
        1..=MAX_ID_BYTES if text.bytes().all(allowed) => Ok(()),
        1..=MAX_ID_BYTES => Err(IdError::Character(alphabet)),
        _ => Err(IdError::TooLong),
    }
}

/// Defines one identifier type: cheap to clone, comparable, and impossible to build from an unfit text.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $allowed:expr, $alphabet:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and keeps it.
            pub fn new(text: &str) -> Result<Self, IdError> {
                check(text, $allowed, $alphabet)?;
                Ok(Self(Arc::from(text)))
            }

            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), &self.0)
            }
        }
    };
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

const fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

const fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':')
}

identifier!(
    /// The name of a host in the configuration: the `assembly` of `[hosts.assembly]`.
    HostName, is_name, "letters, digits, `-`, `_`"
);
identifier!(
    /// A workspace of the host platform.
    TenantId, is_visible, "visible ASCII"
);
identifier!(
    /// The host's stable id of a person; unique only within its host and tenant.
    SubjectId, is_visible, "visible ASCII"
);
identifier!(
    /// A customer company inside a tenant.
    OrganizationId, is_visible, "visible ASCII"
);
identifier!(
    /// A project as it stands in a canonical path segment, percent-encoded where that is needed.
    ProjectKey, is_visible, "visible ASCII; write other characters percent-encoded, as in the path"
);
identifier!(
    /// A role. No comma, because role lists are comma separated in `X-Vestibule-Roles`.
    RoleKey, is_key, "letters, digits, `-`, `_`, `.`, `:`"
);
identifier!(
    /// A route's name: a metric label and the assertion's `route`. Defaults to the route's path pattern.
    RouteName, is_visible, "visible ASCII"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_break_a_header_are_refused() {
        for text in ["", "a b", "a\r\nX: y", "a\0", "名", &"x".repeat(129)] {
            assert!(SubjectId::new(text).is_err(), "{text:?}");
        }
        assert_eq!(SubjectId::new("a:b/c").map(|id| id.to_string()), Ok(String::from("a:b/c")));
    }

    #[test]
    fn role_keys_hold_no_comma() {
        assert_eq!(RoleKey::new("a,b"), Err(IdError::Character("letters, digits, `-`, `_`, `.`, `:`")));
    }
}
