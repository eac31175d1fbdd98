//! Stripe Apps (docs.stripe.com, "Build a backend for your app"): the time, and the two ids in the body.

use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::{Call, Claims, Keys, Opened, Refusal, Timestamp, at, hex, members, seconds};

/// More signatures are never sent: there are two while a secret is replaced.
const MAX_SIGNATURES: usize = 8;

/// Names and order in which the ids are signed.
const IDS: [&str; 2] = ["user_id", "account_id"];

/// The two ids, and nothing else of the body, which is not signed.
pub(super) fn open(signature: &[u8], call: &Call, keys: &Keys) -> Result<Opened, Refusal> {
    let (written, macs) = read(std::str::from_utf8(signature).map_err(|_| Refusal::Malformed)?)?;
    let ids = ids(call)?;
    let payload = payload(&ids);
    let fits = |mac: &[u8; 32]| keys.check_mac(&[written.as_bytes(), b".", payload.as_bytes()], mac);
    let first = macs.iter().map(fits).reduce(Result::or).ok_or(Refusal::Malformed)?;
    first?;
    let claims = IDS.into_iter().map(str::to_owned).zip(ids);
    Ok(at(seconds(written)?, Claims::from_pairs(claims)?))
}

/// The time that the signature states.
pub(super) fn stated_at(signature: &[u8]) -> Result<Timestamp, Refusal> {
    seconds(read(std::str::from_utf8(signature).map_err(|_| Refusal::Malformed)?)?.0)
}

/// The time and the signatures of version 1. Others, such as those of test mode, are not looked at.
fn read(signature: &str) -> Result<(&str, Vec<[u8; 32]>), Refusal> {
    let (mut time, mut macs) = (None, Vec::new());
    for item in signature.split(',') {
        match item.split_once('=').ok_or(Refusal::Malformed)? {
            ("t", written) if time.is_none() => time = Some(written),
            ("v1", mac) if macs.len() < MAX_SIGNATURES => macs.push(hex(mac.as_bytes())?),
            ("t" | "v1", _) => return Err(Refusal::Malformed),
            _ => {}
        }
    }
    Ok((time.ok_or(Refusal::Malformed)?, macs))
}

/// Both are texts, and stand in the body in the order in which they are signed, as in a body that was signed as a whole.
fn ids(call: &Call) -> Result<[String; 2], Refusal> {
    let claims = members(call);
    let id = |name: &str| claims.text(&[name]).map(str::to_owned).ok_or(Refusal::Malformed);
    let ids = [id(IDS[0])?, id(IDS[1])?];
    let mut json = serde_json::Deserializer::from_slice(&call.body);
    let names = json.deserialize_map(Names).map_err(|_| Refusal::Malformed)?;
    let mut own = names.iter().filter(|name| IDS.contains(&name.as_str()));
    if own.next().is_some_and(|first| *first == IDS[0]) { Ok(ids) } else { Err(Refusal::BadSignature) }
}

/// As JavaScript writes it.
pub(super) fn payload(ids: &[String; 2]) -> String {
    let [user, account] = ids.clone().map(Value::String);
    format!("{{\"user_id\":{user},\"account_id\":{account}}}")
}

/// The names of an object's members, in their order, which maps do not keep.
struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Vec<String>, A::Error> {
        let mut names = Vec::new();
        while let Some((name, IgnoredAny)) = members.next_entry::<String, IgnoredAny>()? {
            names.push(name);
        }
        Ok(names)
    }
}
