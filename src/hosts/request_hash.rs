//! Atlassian Connect's query string hash (`qsh`): what binds a token to one request (developer.atlassian.com, "Query string
//! hash").
//!
//! SHA-256 in hex of `METHOD & path & query`, where the path has no slash at its end and the query is sorted by name, each
//! name once, with its values sorted and joined by a comma, all percent-encoded as RFC 3986 has it and without `jwt`.

use super::{Call, Manner, Presented, query};

/// The hash of no request, in tokens that are for requests of scripts.
pub(super) const CONTEXT: &str = "context-qsh";

/// What RFC 3986 §2.3 leaves unencoded.
const UNRESERVED: &[u8] = b"-._~";

/// A query: names and all of their values.
type Parameters = Vec<(String, Vec<String>)>;

/// Whether the hash is that of the request which the token came with. `base` is the app's address at the platform, if it is
/// known: its path is no part of what is hashed. Costs two sorted copies of the query at most.
pub(super) fn fits(hash: &str, presented: &Presented, base: Option<&str>) -> bool {
    if hash == CONTEXT {
        // A page that could be opened with it would be open to whoever once saw it in a script's request. An exchange is one.
        return presented.manner != Manner::Navigation;
    }
    presented.call.as_deref().is_some_and(|call| is_of(hash, call, base))
}

/// Libraries sort names before they are encoded, or after. Either way it is one request's hash, and no other's.
fn is_of(hash: &str, call: &Call, base: Option<&str>) -> bool {
    let (path, search) = call.path_and_query();
    let Some(mut parameters) = parameters(search) else { return false };
    if hash_of(call, below(path, base), &parameters) == hash {
        return true;
    }
    parameters.sort_by_cached_key(|(name, _)| encode(name));
    hash_of(call, below(path, base), &parameters) == hash
}

/// The hash of a request; `None` if its query has no reading.
pub(super) fn of(call: &Call, base: Option<&str>) -> Option<String> {
    let (path, search) = call.path_and_query();
    Some(hash_of(call, below(path, base), &parameters(search)?))
}

fn hash_of(call: &Call, path: &str, parameters: &Parameters) -> String {
    let canonical = format!("{}&{}&{}", call.method, canonical_path(path), canonical_query(parameters));
    faster_hex::hex_string(&super::sha256(canonical.as_bytes()))
}

/// The path below that of the app's address.
fn below<'a>(path: &'a str, base: Option<&str>) -> &'a str {
    let base = base.map_or("", |base| base.split_once("://").map_or(base, |(_, rest)| rest));
    let base = base.find('/').map_or("", |start| base[start..].trim_end_matches('/'));
    path.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path)
}

fn canonical_path(path: &str) -> String {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() { "/".to_owned() } else { path.replace('&', "%26") }
}

/// All but `jwt`, names and the values of each sorted as they are before they are encoded.
fn parameters(search: &str) -> Option<Parameters> {
    let mut parameters = Parameters::new();
    for (name, value) in query::pairs(search, true).ok()?.into_iter().filter(|(name, _)| name != "jwt") {
        match parameters.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => parameters.push((name, vec![value])),
        }
    }
    for (_, values) in &mut parameters {
        values.sort_by(|one, other| by_utf16(one, other));
    }
    parameters.sort_by(|(one, _), (other, _)| by_utf16(one, other));
    Some(parameters)
}

fn canonical_query(parameters: &Parameters) -> String {
    let joined = parameters.iter().map(|(name, values)| {
        let values: Vec<String> = values.iter().map(|value| encode(value)).collect();
        format!("{}={}", encode(name), values.join(","))
    });
    joined.collect::<Vec<_>>().join("&")
}

/// As Java and JavaScript sort: not in the order of UTF-8 for letters beyond the first plane.
fn by_utf16(one: &str, other: &str) -> std::cmp::Ordering {
    one.encode_utf16().cmp(other.encode_utf16())
}

fn encode(text: &str) -> String {
    query::encode(text, UNRESERVED)
}

#[cfg(test)]
mod tests;
