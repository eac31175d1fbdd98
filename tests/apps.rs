//! Real programs as the app behind the gateway: what they make of a request, and what is left of their answers.

mod nginx;
mod node;
mod python;

use crate::support::{Answer, Gateway, Peer, Setup, Token, request, tool};

/// A program behind the usual gateway, and a client who is signed in.
struct Scene {
    app: Peer,
    gateway: Gateway,
    cookie: String,
}

impl Scene {
    fn before(app: Peer) -> Self {
        let setup = Setup::before(&format!("http://{}", app.address));
        Self::with(app, setup)
    }

    /// The same for an app that speaks HTTP/2 and nothing else.
    fn before_http2(app: Peer) -> Self {
        let setup = Setup::before(&format!("http://{}", app.address));
        Self::with(app, setup.with("[hosts.assembly]", "protocol = \"h2c\"\n\n[hosts.assembly]"))
    }

    fn with(app: Peer, setup: Setup) -> Self {
        let gateway = setup.start();
        let cookie = gateway.sign_in(&Token::client());
        Self { app, gateway, cookie }
    }

    /// The bytes of a request of the app's own page.
    fn request(&self, method: &str, target: &str, lines: &[&str], body: &[u8]) -> Vec<u8> {
        let cookie = format!("Cookie: {}", self.cookie);
        let origin = format!("Origin: http://{}", self.gateway.host());
        let own = [cookie.as_str(), "Sec-Fetch-Site: same-origin"];
        let own = if method == "GET" || method == "HEAD" { own.to_vec() } else { [&own[..], &[&origin]].concat() };
        request(method, target, &self.gateway.host(), &[&own[..], lines].concat(), body)
    }

    fn ask(&self, method: &str, target: &str, lines: &[&str], body: &[u8]) -> Answer {
        self.gateway.raw(&self.request(method, target, lines, body))
    }

    fn get(&self, target: &str, lines: &[&str]) -> Answer {
        self.ask("GET", target, lines, b"")
    }
}

/// Bytes without a pattern that a mistake in framing could keep.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(next).collect()
}

fn sha256(bytes: &[u8]) -> String {
    faster_hex::hex_string(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

/// A body in the chunked coding, in pieces of this size.
fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let piece = |part: &[u8]| [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
    let mut coded: Vec<u8> = body.chunks(size).flat_map(piece).collect();
    coded.extend_from_slice(b"0\r\n\r\n");
    coded
}

#[test]
#[should_panic(expected = "no-such-program is not installed; ./scripts/test installs what the tests need")]
fn a_program_that_is_not_there_fails_the_test() {
    let _ = tool("no-such-program");
}
