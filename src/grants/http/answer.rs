//! What the platform answers, read strictly: what is not understood is no answer, and never a yes.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::question;
use crate::access::{Grant, Holding, OrganizationId, Permission, Principal, ProjectKey, RoleKey, Scope};
use crate::clock::{Clock, Timestamp};
use crate::grants::{Fact, Keep};

/// Roles and permissions in one answer. Somebody with more is somebody whose list was not meant for a person.
const MOST_HELD: usize = 10_000;

/// The spelling of a project in a path, as the routes have it; `None` if no path can name it.
pub(super) type Spelling = fn(&str) -> Option<ProjectKey>;

/// Why an answer says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is not of the agreed form.
    Form(&'static str),
    /// It is about somebody else.
    Echo,
}

#[derive(Deserialize)]
struct Body {
    grants: Vec<Object<Entry>>,
    subject: Option<Value>,
}

/// A scope or an end that was written and not understood must not widen a grant, so neither unknown keys nor nulls pass.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default, deserialize_with = "given")]
    role: Option<String>,
    #[serde(default, deserialize_with = "given")]
    permissions: Option<Vec<String>>,
    #[serde(default, deserialize_with = "given")]
    project: Option<String>,
    #[serde(default, deserialize_with = "given")]
    organization: Option<String>,
    #[serde(default, deserialize_with = "given")]
    valid_until: Option<String>,
}

/// From a JSON object only: derived code would take a list too, its items in the order of the fields.
struct Object<T>(T);

/// Reads the body of a 200.
pub(super) fn read(
    body: &[u8],
    who: &Principal,
    spelling: Spelling,
    source: &'static str,
) -> Result<Vec<Fact>, Unread> {
    let Object(body): Object<Body> = serde_json::from_slice(body).map_err(|error| Unread::Form(category(&error)))?;
    if !body.subject.is_none_or(|subject| question::is_about(&subject, who)) {
        return Err(Unread::Echo);
    }
    let held = |Object(entry): &Object<Entry>| entry.permissions.as_ref().map_or(1, |list| list.len().max(1));
    if body.grants.iter().map(held).sum::<usize>() > MOST_HELD {
        return Err(Unread::Form("more than 10000 roles and permissions"));
    }
    let facts = body.grants.into_iter().map(|Object(entry)| entry.fact(spelling, source));
    facts.filter_map(Result::transpose).collect::<Result<_, _>>().map_err(Unread::Form)
}

/// What is wrong, without a word of the body: it may hold anything.
fn category(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => "not of the form {\"grants\":[…]}",
        serde_json::error::Category::Eof => "JSON that ends too soon",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "no JSON",
    }
}

impl Entry {
    /// The grant; `None` for one that can never count, because no role, permission, project or company has such a name.
    fn fact(self, spelling: Spelling, source: &'static str) -> Result<Option<Fact>, &'static str> {
        let until = match self.valid_until {
            Some(text) => Some(Timestamp::from_rfc3339(&text).ok_or("a valid_until that is no RFC 3339 time")?),
            None => None,
        };
        let scope = match (self.project, self.organization) {
            (Some(_), Some(_)) => return Err("a grant with project and organization"),
            (Some(project), None) => spelling(&project).map(Scope::Project),
            (None, Some(organization)) => OrganizationId::new(&organization).ok().map(Scope::Organization),
            (None, None) => Some(Scope::Tenant),
        };
        let holding = match (self.role, self.permissions) {
            (Some(role), None) => RoleKey::new(&role).ok().map(Holding::Role),
            (None, Some(list)) => Some(Holding::Permissions(list.iter().filter_map(|name| permission(name)).collect())),
            (Some(_), Some(_)) => return Err("a grant with role and permissions"),
            (None, None) => return Err("a grant without role and permissions"),
        };
        Ok(holding.zip(scope).map(|(holding, scope)| Fact { grant: Grant { holding, scope, source }, until }))
    }
}

/// `*` comes from a role only, whose content stands in the configuration.
fn permission(name: &str) -> Option<Permission> {
    Permission::new(name).ok().filter(|permission| permission.as_str() != "*")
}

/// Whether an answer may be kept, and for how long (RFC 9111 §5.2.2). What cannot be read is not kept.
pub(super) fn keep(headers: &HeaderMap) -> (Keep, Stored) {
    let (mut keep, mut stored) = (Keep::default(), Stored::Yes);
    let lines = headers.get_all(header::CACHE_CONTROL).iter();
    for directive in lines.flat_map(|line| line.to_str().unwrap_or("no-store").split(',')) {
        let (name, value) = directive.split_once('=').map_or((directive, ""), |(name, value)| (name, value));
        let not_fresh = Keep { fresh: Some(Duration::ZERO), stale: false };
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" => (keep, stored) = (keep.and(not_fresh), Stored::No),
            "no-cache" => keep = keep.and(not_fresh),
            "must-revalidate" => keep.stale = false,
            "max-age" => keep = keep.and(Keep { fresh: Some(seconds(value)), stale: true }),
            _ => {}
        }
    }
    (keep, stored)
}

/// Whether anything of an answer may be stored, be it only to compare it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Yes,
    No,
}

/// A number of seconds, in quotes or not. None that can be read is none at all; one that is too large is large.
fn seconds(text: &str) -> Duration {
    let digits = text.trim().trim_matches('"');
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    Duration::from_secs(if is_number { digits.parse::<u32>().unwrap_or(u32::MAX).into() } else { 0 })
}

/// How long the platform wants to be left alone (RFC 9110 §10.2.3): seconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap, clock: &Clock) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(seconds(text));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let date = Timestamp::from_millis(u64::try_from(date.as_millisecond()).ok()?);
    Some(date.since(clock.now()))
}

/// The tag to compare with later, if there is exactly one of sensible size.
pub(super) fn etag(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut tags = headers.get_all(header::ETAG).iter();
    let tag = tags.next().filter(|_| tags.next().is_none())?;
    let bytes = tag.as_bytes();
    let opaque = bytes.strip_prefix(b"W/").unwrap_or(bytes);
    let is_quoted = opaque.len() >= 2 && opaque.starts_with(b"\"") && opaque.ends_with(b"\"");
    (is_quoted && bytes.len() <= 256).then_some(tag)
}

fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OfObject(PhantomData))
    }
}

struct OfObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OfObject<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

#[cfg(test)]
mod tests;
