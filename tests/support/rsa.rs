//! An RSA key of a platform, and JWTs that it signs. A throwaway key, because making one takes seconds.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

pub(crate) struct Rsa(KeyPair);

impl Rsa {
    pub(crate) fn new() -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_slice(include_bytes!("../data/rsa.pem")).expect("PEM");
        Self(KeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("a key"))
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
    pub(crate) fn confused(&self, claims: &Value) -> String {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"typ": "JWT", "alg": "HS256", "kid": "k1"})), part(claims));
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.pem().as_bytes());
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
    }

    /// A JWK set with this key under a name.
    pub(crate) fn jwks(&self, kid: &str) -> String {
        let number = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let (n, e) = self.numbers();
        json!({"keys": [{"kty": "RSA", "kid": kid, "alg": "RS256", "n": number(&n), "e": number(&e)}]}).to_string()
    }

    /// SPKI in PEM (RFC 5280 §4.1.2.7).
    pub(crate) fn pem(&self) -> String {
        let (n, e) = self.numbers();
        let key = der(0x30, &[der(2, &[&[0], &n[..]].concat()), der(2, &e)].concat());
        let rsa = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
        let spki = der(0x30, &[&rsa[..], &der(3, &[&[0], &key[..]].concat())].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64_STANDARD.encode(spki))
    }

    fn numbers(&self) -> (Vec<u8>, Vec<u8>) {
        let public = self.0.public();
        let parts = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(public);
        (parts.n, parts.e)
    }
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short").to_be_bytes();
    let length = match length {
        [0, short @ 0..=127] => vec![short],
        [0, byte] => vec![0x81, byte],
        both => [&[0x82][..], &both].concat(),
    };
    [&[tag], &length[..], content].concat()
}
