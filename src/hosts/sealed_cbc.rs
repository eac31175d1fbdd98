//! The scheme of hosts that encrypt with AES-128-CBC and authenticate nothing.
//!
//! `hex(iv (16) ‖ AES-128-CBC(PKCS#7(plaintext)))`, key = the first 16 bytes of HMAC-SHA256(secret, "").
//!
//! Whoever can tell a bad padding from a bad text can read and forge tokens (Vaudenay 2002; Rizzo and Duong 2010). So
//! every input of whatever shape is decrypted, the padding is checked without a branch on its bytes, and the caller
//! reads the text in any case; only at the end does one verdict come out. What still shows is the input's length, which
//! the sender knows anyway.

use aes::Aes128;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{Block, BlockModeDecrypt as _, BlockModeEncrypt as _, InnerIvInit as _, KeyInit as _};
use ring::hmac;

use super::hosted::Opened;
use super::platform::CbcForm;
use super::refusal::Refusal;
use super::sha256;
use crate::secret::Secret;

const BLOCK: usize = 16;

/// Longer tokens are not looked at. In bytes of the decoded form.
const MAX_BYTES: usize = 4096;

pub(super) fn open(_form: CbcForm, _token: &[u8], _secrets: &[Secret]) -> Result<Opened, Refusal> {
    Err(Refusal::Malformed)
}

/// The cipher of one secret, its key schedule made once.
pub(super) struct SealedCbc {
    cipher: Aes128,
}

/// A token that was decrypted, for better or worse.
pub(super) struct Unsealed {
    /// What came out, without its padding. Garbage unless `sound`.
    pub(super) plaintext: Vec<u8>,
    /// Whether the form and the padding are right. Says nothing about who made it.
    pub(super) sound: bool,
    /// SHA-256 of the decoded token: its one name, however it was spelled.
    pub(super) name: [u8; 32],
    /// SHA-256 of all but the IV. Whoever holds a token can change letters of its first block by way of the IV, without
    /// the key; all that come of it share this name.
    pub(super) body: [u8; 32],
}

impl SealedCbc {
    pub(super) fn new(secret: &Secret) -> Self {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.expose()), b"");
        let key = tag.as_ref().first_chunk::<BLOCK>().expect("a SHA-256 tag has 32 bytes");
        Self { cipher: Aes128::new(key.into()) }
    }

    /// Decrypts anything. A text that is no token is replaced by one of the same cost.
    pub(super) fn unseal(&self, token: &[u8]) -> Unsealed {
        let (mut bytes, well_formed) = decode(token);
        let (name, body) = (sha256(&bytes), sha256(&bytes[BLOCK..]));
        let iv: [u8; BLOCK] = *bytes.first_chunk().expect("`decode` gives three blocks or more");
        let mut plaintext = bytes.split_off(BLOCK);
        let mut mode = cbc::Decryptor::inner_iv_init(self.cipher.clone(), &iv.into());
        for block in plaintext.chunks_exact_mut(BLOCK) {
            let block: &mut Block<Aes128> = block.try_into().expect("chunks of one block");
            mode.decrypt_block(block);
        }
        let (length, padded) = unpadded(&plaintext);
        plaintext.truncate(length);
        Unsealed { plaintext, sound: well_formed & padded, name, body }
    }

    /// Encrypts, for hosts that are simulated and for tests.
    pub(super) fn seal(&self, plaintext: &[u8], iv: [u8; BLOCK]) -> String {
        let mode = cbc::Encryptor::inner_iv_init(self.cipher.clone(), &iv.into());
        let sealed = mode.encrypt_padded_vec::<Pkcs7>(plaintext);
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

/// The length without PKCS#7 padding, and whether the padding is right; every byte of the last block is looked at.
fn unpadded(plaintext: &[u8]) -> (usize, bool) {
    let last = plaintext.last().copied().unwrap_or(0);
    let tail = &plaintext[plaintext.len().saturating_sub(BLOCK)..];
    let mut wrong = u8::from(last == 0) | u8::from(usize::from(last) > BLOCK);
    for (back, byte) in tail.iter().rev().enumerate() {
        let inside = u8::from(back < usize::from(last));
        wrong |= inside * (byte ^ last);
    }
    let sound = wrong == 0;
    // A wrong padding takes one byte away, so that what follows has as much to read.
    let padding = if sound { usize::from(last) } else { 1 };
    (plaintext.len().saturating_sub(padding), sound)
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

    #[test]
    fn padding_is_right_only_if_every_byte_of_it_is() {
        let block = |tail: &[u8]| [vec![b'a'; BLOCK * 2 - tail.len()], tail.to_vec()].concat();
        for (tail, expected) in [
            (&[1_u8][..], Some(31)),
            (&[2, 2], Some(30)),
            (&[16; 16], Some(16)),
            (&[0], None),
            (&[17; 17], None),
            (&[3, 2, 3], None),
            (&[255], None),
        ] {
            let (length, sound) = unpadded(&block(tail));
            assert_eq!(sound.then_some(length), expected, "{tail:?}");
        }
    }
}
