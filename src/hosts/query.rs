//! Query strings, read strictly: what cannot be decoded, or stands twice, has no reading.

use std::fmt::Write as _;

use super::refusal::Refusal;

/// Query strings with more pairs are not read: each name is compared with all before it.
const MAX_PAIRS: usize = 256;

/// Names and values in their order, decoded. Each name once, unless `repeats` says that the format has lists.
pub(super) fn pairs(query: &str, repeats: bool) -> Result<Vec<(String, String)>, Refusal> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name).ok_or(Refusal::Malformed)?, decode(value).ok_or(Refusal::Malformed)?);
        if pairs.len() == MAX_PAIRS || (!repeats && pairs.iter().any(|(known, _)| *known == name)) {
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

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Percent-encodes all but letters, digits and these characters (RFC 3986 §2.1).
pub(super) fn encode(text: &str, plain: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string does not fail");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_decoded_or_stands_twice_has_no_reading() {
        for query in ["a=%", "a=%4", "a=%4g", "a=%ff", "%=a", "a=1&a=2", "a=1&%61=2", "a&a="] {
            assert_eq!(pairs(query, false), Err(Refusal::Malformed), "{query}");
        }
        let many = (0..=MAX_PAIRS).map(|number| number.to_string()).collect::<Vec<_>>().join("&");
        assert_eq!(pairs(&many, true), Err(Refusal::Malformed));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs("&b=%C5%BC+x&a&=&", false), Ok(vec![pair("b", "\u{17c} x"), pair("a", ""), pair("", "")]));
        assert_eq!(pairs("a=1&a=2", true), Ok(vec![pair("a", "1"), pair("a", "2")]));
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        assert_eq!(encode("a-b c/\u{17c}", b"-"), "a-b%20c%2F%C5%BC");
        let all: String = (1..0x250).filter_map(char::from_u32).collect();
        assert_eq!(decode(&encode(&all, b"")), Some(all));
    }
}
