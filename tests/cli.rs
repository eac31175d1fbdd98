//! The command line.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use crate::support::{API_KEY, CLIENT, Gateway, SESSION_KEY, TENANT, Token, Upstream};

fn vestibule(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vestibule"))
        .args(arguments)
        .env_clear()
        .env("ASSEMBLY_API_KEY", API_KEY)
        .env("SESSION_KEY", SESSION_KEY)
        .env("ADMIN_TOKEN", SESSION_KEY)
        .output()
        .expect("the binary runs")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn explain_says_how_a_request_is_decided_and_why() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let file = gateway.folder().join("vestibule.toml");
    let file = file.to_str().expect("UTF-8");
    let explain = |arguments: &[&str]| {
        vestibule(&[&["explain"], arguments, &["--tenant", TENANT, "--subject", CLIENT, "-c", file]].concat())
    };
    let allowed = text(&explain(&["POST", "/projects/apollo/x"]));
    for part in [
        "/projects/{project}/**",
        "projects:write",
        "apollo",
        "role editor on project apollo (from config)",
        "allow",
        "x-vestibule-permissions: projects:read,projects:write",
    ] {
        assert!(allowed.contains(part), "{part}: {allowed}");
    }
    let denied = text(&explain(&["POST", "/projects/zeus"]));
    assert!(denied.contains("deny: forbidden (missing_permission)"), "{denied}");
    let staff = text(&explain(&["GET", "/projects/zeus", "--kind", "internal"]));
    assert!(staff.contains("role staff on the whole tenant (from default_roles)"), "{staff}");
    let json = explain(&["GET", "/projects/zeus", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&json["decision"], &json["grants"][1]["source"]), (&"allow".into(), &"config".into()));
    assert!(text(&explain(&["GET", "/public/../nothing"])).contains("not_routed"));
    let own = text(&explain(&["GET", "/public/../.vestibule/session"]));
    assert!(own.contains("the gateway answers this path itself"), "{own}");
}

#[test]
fn check_passes_a_good_file_and_says_what_it_understood() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let file = gateway.folder().join("vestibule.toml");
    let file = file.to_str().expect("UTF-8");
    let output = vestibule(&["check", "-c", file, "--online"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    for part in ["/projects/{project}/**", "require projects:read", "upstream", "assembly"] {
        assert!(text(&output).contains(part), "{part}: {}", text(&output));
    }
    let written = fs::read_to_string(file).expect("a file").replace(&upstream.address.to_string(), "127.0.0.1:9");
    fs::write(file, written).expect("a file");
    let output = vestibule(&["check", "-c", file, "--online"]);
    assert_eq!(output.status.code(), Some(69), "{}", text(&output));
}

#[test]
fn a_bad_file_stops_check_and_serve_with_78() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bad.toml");
    fs::write(&file, "[server]\nlisten = 1\nlissten = \"x\"\n").expect("a file");
    let file = file.to_str().expect("UTF-8");
    for command in ["check", "serve"] {
        let output = vestibule(&[command, "-c", file]);
        assert_eq!(output.status.code(), Some(78), "{command}");
        assert!(
            text(&output).contains("did you mean `listen`?") && text(&output).contains("bad.toml:3:1"),
            "{}",
            text(&output)
        );
    }
    let json: serde_json::Value =
        serde_json::from_slice(&vestibule(&["check", "-c", file, "--format", "json"]).stdout).expect("JSON");
    assert!(json["problems"].as_array().is_some_and(|problems| problems.len() >= 4));
    for command in ["check", "serve"] {
        assert_eq!(vestibule(&[command, "-c", "/nonexistent.toml"]).status.code(), Some(78), "{command}");
    }
}

#[test]
fn tokens_are_minted_and_inspected() {
    let minted = vestibule(&["token", "mint", "--tenant", TENANT, "--client", CLIENT, "--field", "notificationId=n"]);
    let token = text(&minted).trim().to_owned();
    let inspected = vestibule(&["token", "inspect", &token]);
    assert!(
        inspected.status.success() && text(&inspected).contains(CLIENT) && !text(&inspected).contains(API_KEY),
        "{}",
        text(&inspected)
    );
    assert!(!vestibule(&["token", "inspect", &token[2..]]).status.success());
    assert!(vestibule(&["token", "inspect", &Token::preview().sealed()]).status.success());
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let minted = vestibule(&["token", "mint", "--tenant", TENANT, "--client", CLIENT, "--token-id", "t-minted"]);
    assert_eq!(gateway.present(text(&minted).trim()).status, 303);
}

#[test]
fn keys_are_new_private_and_never_overwritten() {
    let (one, two) =
        (text(&vestibule(&["keys", "generate", "session"])), text(&vestibule(&["keys", "generate", "session"])));
    assert!(one.trim().len() == 64 && one != two);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("assertion.pem");
    let path = file.to_str().expect("UTF-8");
    assert!(vestibule(&["keys", "generate", "assertion", "--out", path]).status.success());
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&file).expect("a file").starts_with("-----BEGIN PRIVATE KEY-----"));
    assert!(!vestibule(&["keys", "generate", "assertion", "--out", path]).status.success());
}

#[test]
fn healthcheck_knows_whether_the_process_lives() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let file = gateway.folder().join("vestibule.toml");
    let file = file.to_str().expect("UTF-8").to_owned();
    assert_eq!(vestibule(&["healthcheck", "-c", &file]).status.code(), Some(0));
    gateway.terminate();
    let output = vestibule(&["healthcheck", "-c", &file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("does not answer"), "{}", text(&output));
}

#[test]
fn completions_and_help_name_every_command() {
    let help = text(&vestibule(&["--help"]));
    let completions = text(&vestibule(&["completions", "bash"]));
    for command in ["serve", "demo", "check", "explain", "token", "keys", "healthcheck", "completions"] {
        assert!(help.contains(command) && completions.contains(command), "{command}");
    }
}
