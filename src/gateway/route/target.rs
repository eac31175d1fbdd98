//! The request target, parsed once into its one spelling. Policy, cache, log and upstream see nothing else.

use std::borrow::Cow;
use std::fmt::Write as _;

use http::Uri;

use crate::access::Origin;

/// A canonical path and the query as it came, minus what was taken out of it.
///
/// The path is absolute, its dot segments resolved, its slashes merged, every character in one spelling, and it holds
/// no encoded slash, backslash, NUL or other control character, and no `;`. It is ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    path: String,
    query: Option<String>,
}

/// The first path segment of everything that is ours.
const OWN_SEGMENT: &str = ".vestibule";

/// Why a request target is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither origin form nor absolute form of our own origin (RFC 9112 §3.2).
    #[error("the request target is not a path on this origin")]
    Form,
    /// The path has no canonical spelling.
    #[error("the path holds something that has no safe reading")]
    Path,
    /// The query holds a byte that no URL has.
    #[error("the query holds a character that a URL cannot have")]
    Query,
}

impl Target {
    /// Parses the target that the HTTP library read.
    pub fn parse(uri: &Uri, public: &Origin) -> Result<Self, TargetError> {
        match (uri.scheme_str(), uri.authority()) {
            (None, None) => {}
            (Some("http" | "https"), Some(authority)) if public.matches_host(authority.as_str()) => {}
            _ => return Err(TargetError::Form),
        }
        let raw = if uri.scheme().is_some() && uri.path().is_empty() { "/" } else { uri.path() };
        Self::from_parts(raw, uri.query())
    }

    /// Parses a path and a query that stand alone, as `explain` and tickets have them.
    pub fn from_parts(path: &str, query: Option<&str>) -> Result<Self, TargetError> {
        if !path.starts_with('/') {
            return Err(TargetError::Form);
        }
        if query.is_some_and(|q| !q.bytes().all(|b| b.is_ascii_graphic() && b != b'#')) {
            return Err(TargetError::Query);
        }
        let path = canonical_path(path).ok_or(TargetError::Path)?;
        Ok(Self { path, query: query.map(str::to_owned) })
    }

    /// The canonical path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the path is one of our own, which never reach the app.
    pub fn is_ours(&self) -> bool {
        self.segments().next() == Some(OWN_SEGMENT)
    }

    /// The query, without `?`.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Path and query, as they go upstream.
    pub(in crate::gateway) fn to_path_and_query(&self) -> String {
        self.query.as_ref().map_or_else(|| self.path.clone(), |query| format!("{}?{query}", self.path))
    }

    /// The path's segments; a trailing slash adds none.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter(|segment| !segment.is_empty())
    }

    /// The decoded values of a query parameter, in order; `None` for one that cannot be decoded here, which the app may
    /// still read in its own way.
    pub fn parameters<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Option<String>> + 'a {
        self.pairs().filter(move |(key, _)| key == name).map(|(_, value)| decode_query(value))
    }

    /// Takes every parameter of this name out of the query, leaving the others byte for byte, and returns their raw
    /// values.
    #[must_use]
    pub(in crate::gateway) fn take_parameter(&mut self, name: &str) -> Vec<String> {
        self.take_parameters(|own| own == name)
    }

    /// The same for every parameter whose name is one of these.
    pub(in crate::gateway) fn take_parameters(&mut self, is: impl Fn(&str) -> bool) -> Vec<String> {
        let taken: Vec<String> = self.pairs().filter(|(name, _)| is(name)).map(|(_, value)| value.to_owned()).collect();
        if !taken.is_empty() {
            let query = self.query.take().unwrap_or_default();
            let kept: Vec<&str> = query.split('&').filter(|pair| !is(&pair_name(pair))).collect();
            self.query = (!kept.is_empty()).then(|| kept.join("&"));
        }
        taken
    }

    fn pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
        let pairs = self.query.as_deref().unwrap_or_default().split('&');
        pairs.map(|pair| (pair_name(pair), pair.split_once('=').map_or("", |(_, value)| value)))
    }
}

/// The name of a query pair as an app would read it, so that `%74oken` is `token` here too.
fn pair_name(pair: &str) -> Cow<'_, str> {
    let raw = pair.split_once('=').map_or(pair, |(name, _)| name);
    if raw.contains(['%', '+']) { decode_query(raw).map_or(Cow::Borrowed(raw), Cow::Owned) } else { Cow::Borrowed(raw) }
}

/// Decodes one side of a pair; `None` if it has no reading.
pub(in crate::gateway) fn decode_query(raw: &str) -> Option<String> {
    decode(raw, true)
}

/// Decodes one path segment; `None` if it has no safe reading.
pub(super) fn decode_segment(raw: &str) -> Option<String> {
    decode(raw, false)
}

fn decode(raw: &str, plus_is_space: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn canonical_path(raw: &str) -> Option<String> {
    let mut segments: Vec<String> = Vec::new();
    let mut ends_in_slash = false;
    for part in raw.split('/') {
        ends_in_slash = true;
        if part.bytes().any(|b| !is_raw_path_byte(b)) {
            return None;
        }
        match decode_segment(part)?.as_str() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            decoded => {
                segments.push(canonical_segment(decoded)?);
                ends_in_slash = false;
            }
        }
    }
    let mut path = String::with_capacity(raw.len() + 1);
    for segment in &segments {
        path.push('/');
        path.push_str(segment);
    }
    if ends_in_slash {
        path.push('/');
    }
    Some(path)
}

/// What may stand in a path as it comes in: RFC 3986 `pchar` without `;`, and the brackets that browsers do not encode.
const fn is_raw_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+')
        || matches!(byte, b',' | b'=' | b':' | b'@' | b'[' | b']')
}

/// Spells a decoded segment in the one way that is matched and forwarded. `None` for what no segment may hold.
///
/// `+` is always encoded, because sloppy decoders read it as a blank; so are brackets and everything that is not plain.
pub(super) fn canonical_segment(decoded: &str) -> Option<String> {
    if matches!(decoded, "" | "." | "..") || decoded.chars().any(|c| c.is_control() || matches!(c, '/' | '\\')) {
        return None;
    }
    let mut segment = String::with_capacity(decoded.len());
    for byte in decoded.bytes() {
        if is_plain(byte) {
            segment.push(char::from(byte));
        } else {
            write!(segment, "%{byte:02X}").ok()?;
        }
    }
    Some(segment)
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*')
        || matches!(byte, b',' | b'=' | b':' | b'@')
}
