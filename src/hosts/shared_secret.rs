//! The scheme of hosts that send the secret itself: nothing is minted, and nobody is named.

use ring::hmac;

use super::claims::Claims;
use super::refusal::Refusal;
use crate::secret::Secret;

/// Longer texts are not looked at, in bytes.
const MAX_BYTES: usize = 1024;

/// Nothing, if it is one of the secrets. Their MACs are compared and not the texts themselves, so that neither the length of
/// the secret nor how much of it is right shows in the time. Costs two MACs.
pub(super) fn open(token: &[u8], secrets: &[Secret]) -> Result<Claims, Refusal> {
    if token.len() > MAX_BYTES {
        return Err(Refusal::Malformed);
    }
    let is_it = |secret: &Secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
        hmac::verify(&key, token, hmac::sign(&key, secret.expose()).as_ref()).is_ok()
    };
    if secrets.iter().any(is_it) { Ok(Claims::default()) } else { Err(Refusal::BadSignature) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_of_the_secrets_opens() {
        let secrets = [Secret::from("front-auth-secret"), Secret::from("the-next-one")];
        assert_eq!(open(b"front-auth-secret", &secrets), Ok(Claims::default()));
        assert_eq!(open(b"the-next-one", &secrets), Ok(Claims::default()));
        // With zeros at its end, a text is another secret, though it were the same key of a MAC.
        for wrong in
            [&b"front-auth-secreT"[..], b"front-auth-secre", b"front-auth-secret\0", b"front-auth-secret ", b""]
        {
            assert_eq!(open(wrong, &secrets), Err(Refusal::BadSignature), "{wrong:?}");
        }
        assert_eq!(open(&[b'x'; MAX_BYTES + 1], &secrets), Err(Refusal::Malformed));
        assert_eq!(open(b"front-auth-secret", &[]), Err(Refusal::BadSignature));
    }
}
