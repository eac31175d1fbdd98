//! The scheme of hosts that encrypt with AES-CBC and authenticate nothing.
//!
//! Whoever can tell a bad padding from a bad text can read and forge tokens (Vaudenay 2002; Rizzo and Duong 2010). So
//! every input of whatever shape is decrypted, with every secret; the padding is checked without a branch on its bytes,
//! and the text is read in any case; only at the end does one verdict come out. What still shows is the input's length,
//! which the sender knows anyway.
//!
//! Whoever has a token can change letters of its first block by way of the IV, and of others at the price of a garbled
//! block before them. So a text is read narrowly: ids look like ids, and no string holds what cannot be printed.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::consts::U16;
use aes::cipher::{
    Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt as _, BlockModeEncrypt as _, InnerIvInit as _,
};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Map, Value};

use super::claims::Claims;
use super::hosted::Opened;
use super::platform::CbcForm;
use super::refusal::Refusal;
use super::{json, sha256};
use crate::secret::Secret;

mod assembly;
mod ecwid;
mod highlevel;

pub(super) use assembly::SealedCbc;

const BLOCK: usize = 16;

/// Longer tokens are not looked at. In bytes of the decoded form.
const MAX_BYTES: usize = 4096;

/// The same in base64, with its padding.
const MAX_TEXT: usize = MAX_BYTES.div_ceil(3) * 4;

/// A token in its two parts, or what stands for one.
struct Sealed {
    /// The IV, or what the IV and the key are made from.
    head: [u8; BLOCK],
    /// At least two.
    blocks: Vec<u8>,
    well_formed: bool,
}

/// What a token says that one of the secrets decrypts, and whose text could be the platform's.
pub(super) fn open(form: CbcForm, token: &[u8], secrets: &[Secret]) -> Result<Opened, Refusal> {
    let sealed = Sealed::read(form, token);
    // Each secret has its turn, also after one that fitted.
    let claims = secrets.iter().fold(None, |found, secret| found.or(sealed.claims(form, secret)));
    // Which part of it was wrong, not even the log needs to know.
    let claims = claims.ok_or(Refusal::BadDecrypt)?;
    Ok(Opened { claims, signed_at: None, mark: Some(sealed.mark()) })
}

/// Makes a token as the platform would, of JSON text. `None` where the secret is no key.
pub(super) fn mint(form: CbcForm, json: &[u8], secret: &Secret) -> Option<String> {
    let mut random = [0; BLOCK];
    SystemRandom::new().fill(&mut random).expect("the operating system gives random bytes, or nothing here is safe");
    match form {
        CbcForm::Assembly => Some(SealedCbc::new(secret).seal(json, random)),
        CbcForm::Ecwid => ecwid::seal(json, secret, random),
        CbcForm::HighLevel => Some(highlevel::seal(json, secret, *random.first_chunk()?)),
    }
}

impl Sealed {
    /// A text that is no token is replaced by zeros of about the same length.
    fn read(form: CbcForm, token: &[u8]) -> Self {
        let decoded = match form {
            _ if token.len() > MAX_TEXT => None,
            CbcForm::Ecwid => BASE64_URL_SAFE_NO_PAD.decode(token).ok(),
            CbcForm::HighLevel | CbcForm::Assembly => BASE64_STANDARD.decode(token).ok(),
        };
        let is_whole = |bytes: &Vec<u8>| {
            bytes.len().is_multiple_of(BLOCK) && (3 * BLOCK..=MAX_BYTES).contains(&bytes.len()) && form.begins(bytes)
        };
        let (mut bytes, well_formed) = match decoded.filter(is_whole) {
            Some(bytes) => (bytes, true),
            None => (vec![0; (token.len() / 4 * 3).next_multiple_of(BLOCK).clamp(3 * BLOCK, MAX_BYTES)], false),
        };
        let blocks = bytes.split_off(BLOCK);
        Self { head: *bytes.first_chunk().expect("three blocks or more"), blocks, well_formed }
    }

    fn claims(&self, form: CbcForm, secret: &Secret) -> Option<Claims> {
        let blocks = self.blocks.clone();
        let (plaintext, padded) = match form {
            CbcForm::Ecwid => ecwid::decrypt(self.head, blocks, secret)?,
            CbcForm::HighLevel => highlevel::decrypt(&self.head, blocks, secret),
            CbcForm::Assembly => return None,
        };
        let members = json::object(&plaintext).filter(|members| form.could_say(members));
        members.filter(|_| self.well_formed & padded).map(Claims::from)
    }

    /// The one name of this token and of all that can be made of it without the key. They can begin and go on in other ways,
    /// but padding and end of the text are right only where the last two blocks are these: each is read by way of the one
    /// before it.
    fn mark(&self) -> [u8; 32] {
        sha256(&self.blocks[self.blocks.len() - 2 * BLOCK..])
    }
}

impl CbcForm {
    fn begins(self, bytes: &[u8]) -> bool {
        self != Self::HighLevel || bytes.starts_with(highlevel::MAGIC)
    }

    /// Whether this could be the platform's text, and not one with a garbled block in it.
    fn could_say(self, members: &Map<String, Value>) -> bool {
        let names = match self {
            Self::Ecwid => ecwid::names_a_store(members),
            Self::HighLevel => highlevel::names_a_person(members),
            Self::Assembly => false,
        };
        names & is_printable(members)
    }
}

/// Member names are words, and strings hold nothing that cannot be printed, at any depth.
fn is_printable(members: &Map<String, Value>) -> bool {
    let word = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    members.iter().all(|(name, value)| word(name) && can_be_printed(value))
}

fn can_be_printed(value: &Value) -> bool {
    match value {
        Value::String(text) => text.chars().all(|letter| !letter.is_control()),
        Value::Array(items) => items.iter().all(can_be_printed),
        Value::Object(members) => is_printable(members),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Decrypts whole blocks and takes their padding away; whether it was right. Garbage unless it was.
fn decrypt<C>(cipher: C, iv: [u8; BLOCK], mut blocks: Vec<u8>) -> (Vec<u8>, bool)
where
    C: BlockCipherDecrypt<BlockSize = U16>,
{
    let mut mode = cbc::Decryptor::inner_iv_init(cipher, &iv.into());
    for block in blocks.chunks_exact_mut(BLOCK) {
        let block: &mut Block<C> = block.try_into().expect("chunks of one block");
        mode.decrypt_block(block);
    }
    let (length, padded) = unpadded(&blocks);
    blocks.truncate(length);
    (blocks, padded)
}

fn encrypt<C>(cipher: C, iv: [u8; BLOCK], plaintext: &[u8]) -> Vec<u8>
where
    C: BlockCipherEncrypt<BlockSize = U16>,
{
    cbc::Encryptor::inner_iv_init(cipher, &iv.into()).encrypt_padded_vec::<Pkcs7>(plaintext)
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
mod tests;
