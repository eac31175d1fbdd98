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

/// Whether the hash is that of the request which the token came with.
pub(super) fn fits(hash: &str, presented: &Presented) -> bool {
    if hash == CONTEXT {
        // A page that could be opened with it would be open to whoever once saw it in a script's request. An exchange is one.
        return presented.manner != Manner::Navigation;
    }
    presented.call.as_deref().is_some_and(|call| is_of(hash, call))
}

/// Official libraries sort names before they are encoded, or after. Either way it is one request's hash, and no other's.
fn is_of(hash: &str, call: &Call) -> bool {
    of(call).is_some_and(|own| own == hash)
        || hashed(call, |parameters| parameters.sort_by_cached_key(|(name, _)| encode(name)))
            .is_some_and(|own| own == hash)
}

/// The hash of a request; `None` if its query has no reading.
pub(super) fn of(call: &Call) -> Option<String> {
    hashed(call, |parameters| parameters.sort_by(|(one, _), (other, _)| as_java_has_it(one, other)))
}

fn hashed(call: &Call, sort: impl FnOnce(&mut Parameters)) -> Option<String> {
    let (path, search) = call.path_and_query();
    let mut parameters = parameters(search)?;
    sort(&mut parameters);
    let canonical = format!("{}&{}&{}", call.method, canonical_path(path), canonical_query(&parameters));
    Some(faster_hex::hex_string(&super::sha256(canonical.as_bytes())))
}

fn canonical_path(path: &str) -> String {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() { "/".to_owned() } else { path.replace('&', "%26") }
}

/// All but `jwt`, the values of each name sorted as they are before they are encoded.
fn parameters(search: &str) -> Option<Parameters> {
    let mut parameters = Parameters::new();
    for (name, value) in query::pairs(search, true).ok()?.into_iter().filter(|(name, _)| name != "jwt") {
        match parameters.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => parameters.push((name, vec![value])),
        }
    }
    parameters.iter_mut().for_each(|(_, values)| values.sort_by(|one, other| as_java_has_it(one, other)));
    Some(parameters)
}

fn canonical_query(parameters: &Parameters) -> String {
    let joined = parameters.iter().map(|(name, values)| {
        let values: Vec<String> = values.iter().map(|value| encode(value)).collect();
        format!("{}={}", encode(name), values.join(","))
    });
    joined.collect::<Vec<_>>().join("&")
}

/// By units of UTF-16, which is not the order of UTF-8 for letters beyond its first plane.
fn as_java_has_it(one: &str, other: &str) -> std::cmp::Ordering {
    one.encode_utf16().cmp(other.encode_utf16())
}

fn encode(text: &str) -> String {
    query::encode(text, UNRESERVED)
}

#[cfg(test)]
mod tests;
