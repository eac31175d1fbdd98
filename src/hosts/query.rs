//! Query strings, read strictly: what cannot be decoded, or stands twice, has no reading.

use std::fmt::Write as _;

use super::refusal::Refusal;

/// Names and values in their order, decoded. Each name once, unless `repeats` says that the format has lists.
pub(super) fn pairs(query: &str, repeats: bool) -> Result<Vec<(String, String)>, Refusal> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name).ok_or(Refusal::Malformed)?, decode(value).ok_or(Refusal::Malformed)?);
        if !repeats && pairs.iter().any(|(known, _)| *known == name) {
            return Err(Refusal::Malformed);
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// Percent-decodes, with `+` as a space (the WHATWG URL standard's urlencoded form); `None` for half an escape, or if
/// what comes out is not UTF-8.
pub(super) fn decode(raw: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Percent-encodes all but the unreserved characters (RFC 3986 §2.3).
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string does not fail");
        }
    }
    encoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
