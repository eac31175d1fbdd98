//! Secrets as operators write them, and as schemes need them.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::{CbcForm, GcmForm, Platform, Purpose, QueryForm, RequestForm, Scheme};
use crate::secret::Secret;

impl Platform {
    /// A secret as the scheme needs it, or what is wrong with it: the keys of ciphers are written in hex or base64url.
    pub fn fit_secret(&self, secret: &Secret) -> Result<Secret, &'static str> {
        let (scheme, written) = (self.scheme, secret.expose());
        match scheme {
            Scheme::Jwe | Scheme::SealedGcm(GcmForm::Plain) | Scheme::Paseto(Purpose::Local) => {
                key(written).ok_or("the key is not 32 bytes, as 64 hex digits or 43 letters of base64url")
            }
            Scheme::SealedCbc(CbcForm::Ecwid) if written.len() < 16 || !written[..16].is_ascii() => {
                Err("the secret has fewer than 16 characters")
            }
            Scheme::SignedQuery(QueryForm::TelegramMac) if !is_bot_token(written) => {
                Err("a bot's token is its id, a colon, and more")
            }
            Scheme::SignedRequest(RequestForm::Contentful) if written.len() != 64 => {
                Err("the signing secret has 64 characters")
            }
            _ => Ok(secret.clone()),
        }
    }
}

fn key(written: &[u8]) -> Option<Secret> {
    let mut bytes = Zeroizing::new([0; 32]);
    if written.len() == 64 && faster_hex::hex_decode(written, &mut *bytes).is_ok() {
        return Some(Secret::new(bytes.to_vec()));
    }
    let decoded = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(written).ok()?);
    (decoded.len() == 32).then(|| Secret::new(decoded.to_vec()))
}

fn is_bot_token(written: &[u8]) -> bool {
    let id = written.split(|byte| *byte == b':').next().unwrap_or_default();
    !id.is_empty() && id.len() < written.len() && id.iter().all(u8::is_ascii_digit)
}
