//! What an Assembly token says, read as narrowly as the format allows.
//!
//! The ciphertext carries no MAC, so whoever has one token can garble blocks of it. The narrower the reading, the fewer
//! garbled tokens pass: every value a string of its own shape, no white space, no repeated key, and an unknown key only
//! with a value that chance does not produce.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::clock::Timestamp;

/// The token is not accepted. Holds nothing, so that no caller can tell one reason from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

/// The claims of a token whose every part has the right shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) workspace: String,
    pub(super) client: Option<String>,
    pub(super) internal_user: Option<String>,
    /// `None` also for the literal `default`, which means no company.
    pub(super) company: Option<String>,
    pub(super) token_id: Option<String>,
    pub(super) expires_at: Option<Timestamp>,
}

/// Reads the decrypted text. Always reads all of it.
pub(super) fn read(plaintext: &[u8]) -> Result<Claims, Refused> {
    let compact = is_compact(plaintext);
    let text = std::str::from_utf8(plaintext).map_err(|_| Refused)?;
    let raw: Raw<'_> = serde_json::from_str(text).map_err(|_| Refused)?;
    let claims = raw.checked()?;
    if compact { Ok(claims) } else { Err(Refused) }
}

/// No white space outside of strings.
fn is_compact(text: &[u8]) -> bool {
    let (mut inside, mut escaped, mut compact) = (false, false, true);
    for &byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b' ' | b'\t' | b'\r' | b'\n' if !inside => compact = false,
            _ => {}
        }
    }
    compact
}

/// The members as they stand, each at most once.
#[derive(Default)]
struct Raw<'a> {
    workspace: Option<Cow<'a, str>>,
    client: Option<Cow<'a, str>>,
    internal_user: Option<Cow<'a, str>>,
    company: Option<Cow<'a, str>>,
    notification: Option<Cow<'a, str>>,
    base_url: Option<Cow<'a, str>>,
    token_id: Option<Cow<'a, str>>,
    expires_at: Option<Cow<'a, str>>,
    unknown: Vec<String>,
}

/// A string, borrowed where nothing is escaped; serde reads a plain `Cow` as owned, and anything else is refused here.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Raw<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw<'de>, A::Error> {
        let mut raw = Raw::default();
        while let Some(Text(name)) = map.next_key()? {
            let Text(value) = map.next_value()?;
            raw.put(&name, value).map_err(|Refused| A::Error::custom("refused"))?;
        }
        Ok(raw)
    }
}

impl<'a> Raw<'a> {
    fn put(&mut self, name: &str, value: Cow<'a, str>) -> Result<(), Refused> {
        let slot = match name {
            "workspaceId" => &mut self.workspace,
            "clientId" => &mut self.client,
            "internalUserId" => &mut self.internal_user,
            "companyId" => &mut self.company,
            "notificationId" => &mut self.notification,
            "baseUrl" => &mut self.base_url,
            "tokenId" => &mut self.token_id,
            "expiresAt" => &mut self.expires_at,
            _ => return self.put_unknown(name, &value),
        };
        if slot.replace(value).is_some() { Err(Refused) } else { Ok(()) }
    }

    /// A key that does not exist yet may come one day; a garbled one must not pass for it.
    fn put_unknown(&mut self, name: &str, value: &str) -> Result<(), Refused> {
        let name_fits = (1..=15).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphabetic());
        let is_harmless = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f' | b'-');
        let value_fits = ((1..=64).contains(&value.len()) && value.bytes().all(is_harmless))
            || Timestamp::from_rfc3339(value).is_some();
        if !name_fits || !value_fits || self.unknown.iter().any(|known| known == name) {
            return Err(Refused);
        }
        self.unknown.push(name.to_owned());
        Ok(())
    }

    fn checked(self) -> Result<Claims, Refused> {
        let optional_uuid = |value: Option<Cow<'_, str>>| value.map(|id| uuid(&id)).transpose();
        let company = self.company.filter(|id| id != "default");
        let claims = Claims {
            workspace: uuid(&self.workspace.ok_or(Refused)?)?,
            client: optional_uuid(self.client)?,
            internal_user: optional_uuid(self.internal_user)?,
            company: optional_uuid(company)?,
            token_id: self.token_id.map(|id| short(&id)).transpose()?,
            expires_at: self.expires_at.map(|time| moment(&time).ok_or(Refused)).transpose()?,
        };
        // Known, but never used: an address out of a token is an address of the attacker's choice.
        for ignored in [self.notification, self.base_url].into_iter().flatten() {
            short(&ignored)?;
        }
        if claims.client.is_some() || claims.internal_user.is_some() { Ok(claims) } else { Err(Refused) }
    }
}

/// In lower case from here on, so that one person has one id.
fn uuid(text: &str) -> Result<String, Refused> {
    if is_uuid(text) { Ok(text.to_ascii_lowercase()) } else { Err(Refused) }
}

/// The form of every id at the platform: 8-4-4-4-12 hex digits, in either case.
pub fn is_uuid(text: &str) -> bool {
    let is_dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let fits = |(at, byte): (usize, u8)| if is_dash(at) { byte == b'-' } else { byte.is_ascii_hexdigit() };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

fn short(text: &str) -> Result<String, Refused> {
    let fits = (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(text.to_owned()) } else { Err(Refused) }
}

/// The format of `expiresAt` is not published: RFC 3339, seconds and milliseconds are understood, anything else refuses.
fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(number) = text.parse::<u64>() {
        // Seconds have ten digits until the year 2286, milliseconds have thirteen.
        return match text.len() {
            10 => Some(Timestamp::from_secs(number)),
            13 => Some(Timestamp::from_millis(number)),
            _ => None,
        };
    }
    Timestamp::from_rfc3339(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const W: &str = r#""workspaceId":"11111111-2222-4333-8444-555555555555""#;
    const C: &str = r#""clientId":"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee""#;

    #[test]
    fn the_usual_tokens_are_read() {
        let claims = read(
            format!(r#"{{{W},{C},"companyId":"default","tokenId":"t-1","expiresAt":"2026-09-21T14:13:20Z"}}"#)
                .as_bytes(),
        )
        .expect("claims");
        assert_eq!(claims.company, None);
        assert_eq!(claims.token_id.as_deref(), Some("t-1"));
        assert_eq!(claims.expires_at, Some(Timestamp::from_secs(1_790_000_000)));
        for extra in [
            r#""newField":"0a-1b""#,
            r#""issuedAt":"2026-09-21T14:13:20.5+02:00""#,
            r#""expiresAt":"1790000000000""#,
            r#""baseUrl":"https://evil.example""#,
        ] {
            assert!(read(format!("{{{W},{C},{extra}}}").as_bytes()).is_ok(), "{extra}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let bodies = [
            format!("{{{W}}}"),
            format!("{{{C}}}"),
            format!(r#"{{{W},"companyId":"99999999-8888-4777-8666-555555555555"}}"#),
            format!(r#"{{{W},"clientId":""}}"#),
            format!(r#"{{{W},"clientId":"abc"}}"#),
            format!("{{{W},{C},{C}}}"),
            format!(r#"{{{W},{C},"client\u0049d":"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"}}"#),
            format!(r#"{{{W},{C},"odd":"a","odd":"a"}}"#),
            format!(r#"{{{W},{C},"odd":"hello"}}"#),
            format!(r#"{{{W},{C},"odd":""}}"#),
            format!(r#"{{{W},{C},"odd1":"a"}}"#),
            format!(r#"{{{W},{C},"averyverylongname":"a"}}"#),
            format!(r#"{{{W},{C},"odd":1}}"#),
            format!(r#"{{{W},{C},"odd":null}}"#),
            format!(r#"{{{W},{C},"odd":["a"]}}"#),
            format!(r#"{{{W},{C},"odd":{{"a":"b"}}}}"#),
            format!(r#"{{{W},{C},"tokenId":true}}"#),
            format!(r#"{{{W},{C},"tokenId":""}}"#),
            format!(r#"{{{W},{C},"tokenId":"a b"}}"#),
            format!(r#"{{{W},{C},"tokenId":"ü"}}"#),
            format!(r#"{{{W},{C},"expiresAt":"soon"}}"#),
            format!(r#"{{{W},{C},"expiresAt":"17900000000"}}"#),
            format!("{{{W}, {C}}}"),
            format!(" {{{W},{C}}}"),
            format!("{{{W},{C}}}\n"),
            format!("{{{W},{C}}}x"),
            format!("{{{W},{C}}}{{}}"),
            format!("{{{W},{C}}}\0"),
            format!("\u{feff}{{{W},{C}}}"),
            "[]".into(),
            "\"a\"".into(),
            String::new(),
        ];
        for body in bodies {
            assert_eq!(read(body.as_bytes()), Err(Refused), "{body}");
        }
        assert_eq!(read(b"{\"a\":\"\xff\"}"), Err(Refused));
    }

    #[test]
    fn one_person_has_one_spelling() {
        let upper =
            read(format!(r#"{{{W},"clientId":"AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE"}}"#).as_bytes()).expect("claims");
        assert_eq!(upper.client.as_deref(), Some("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"));
    }
}
