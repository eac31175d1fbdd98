//! JSON with one reading, or none.
//!
//! Members that are repeated, at any depth and however they are escaped, refuse the text: RFC 8259 §4 leaves open which of
//! them counts, and libraries differ.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Members inside of members inside of members: nobody nests deeper.
const MAX_DEPTH: usize = 16;

/// One value and nothing else but white space around it.
pub(super) fn strict(json: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(json).ok()?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict { depth: 0 }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(value)
}

/// One object, as [`strict`].
pub(super) fn object(json: &[u8]) -> Option<Map<String, Value>> {
    match strict(json)? {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth < MAX_DEPTH { Ok(Self { depth: self.depth + 1 }) } else { Err(E::custom("too deep")) }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inside)?;
            if values.insert(name, value).is_some() {
                return Err(A::Error::custom("a member that is repeated"));
            }
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let deep = format!("{}1{}", "{\"a\":".repeat(17), "}".repeat(17));
        for json in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"b":{"a":1,"a":1}}"#,
            r#"{"b":[{"a":1,"a":2}]}"#,
            r#"{"a":1}{}"#,
            r#"{"a":1}x"#,
            r#"{"a":01}"#,
            r#"{"a":NaN}"#,
            r#"{"a":"\ud800"}"#,
            "",
            "\u{feff}{}",
            &deep,
            &"[".repeat(100_000),
        ] {
            assert_eq!(strict(json.as_bytes()), None, "{}", json.get(..40).unwrap_or(json));
        }
        assert_eq!(strict(b"{\"a\":\"\xff\"}"), None);
        assert_eq!(object(b"[]"), None);
    }

    #[test]
    fn every_other_text_says_what_it_says() {
        let json = br#" {"a":[1,-2,1.5,true,null,"\u00e9"],"b":{"a":18446744073709551615}} "#;
        assert_eq!(strict(json), serde_json::from_slice(json).ok());
        assert_eq!(object(b"{\"a\":1}\n").map(|members| members.len()), Some(1));
    }
}
