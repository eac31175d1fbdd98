//! Contentful's canonical request, as `@contentful/node-apps-toolkit` makes it: method, path, headers and body in lines.

use super::super::query;
use super::{Call, Claims, Keys, Opened, Refusal, at, header, hex, millis};

/// The header that lists those which are signed, itself and the time among them.
const LIST: &str = "x-contentful-signed-headers";
const TIME: &str = "x-contentful-timestamp";
/// Headers that say who calls. One that is there and not signed was put there by somebody else.
const CONTEXT: [&str; 5] = [
    "x-contentful-user-id",
    "x-contentful-space-id",
    "x-contentful-environment-id",
    "x-contentful-app-id",
    "x-contentful-crn",
];
/// More headers are never signed.
const MAX_HEADERS: usize = 64;

/// Headers are claims if they are signed.
pub(super) fn open(signature: &[u8], call: &Call, keys: &Keys) -> Result<Opened, Refusal> {
    let mac: [u8; 32] = hex(signature)?;
    let names = listed(call)?;
    let (line, claims) = headers(call, &names)?;
    let path = path(call)?;
    keys.check_mac(&pieces(call, &path, &line), &mac)?;
    Ok(at(millis(header(call, TIME)?)?, Claims::from_pairs(claims)?))
}

/// What is signed, in its pieces.
pub(super) fn pieces<'a>(call: &'a Call, path: &'a str, headers: &'a str) -> [&'a [u8]; 7] {
    [call.method.as_str().as_bytes(), b"\n", path.as_bytes(), b"\n", headers.as_bytes(), b"\n", &call.body]
}

/// The names of signed headers, sorted, each of them once.
fn listed(call: &Call) -> Result<Vec<&str>, Refusal> {
    let mut names: Vec<&str> = header(call, LIST)?.split(',').take(MAX_HEADERS + 1).collect();
    names.sort_unstable();
    let is_name = |name: &&str| http::HeaderName::from_lowercase(name.as_bytes()).is_ok();
    let is_covered = |name: &&str| names.contains(name) || !call.headers.contains_key(*name);
    let whole = names.len() <= MAX_HEADERS
        && names.windows(2).all(|two| two[0] != two[1])
        && names.iter().all(is_name)
        && names.contains(&LIST)
        && names.contains(&TIME)
        && CONTEXT.iter().all(is_covered);
    if whole { Ok(names) } else { Err(Refusal::Malformed) }
}

/// The line of headers, and the same as pairs; the list is in order, whatever the order in which it came.
pub(super) fn headers(call: &Call, names: &[&str]) -> Result<(String, Vec<(String, String)>), Refusal> {
    let value = |name: &&str| match *name {
        LIST => Ok(((*name).to_owned(), names.join(","))),
        name => Ok((name.to_owned(), header(call, name)?.trim_matches([' ', '\t']).to_owned())),
    };
    let pairs = names.iter().map(value).collect::<Result<Vec<_>, Refusal>>()?;
    let line = pairs.iter().map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>().join(";");
    Ok((line, pairs))
}

/// The path and the query, the query encoded twice: as one component, then with its `%` as part of the address. A second `?`
/// would end what is signed, so there is none.
pub(super) fn path(call: &Call) -> Result<String, Refusal> {
    const COMPONENT: &[u8] = b"-_.!~*'()";
    const ADDRESS: &[u8] = b"-_.!~*'();,/?:@&=+$#";
    let (path, search) = call.path_and_query();
    if search.contains('?') {
        return Err(Refusal::Malformed);
    }
    let whole = match search {
        "" => path.to_owned(),
        search => format!("{path}?{}", query::encode(search, COMPONENT)),
    };
    Ok(query::encode(&whole, ADDRESS))
}
