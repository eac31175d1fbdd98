//! The seal: which keys there are, and what is in front of and beside the sealed bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use xaes_256_gcm::aead::{Aead as _, KeyInit as _, Payload};
use xaes_256_gcm::{Nonce, Xaes256Gcm};

use super::KeyError;
use crate::access::Origin;
use crate::secret::Secret;

/// The version that is written. All versions up to this one are read.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
/// Longer values are not worth decoding: browsers keep 4,096 bytes at most (RFC 6265bis §5.6).
const MAX_TEXT: usize = 4096;

pub(super) struct Sealer {
    /// The first seals.
    keys: Vec<Key>,
    origin: String,
}

struct Key {
    id: String,
    cipher: Xaes256Gcm,
    mark: KeyMark,
}

/// Tells keys apart, and the origins that they seal for, also between two configurations. Opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyMark([u8; 8]);

/// A record as it was sealed.
pub(super) struct Opened {
    pub(super) record: Vec<u8>,
    /// What it was sealed with.
    pub(super) mark: KeyMark,
}

impl Sealer {
    pub(super) fn new(keys: &[(String, Secret)], origin: &Origin) -> Result<Self, KeyError> {
        let key = |(id, secret): &(String, Secret)| {
            let fits = (1..=32).contains(&id.len());
            let cipher = Xaes256Gcm::new_from_slice(secret.expose()).ok().filter(|_| fits);
            let key = cipher.map(|cipher| Key { id: id.clone(), cipher, mark: KeyMark::of(id, secret, origin) });
            key.ok_or_else(|| KeyError::Unfit(id.clone()))
        };
        let keys = keys.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(KeyError::None) } else { Ok(Self { keys, origin: origin.as_str().to_owned() }) }
    }

    pub(super) fn seal(&self, purpose: &str, name: &str, nonce: &[u8; NONCE_BYTES], record: &[u8]) -> String {
        let Key { id, cipher, .. } = &self.keys[0];
        let aad = self.additional_data(purpose, name);
        let payload = Payload { msg: record, aad: &aad };
        let sealed = cipher.encrypt(&Nonce::from(*nonce), payload).expect("a record is far below the cipher's 64 GiB");
        let length = u8::try_from(id.len()).expect("ids of 1 to 32 bytes, checked when the keys were read");
        let mut bytes = vec![VERSION, length];
        bytes.extend_from_slice(id.as_bytes());
        bytes.extend_from_slice(nonce);
        bytes.extend_from_slice(&sealed);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// One key is tried, the one that the text names.
    pub(super) fn open(&self, purpose: &str, name: &str, text: &[u8]) -> Option<Opened> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (&version, rest) = bytes.split_first()?;
        let (&length, rest) = rest.split_first()?;
        let (id, rest) = rest.split_at_checked(usize::from(length))?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let key = self.keys.iter().find(|key| key.id.as_bytes() == id)?;
        if version != VERSION {
            return None;
        }
        let aad = self.additional_data(purpose, name);
        let record = key.cipher.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: &aad }).ok()?;
        Some(Opened { record, mark: key.mark })
    }

    /// The mark of the key that seals.
    pub(super) fn mark(&self) -> KeyMark {
        self.keys[0].mark
    }

    /// Whether what was sealed with such a key would still open.
    pub(super) fn knows(&self, mark: KeyMark) -> bool {
        self.keys.iter().any(|key| key.mark == mark)
    }

    /// None of the three holds a NUL, so no two of them read the same.
    fn additional_data(&self, purpose: &str, name: &str) -> Vec<u8> {
        [purpose, name, &self.origin].join("\0").into_bytes()
    }
}

impl KeyMark {
    fn of(id: &str, secret: &Secret, origin: &Origin) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        // No id holds a NUL, and the secret has 32 bytes.
        for part in [b"vestibule key mark v1\0", id.as_bytes(), b"\0", secret.expose(), origin.as_str().as_bytes()] {
            context.update(part);
        }
        let mut mark = [0; 8];
        mark.copy_from_slice(&context.finish().as_ref()[..8]);
        Self(mark)
    }
}
