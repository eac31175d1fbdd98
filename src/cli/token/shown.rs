//! What of a token may be seen.

use serde_json::{Map, Value};

/// Words in the name of a member whose value lets somebody in elsewhere.
const SECRET: [&str; 6] = ["token", "secret", "password", "key", "signature", "hash"];

/// What Salesforce hands to the app for its API; all of it.
const CLIENT: &str = "client";

/// One line for each member, its value as JSON, with secrets only counted. Nothing that could move a terminal's cursor.
pub(super) fn members(members: &Map<String, Value>) -> Vec<String> {
    let width = members.keys().map(|name| name.chars().count()).max().unwrap_or(0).min(30);
    let line = |(name, value): (&String, &Value)| {
        let value = visible(&masked(name, value).to_string());
        format!("  {:<width$}  {value}", visible(name))
    };
    members.iter().map(line).collect()
}

fn masked(name: &str, value: &Value) -> Value {
    let lower = name.to_ascii_lowercase();
    let secret = lower == CLIENT || SECRET.iter().any(|word| lower.contains(word));
    match value {
        Value::Object(members) if secret => hidden(members.values()),
        Value::Array(items) if secret => hidden(items.iter()),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), masked(name, value))).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(|item| masked(name, item)).collect(),
        // JSON in text, as some platforms have it.
        Value::String(text) if !secret => match serde_json::from_str::<Map<String, Value>>(text) {
            Ok(inside) => masked(name, &Value::Object(inside)).to_string().into(),
            Err(_) => value.clone(),
        },
        Value::String(text) => format!("… ({} characters)", text.chars().count()).into(),
        other if secret && other.is_number() => "…".into(),
        other => other.clone(),
    }
}

fn hidden<'a>(values: impl Iterator<Item = &'a Value>) -> Value {
    format!("… ({} values)", values.count()).into()
}

fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_unicode().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_that_let_somebody_in_elsewhere_are_only_counted() {
        let Value::Object(claims) = json!({
            "sub": "u1", "oauthToken": "00Dlong", "public_token": 7, "n": { "refreshToken": "r", "id": 1 },
            "client": { "instanceUrl": "https://x", "a": 1 }, "stack_api_key": ["a", "b"], "x": "{\"access_token\":\"t\",\"y\":1}",
        }) else {
            panic!("an object")
        };
        let lines = members(&claims);
        assert_eq!(
            lines,
            [
                "  client         \"… (2 values)\"",
                "  n              {\"id\":1,\"refreshToken\":\"… (1 characters)\"}",
                "  oauthToken     \"… (7 characters)\"",
                "  public_token   \"…\"",
                "  stack_api_key  \"… (2 values)\"",
                "  sub            \"u1\"",
                "  x              \"{\\\"access_token\\\":\\\"… (1 characters)\\\",\\\"y\\\":1}\"",
            ]
        );
    }

    #[test]
    fn no_letter_of_a_token_moves_the_cursor() {
        let Value::Object(claims) = json!({ "a\u{1b}[2J": "\u{9b}2J\u{7f}\n" }) else { panic!("an object") };
        let lines = members(&claims).join("");
        assert!(!lines.chars().any(char::is_control), "{lines}");
    }
}
