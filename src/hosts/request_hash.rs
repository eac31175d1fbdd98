//! Atlassian Connect's query string hash (`qsh`): what binds a token to one request.
//!
//! SHA-256 in hex of `METHOD & path & query`, where the path has no slash at its end and the query is sorted by name, each
//! name once, with its values sorted and joined by a comma, all percent-encoded as RFC 3986 has it and without `jwt`.

use std::collections::BTreeMap;

use super::query::encode;
use super::{Call, Manner, Presented};

/// The hash of no request, in tokens that are for requests of scripts.
pub(super) const CONTEXT: &str = "context-qsh";

/// Whether the hash is that of the request which the token came with.
pub(super) fn fits(hash: &str, presented: &Presented) -> bool {
    if hash == CONTEXT {
        // A page that could be opened with it would be open to whoever once saw it in a script's request. An exchange is one.
        return presented.manner != Manner::Navigation;
    }
    presented.call.as_deref().is_some_and(|call| of(call).is_some_and(|own| own == hash))
}

/// The hash of a request; `None` if its query has no reading.
pub(super) fn of(call: &Call) -> Option<String> {
    let (path, query) = call.path_and_query();
    let canonical = format!("{}&{}&{}", call.method, canonical_path(path), canonical_query(query)?);
    Some(faster_hex::hex_string(&super::sha256(canonical.as_bytes())))
}

fn canonical_path(path: &str) -> String {
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() { "/".to_owned() } else { path.replace('&', "%26") }
}

fn canonical_query(query: &str) -> Option<String> {
    let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = super::query::decode(name)?;
        if name != "jwt" {
            parameters.entry(name).or_default().push(encode(&super::query::decode(value)?));
        }
    }
    let joined = parameters.into_iter().map(|(name, mut values)| {
        values.sort();
        format!("{}={}", encode(&name), values.join(","))
    });
    Some(joined.collect::<Vec<_>>().join("&"))
}
