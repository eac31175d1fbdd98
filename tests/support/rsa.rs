//! An RSA key of a platform, and JWTs that it signs. A throwaway key, because making one takes seconds.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

const PUBLIC: &str = include_str!("../data/rsa-public.pem");

pub(crate) struct Rsa(KeyPair);

impl Rsa {
    pub(crate) fn new() -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_slice(include_bytes!("../data/rsa-private.pem")).expect("PEM");
        Self(KeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("a key"))
    }

    /// The public key, as PEM.
    pub(crate) const fn public() -> &'static str {
        PUBLIC
    }

    /// RS256, with the name of a key if there is one.
    pub(crate) fn sign(&self, kid: Option<&str>, claims: &Value) -> String {
        let mut header = json!({"typ": "JWT", "alg": "RS256"});
        if let Some(kid) = kid {
            header["kid"] = kid.into();
        }
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .expect("a signature fits");
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    /// HS256 with the public key as the secret, as libraries accept it that let the token choose.
    pub(crate) fn confused(claims: &Value) -> String {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"typ": "JWT", "alg": "HS256", "kid": "k1"})), part(claims));
        let key = hmac::Key::new(hmac::HMAC_SHA256, PUBLIC.as_bytes());
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
    }

    /// A JWK set with this key under a name.
    pub(crate) fn jwks(&self, kid: &str) -> String {
        let number = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let (n, e) = self.numbers();
        json!({"keys": [{"kty": "RSA", "kid": kid, "alg": "RS256", "n": number(&n), "e": number(&e)}]}).to_string()
    }

    fn numbers(&self) -> (Vec<u8>, Vec<u8>) {
        let public = self.0.public();
        let parts = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(public);
        (parts.n, parts.e)
    }
}
