//! The platforms' own packages on the other side: what they say of the vectors, what we say of the tokens that they make, and
//! what they say of ours. `tests/interop/` has their half.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{node, output_of, python_with_packages, root};

/// A few of the packages: without them none of that folder is there.
const NODE_PACKAGES: [&str; 2] = ["jose", "stripe"];

/// What some lines were shown to and is not installed here, with the reason. Another reads the same lines.
const NOT_HERE: [(&str, &str); 5] = [
    ("@gohighlevel/api-client@3.1.0", "brings a database driver; its check is one call of Ed25519"),
    ("aiogram==3.31.0", "brings a web framework; init-data-py has the same check"),
    ("copilot-node-sdk@3.17.1", "brings a web framework; the SDK that replaced it is here"),
    ("python-hmac", "no package"),
    ("whop_sdk==2.6.0", "50 MB of generated code; its twin for Node is here"),
];

/// So that nothing is lost in silence: how many pairs of a line and a package are compared.
const COMPARED: usize = 437;

/// What each package says of each line, by the names of both.
type Verdicts = BTreeMap<String, BTreeMap<String, Value>>;

fn python(script: &str) -> Command {
    let mut command = python_with_packages();
    command.args(["-B", script]).current_dir(root().join("tests/interop"));
    command
}

fn node_script(script: &str) -> Command {
    let mut command = node("tests/interop", &NODE_PACKAGES);
    command.arg(script);
    command
}

fn json_lines(text: &str) -> impl Iterator<Item = Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON"))
}

fn id(line: &Value) -> String {
    line["id"].as_str().expect("a name").to_owned()
}

fn verdicts(file: &Path) -> Verdicts {
    // The Assembly SDK is installed with the tests that are about it alone.
    let _ = node("tests/sdk", &["@assembly-js/node-sdk"]);
    let mut all = Verdicts::new();
    for mut command in [node_script("read.mjs"), python("read.py")] {
        for said in json_lines(&output_of(command.arg(file))) {
            let of_line = said["verdicts"].as_object().expect("an object").clone();
            all.entry(id(&said)).or_default().extend(of_line);
        }
    }
    all
}

#[test]
fn each_package_says_of_the_vectors_what_they_record() {
    let file = root().join("tests/data/host-vectors.jsonl");
    let said = verdicts(&file);
    let mut compared = 0;
    for line in json_lines(&fs::read_to_string(file).expect("readable")) {
        let (name, recorded) = (id(&line), line["checked"].as_object().expect("an object"));
        for (package, verdict) in
            recorded.iter().filter(|(package, _)| !NOT_HERE.iter().any(|(absent, _)| absent == package))
        {
            let now = said[&name].get(package);
            assert!(now.is_some(), "{name}: {package} is recorded, and neither installed nor listed with a reason");
            let now = now.expect("just looked at");
            assert_eq!(now["verdict"], *verdict, "{name}: {package}: {now}");
            compared += 1;
        }
    }
    assert_eq!(compared, COMPARED);
}

/// The lines that the packages make, how many there are, and a file with them.
const MINTED: usize = 824;

fn minted() -> (tempfile::NamedTempFile, Vec<Value>) {
    let text: String = [node_script("mint.mjs"), python("mint.py")].iter().map(output_of).collect();
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), &text).expect("the file can be written");
    let lines: Vec<_> = json_lines(&text).collect();
    let names: BTreeSet<_> = lines.iter().map(id).collect();
    assert_eq!((lines.len(), names.len()), (MINTED, MINTED));
    (file, lines)
}

#[test]
fn the_packages_read_each_others_tokens() {
    let (file, lines) = minted();
    let said = verdicts(file.path());
    for line in lines.iter().filter(|line| line["expect"] == "accept") {
        let name = id(line);
        assert!(!said[&name].is_empty(), "{name}: nobody reads it");
        for (package, verdict) in &said[&name] {
            assert_eq!(verdict["verdict"], "accept", "{name}: {package}: {verdict}");
        }
    }
    // With another key, every one of them says no.
    for line in lines.iter().filter(|line| id(line).ends_with(" other-key")) {
        let name = id(line);
        assert!(said[&name].values().all(|verdict| verdict["verdict"] == "reject"), "{name}: {:?}", said[&name]);
    }
}
