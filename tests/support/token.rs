//! Host tokens, made independently of the code under test.

use aes::Aes128;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeEncrypt as _, KeyIvInit as _};
use ring::hmac;

pub(crate) const API_KEY: &str = "throwaway-assembly-api-key-0001";
pub(crate) const TENANT: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const OTHER_TENANT: &str = "22222222-2222-4333-8444-555555555555";
pub(crate) const CLIENT: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
pub(crate) const COMPANY: &str = "99999999-8888-4777-8666-555555555555";
pub(crate) const STAFF: &str = "77777777-6666-4555-8444-333333333333";

/// A token in the making.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    fields: Vec<(String, String)>,
}

impl Token {
    pub(crate) fn of(fields: &[(&str, &str)]) -> Self {
        Self { fields: fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect() }
    }

    pub(crate) fn client() -> Self {
        Self::of(&[("clientId", CLIENT), ("companyId", COMPANY), ("workspaceId", TENANT), ("tokenId", "t-client")])
    }

    pub(crate) fn staff() -> Self {
        Self::of(&[("internalUserId", STAFF), ("workspaceId", TENANT), ("tokenId", "t-staff")])
    }

    pub(crate) fn preview() -> Self {
        Self::of(&[
            ("internalUserId", STAFF),
            ("clientId", CLIENT),
            ("companyId", COMPANY),
            ("workspaceId", TENANT),
            ("tokenId", "t-preview"),
        ])
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(own, _)| own != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn sealed(&self) -> String {
        let members: Vec<String> = self.fields.iter().map(|(name, value)| format!("{name:?}:{value:?}")).collect();
        Self::seal(API_KEY, format!("{{{}}}", members.join(",")).as_bytes())
    }

    /// Any plaintext under any key.
    pub(crate) fn seal(api_key: &str, plaintext: &[u8]) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, api_key.as_bytes()), b"");
        let iv: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).expect("sixteen"));
        let cipher = cbc::Encryptor::<Aes128>::new_from_slices(&tag.as_ref()[..16], &iv).expect("lengths");
        let sealed = cipher.encrypt_padded_vec::<Pkcs7>(plaintext);
        faster_hex::hex_string(&[&iv[..], &sealed].concat())
    }
}
