//! Tokens that come with each request: whose they are, from where, for how long.

use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::support::jwt::{Elliptic, hs256, now};
use crate::support::{Answer, Gateway, Setup, Upstream};

mod bearer;
mod limits;
mod proxied;
mod signed;
mod signed_bodies;

/// Of 64 characters, as Contentful has them.
const SIGNING_SECRET: &str = "canary-signing-secret-0123456789abcdef0123456789abcdef0123456789";

const SECRET: &str = "canary-page-secret-of-the-host-01";

/// A gateway with hosts of all sorts, the app behind it, and the keys that the hosts sign with.
pub(super) struct Stage {
    pub(super) gateway: Gateway,
    pub(super) upstream: Upstream,
    elliptic: Elliptic,
    _keys: Upstream,
}

impl Stage {
    fn new() -> Self {
        Self::with(Upstream::start(), |setup| setup)
    }

    pub(super) fn with(upstream: Upstream, change: impl FnOnce(Setup) -> Setup) -> Self {
        let elliptic = Elliptic::new();
        let set = elliptic.jwks();
        let keys = Upstream::scripted(move |_, stream| {
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", set.len());
            crate::support::answer_with(stream, &format!("{head}{set}"))
        });
        let text = include_str!("credentials/gateway.toml").replace("{keys}", &keys.address.to_string());
        let text = text.replace("{ed25519}", &faster_hex::hex_string(ed25519().public_key().as_ref()));
        let setup = Setup::of(&text, &format!("http://{}", upstream.address)).env("PAGE_SECRET", SECRET);
        let setup = setup.env("SIGNING_SECRET", SIGNING_SECRET).file("elliptic.pem", &elliptic.pem());
        Self { gateway: change(setup).start(), upstream, elliptic, _keys: keys }
    }

    /// A request with this header, as a program sends it.
    fn ask(&self, method: &str, target: &str, header: &str) -> Answer {
        self.gateway.ask(method, target, &[header])
    }

    pub(super) fn whop(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({"iss": "urn:whopcom:exp-proxy", "aud": "app_1", "sub": "user_1", "exp": now() + 300});
        change(&mut claims);
        format!("X-Whop-User-Token: {}", self.elliptic.es256(&claims))
    }
}

/// What Discord signs with.
fn ed25519() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed")
}

fn mac(pieces: &[&[u8]]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SIGNING_SECRET.as_bytes());
    hmac::sign(&key, &pieces.concat()).as_ref().to_vec()
}

fn lines(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

/// What the page's host says of somebody.
fn claims(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = json!({
        "iss": "https://page.example", "aud": "the-app", "tenant": "acme", "sub": "ann", "role": "owner",
        "iat": now(), "exp": now() + 300,
    });
    change(&mut claims);
    claims
}

fn bearer_of(change: impl FnOnce(&mut Value)) -> String {
    format!("Authorization: Bearer {}", hs256(SECRET, &claims(change)))
}

pub(super) fn bearer() -> String {
    bearer_of(|_| {})
}
