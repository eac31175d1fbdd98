//! Tokens that come with each request: whose they are, from where, for how long.

use serde_json::{Value, json};

use crate::support::jwt::{Elliptic, hs256, now};
use crate::support::{Answer, Gateway, Setup, Upstream};

mod bearer;
mod limits;
mod proxied;

const SECRET: &str = "canary-page-secret-of-the-host-01";

/// A gateway with hosts of all sorts, the app behind it, and the keys that the hosts sign with.
struct Stage {
    gateway: Gateway,
    upstream: Upstream,
    elliptic: Elliptic,
    _keys: Upstream,
}

impl Stage {
    fn new() -> Self {
        Self::with(Upstream::start(), |setup| setup)
    }

    fn with(upstream: Upstream, change: impl FnOnce(Setup) -> Setup) -> Self {
        let elliptic = Elliptic::new();
        let set = elliptic.jwks();
        let keys = Upstream::scripted(move |_, stream| {
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", set.len());
            crate::support::answer_with(stream, &format!("{head}{set}"))
        });
        let text = include_str!("credentials/gateway.toml").replace("{keys}", &keys.address.to_string());
        let setup = Setup::of(&text, &format!("http://{}", upstream.address));
        let setup = setup.env("PAGE_SECRET", SECRET).file("elliptic.pem", &elliptic.pem());
        Self { gateway: change(setup).start(), upstream, elliptic, _keys: keys }
    }

    /// A request with this header, as a program sends it.
    fn ask(&self, method: &str, target: &str, header: &str) -> Answer {
        self.gateway.ask(method, target, &[header])
    }

    fn whop(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({"iss": "urn:whopcom:exp-proxy", "aud": "app_1", "sub": "user_1", "exp": now() + 300});
        change(&mut claims);
        format!("X-Whop-User-Token: {}", self.elliptic.es256(&claims))
    }
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

fn bearer() -> String {
    bearer_of(|_| {})
}
