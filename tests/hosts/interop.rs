//! The platforms' own packages on the other side: what they say of the vectors, what we say of the tokens that they
//! make, and what they say of ours. `tests/interop/` has their half.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use vestibule::hosts::platforms;

use crate::support::{node, output_of, python_with_packages, root};

mod ours;

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

/// Platforms of which no token is made here, with the reason.
const NOT_MADE: [(&str, &str); 8] = [
    ("assembly", "its SDK has tests of its own"),
    ("assembly-webhook", "no package checks it"),
    ("contentstack", "no package checks it"),
    ("front", "a secret as it is"),
    ("highlevel-webhook", "its package brings a database driver"),
    ("intercom-canvas", "no package checks it"),
    ("webflow", "nothing in it to read"),
    ("webflow-webhook", "one call of HMAC"),
];

/// So that nothing is lost in silence: how many pairs of a line and a package are compared, how many lines are made.
const COMPARED: usize = 437;
const MINTED: usize = 824;

/// Where a platform's package accepts what we refuse, except for tokens without a person or workspace. Libraries that
/// know no platform are left out: they do what their caller says.
const LAXER: [(&str, &[&str]); 16] = [
    ("@canva/app-middleware", &["canva without-end"]),
    ("@contentful/node-apps-toolkit", &["contentful ahead"]),
    ("@hubspot/api-client", &["hubspot-v3 ahead"]),
    (
        "@shopify/shopify-api",
        &[
            "shopify other-domain",
            "shopify other-issuer",
            "shopify without-end",
            "shopify-app-proxy without-time",
            "shopify-query-hmac without-time",
        ],
    ),
    ("@whop/sdk", &["whop without-end"]),
    ("PyLTI1p3", &["lti13 without-end"]),
    ("ShopifyAPI", &["shopify without-end"]),
    ("atlassian-jwt", &["atlassian-connect without-end"]),
    (
        "bigcommerce",
        &[
            "bigcommerce other-issuer",
            "bigcommerce without-end",
            "bigcommerce-legacy longer",
            "bigcommerce-legacy old",
            "bigcommerce-legacy without-time",
        ],
    ),
    ("crypto-js", &["highlevel cut", "highlevel longer", "wix old", "wix without-time"]),
    ("discord-interactions", &["discord-interaction old"]),
    ("facebook-sdk", &["facebook old", "facebook without-time"]),
    ("fb", &["facebook old", "facebook without-time"]),
    (
        "node-bigcommerce",
        &[
            "bigcommerce-legacy cut",
            "bigcommerce-legacy longer",
            "bigcommerce-legacy old",
            "bigcommerce-legacy without-time",
        ],
    ),
    ("salesforce-signed-request", &["salesforce-canvas old", "salesforce-canvas without-time"]),
    ("stripe", &["stripe-apps ahead"]),
];
/// The package reads half a byte as one of `0n`, and one signature in 16 ends in that.
const SOMETIMES: &str = "discord-interaction cut";
const KNOW_NO_PLATFORM: [&str; 5] = ["PyJWT", "cryptography", "jose", "jsonwebtoken", "jwcrypto"];
const NAMES_NOBODY: [&str; 13] = [
    "anonymous",
    "guest",
    "no-account",
    "no-app",
    "no-company",
    "no-instance",
    "no-organization",
    "no-page",
    "no-shop",
    "no-store",
    "no-team",
    "no-tenant",
    "nobody",
];

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

/// The lines that the packages make, as one text.
static MADE: LazyLock<String> =
    LazyLock::new(|| [node_script("mint.mjs"), python("mint.py")].iter().map(output_of).collect());

/// What the packages say of what they make.
static SAID: LazyLock<Verdicts> = LazyLock::new(|| verdicts(in_file(&MADE).path()));

fn in_file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), text).expect("the file can be written");
    file
}

fn made() -> Vec<Value> {
    let lines: Vec<_> = json_lines(&MADE).collect();
    let names: BTreeSet<_> = lines.iter().map(id).collect();
    assert_eq!((lines.len(), names.len()), (MINTED, MINTED));
    lines
}

fn accepts(verdict: &Value) -> bool {
    verdict["verdict"] == "accept"
}

#[test]
fn each_package_says_of_the_vectors_what_they_record() {
    let file = root().join("tests/data/host-vectors.jsonl");
    let said = verdicts(&file);
    let mut compared = 0;
    for line in json_lines(&fs::read_to_string(file).expect("readable")) {
        let (name, recorded) = (id(&line), line["checked"].as_object().expect("an object"));
        let here = recorded.iter().filter(|(package, _)| !NOT_HERE.iter().any(|(absent, _)| absent == package));
        for (package, verdict) in here {
            let now = said[&name].get(package);
            assert!(now.is_some(), "{name}: {package} is recorded, and neither installed nor listed with a reason");
            let now = now.expect("just looked at");
            assert_eq!(now["verdict"], *verdict, "{name}: {package}: {now}");
            compared += 1;
        }
    }
    assert_eq!(compared, COMPARED);
}

#[test]
fn the_packages_accept_each_others_tokens_and_none_with_another_key() {
    for line in made() {
        let (name, is_good) = (id(&line), line["expect"] == "accept");
        if is_good || name.ends_with(" other-key") || name.ends_with(" tampered") {
            assert!(!SAID[&name].is_empty(), "{name}: nobody reads it");
            for (package, verdict) in &SAID[&name] {
                assert_eq!(accepts(verdict), is_good, "{name}: {package}: {verdict}");
            }
        }
    }
}

#[test]
fn of_every_platform_tokens_are_made_or_it_is_said_why_not() {
    let mut known: BTreeSet<_> =
        made().iter().map(|line| line["platform"].as_str().expect("text").to_owned()).collect();
    known.extend(NOT_MADE.map(|(platform, _)| platform.to_owned()));
    let all: BTreeSet<_> = platforms::all().map(|platform| platform.name.to_owned()).collect();
    assert_eq!(known, all);
}

#[test]
fn where_a_package_accepts_what_we_refuse_is_known() {
    let mut found = BTreeMap::<&str, BTreeSet<String>>::new();
    let lines = made();
    for name in lines.iter().filter(|line| line["expect"] == "refuse").map(id) {
        let what = name.split_once(": ").expect("package: what").1;
        if what == SOMETIMES || NAMES_NOBODY.iter().any(|word| what.ends_with(&format!(" {word}"))) {
            continue;
        }
        for (package, _) in SAID[&name].iter().filter(|(_, verdict)| accepts(verdict)) {
            let package = package.split_once("==").or(package.rsplit_once('@')).expect("a version").0;
            found.entry(package).or_default().insert(what.to_owned());
        }
    }
    found.retain(|package, _| !KNOW_NO_PLATFORM.contains(package));
    let known = LAXER.map(|(package, what)| (package, what.iter().map(|what| (*what).to_owned()).collect()));
    assert_eq!(found, BTreeMap::from(known));
}

#[test]
fn tokens_of_the_packages_are_decided_as_they_should_be() {
    made();
    let mut verify = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    let said = output_of(verify.args(["hosts", "verify"]).arg(in_file(&MADE).path()));
    assert_eq!(said, format!("{MINTED} passed, 0 failed\n"));
}
