//! Assembly's layout: `hex(iv (16) ‖ AES-128-CBC(PKCS#7(plaintext)))`, key = the first 16 bytes of
//! HMAC-SHA256(secret, "").

use aes::Aes128;
use aes::cipher::KeyInit as _;
use ring::hmac;

use super::super::sha256;
use super::{BLOCK, MAX_BYTES, decrypt, encrypt};
use crate::secret::Secret;

/// The cipher of one secret, its key schedule made once.
pub(in super::super) struct SealedCbc {
    cipher: Aes128,
}

/// A token that was decrypted, for better or worse.
pub(in super::super) struct Unsealed {
    /// What came out, without its padding. Garbage unless `sound`.
    pub(in super::super) plaintext: Vec<u8>,
    /// Whether the form and the padding are right. Says nothing about who made it.
    pub(in super::super) sound: bool,
    /// SHA-256 of the decoded token: its one name, however it was spelled.
    pub(in super::super) name: [u8; 32],
    /// SHA-256 of all but the IV. Whoever holds a token can change letters of its first block by way of the IV, without
    /// the key; all that come of it share this name.
    pub(in super::super) body: [u8; 32],
}

impl SealedCbc {
    pub(in super::super) fn new(secret: &Secret) -> Self {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.expose()), b"");
        let key = tag.as_ref().first_chunk::<BLOCK>().expect("a SHA-256 tag has 32 bytes");
        Self { cipher: Aes128::new(key.into()) }
    }

    /// Decrypts anything. A text that is no token is replaced by one of the same cost.
    pub(in super::super) fn unseal(&self, token: &[u8]) -> Unsealed {
        let (mut bytes, well_formed) = decode(token);
        let (name, body) = (sha256(&bytes), sha256(&bytes[BLOCK..]));
        let iv: [u8; BLOCK] = *bytes.first_chunk().expect("`decode` gives three blocks or more");
        let (plaintext, padded) = decrypt(self.cipher.clone(), iv, bytes.split_off(BLOCK));
        Unsealed { plaintext, sound: well_formed & padded, name, body }
    }

    /// Encrypts, for hosts that are simulated and for tests.
    pub(in super::super) fn seal(&self, plaintext: &[u8], iv: [u8; BLOCK]) -> String {
        let sealed = encrypt(self.cipher.clone(), iv, plaintext);
        faster_hex::hex_string(&[&iv[..], &sealed].concat())
    }
}

/// Hex in either case, whole blocks, at least two after the IV's. Anything else becomes zeros of about the same length.
fn decode(token: &[u8]) -> (Vec<u8>, bool) {
    let length = token.len() / 2;
    let fits =
        token.len().is_multiple_of(2) && length.is_multiple_of(BLOCK) && (3 * BLOCK..=MAX_BYTES).contains(&length);
    let mut bytes = vec![0; if fits { length } else { length.next_multiple_of(BLOCK).clamp(3 * BLOCK, MAX_BYTES) }];
    let decoded = fits && faster_hex::hex_decode(token, &mut bytes).is_ok();
    (bytes, decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cipher() -> SealedCbc {
        SealedCbc::new(&Secret::from("throwaway-assembly-api-key-0001"))
    }

    #[test]
    fn what_was_sealed_comes_out_in_either_case_of_hex() {
        for length in [17, 31, 32, 200] {
            let text = vec![b'x'; length];
            let token = cipher().seal(&text, [7; BLOCK]);
            let (lower, upper) = (cipher().unseal(token.as_bytes()), cipher().unseal(token.to_uppercase().as_bytes()));
            assert!(lower.sound && upper.sound && lower.plaintext == text);
            assert_eq!(lower.name, upper.name, "one token, one name");
        }
    }

    #[test]
    fn odd_forms_are_never_sound() {
        let token = cipher().seal(&[b'x'; 40], [7; BLOCK]);
        let short = cipher().seal(b"x", [7; BLOCK]);
        let cases = [
            String::new(),
            "zz".repeat(48),
            token[..token.len() - 1].to_owned(),
            token[..token.len() - 2].to_owned(),
            token[..token.len() - 32].to_owned(),
            token[..32].to_owned(),
            format!("{token}\n"),
            format!("{token}zz"),
            format!(" {token}"),
            short,
            "00".repeat(MAX_BYTES + 16),
        ];
        for case in cases {
            assert!(!cipher().unseal(case.as_bytes()).sound, "{case}");
        }
    }
}
