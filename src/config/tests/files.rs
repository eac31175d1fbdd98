//! The files in `config/` and the page in `docs/` say what the table of keys says.

use std::collections::BTreeSet;

use super::keys::{paths, values};
use super::*;
use crate::config::schema::{KEYS, Key, json_schema};

/// Set to any value, it makes the test of the schema write the file.
const WRITE: &str = "VESTIBULE_WRITE_SCHEMA";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// `#key = value` and `#[section]` become what they say; `# prose` and `#:schema` stay.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn key(path: &str) -> &'static Key {
    KEYS.iter().find(|key| key.path == path).unwrap_or_else(|| panic!("{path} is not in the table"))
}

/// Names and items are the operator's: what is written there is an example.
fn is_example(path: &str) -> bool {
    path.contains("[]") || path.starts_with("roles.*")
}

/// With the files that the reference file names.
fn folder_of_certificates() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(vec!["app.example.com".into()]).expect("a certificate");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    for (name, text) in [
        ("ca.pem", &certificate),
        ("client.crt", &certificate),
        ("client.key", &key),
        ("tls.crt", &certificate),
        ("tls.key", &key),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("written");
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    }
    folder
}

#[test]
fn the_reference_file_has_every_key_once_uncommented_and_is_valid() {
    let all = uncommented(&text("config/vestibule.toml"));
    let folder = folder_of_certificates();
    // Keys of TLS to the app are for an app behind it, and those of a permission source for one that has an address.
    let with_tls = all.replace("url = \"http://127.0.0.1", "url = \"https://127.0.0.1");
    let environment = environment(&[("VESTIBULE__PERMISSIONS__SOURCE", "[\"config\", \"http\"]")]);
    let config = parse(&with_tls, &folder.path().join("v.toml"), &environment).expect("a good file");
    assert_eq!(config.warnings, Vec::<String>::new());
    let known: BTreeSet<_> = KEYS.iter().map(|key| key.path.to_owned()).collect();
    assert_eq!(paths(&all), known);
}

#[test]
fn the_reference_file_writes_each_default_as_it_is() {
    let file = text("config/vestibule.toml");
    let all = values(&uncommented(&file));
    for (path, _) in &all {
        let default = key(path).default;
        if !default.is_empty() && !is_example(path) {
            let default: toml::Table = toml::from_str(&format!("value = {default}")).expect("TOML");
            // Of several hosts, one shows it.
            assert!(all.iter().any(|(other, value)| other == path && *value == default["value"]), "{path}");
        }
    }
    for (path, _) in values(&file) {
        assert!(!key(&path).default.is_empty(), "{path} has no default and is not commented out");
    }
}

#[test]
fn the_reference_file_as_it_is_lacks_what_is_required_and_nothing_else() {
    let problems = bad(&text("config/vestibule.toml"), &[]);
    let missing: BTreeSet<_> = problems
        .iter()
        .map(|problem| problem.split(' ').nth(1).unwrap_or_default().trim_end_matches(':').to_owned())
        .filter(|key| key != "routes")
        .collect();
    let expected: BTreeSet<_> = KEYS
        .iter()
        .filter(|key| {
            key.required && ["server.", "upstream.", "hosts.", "session."].iter().any(|s| key.path.starts_with(s))
        })
        .map(|key| key.path.replace('*', "assembly").split("[]").next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(missing, expected, "{problems:?}");
}

#[test]
fn the_reference_file_keeps_the_order_of_the_table_and_explains_every_key() {
    let file = text("config/vestibule.toml");
    assert!(file.starts_with("#:schema ./schema.json\n"));
    let all = uncommented(&file);
    let mut sections: Vec<_> = all
        .lines()
        .filter(|line| line.starts_with('['))
        .map(|line| line.trim_start_matches('[').split(['.', ']']).next().unwrap_or_default())
        .collect();
    sections.dedup();
    let mut expected: Vec<_> = KEYS.iter().map(|key| key.path.split(['.', '[']).next().unwrap_or_default()).collect();
    expected.dedup();
    assert_eq!(sections, expected);
    let mut before = "";
    for line in all.lines() {
        let is_key = line.starts_with(|c: char| c.is_ascii_lowercase());
        let explained = line.contains(" # ") || before.starts_with("# ");
        assert!(!is_key || explained, "no comment: {line}");
        assert!(line.chars().count() <= 120, "too long: {line}");
        before = line;
    }
}

#[test]
fn the_file_for_development_is_valid_and_local() {
    let file = text("config/dev.toml");
    let config = good(&file, &[]);
    assert_eq!(config.warnings, Vec::<String>::new());
    assert!(config.server.listen.ip().is_loopback());
    assert!(config.server.public_url.to_string().starts_with("http://127.0.0.1:"));
    assert!(format!("{:?}", config.upstream.address).contains("127.0.0.1:"));
    assert_eq!(config.telemetry.format, LogFormat::Text);
}

#[test]
fn the_schema_file_is_the_one_that_the_table_gives() {
    let current = json_schema();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path("config/schema.json"), &current).expect("config/ can be written");
    }
    let kept = text("config/schema.json");
    assert!(kept == current, "config/schema.json is stale; run `{WRITE}=1 cargo test --lib schema_file`");
}

#[test]
fn the_schema_names_every_key_with_its_default() {
    let schema: serde_json::Value = serde_json::from_str(&json_schema()).expect("JSON");
    for key in KEYS.iter() {
        let pointer = key.path.split('.').map(|part| match part.strip_suffix("[]") {
            Some(list) => format!("/properties/{list}/items"),
            None if part == "*" => "/additionalProperties".to_owned(),
            None => format!("/properties/{part}"),
        });
        let found = schema.pointer(&pointer.collect::<String>()).unwrap_or_else(|| panic!("{} is missing", key.path));
        assert!(found["description"].as_str().is_some_and(|text| text.ends_with(key.says)), "{}", key.path);
        assert_eq!(found.get("default").is_some(), !key.default.is_empty(), "{}", key.path);
    }
}

/// A row of the reference for each key.
fn row(key: &Key) -> String {
    let default = match (key.default, key.required) {
        ("", true) => "required".to_owned(),
        ("", false) => "—".to_owned(),
        (default, _) => format!("`{}`", default.replace('|', r"\|")),
    };
    format!("| `{}` | {default} | {} |", key.path, key.says.replace('|', r"\|"))
}

#[test]
fn the_page_has_a_row_for_every_key_in_the_order_of_the_table() {
    let page = text("docs/configuration.md");
    let rows: Vec<_> =
        page.lines().filter(|line| KEYS.iter().any(|key| line.starts_with(&format!("| `{}` |", key.path)))).collect();
    let expected: Vec<_> = KEYS.iter().map(row).collect();
    for row in &expected {
        assert!(rows.contains(&row.as_str()), "docs/configuration.md lacks\n{row}");
    }
    assert_eq!(rows, expected, "rows of docs/configuration.md are not in the order of the table");
}

#[test]
fn the_page_shows_the_problems_that_its_example_has() {
    let page = text("docs/configuration.md");
    let block = |start: &str| {
        let after = page.split_once(start).unwrap_or_else(|| panic!("no {start}")).1;
        after.split_once("```").expect("an end").0.to_owned()
    };
    let problems = parse(&block("```toml title=mistakes.toml\n"), Path::new("mistakes.toml"), &environment(&[]));
    assert_eq!(format!("{}\n", problems.expect_err("mistakes")), block("```text title=problems.txt\n"));
}
