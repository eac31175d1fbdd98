//! What `examples/` gives to authors of apps, run for real behind the gateway, and around it.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;
use vestibule::clock::Clock;

use crate::support::{
    Answer, CLIENT, Gateway, Peer, Platform, Setup, TENANT, Token, exchange, free_port, node, output_of,
    python_with_packages, request, root,
};

mod grants;

const FOLDER: &str = "examples/verify-assertion";

/// An example between a gateway in front and a forger beside it who knows the gateway's own key.
struct Scene {
    gateway: Gateway,
    app: Peer,
    kid: String,
    key: EcdsaKeyPair,
    claims: Value,
}

/// A fresh signing key in a file, as the command line makes it.
fn new_key(folder: &TempDir, name: &str) -> (String, EcdsaKeyPair) {
    let path = folder.path().join(name).display().to_string();
    let mut generate = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    output_of(generate.args(["keys", "generate", "assertion", "--out", &path]));
    let pem = fs::read_to_string(&path).expect("a file");
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let document = STANDARD.decode(body).expect("base64");
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &document, &SystemRandom::new());
    (path, key.expect("a key"))
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

fn signed(key: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
    let text = format!("{}.{}", encoded(header), encoded(claims));
    let signature = key.sign(&SystemRandom::new(), text.as_bytes()).expect("signed");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

impl Scene {
    fn new(mut command: Command) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, key) = new_key(&folder, "assertion.pem");
        let (app, public, admin) = (free_port(), free_port(), free_port());
        let gateway = Setup::before(&format!("http://{app}"))
            .and(&format!("\n[identity]\nassertion = {{ keys = [{{ file = \"{path}\" }}] }}\n"))
            .start_at(Platform::start(), public, admin);
        let issuer = format!("http://{public}");
        command.env("ISSUER", &issuer).env("PORT", app.port().to_string());
        let app = Peer::start(&command, app);
        let jwks = gateway.ask("GET", "/.vestibule/jwks.json", &[]).json();
        let kid = jwks["keys"][0]["kid"].as_str().expect("a key id").to_owned();
        let now = Clock::system().now().as_secs();
        let claims = json!({
            "iss": issuer, "aud": issuer, "sub": CLIENT, "host": "assembly", "tenant": TENANT, "kind": "client",
            "roles": [], "permissions": ["projects:read"], "route": "/open/**", "iat": now, "exp": now + 60,
        });
        Self { gateway, app, kid, key, claims }
    }

    fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "JWT", "kid": self.kid })
    }

    /// With one claim changed, or taken away.
    fn claims_with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims.clone();
        claims.as_object_mut().expect("an object").remove(name);
        if !value.is_null() {
            claims[name] = value;
        }
        claims
    }

    fn sign(&self, claims: &Value) -> String {
        signed(&self.key, &self.header(), claims)
    }

    /// A request around the gateway.
    fn directly(&self, assertions: &[&str]) -> Answer {
        let lines: Vec<String> = assertions.iter().map(|text| format!("X-Vestibule-Assertion: {text}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        direct(self.app.address, &lines)
    }

    fn tells_who_comes_through_the_gateway(&self) {
        let cookie = format!("Cookie: {}", self.gateway.sign_in(&Token::client()));
        let forged = format!("X-Vestibule-Assertion: {}", self.sign(&self.claims_with("sub", "somebody".into())));
        for more in ["Accept: */*", &forged] {
            let answer = self.gateway.ask("GET", "/projects/apollo", &[&cookie, "Sec-Fetch-Site: same-origin", more]);
            assert_eq!(answer.status, 200, "{answer:?}\n{}", self.app.output());
            let expected = json!({
                "host": "assembly", "tenant": TENANT, "sub": CLIENT, "kind": "client",
                "permissions": ["projects:read", "projects:write"],
            });
            assert_eq!(answer.json(), expected);
        }
    }

    fn refuses_everybody_else(&self) {
        let good = self.sign(&self.claims);
        assert_eq!(self.directly(&[&good]).json()["sub"], CLIENT, "what is refused below is refused for its one fault");
        for (name, assertions) in self.forgeries(&good) {
            let assertions: Vec<&str> = assertions.iter().map(String::as_str).collect();
            let answer = self.directly(&assertions);
            assert_eq!((answer.status, answer.body.len()), (401, 0), "{name}: {answer:?}\n{}", self.app.output());
        }
        assert_eq!(self.directly(&[&good]).status, 200, "the good one is still good");
    }

    fn forgeries(&self, good: &str) -> Vec<(&'static str, Vec<String>)> {
        let now = Clock::system().now().as_secs();
        let other = new_key(&tempfile::tempdir().expect("a folder"), "other.pem").1;
        let parts: Vec<&str> = good.split('.').collect();
        let none = json!({ "alg": "none", "typ": "JWT", "kid": self.kid });
        let unknown = json!({ "alg": "ES256", "typ": "JWT", "kid": "unknown" });
        let somebody = encoded(&self.claims_with("sub", "somebody".into()));
        let broken = if good.ends_with("AA") { "BB" } else { "AA" };
        let claims = encoded(&self.claims);
        let one = |name, text: String| (name, vec![text]);
        vec![
            ("no assertion", vec![]),
            one("an empty one", String::new()),
            one("no token", "hello".into()),
            one("other claims", format!("{}.{somebody}.{}", parts[0], parts[2])),
            one("a signature that is a little off", format!("{}.{}.{broken}{}", parts[0], parts[1], &parts[2][2..])),
            one("no signature", format!("{}.{}.", parts[0], parts[1])),
            one("another audience", self.sign(&self.claims_with("aud", "https://other.example".into()))),
            one("another issuer", self.sign(&self.claims_with("iss", "https://other.example".into()))),
            one("over", self.sign(&self.claims_with("exp", (now - 5).into()))),
            one("without an end", self.sign(&self.claims_with("exp", Value::Null))),
            one("without an audience", self.sign(&self.claims_with("aud", Value::Null))),
            one("algorithm none", format!("{}.{claims}.", encoded(&none))),
            one("algorithm none with a signature", format!("{}.{claims}.{}", encoded(&none), parts[2])),
            one("a keyed hash under the public key", self.hashed(&claims)),
            one("an unknown key", signed(&other, &unknown, &self.claims)),
            one("our key under an unknown name", signed(&self.key, &unknown, &self.claims)),
            one("another key under our name", signed(&other, &self.header(), &self.claims)),
            ("two assertions", vec![good.to_owned(), good.to_owned()]),
        ]
    }

    /// Signed with what everybody knows, for a verifier that lets the token choose the algorithm.
    fn hashed(&self, claims: &str) -> String {
        let jwks = self.gateway.ask("GET", "/.vestibule/jwks.json", &[]).json();
        let text = format!("{}.{claims}", encoded(&json!({ "alg": "HS256", "typ": "JWT", "kid": self.kid })));
        let key = hmac::Key::new(hmac::HMAC_SHA256, jwks["keys"][0].to_string().as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes())))
    }
}

fn direct(app: SocketAddr, lines: &[&str]) -> Answer {
    Answer::read(&exchange(app, &request("GET", "/projects/apollo", &app.to_string(), lines, b"")))
}

#[test]
fn the_node_example_knows_who_is_calling_and_refuses_everybody_else() {
    let mut command = node(&format!("{FOLDER}/node"), &["jose"]);
    command.arg("app.mjs");
    let scene = Scene::new(command);
    scene.tells_who_comes_through_the_gateway();
    scene.refuses_everybody_else();
}

#[test]
fn the_python_example_knows_who_is_calling_and_refuses_everybody_else() {
    let mut command = python_with_packages();
    command.arg("app.py").current_dir(root().join(FOLDER).join("python"));
    let scene = Scene::new(command);
    scene.tells_who_comes_through_the_gateway();
    scene.refuses_everybody_else();
}

/// Built here, because a run of one test builds no examples, and an old one would prove nothing.
fn rust_example() -> Command {
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--locked", "--offline", "--quiet", "--message-format=json", "--example", "verify-assertion"]);
    // What cargo tells a test about its package would make other packages build anew, here and in the next run.
    let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| told.iter().any(|start| name.to_string_lossy().starts_with(start))) {
        build.env_remove(name);
    }
    let lines = output_of(&build);
    let artifacts = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut examples = artifacts.filter(|line| line["target"]["name"] == "verify-assertion");
    let example = examples.next().expect("an artifact");
    Command::new(example["executable"].as_str().expect("a program"))
}

#[test]
fn the_rust_example_knows_who_is_calling_and_refuses_everybody_else() {
    let scene = Scene::new(rust_example());
    scene.tells_who_comes_through_the_gateway();
    scene.refuses_everybody_else();
}

#[test]
fn the_page_of_the_examples_tells_how_each_is_started() {
    let page = fs::read_to_string(root().join("examples/README.md")).expect("a page");
    for (folder, start) in [
        ("verify-assertion/node", "node app.mjs"),
        ("verify-assertion/python", "python app.py"),
        ("verify-assertion/rust", "cargo run --example verify-assertion"),
        ("grants-endpoint/node", "node app.mjs"),
        ("grants-endpoint/python", "python3 app.py"),
    ] {
        let row = page.lines().find(|line| line.starts_with(&format!("| [{folder}]")));
        assert!(row.is_some_and(|row| row.contains(start)), "{folder}");
    }
}
