//! `vestibule token` for any platform: what is made is accepted, what is spoiled is refused with a reason that helps, and no
//! secret is ever printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SECRET: &str = "5f0c2a9b7d4e48139a6be1c07d2f3348";
const HEX: &str = "aa0c2a9b7d4e48139a6be1c07d2f3348aa0c2a9b7d4e48139a6be1c07d2f3348";
const MONDAY: [&str; 6] = ["--platform", "monday", "--secret-env", "SECRET", "--audience", "my-client"];

fn token(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.arg("token").args(arguments).env_clear().env("SECRET", SECRET).env("HEX", HEX);
    command.env("OTHER", "another-secret-of-32-characters!").output().expect("it runs")
}

fn text(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8(text).expect("UTF-8");
    assert!(!text.contains(SECRET) && !text.contains(HEX), "a secret is printed: {text}");
    text
}

fn minted(arguments: &[&str]) -> String {
    let made = token(&[&["mint"], arguments].concat());
    assert!(made.status.success(), "{arguments:?}: {}", text(&made));
    text(&made).trim_end().to_owned()
}

/// Whether it is accepted, and what is said.
fn inspected(arguments: &[&str], given: &str) -> (bool, String) {
    let output = token(&[&["inspect"], arguments, &["--", given]].concat());
    (output.status.success(), text(&output))
}

fn data(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn folder_with(name: &str, content: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    fs::write(&path, content).expect("written");
    (folder, path)
}

#[test]
fn what_is_made_for_a_platform_of_each_form_is_accepted_and_names_who_was_asked_for() {
    let secret = ["--secret-env", "SECRET"];
    let cases: &[(&[&str], &[&str], &str)] = &[
        (&["monday", "--audience", "a"], &["--tenant", "1825529", "--user", "7"], "internal 7 of workspace 1825529"),
        (
            &["shopify", "--audience", "a"],
            &["--tenant", "demo.myshopify.com", "--user", "7"],
            "workspace demo.myshopify.com",
        ),
        (&["wix"], &["--tenant", "t", "--user", "u", "--role", "OWNER"], "internal u of workspace t"),
        (&["salesforce-canvas"], &["--tenant", "t", "--user", "u"], "internal u of workspace t"),
        (&["vk"], &["--tenant", "1", "--user", "2"], "client 2 of workspace 1"),
        (&["ecwid"], &["--tenant", "1003"], "service 1003 of workspace 1003"),
        (
            &["highlevel"],
            &["--tenant", "agency0123456", "--user", "user01234567", "--organization", "location01234"],
            "internal user01234567 of workspace agency0123456, organization location01234",
        ),
        (&["zoom", "--audience", "app"], &["--user", "u"], "u of workspace app"),
        (
            &["generic-jwt", "--audience", "a", "--issuer", "i", "--algorithm", "HS256"],
            &["--tenant", "t", "--user", "u"],
            "client u of workspace t",
        ),
        (&["atlassian-connect", "--tenant", "site"], &["--user", "u"], "internal u of workspace site"),
    ];
    for (platform, wish, who) in cases {
        let host = [&["--platform"], *platform, &secret].concat();
        let token = minted(&[&host[..], wish].concat());
        let (accepted, said) = inspected(&host, &token);
        assert!(accepted && said.contains("accepted: ") && said.contains(who), "{platform:?}: {said}");
        assert!(said.contains("claims, proven"), "{said}");
    }
    for platform in ["generic-jwe", "generic-aes-256-gcm", "generic-paseto-v4-local"] {
        let host = ["--platform", platform, "--secret-env", "HEX", "--audience", "a", "--issuer", "i"];
        let token = minted(&[&host[..], &["--tenant", "t", "--user", "u"]].concat());
        let (accepted, said) = inspected(&host, &token);
        assert!(accepted && said.contains("client u of workspace t"), "{platform}: {said}");
    }
}

#[test]
fn a_key_file_signs_and_its_public_half_or_a_jwk_set_proves() {
    let (private, public) = (data("rsa-private.pem"), data("rsa-public.pem"));
    let app = ["--platform", "msteams", "--audience", "11111111-2222-4333-8444-555555555555"];
    let made = minted(&[&app[..], &["--key-file", &private, "--kid", "k1", "--tenant", "t", "--user", "u"]].concat());
    let (accepted, said) = inspected(&[&app[..], &["--public-key-file", &public]].concat(), &made);
    assert!(accepted && said.contains("  kid  \"k1\"") && said.contains("internal u of workspace t"), "{said}");
    let (_folder, other) = folder_with("keys.json", r#"{"keys":[]}"#);
    let (accepted, said) = inspected(&[&app[..], &["--jwks-file", other.to_str().expect("UTF-8")]].concat(), &made);
    assert!(!accepted && said.contains("refused: unknown_key: ") && said.contains("not proven"), "{said}");
    let nobody = token(&["mint", "--platform", "msteams", "--tenant", "t", "--user", "u"]);
    assert_eq!(text(&nobody), "vestibule: tokens of this platform name the app: give --audience, the application id\n");
    let none = token(&[&["mint"], &app[..], &["--tenant", "t", "--user", "u"]].concat());
    assert!(!none.status.success() && text(&none).contains("signed with RS256: give --key-file"), "{}", text(&none));
    let (_folder, bad) =
        folder_with("bad.pem", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n");
    let bad = token(&[&["mint"], &app[..], &["--key-file", bad.to_str().expect("UTF-8")]].concat());
    assert!(text(&bad).contains("openssl pkcs8 -topk8 -nocrypt"), "{}", text(&bad));
}

#[test]
fn a_signed_request_is_made_as_headers_and_judged_with_the_request() {
    let (_folder, body) = folder_with("body", "{\"a\":1}");
    let body = body.to_str().expect("UTF-8");
    let url = "https://app.example.com/api?portalId=62515&userId=7";
    let host =
        ["--platform", "hubspot-v3", "--secret-env", "SECRET", "--method", "POST", "--url", url, "--body-file", body];
    let headers = minted(&host);
    let header = |name: &str| {
        let line = headers.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("{name}: {headers}")).to_owned()
    };
    let signature = header("x-hubspot-signature-v3");
    let time = format!("x-hubspot-request-timestamp: {}", header("x-hubspot-request-timestamp"));
    let (accepted, said) = inspected(&[&host[..], &["--header", &time]].concat(), &signature);
    assert!(accepted && said.contains("internal 7 of workspace 62515"), "{said}");
    let (_other, changed) = folder_with("body", "{\"a\":2}");
    let mut other = host;
    other[9] = changed.to_str().expect("UTF-8");
    let (accepted, said) = inspected(&[&other[..], &["--header", &time]].concat(), &signature);
    assert!(!accepted && said.contains("refused: bad_signature"), "{said}");
}

#[test]
fn a_refused_token_is_told_why_with_what_to_look_at() {
    let of = |more: &[&str]| minted(&[&MONDAY[..], &["--tenant", "1", "--user", "2"], more].concat());
    let good = of(&[]);
    let cases: Vec<(String, &str, &str)> = vec![
        (of(&["--claim", "exp=null"]), "missing_claim", "lacks something"),
        (of(&["--lifetime", "0"]), "expired", "look at `exp`"),
        (of(&["--claim", "nbf=4000000000"]), "not_yet_valid", "look at `nbf`"),
        (of(&["--claim", "dat={\"client_id\":\"x\"}"]), "wrong_audience", "another app"),
        (of(&["--claim", "dat={\"user_id\":null}"]), "names_nobody", "nameless"),
        (of(&["--claim", "dat={\"user_id\":1.5}"]), "wrong_claim", "not allowed"),
        (format!("{good}x"), "bad_signature", "right secret"),
        (good[1..].to_owned(), "malformed", "all of the token"),
        (String::from("x"), "malformed", "nothing else"),
    ];
    for (token, reason, help) in cases {
        let (accepted, said) = inspected(&MONDAY, &token);
        assert!(!accepted && said.contains(&format!("refused: {reason}: ")) && said.contains(help), "{reason}: {said}");
    }
    let other = MONDAY.map(|argument| if argument == "SECRET" { "OTHER" } else { argument });
    let (accepted, said) = inspected(&other, &good);
    assert!(!accepted && said.contains("claims, not proven: anybody can have written them"), "{said}");
    let (accepted, said) = inspected(&[&MONDAY[..], &["--now", "2040-01-01T00:00:00Z"]].concat(), &good);
    assert!(!accepted && said.contains("refused: expired"), "{said}");
}

#[test]
fn values_that_let_somebody_in_elsewhere_are_not_shown() {
    let host = ["--platform", "salesforce-canvas", "--secret-env", "SECRET"];
    let canary = "c4nary0123456789";
    let claim = format!("client={{\"oauthToken\":\"{canary}\",\"instanceUrl\":\"https://{canary}.example\"}}");
    let more = format!("refreshToken={canary}");
    let made = minted(&[&host[..], &["--tenant", "t", "--user", "u", "--claim", &claim, "--claim", &more]].concat());
    let (accepted, said) = inspected(&host, &made);
    assert!(accepted && !said.contains(canary) && said.contains("… (16 characters)"), "{said}");
    assert!(said.contains("the platform's own package: Salesforce's Java SDK"), "{said}");
}

fn config(folder: &Path, hosts: &str) -> String {
    let text = format!(
        "[server]\npublic_url = \"https://app.example.com\"\n[upstream]\nurl = \"http://127.0.0.1:1\"\n{hosts}\
         [session]\nkeys = [{{ id = \"k\", secret = {{ env = \"HEX\" }} }}]\n[[routes]]\npath = \"/**\"\naccess = \"authenticated\"\n"
    );
    let file = folder.join("vestibule.toml");
    fs::write(&file, text).expect("written");
    file.to_str().expect("UTF-8").to_owned()
}

const PORTAL: &str = r#"[hosts.portal]
platform = "generic-jwt"
algorithms = ["HS256"]
secret = { env = "SECRET" }
issuer = "https://portal.example"
audience = "a"
tenants = ["acme"]
kind = "client"
claims.tenant = ["org", "id"]
origins = ["https://portal.example"]
"#;

#[test]
fn a_configured_host_is_taken_with_its_keys_claims_and_workspaces() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = config(folder.path(), PORTAL);
    let made = minted(&["-c", &file, "--user", "u"]);
    let (accepted, said) = inspected(&["-c", &file], &made);
    assert!(
        accepted && said.contains("org  {\"id\":\"acme\"}") && said.contains("client u of workspace acme"),
        "{said}"
    );
    let other = minted(&["-c", &file, "--user", "u", "--tenant", "globex"]);
    let (accepted, said) = inspected(&["-c", &file, "--host", "portal"], &other);
    assert!(!accepted && said.contains("refused: wrong_tenant: ") && said.contains("`tenants`"), "{said}");
    let (_, said) = inspected(&["-c", &file, "--host", "nobody"], &made);
    assert!(said.contains("no [hosts.nobody]"), "{said}");
    let second = PORTAL.replace("hosts.portal", "hosts.second");
    let file = config(folder.path(), &[PORTAL, &second].concat());
    let (_, said) = inspected(&["-c", &file], &made);
    assert!(said.contains("several hosts: give --host"), "{said}");
}
