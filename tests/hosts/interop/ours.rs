//! Tokens of `vestibule token mint`, shown to the packages and to the gateway's own code.

use std::process::Command;

use serde_json::{Map, Value, json};
use vestibule::hosts::{Carrier, Platform, platforms};

use super::{accepts, id, in_file, json_lines, node_script, verdicts};
use crate::support::output_of;

const CASES: &str = include_str!("../../interop/cases.jsonl");
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// What a package wants to read and the gateway does not: claims that are taken from the case.
const BESIDE: [(&str, &[&str]); 5] = [
    ("lti13", &["nonce", "https://purl.imsglobal.org/spec/lti/claim/resource_link"]),
    ("shopify", &["jti", "sid"]),
    ("telegram", &["user", "signature"]),
    ("telegram-ed25519", &["user"]),
    (
        "vk",
        &[
            "vk_is_app_user",
            "vk_are_notifications_enabled",
            "vk_language",
            "vk_access_token_settings",
            "vk_platform",
            "vk_is_favorite",
        ],
    ),
];

/// One case of the file, and the algorithm where it has several.
struct Case {
    platform: &'static Platform,
    written: Value,
    algorithm: String,
}

impl Case {
    fn all() -> Vec<Self> {
        let algorithms = |written: &Value| match written["algorithms"].as_array() {
            Some(names) => names.iter().map(|name| name.as_str().expect("text").to_owned()).collect(),
            None if written["key"] == "ed25519" => vec!["EdDSA".to_owned()],
            None => vec!["RS256".to_owned()],
        };
        let case = |written: Value, algorithm: String| {
            let name = written["platform"].as_str().expect("text");
            Self { platform: platforms::find(name).expect("a platform"), written, algorithm }
        };
        let cases = json_lines(CASES);
        cases.flat_map(|one| algorithms(&one).into_iter().map(move |name| case(one.clone(), name))).collect()
    }

    fn text(&self, at: &str) -> Option<String> {
        match self.written.pointer(at)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// The members of the line that show its keys.
    fn shown(&self, pairs: &Value) -> Value {
        match self.text("/key").expect("a key").as_str() {
            "secret" => json!({ "secret": self.written["secret"] }),
            "hex" => json!({ "secret_hex": KEY }),
            form => pairs[&self.algorithm][form].clone(),
        }
    }

    fn mint(&self, pairs: &Value, now: u64) -> String {
        let mut mint = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        mint.args(["token", "mint", "--platform", self.platform.name, "--secret-env", "INTEROP_SECRET"]);
        mint.env("INTEROP_SECRET", self.text("/secret").as_deref().unwrap_or(KEY));
        let private = pairs[&self.algorithm]["private"].as_str();
        let key = in_file(private.unwrap_or_default());
        if private.is_some() {
            mint.arg("--key-file").arg(key.path());
        }
        let kid = if self.written["key"] == "jwks" { pairs["kid"].as_str().map(str::to_owned) } else { None };
        let kid = kid.or(self.text("/params/kid"));
        let body = in_file(&self.text("/request/body").unwrap_or_default());
        let url = self.text("/request/url").map(|url| match url.strip_prefix('/') {
            Some(path) => format!("https://app.example.test/{path}"),
            None => url,
        });
        let app = ["audience", "client_id", "bot_id"].iter().find_map(|name| self.text(&format!("/params/{name}")));
        let several = self.written["algorithms"].as_array().is_some_and(|names| names.len() > 1);
        let options = [
            ("--now", Some(now.to_string())),
            ("--kid", kid),
            ("--audience", app),
            ("--issuer", self.text("/params/issuer")),
            ("--deployment", self.text("/params/deployment_ids/0")),
            ("--algorithm", several.then(|| self.algorithm.clone())),
            ("--tenant", self.text("/identity/tenant")),
            ("--user", self.text("/identity/user")),
            ("--organization", self.text("/identity/organization")),
            ("--method", self.text("/request/method")),
            ("--url", url),
        ];
        for (name, value) in options.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            mint.args([name, &value]);
        }
        for (name, value) in self.written["request"]["headers"].as_object().into_iter().flatten() {
            mint.args(["--header", &format!("{name}: {}", value.as_str().expect("text"))]);
        }
        if self.written["request"]["body"].is_string() {
            mint.arg("--body-file").arg(body.path());
        }
        let beside = BESIDE.iter().filter(|(name, _)| *name == self.platform.name).flat_map(|(_, claims)| *claims);
        for claim in beside {
            mint.args(["--claim", &format!("{claim}={}", self.written["claims"][claim])]);
        }
        output_of(&mint).trim_end().to_owned()
    }

    /// The line of a vector file with a token that was made just now.
    fn line(&self, pairs: &Value, now: u64) -> Value {
        let mut line = json!({
            "id": format!("{} {}", self.platform.name, self.algorithm),
            "platform": self.platform.name,
            "now": now,
            "token": self.mint(pairs, now),
            "expect": "accept",
            "expected_identity": self.written["identity"],
        });
        let members = line.as_object_mut().expect("an object");
        for name in ["params", "request"] {
            if let Some(value) = self.written.get(name) {
                members.insert(name.to_owned(), value.clone());
            }
        }
        if self.written["algorithms"].as_array().is_some_and(|names| names.len() > 1) {
            members["params"]["algorithms"] = json!([self.algorithm]);
        }
        members.extend(self.shown(pairs).as_object().expect("an object").clone());
        self.place(members);
        line
    }

    /// Where the token stands in the request as well: of a signed request in headers, of a signed query it is the query.
    fn place(&self, line: &mut Map<String, Value>) {
        let token = line["token"].as_str().expect("text").to_owned();
        let headers = token.lines().filter_map(|line| line.split_once(": "));
        let headers: Map<String, Value> = headers.map(|(name, value)| (name.to_owned(), value.into())).collect();
        for carrier in self.platform.carriers {
            let (member, value, name) = match carrier {
                Carrier::SignedQuery { .. } => ("query", token.clone().into(), None),
                Carrier::Signature { name, .. } => ("headers", headers.clone().into(), Some(*name)),
                Carrier::Header { name, .. } if !headers.is_empty() => {
                    ("headers", headers.clone().into(), Some(name.as_ref()))
                }
                _ => continue,
            };
            line.entry("request").or_insert_with(|| json!({ "method": "GET" }))[member] = value;
            if let Some(name) = name {
                line["token"] = headers[name].clone();
            }
        }
    }
}

#[test]
fn the_packages_and_the_gateway_accept_what_we_mint() {
    let pairs: Value = serde_json::from_str(&output_of(&node_script("pairs.mjs"))).expect("JSON");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let lines: Vec<Value> = Case::all().iter().map(|case| case.line(&pairs, now)).collect();
    let text = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let file = in_file(&text);
    let mut verify = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    let decided = output_of(verify.args(["hosts", "verify"]).arg(file.path()));
    assert_eq!(decided, format!("{} passed, 0 failed\n", lines.len()));
    let said = verdicts(file.path());
    let silent = lines.iter().map(id).filter(|name| said[name].is_empty());
    assert_eq!(silent.collect::<Vec<_>>(), Vec::<String>::new(), "nobody reads these");
    let verdicts = said.iter().flat_map(|(name, of)| of.iter().map(move |(package, verdict)| (name, package, verdict)));
    let refused = verdicts.filter(|(_, _, verdict)| !accepts(verdict));
    assert_eq!(refused.map(|refused| format!("{refused:?}")).collect::<Vec<_>>(), Vec::<String>::new());
}
