//! A JWK set (RFC 7517 §5): the keys that a platform signs with now.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Algorithm, KeyError, PublicKey};
use crate::hosts::json;

/// The largest set that is read. Those of large platforms have 20 KiB.
pub(super) const MAX_SET: usize = 64 * 1024;
/// As many keys as are looked through for one token.
const MAX_KEYS: usize = 100;

/// Keys by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: Option<String>,
    key: Arc<PublicKey>,
}

impl KeySet {
    /// Reads a set. Keys in it that are of no use here are skipped (RFC 7517 §5): a platform may begin with a new kind of key,
    /// and the others are as good as before.
    pub fn parse(json: &[u8]) -> Result<Self, KeyError> {
        if json.len() > MAX_SET {
            return Err(KeyError::SetSize);
        }
        let members = json::object(json).ok_or(KeyError::Set)?;
        let keys = members.get("keys").and_then(Value::as_array).ok_or(KeyError::Set)?;
        if keys.len() > MAX_KEYS {
            return Err(KeyError::SetSize);
        }
        Ok(Self(keys.iter().filter_map(Value::as_object).filter_map(Entry::read).collect()))
    }

    /// Whether there is no key in it that could verify anything.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key of this name, if it is for this algorithm; without a name, the only key for the algorithm.
    ///
    /// Two keys of one name are none: which of them was meant would be a guess, and to try both would let whoever can add a key
    /// under a known name sign in that name. Looks through the set, without allocation.
    pub fn find(&self, name: Option<&str>, algorithm: Algorithm) -> Option<&Arc<PublicKey>> {
        let entry = match name {
            Some(_) => only(self.0.iter().filter(|entry| entry.name.as_deref() == name)),
            None => only(self.0.iter().filter(|entry| entry.key.fits(algorithm))),
        };
        entry.map(|entry| &entry.key).filter(|key| key.fits(algorithm))
    }
}

impl Entry {
    /// `None` for a key that is not for signatures, is of another kind, or says something of itself that is not understood.
    fn read(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).map_or(Some(None), |value| value.as_str().map(Some));
        let (name, purpose) = (text("kid")?, text("use")?);
        let algorithm = text("alg")?.map_or(Some(None), |name| Algorithm::parse(name).map(Some))?;
        let key = PublicKey::from_jwk(jwk).ok()?;
        let operations = jwk.get("key_ops").map_or(Some(None), |list| list.as_array().map(Some))?;
        let verifies = operations.is_none_or(|list| list.iter().any(|operation| operation == "verify"));
        // A key has one algorithm, so a set can only name that one or be wrong.
        let fits = algorithm.is_none_or(|algorithm| key.fits(algorithm));
        let usable = fits && verifies && purpose.is_none_or(|purpose| purpose == "sig");
        usable.then(|| Self { name: name.map(str::to_owned), key: Arc::new(key) })
    }
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}
