//! The table of keys and the reader say the same.

use std::collections::BTreeSet;

use super::*;
use crate::config::schema::{KEYS, Key};

/// For each key with a default, a value that is something else.
const OTHERWISE: &[(&str, &str)] = &[
    ("server.listen", "\"127.0.0.1:8081\""),
    ("server.trusted_proxies", "[\"10.0.0.0/8\"]"),
    ("server.cors_origins", "[\"https://www.example.com\"]"),
    ("upstream.protocol", "\"h2c\""),
    ("hosts.*.confirm", "\"offline\""),
    ("hosts.*.api_url", "\"https://api.example.com\""),
    ("hosts.*.origins", "[\"https://portal.example.com\"]"),
    ("hosts.*.preview", "\"full\""),
    ("hosts.*.forward_token", "\"header\""),
    ("hosts.*.environment", "\"test\""),
    ("hosts.*.claims.user", "\"id\""),
    ("hosts.*.nameless", "\"service\""),
    ("session.absolute", "\"7h\""),
    ("identity.assertion.keys", "[{ env = \"SIGNING_KEY\" }]"),
    ("roles.*.permissions", "[\"projects:read\"]"),
    ("routes[].methods", "[\"GET\"]"),
    ("routes[].host_token", "\"ignore\""),
    ("permissions.source", "\"directory\""),
    ("permissions.on_outage", "\"serve_stale\""),
    ("admin.listen", "\"127.0.0.1:9900\""),
    ("limits.token_failures", "\"50/1m\""),
    ("limits.body.min_rate", "\"2KiB/s\""),
    ("telemetry.format", "\"text\""),
    ("telemetry.level", "\"warn\""),
];

/// The host of these tests that has a key; the first one has all others.
const HOSTS: &[(&str, &str)] = &[
    ("secret", "portal"),
    ("audience", "portal"),
    ("issuer", "portal"),
    ("algorithms", "portal"),
    ("kind", "portal"),
    ("claims", "portal"),
    ("token", "portal"),
    ("leeway", "portal"),
    ("nameless", "portal"),
    ("secrets", "jira"),
    ("public_key", "discord"),
    ("jwks_url", "lms"),
    ("deployments", "lms"),
    ("installs", "jira"),
    ("login_url", "lms"),
    ("environment", "telegram"),
];

fn host(path: &str) -> &'static str {
    let key = path.split('.').nth(2).filter(|_| path.starts_with("hosts."));
    HOSTS.iter().find(|(known, _)| Some(*known) == key).map_or("assembly", |(_, host)| host)
}

/// The text that a key is written into.
fn file(path: &str) -> String {
    if host(path) == "assembly" { whole() } else { hosted() }
}

fn with_default() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(|key| !key.default.is_empty())
}

/// The path in the configuration of these tests: its host, its role, the first item of a list.
fn concrete(path: &str) -> String {
    let host = format!("hosts.{}", host(path));
    let path = path.replace("secrets.*", "secrets.site-1").replace("hosts.*", &host);
    path.replace("roles.*", "roles.viewer").replace("[]", "[0]")
}

/// The environment variable of a key, which writes it as the file would.
fn variable(path: &str) -> String {
    let parts = concrete(path).replace("[0]", ".0").replace('.', "__").replace('-', "_").to_uppercase();
    format!("VESTIBULE__{parts}")
}

/// Text, number, flag or list: another one of the same kind.
fn otherwise(key: &Key) -> String {
    if let Some((_, value)) = OTHERWISE.iter().find(|(path, _)| *path == key.path) {
        return (*value).to_owned();
    }
    match key.default {
        "true" => "false".to_owned(),
        "false" => "true".to_owned(),
        header if header.starts_with("\"X-") => "\"X-Other\"".to_owned(),
        number if number.parse::<u64>().is_ok() => "7".to_owned(),
        time if units::duration(time.trim_matches('"')).is_some() => "\"7s\"".to_owned(),
        size if units::size(size.trim_matches('"')).is_some() => "\"7KiB\"".to_owned(),
        _ => panic!("{}: write another value than the default into OTHERWISE", key.path),
    }
}

fn debug(config: &Config) -> String {
    format!("{config:#?}")
}

#[test]
fn every_documented_default_is_what_a_config_without_the_key_holds() {
    for text in [whole(), hosted()] {
        let base = debug(&good(&text, &[]));
        let here: Vec<_> = with_default().filter(|key| file(key.path) == text).collect();
        for key in &here {
            let written = good(&text, &[(&variable(key.path), key.default)]);
            assert_eq!(debug(&written), base, "{} = {}", key.path, key.default);
        }
        let all: Vec<_> = here.iter().map(|key| (variable(key.path), key.default)).collect();
        let all: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(debug(&good(&text, &all)), base);
        if text == whole() {
            assert_eq!(debug(&good(MINIMAL, &[])), debug(&good(MINIMAL, &all_outside_of_sections(&all))));
        }
    }
}

/// Those that a file without roles, routes, grants, admin and health can have.
fn all_outside_of_sections<'a>(all: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let off = ["VESTIBULE__ROLES__", "VESTIBULE__ROUTES__", "VESTIBULE__ADMIN__"];
    all.iter().filter(|(name, _)| !off.iter().any(|section| name.starts_with(section))).copied().collect()
}

#[test]
fn every_key_with_a_default_has_an_effect_or_says_that_it_has_none_yet() {
    for key in with_default() {
        let (name, value) = (variable(key.path), otherwise(key));
        let base = debug(&good(&file(key.path), &[]));
        match read_with(&file(key.path), &[(&name, &value)]) {
            Ok(config) => assert_ne!(debug(&config), base, "{} = {value}", key.path),
            Err(problems) => {
                assert!(problems.to_string().contains("available in this version"), "{}: {problems}", key.path);
                assert!(key.says.contains("in this version"), "{}: the table does not say so", key.path);
            }
        }
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_one_problem_that_names_key_and_variable() {
    // `require` takes the place of the `access` that the file has.
    for key in KEYS.iter().filter(|key| key.path != "routes[].require") {
        let name = variable(key.path);
        let problems = bad(&file(key.path), &[(&name, "2020-01-01")]);
        assert!(
            problems.len() == 1 && problems[0].starts_with(&format!("{name} {}: ", concrete(key.path))),
            "{}: {problems:?}",
            key.path
        );
    }
}

#[test]
fn a_file_without_a_required_key_is_told_which_and_one_without_any_other_is_good() {
    let required: Vec<_> = KEYS.iter().filter(|key| key.required).collect();
    for key in &required {
        let text = without(key.path);
        let problems = bad(&text, &[]);
        let named = problems.iter().filter(|problem| problem.contains(&format!(" {}: ", concrete(key.path)))).count();
        assert_eq!(named, 1, "{}: {problems:?}\n{text}", key.path);
    }
    let written = paths(&whole());
    let expected: BTreeSet<_> =
        required.iter().map(|key| key.path.to_owned()).chain(["routes[].access".into()]).collect();
    assert_eq!(written, expected, "the file of these tests has more, or less, than it must");
    good(&whole(), &[]);
}

/// The whole file without the line, or the member, that writes a key.
fn without(path: &str) -> String {
    let (section, key) = path.rsplit_once('.').expect("a key in a section");
    if section == "session.keys[]" {
        let other = if key == "id" { "secret" } else { "id" };
        let member = paths_of_line(other);
        return whole().replace(r#"{ id = "k1", secret = { env = "VESTIBULE_SESSION_KEY" } }"#, &member);
    }
    let header = concrete(section).replace("[0]", "");
    let mut inside = false;
    let kept = |line: &&str| {
        if line.starts_with('[') {
            inside = line.trim_matches(['[', ']']) == header;
        }
        !(inside && line.starts_with(&format!("{key} = ")))
    };
    whole().lines().filter(kept).collect::<Vec<_>>().join("\n")
}

fn paths_of_line(member: &str) -> String {
    match member {
        "id" => r#"{ id = "k1" }"#.to_owned(),
        _ => r#"{ secret = { env = "VESTIBULE_SESSION_KEY" } }"#.to_owned(),
    }
}

/// Every key that a text writes, in the spelling of the table.
pub(super) fn paths(text: &str) -> BTreeSet<String> {
    values(text).into_iter().map(|(path, _)| path).collect()
}

/// The same with each value.
pub(super) fn values(text: &str) -> Vec<(String, toml::Value)> {
    let root: toml::Table = toml::from_str(text).expect("TOML");
    let mut found = Vec::new();
    walk("", &toml::Value::Table(root), &mut found);
    found
}

fn walk(path: &str, value: &toml::Value, found: &mut Vec<(String, toml::Value)>) {
    match value {
        _ if KEYS.iter().any(|key| key.path == path) => found.push((path.to_owned(), value.clone())),
        toml::Value::Table(table) => {
            for (name, value) in table {
                let named = matches!(path, "hosts" | "roles" | "permissions.headers" | "hosts.*.secrets");
                let name = if named { "*" } else { name };
                walk(&[path, name].join(if path.is_empty() { "" } else { "." }), value, found);
            }
        }
        toml::Value::Array(items) => items.iter().for_each(|item| walk(&format!("{path}[]"), item, found)),
        // Not in the table, which whoever compares with it notices.
        _ => found.push((path.to_owned(), value.clone())),
    }
}

/// What the reader asks for in a text, in the spelling of the table.
fn asked(text: &str) -> BTreeSet<String> {
    let (environment, file) = (environment(&[]), Path::new("v.toml"));
    let mut problems = Problems::new(text, file);
    let document = document::parse(text, &environment, &mut problems).expect("TOML");
    let mut reader = reader::Reader::new(&environment, Path::new(""), problems);
    read(&document, &mut reader);
    let named = |path: &String| match path.split('.').collect::<Vec<_>>()[..] {
        [section @ ("hosts" | "roles"), _, ref rest @ ..] => [&[section, "*"], rest].concat().join("."),
        _ => path.clone(),
    };
    reader.asked.iter().map(|path| named(path).replace("[0]", "[]")).collect()
}

#[test]
fn every_key_that_the_reader_asks_for_is_in_the_table_or_not_available_yet() {
    let asked: BTreeSet<_> = [whole(), hosted()].iter().flat_map(|text| asked(text)).collect();
    for key in KEYS.iter() {
        assert!(asked.contains(key.path), "nobody reads {}", key.path);
    }
    let is_known = |path: &String| {
        KEYS.iter().any(|key| key.path == path || key.path.starts_with(&[path.as_str(), "."].concat()))
            || KEYS.iter().any(|key| key.path.starts_with(&[path.as_str(), "[]"].concat()))
    };
    for path in asked.iter().filter(|path| !is_known(path)) {
        let problems = bad(&whole(), &[(&variable(path), "1")]);
        assert!(
            problems.len() == 1 && problems[0].contains("not available in this version"),
            "{path} is read, and is not in the table: {problems:?}"
        );
    }
}

#[test]
fn no_key_is_in_the_table_twice() {
    let paths: BTreeSet<_> = KEYS.iter().map(|key| key.path).collect();
    assert_eq!(paths.len(), KEYS.len());
}
