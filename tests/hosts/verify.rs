//! `vestibule hosts`: what it says of the platforms, and how it judges a file of tokens.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// So that no line is lost in silence.
const LINES: usize = 254;

fn file() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/host-vectors.jsonl"))
}

fn hosts(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vestibule")).arg("hosts").args(arguments).env_clear().output().expect("it runs")
}

fn verify(file: &Path, more: &[&str]) -> Output {
    hosts(&[&["verify", file.to_str().expect("UTF-8")], more].concat())
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// A file with these lines.
fn written(lines: &[String]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("v.jsonl");
    fs::write(&path, lines.join("\n")).expect("written");
    (folder, path)
}

fn lines() -> Vec<String> {
    fs::read_to_string(file()).expect("the vectors").lines().map(str::to_owned).collect()
}

/// The first line of Shopify that expects this, with other members.
fn changed(expect: &str, change: impl Fn(&mut Value)) -> String {
    let mut vectors = lines().into_iter().map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
    let mut vector =
        vectors.find(|vector| vector["expect"] == expect && vector["platform"] == "shopify").expect("a line");
    change(&mut vector);
    vector.to_string()
}

#[test]
fn every_vector_of_every_platform_is_decided_as_it_says() {
    let verified = verify(file(), &[]);
    assert_eq!(out(&verified), format!("{LINES} passed, 0 failed\n"));
    assert_eq!(verified.status.code(), Some(0));
}

#[test]
fn as_json_each_line_is_an_object_with_decision_reason_and_principal() {
    let verified = verify(file(), &["--format", "json"]);
    assert_eq!(verified.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&verified.stderr), format!("{LINES} passed, 0 failed\n"));
    let decided: Vec<Value> = out(&verified).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(decided.len(), LINES);
    for (vector, decided) in lines().iter().zip(&decided) {
        let vector: Value = serde_json::from_str(vector).expect("JSON");
        let accepted = vector["expect"] == "accept";
        assert_eq!((&decided["id"], &decided["decision"]), (&vector["id"], &vector["expect"]));
        assert_eq!((decided["reason"].is_null(), decided["principal"].is_null()), (accepted, !accepted), "{decided}");
        for name in ["tenant", "user", "kind", "organization", "actor"] {
            let wanted = vector.get("expected_identity").and_then(|identity| identity.get(name));
            if let Some(wanted) = wanted.filter(|_| accepted) {
                assert_eq!(decided["principal"][name], *wanted, "{}: {name}", vector["id"]);
            }
        }
        let members: BTreeSet<&str> = decided.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(members, ["decision", "id", "principal", "reason"].into());
    }
}

#[test]
fn a_line_that_expects_something_else_is_named_and_the_exit_code_is_1() {
    let wrong = [
        (changed("accept", |line| line["expect"] = "refuse".into()), "should be refused, and is {"),
        (changed("refuse", |line| line["expect"] = "accept".into()), "should be accepted, and is refused: "),
        (
            changed("accept", |line| line["expected_identity"] = serde_json::json!({ "user": "somebody-else" })),
            "user should be \"somebody-else\", and is \"",
        ),
        (changed("accept", |line| line["now"] = 4_000_000_000_u64.into()), "should be accepted, and is refused: "),
    ];
    for (line, says) in wrong {
        let (_folder, path) = written(&[changed("accept", |_| {}), String::new(), line]);
        let verified = verify(&path, &[]);
        let text = out(&verified);
        assert!(text.contains("v.jsonl:3: ") && text.contains(says), "{says}: {text}");
        assert!(text.ends_with("1 passed, 1 failed\n"), "{text}");
        assert_eq!(verified.status.code(), Some(1));
        assert_eq!(verify(&path, &["--format", "json"]).status.code(), Some(1));
    }
}

#[test]
fn a_line_that_is_no_vector_is_told_with_its_place() {
    for broken in ["{", "[]", "{\"id\":\"x\"}", "token"] {
        let (_folder, path) = written(&[changed("accept", |_| {}), broken.to_owned()]);
        let verified = verify(&path, &[]);
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        assert!(!verified.status.success() && said.contains("v.jsonl:2 is no vector"), "{said}");
    }
    let missing = verify(Path::new("/no/such/file"), &[]);
    assert!(!missing.status.success() && String::from_utf8_lossy(&missing.stderr).contains("cannot be read"));
}

#[test]
fn every_platform_of_the_vectors_is_listed_but_those_that_are_refused_as_a_whole() {
    let listed = out(&hosts(&["list", "--format", "json"]));
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let known: BTreeSet<&str> = listed.iter().filter_map(|platform| platform["platform"].as_str()).collect();
    for line in lines() {
        let vector: Value = serde_json::from_str(&line).expect("JSON");
        let name = vector["platform"].as_str().expect("a name");
        assert!(known.contains(name) || vector["expect"] == "refuse", "{name}");
    }
    let text = out(&hosts(&["list"]));
    for platform in &listed {
        let name = platform["platform"].as_str().expect("a name");
        assert!(text.lines().any(|line| line.split(' ').next() == Some(name)), "{name}");
        for member in ["title", "scheme", "workspace", "person", "counts", "find"] {
            assert!(platform[member].as_str().is_some_and(|text| !text.is_empty()), "{name}: {member}");
        }
    }
    let one = out(&hosts(&["list", "lti13"]));
    assert!(
        one.contains("\nneeds         ") && one.contains("deployments") && one.contains("\nnot verified "),
        "{one}"
    );
    assert!(!hosts(&["list", "nobody"]).status.success());
}
