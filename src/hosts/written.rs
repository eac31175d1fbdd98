//! How platforms write signatures and times: each in one spelling, and every other is no spelling at all.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use faster_hex::CheckCase;

use super::refusal::Refusal;
use crate::clock::Timestamp;

/// Lower-case hex digits of exactly so many bytes.
pub(super) fn hex<const N: usize>(text: &[u8]) -> Result<[u8; N], Refusal> {
    faster_hex::hex_decode_array_with_case(text, CheckCase::Lower).map_err(|_| Refusal::Malformed)
}

/// Base64 with its padding (RFC 4648 §4).
pub(super) fn base64(text: &[u8]) -> Result<Vec<u8>, Refusal> {
    BASE64_STANDARD.decode(text).map_err(|_| Refusal::Malformed)
}

/// Base64url without padding (RFC 4648 §5).
pub(super) fn base64url(text: &[u8]) -> Result<Vec<u8>, Refusal> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::Malformed)
}

/// Seconds since 1970, in decimal digits, until the year 5138.
pub(super) fn seconds(text: &str) -> Result<Timestamp, Refusal> {
    digits(text, 11).map(Timestamp::from_secs)
}

/// Milliseconds since 1970, likewise.
pub(super) fn millis(text: &str) -> Result<Timestamp, Refusal> {
    digits(text, 14).map(Timestamp::from_millis)
}

fn digits(text: &str, most: usize) -> Result<u64, Refusal> {
    let fits = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten().ok_or(Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_has_one_spelling() {
        assert_eq!(hex::<2>(b"0aff"), Ok([10, 255]));
        for text in [&b"0AFF"[..], b"0aff0", b"0aff00", b"0a", b"", b" 0aff", b"0afg"] {
            assert_eq!(hex::<2>(text), Err(Refusal::Malformed), "{text:?}");
        }
        assert_eq!(base64(b"+/8="), Ok(vec![0xfb, 0xff]));
        assert_eq!(base64url(b"-_8"), Ok(vec![0xfb, 0xff]));
        for text in [&b"+/8"[..], b"+/9=", b"-_8=", b"+/8=\n", b"+/ 8=", b"+/8=="] {
            assert_eq!(base64(text), Err(Refusal::Malformed), "{text:?}");
            assert_eq!(base64url(text), Err(Refusal::Malformed), "{text:?}");
        }
    }

    #[test]
    fn a_time_is_digits_and_nothing_else() {
        assert_eq!(seconds("1790000000"), Ok(Timestamp::from_secs(1_790_000_000)));
        assert_eq!(millis("1790000000001"), Ok(Timestamp::from_millis(1_790_000_000_001)));
        for text in ["", "-1", "+1", " 1", "1 ", "1.5", "1e3", "0x1", "١", "123456789012345"] {
            assert_eq!(seconds(text), Err(Refusal::Malformed), "{text}");
            assert_eq!(millis(text), Err(Refusal::Malformed), "{text}");
        }
    }
}
