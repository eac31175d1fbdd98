//! How each family of platforms hands over its first token, and what becomes of it.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::jwt::{hs256, now};
use crate::support::{Answer, Gateway, Platform, Setup, Upstream, free_port};

mod address;
mod client;
mod exchange;
mod form;
mod signed;

const SHOP: &str = "canary-secret-of-the-shop-00000001";
const STORE: &str = "canary-secret-of-the-store-0000001";
const SITE: &str = "canary-secret-of-the-site-00000001";
const LAUNCH: &str = "canary-secret-of-the-launch-000001";
const TAB: &str = "canary-secret-of-the-tab-000000001";
const CANVAS: &str = "canary-secret-of-the-canvas-000001";
const MEETING: &str = "canary-secret-of-the-meeting-00001";
const PAGE: &str = "canary-secret-of-the-page-00000001";

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const FRAMED: [&str; 4] =
    ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", "Accept: text/html"];

/// A gateway with hosts of all sorts, and the app behind it.
struct Stage {
    gateway: Gateway,
    upstream: Upstream,
}

impl Stage {
    fn new() -> Self {
        Self::with(|setup| setup)
    }

    fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        Self::at(free_port(), free_port(), change)
    }

    /// At known ports, so that cookies of one process can be shown to the next.
    fn at(public: SocketAddr, admin: SocketAddr, change: impl FnOnce(Setup) -> Setup) -> Self {
        let upstream = Upstream::start();
        let setup = Setup::of(include_str!("bootstrap/gateway.toml"), &format!("http://{}", upstream.address));
        let setup = setup.env("SHOP_SECRET", SHOP).env("STORE_SECRET", STORE);
        let setup = setup.env("LAUNCH_SECRET", LAUNCH).env("TAB_SECRET", TAB);
        let setup = setup.env("CANVAS_SECRET", CANVAS).env("MEETING_SECRET", MEETING);
        let setup = setup.env("SITE_SECRET", SITE).env("PAGE_SECRET", PAGE);
        Self { gateway: change(setup).start_at(Platform::start(), public, admin), upstream }
    }

    /// A frame that a page of this origin opens.
    fn framed(&self, page: &str, target: &str) -> Answer {
        let referer = format!("Referer: {page}/");
        self.gateway.ask("GET", target, &[&FRAMED[..], &[&referer]].concat())
    }

    /// A form that a page of this origin posts into its frame.
    fn posted(&self, page: &str, target: &str, body: &str) -> Answer {
        let origin = format!("Origin: {page}");
        self.gateway.send("POST", target, &[&FRAMED[..], &[FORM, &origin]].concat(), body.as_bytes())
    }

    /// What the app gets of a page that is opened with the session.
    fn lands(&self, answer: &Answer, page: &str) -> Vec<String> {
        assert_eq!(answer.status, 303, "{answer:?}\n{}", self.gateway.output());
        let (cookie, referer) = (format!("Cookie: {}", answer.cookie()), format!("Referer: {page}/"));
        let lines = [&FRAMED[..], &[&cookie, &referer]].concat();
        let landed = self.gateway.ask("GET", answer.header("location"), &lines);
        assert_eq!(landed.status, 200, "{landed:?}");
        let seen = self.upstream.last();
        let value = |name: &str| seen.value(&format!("x-vestibule-{name}")).to_owned();
        [seen.line().to_owned()].into_iter().chain(["host", "tenant", "user", "user-kind"].map(value)).collect()
    }

    /// Whether neither the app nor the log has seen this.
    fn has_kept(&self, secret: &str) -> bool {
        let seen = self.upstream.seen();
        let to_app = seen.iter().any(|seen| seen.head.contains(secret) || find(&seen.body, secret.as_bytes()));
        !to_app && !self.gateway.output().contains(secret)
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|part| part == needle)
}

/// What the page's host says of somebody.
fn page(change: impl FnOnce(&mut Value)) -> String {
    let mut claims = json!({
        "iss": "https://page.example", "aud": "the-app", "tenant": "acme", "sub": "ann", "role": "owner",
        "iat": now(), "exp": now() + 300,
    });
    change(&mut claims);
    hs256(PAGE, &claims)
}

fn shop(change: impl FnOnce(&mut Value)) -> String {
    let shop = "https://demo.myshopify.com";
    let mut claims = json!({
        "iss": format!("{shop}/admin"), "dest": shop, "aud": "shop-app", "sub": "42", "iat": now(), "exp": now() + 60,
    });
    change(&mut claims);
    hs256(SHOP, &claims)
}

fn store(jti: &str) -> String {
    let claims = json!({
        "iss": "bc", "aud": "store-app", "sub": "stores/abc123", "jti": jti, "user": {"id": 7, "email": "b@example.com"},
        "owner": {"id": 7}, "iat": now(), "exp": now() + 86400,
    });
    hs256(STORE, &claims)
}

/// A token of an Atlassian site for one request.
fn site(method: &str, path: &str, query: &str) -> String {
    let canonical = format!("{method}&{path}&{query}");
    let digest = ring::digest::digest(&ring::digest::SHA256, canonical.as_bytes());
    let hash = digest.as_ref().iter().fold(String::new(), |mut hash, byte| {
        write!(hash, "{byte:02x}").expect("written to a string");
        hash
    });
    site_with(&hash)
}

fn site_with(hash: &str) -> String {
    hs256(SITE, &json!({"iss": "site-1", "sub": "557058:ann", "qsh": hash, "iat": now(), "exp": now() + 180}))
}
