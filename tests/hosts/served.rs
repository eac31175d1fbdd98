//! One platform of each scheme: the token that `token mint` makes for the configured host goes through the running gateway,
//! and the app is told who it was.

use std::fmt::Write as _;
use std::process::Command;

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use crate::support::{ADMIN_TOKEN, Answer, Gateway, SESSION_KEY, Setup, Upstream};

/// 32 bytes for the ciphers, and text for the others.
const SECRET: &str = "5f0c2a9b7d4e48139a6be1c07d2f33485f0c2a9b7d4e48139a6be1c07d2f3348";
const BOT: &str = "1234567890:canary-of-a-bot-token-0001";
const PLUGIN: &str = "canary-secret-of-a-plugin-00000001";
const FRAMED: [&str; 4] =
    ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", "Accept: text/html"];

struct Stage {
    gateway: Gateway,
    upstream: Upstream,
    key: String,
}

/// A host, its page, the parameter with the token, what `token mint` is asked for, and who it is then.
type Case<'a> = (&'a str, &'a str, &'a str, &'a [&'a str], [&'a str; 3]);

/// What the app is told: host, workspace, person, kind.
type Told = [String; 4];

impl Stage {
    fn new() -> Self {
        let upstream = Upstream::start();
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
        let document = pair.serialize_der();
        let public = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&document).expect("a key");
        let hex = public.public_key().as_ref().iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("written to a string");
            hex
        });
        let text = include_str!("served/gateway.toml").replace("{ed25519}", &hex);
        let setup = Setup::of(&text, &format!("http://{}", upstream.address)).env("HOST_SECRET", SECRET);
        let setup = setup.env("BOT_TOKEN", BOT).env("PLUGIN_SECRET", PLUGIN);
        Self { gateway: setup.start(), upstream, key: pair.serialize_pem() }
    }

    /// What `token mint` makes for a host of this gateway's own file.
    fn mint(&self, host: &str, wish: &[&str]) -> String {
        let file = self.gateway.folder().join("vestibule.toml");
        let key = self.gateway.folder().join("key.pem");
        std::fs::write(&key, &self.key).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.args(["token", "mint", "--host", host, "-c"]).arg(file).arg("--key-file").arg(key).args(wish);
        command.env_clear().env("HOST_SECRET", SECRET).env("BOT_TOKEN", BOT).env("PLUGIN_SECRET", PLUGIN);
        let made = command.env("SESSION_KEY", SESSION_KEY).env("ADMIN_TOKEN", ADMIN_TOKEN).output().expect("it runs");
        assert!(made.status.success(), "{host}: {}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).expect("UTF-8").trim_end().to_owned()
    }

    fn framed(&self, page: &str, target: &str) -> Answer {
        self.gateway.ask("GET", target, &[&FRAMED[..], &[&format!("Referer: {page}/")]].concat())
    }

    fn exchanged(&self, host: &str, token: &str) -> Answer {
        let lines = ["Sec-Fetch-Site: same-origin", "Content-Type: application/json"];
        let body = json!({ "token": token, "host": host }).to_string();
        self.gateway.send("POST", "/.vestibule/session", &lines, body.as_bytes())
    }

    /// What the app is told once the session is used.
    fn told(&self, opened: &Answer, status: u16) -> Told {
        assert_eq!(opened.status, status, "{opened:?}\n{}", self.gateway.output());
        assert!(self.upstream.seen().is_empty() || !opened.cookie().is_empty(), "{opened:?}");
        assert_eq!(self.gateway.own("GET", "/open/x", &opened.cookie()).status, 200);
        self.seen()
    }

    fn seen(&self) -> Told {
        let seen = self.upstream.last();
        ["host", "tenant", "user", "user-kind"].map(|name| seen.value(&format!("x-vestibule-{name}")).to_owned())
    }
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        write!(encoded, "%{byte:02X}").expect("written to a string");
        encoded
    })
}

#[test]
fn a_token_of_each_scheme_in_the_address_opens_a_session() {
    let stage = Stage::new();
    let wish = ["--user", "ann"];
    let cases: &[Case] = &[
        ("jwt", "https://admin.shopify.com", "id_token", &wish, ["demo.myshopify.com", "ann", "internal"]),
        ("jwe", "https://jwe.example", "token", &wish, ["acme", "ann", "client"]),
        ("gcm", "https://gcm.example", "token", &wish, ["acme", "ann", "internal"]),
        ("local", "https://local.example", "token", &wish, ["acme", "ann", "client"]),
        (
            "public",
            "https://public.example",
            "token",
            &["--user", "ann", "--tenant", "globex"],
            ["globex", "ann", "client"],
        ),
        (
            "payload",
            "https://manage.wix.com",
            "instance",
            &["--user", "ann", "--tenant", "i-1"],
            ["i-1", "ann", "client"],
        ),
        ("plugin", "https://app.frontapp.com", "auth_secret", &[], ["acme", "acme", "service"]),
    ];
    for (host, page, parameter, wish, who) in cases {
        let token = stage.mint(host, wish);
        let opened = stage.framed(page, &format!("/open/x?a=1&{parameter}={token}"));
        assert_eq!(opened.header("location"), "/open/x?a=1", "{host}: {opened:?}\n{}", stage.gateway.output());
        assert_eq!(stage.told(&opened, 303)[..], [&[*host][..], who].concat(), "{host}");
        let spoiled = format!("{}{}", &token[..token.len() - 4], "AAAA");
        let refused = stage.framed(page, &format!("/open/x?{parameter}={spoiled}"));
        assert_eq!((refused.status, refused.code(), refused.cookie().as_str()), (401, "token_invalid", ""), "{host}");
    }
}

#[test]
fn a_signed_query_opens_a_session_and_leaves_the_address() {
    let stage = Stage::new();
    let query = stage.mint("query", &["--user", "494075", "--claim", "vk_platform=desktop_web"]);
    let opened = stage.framed("https://vk.com", &format!("/open/x?{query}"));
    assert_eq!(stage.told(&opened, 303), ["query", "6736218", "494075", "client"]);
    let other = query.replace("vk_user_id=494075", "vk_user_id=494076");
    assert_ne!(other, query);
    assert_eq!(stage.framed("https://vk.com", &format!("/open/x?{other}")).code(), "token_invalid");
}

#[test]
fn a_posted_payload_opens_a_session_once() {
    let stage = Stage::new();
    let token = stage.mint("posted", &["--user", "005ann"]);
    let lines = ["Origin: https://acme.my.salesforce.com", "Content-Type: application/x-www-form-urlencoded"];
    let body = format!("signed_request={}", encoded(&token));
    let post = || stage.gateway.send("POST", "/open/x", &[&FRAMED[..], &lines].concat(), body.as_bytes());
    assert_eq!(stage.told(&post(), 303), ["posted", "00D000000000001EAA", "005ann", "internal"]);
    assert_eq!(post().code(), "token_invalid", "twice");
}

#[test]
fn a_token_of_the_pages_script_is_exchanged_for_a_session() {
    let stage = Stage::new();
    let sealed = stage.mint("cbc", &["--user", "user01234567", "--organization", "location01234"]);
    let told = stage.told(&stage.exchanged("cbc", &sealed), 200);
    assert_eq!(told, ["cbc", "agency0123456", "user01234567", "internal"]);
    assert_eq!(stage.upstream.last().value("x-vestibule-organization"), "location01234");
    let launch = stage.mint("script", &["--user", "42"]);
    assert_eq!(stage.told(&stage.exchanged("script", &launch), 200), ["script", "1234567890", "42", "client"]);
    assert_eq!(stage.exchanged("script", &launch.replace("42", "43")).code(), "token_invalid");
}

#[test]
fn a_context_in_the_clients_header_opens_a_session() {
    let stage = Stage::new();
    let header = format!("X-Zoom-App-Context: {}", stage.mint("client", &["--user", "u-ann"]));
    let lines = ["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Accept: text/html"];
    let opened = stage.gateway.ask("GET", "/open/x", &[&lines[..], &[&header]].concat());
    assert_eq!(stage.told(&opened, 303)[1..3], ["app-1", "u-ann"]);
}

#[test]
fn a_signed_call_is_for_itself_alone_and_its_body_arrives() {
    let stage = Stage::new();
    let body = r#"{"type":"event"}"#;
    let file = stage.gateway.folder().join("body");
    std::fs::write(&file, body).expect("written");
    let url = format!("http://{}/open/x", stage.gateway.host());
    let file = file.to_str().expect("UTF-8");
    let headers = stage.mint("call", &["--method", "POST", "--url", &url, "--body-file", file]);
    let lines: Vec<&str> = headers.lines().chain(["Content-Type: application/json"]).collect();
    let answer = stage.gateway.send("POST", "/open/x", &lines, body.as_bytes());
    assert_eq!((answer.status, answer.cookie().as_str()), (200, ""), "{answer:?}\n{}", stage.gateway.output());
    assert_eq!(stage.seen(), ["call", "T1", "T1", "service"]);
    assert_eq!(stage.upstream.last().body, body.as_bytes());
    assert_eq!(stage.gateway.send("POST", "/open/x", &lines, b"{}").code(), "token_invalid");
}
