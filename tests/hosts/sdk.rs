//! The platform's official SDK on the other side: it reads our tokens, we read what it would read, and both ask the
//! platform the same questions. What the fake platform answers is held to the SDK's own type declarations.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{
    API_KEY, CLIENT, COMPANY, Gateway, Platform, STAFF, TENANT, Token, Upstream, node, output_of, root,
};

const SDK: &str = "@assembly-js/node-sdk";

fn script(name: &str, arguments: &[&str]) -> String {
    let mut command = node("tests/sdk", &[SDK, "jose"]);
    command.args(["--import", "./loader.mjs", name]).args(arguments);
    output_of(&command).trim().to_owned()
}

fn script_json(name: &str, arguments: &[&str]) -> Value {
    serde_json::from_str(&script(name, arguments)).expect("JSON")
}

fn mint(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(["token", "mint", "--tenant", TENANT]).args(arguments).env("ASSEMBLY_API_KEY", API_KEY);
    output_of(&command).trim().to_owned()
}

#[test]
fn the_sdk_is_the_version_that_these_tests_speak_of() {
    let _ = node("tests/sdk", &[SDK]);
    let manifest = fs::read_to_string(root().join("tests/sdk/node_modules").join(SDK).join("package.json"));
    let manifest: Value = serde_json::from_str(&manifest.expect("readable")).expect("JSON");
    assert_eq!(manifest["version"], "3.19.1");
}

#[test]
fn the_sdk_reads_the_tokens_that_we_mint() {
    let cases = [
        (
            vec!["--client", CLIENT, "--company", COMPANY, "--token-id", "t-1"],
            json!({"workspaceId": TENANT, "clientId": CLIENT, "companyId": COMPANY, "tokenId": "t-1"}),
        ),
        (vec!["--internal", STAFF], json!({"workspaceId": TENANT, "internalUserId": STAFF})),
        (
            vec!["--internal", STAFF, "--client", CLIENT, "--company", COMPANY, "--field", "notificationId=n-1"],
            json!({
                "workspaceId": TENANT, "internalUserId": STAFF, "clientId": CLIENT, "companyId": COMPANY,
                "notificationId": "n-1",
            }),
        ),
    ];
    for (arguments, expected) in cases {
        assert_eq!(script_json("read.mjs", &[API_KEY, &mint(&arguments)]), expected);
    }
}

#[test]
fn tokens_of_nodes_own_cryptography_are_accepted() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let client = json!({"workspaceId": TENANT, "clientId": CLIENT, "companyId": COMPANY, "tokenId": "t-client"});
    let staff = json!({"workspaceId": TENANT, "internalUserId": STAFF, "tokenId": "t-staff"});
    let mut preview = client.clone();
    preview["internalUserId"] = STAFF.into();
    preview["tokenId"] = "t-preview".into();
    for (fields, user, kind, actor) in
        [(client, CLIENT, "client", ""), (staff, STAFF, "internal", ""), (preview, CLIENT, "client", STAFF)]
    {
        let token = script("mint.mjs", &[API_KEY, &fields.to_string()]);
        let answer = gateway.present(&token);
        assert_eq!(answer.status, 303, "{fields}: {answer:?}");
        assert_eq!(gateway.own("GET", "/open", &answer.cookie()).status, 200, "{fields}");
        let seen = upstream.seen().pop().expect("asked");
        let told = ["user", "user-kind", "actor"].map(|name| seen.value(&format!("x-vestibule-{name}")));
        assert_eq!(told, [user, kind, actor], "{fields}");
    }
    let other_key =
        script("mint.mjs", &["another-key", &json!({"workspaceId": TENANT, "clientId": CLIENT}).to_string()]);
    assert_eq!(gateway.present(&other_key).code(), "token_invalid");
}

/// Each question with the key that it came with.
fn questions(platform: &Platform) -> BTreeSet<(String, String)> {
    platform.seen().iter().map(|seen| (seen.line().to_owned(), seen.value("x-api-key").to_owned())).collect()
}

#[test]
fn the_gateway_asks_the_platform_what_the_sdk_asks() {
    let without_id =
        Token::of(&[("internalUserId", STAFF), ("clientId", CLIENT), ("companyId", COMPANY), ("workspaceId", TENANT)]);
    let in_company = Token::staff().with("companyId", COMPANY);
    for token in [without_id, Token::client(), Token::staff(), in_company, Token::preview()] {
        let platform = Platform::start();
        let base = format!("http://{}", platform.address());
        let answers = script_json("call.mjs", &[&base, API_KEY, &token.sealed()]);
        assert_eq!(answers["workspace"]["id"], TENANT, "the SDK understands the fake platform");
        let upstream = Upstream::start();
        let gateway = Gateway::new(&upstream);
        gateway.sign_in(&token);
        // The token's id goes with the question about the workspace; the SDK sends it with the others too.
        let about_people = |(line, key): (String, String)| {
            let key = if line.contains("/v1/workspaces") { &key } else { key.split("/t-").next().expect("one part") };
            (line, key.to_owned())
        };
        let theirs: BTreeSet<_> = questions(&platform).into_iter().map(about_people).collect();
        let ours = questions(&gateway.platform);
        assert!(theirs.len() >= 2 && theirs.is_subset(&ours), "{ours:?}\n{theirs:?}");
        // What else is asked is about the key, and in the SDK's form as well.
        let key = format!("{TENANT}/{API_KEY}");
        let is_about_key = |(line, sent): &(String, String)| {
            line.starts_with("GET /v1/workspaces ")
                && (*sent == key || *sent == format!("{key}/vestibule-liveness-probe"))
        };
        assert!(ours.difference(&theirs).all(is_about_key), "{ours:?}\n{theirs:?}");
    }
}

/// The members of what an operation of the SDK returns, with their types: `id` → `string`.
fn declared(operation: &str) -> BTreeMap<String, String> {
    let _ = node("tests/sdk", &[SDK]);
    let file = root().join("tests/sdk/node_modules").join(SDK).join("dist/codegen/api/services/DefaultService.d.ts");
    let text = fs::read_to_string(file).expect("readable");
    let start = text.find(&format!("static {operation}(")).expect("the operation is declared");
    let body = text[start..].split_once("CancelablePromise<{\n").expect("it returns an object").1;
    let lines = body.lines().take_while(|line| *line != "    }>;");
    // Members of the object itself are eight blanks deep; `labels?: {` opens another.
    let member = |line: &str| {
        let line = line.strip_prefix("        ").filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))?;
        let (name, kind) = line.split_once("?: ")?;
        Some((name.to_owned(), kind.trim_end_matches([';', ' ']).to_owned()))
    };
    lines.filter_map(member).collect()
}

/// The members that `api.rs` reads into a struct, in the SDK's words.
fn read_by_us(structure: &str) -> BTreeMap<String, String> {
    let text = include_str!("../../src/hosts/assembly/api.rs");
    let body = text.split_once(&format!("struct {structure} {{\n")).expect("the struct is there").1;
    let fields = body.lines().take_while(|line| *line != "}").filter_map(|line| line.trim().split_once(": "));
    let field = |(name, kind): (&str, &str)| {
        let name = name.rsplit(' ').next().expect("a name");
        let mut parts = name.split('_');
        let first = parts.next().expect("a part").to_owned();
        let camel = parts.fold(first, |name, part| name + &part[..1].to_ascii_uppercase() + &part[1..]);
        let kind = kind.trim_end_matches(',').trim_start_matches("Option<");
        let kind = match kind.trim_end_matches('>') {
            "String" => "string",
            "bool" => "boolean",
            "Vec<String" => "Array<string>",
            other => other,
        };
        (camel, kind.to_owned())
    };
    fields.map(field).collect()
}

/// The members of an answer, in the SDK's words.
fn answered(answer: &Value) -> BTreeMap<String, String> {
    let kind = |value: &Value| match value {
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Array(parts) if parts.iter().all(Value::is_string) => "Array<string>",
        _ => "something else",
    };
    let members = answer.as_object().expect("an object").iter();
    members.map(|(name, value)| (name.clone(), kind(value).to_owned())).collect()
}

#[test]
fn what_we_read_and_what_the_fake_answers_is_what_the_sdk_declares() {
    let platform = Platform::start();
    let base = format!("http://{}", platform.address());
    let answers = script_json("call.mjs", &[&base, API_KEY, &Token::preview().sealed()]);
    for (operation, structure, answer) in [
        ("retrieveWorkspace", "Workspace", "workspace"),
        ("retrieveClient", "ClientUser", "client"),
        ("retrieveInternalUser", "InternalUser", "internalUser"),
    ] {
        let declared = declared(operation);
        let (read, answered) = (read_by_us(structure), answered(&answers[answer]));
        assert!(read.len() >= 2 && answered.len() >= 3, "{read:?} {answered:?}");
        for (name, kind) in read.iter().chain(&answered) {
            assert_eq!(declared.get(name), Some(kind), "{operation}: {name}");
        }
        let (read, answered) = (read.keys().collect::<BTreeSet<_>>(), answered.keys().collect());
        assert!(read.is_subset(&answered), "the fake leaves out something that we read: {read:?} {answered:?}");
    }
}

#[test]
fn an_independent_library_reads_the_assertion_and_names_the_keys_as_we_do() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::preview());
    gateway.own("GET", "/projects/apollo", &cookie);
    let seen = upstream.last();
    let issuer = format!("http://{}", gateway.host());
    let jwks = format!("{issuer}/.vestibule/jwks.json");
    let read = script_json("verify.mjs", &[&jwks, &issuer, seen.value("x-vestibule-assertion")]);
    let claims = &read["payload"];
    for (name, expected) in [
        ("sub", json!(CLIENT)),
        ("tenant", json!(TENANT)),
        ("org", json!(COMPANY)),
        ("kind", json!("client")),
        ("act", json!({ "sub": STAFF })),
        ("project", json!("apollo")),
        ("permissions", json!(["projects:read", "projects:write"])),
    ] {
        assert_eq!(claims[name], expected, "{name}");
    }
    assert_eq!(read["protectedHeader"]["alg"], "ES256");
}
