//! What a token says, read strictly: one reading, or none.
//!
//! JSON members that are repeated, at any depth and however they are escaped, refuse the token (RFC 7519 §4 allows it; one
//! library takes the first, another the last).

use serde_json::{Map, Number, Value};

use super::json;
use super::refusal::Refusal;

/// What was signed or sealed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    /// Of JSON text that is one object and nothing else.
    pub(super) fn parse(json: &[u8]) -> Result<Self, Refusal> {
        json::object(json).map(Self).ok_or(Refusal::Malformed)
    }

    /// Of names and texts, each name once.
    pub(super) fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, Refusal> {
        let mut members = Map::new();
        for (name, value) in pairs {
            if members.insert(name, Value::String(value)).is_some() {
                return Err(Refusal::Malformed);
            }
        }
        Ok(Self(members))
    }

    /// The value at this path; `null` is as good as nothing.
    pub(super) fn at<S: AsRef<str>>(&self, path: &[S]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        let mut value = self.0.get(first.as_ref())?;
        for name in rest {
            value = value.as_object()?.get(name.as_ref())?;
        }
        Some(value).filter(|value| !value.is_null())
    }

    /// Whether there is such a member, even if it is `null`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The text at this path, if it is text.
    pub(super) fn text<S: AsRef<str>>(&self, path: &[S]) -> Option<&str> {
        self.at(path)?.as_str()
    }

    /// An id: text, or a whole number in decimal digits. JSON numbers of other shapes are no ids.
    pub(super) fn id<S: AsRef<str>>(&self, path: &[S]) -> Option<String> {
        match self.at(path)? {
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Value::Number(number) => whole(number),
            _ => None,
        }
    }

    /// Replaces a member's JSON text by what it says, for formats that put JSON into text.
    pub(super) fn unfold(&mut self, name: &str) -> Result<(), Refusal> {
        if let Some(Value::String(text)) = self.0.get(name) {
            let inner = Self::parse(text.as_bytes())?;
            self.0.insert(name.to_owned(), Value::Object(inner.0));
        }
        Ok(())
    }

    /// Their one spelling, with the members in order.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// The members, in an order of their own.
    pub(super) fn into_members(self) -> Map<String, Value> {
        self.0
    }
}

impl From<Map<String, Value>> for Claims {
    fn from(members: Map<String, Value>) -> Self {
        Self(members)
    }
}

fn whole(number: &Number) -> Option<String> {
    (number.is_u64() || number.is_i64()).then(|| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_one_object() {
        for json in ["[]", "\"a\"", "1", "", "null", r#"{"a":1,"a":2}"#, r#"{"a":1}{}"#] {
            assert_eq!(Claims::parse(json.as_bytes()), Err(Refusal::Malformed), "{json}");
        }
    }

    #[test]
    fn ids_are_texts_or_whole_numbers() {
        let claims =
            Claims::parse(br#"{"a":"x","b":{"c":1234564879},"d":1.5,"e":"","f":null,"g":-2,"h":true,"i":1e3}"#);
        let claims = claims.expect("claims");
        assert_eq!(claims.id(&["a"]).as_deref(), Some("x"));
        assert_eq!(claims.id(&["b", "c"]).as_deref(), Some("1234564879"));
        assert_eq!(claims.id(&["g"]).as_deref(), Some("-2"));
        for path in [&["d"][..], &["e"], &["f"], &["h"], &["i"], &["b"], &["none"], &["a", "b"], &[]] {
            assert_eq!(claims.id(path), None, "{path:?}");
        }
    }

    #[test]
    fn repeated_pairs_are_refused() {
        let pair = |name: &str| (name.to_owned(), "v".to_owned());
        assert!(Claims::from_pairs([pair("a"), pair("b")]).is_ok());
        assert_eq!(Claims::from_pairs([pair("a"), pair("a")]), Err(Refusal::Malformed));
    }
}
