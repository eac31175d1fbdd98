//! Secrets come from variables and files, and are never shown.

use super::*;

/// Stands for a secret that somebody wrote where it does not belong.
const CANARY: &str = "c4nary0123456789c4nary0123456789";

fn with_secret(source: &str) -> String {
    MINIMAL.replace(r#"{ env = "VESTIBULE_SESSION_KEY" }"#, source)
}

#[test]
fn a_secret_file_beside_the_configuration_is_read_without_its_last_line_end() {
    let folder = tempfile::tempdir().expect("a folder");
    for end in ["", "\n", "\r\n"] {
        std::fs::write(folder.path().join("key"), format!("{HEX}{end}")).expect("a file");
        let text = with_secret(r#"{ file = "key" }"#);
        let config = parse(&text, &folder.path().join("v.toml"), &environment(&[])).expect("a good file");
        let expected: Vec<u8> = (0..32).map(|index| (index % 16) * 0x11).collect();
        assert_eq!(config.session.keys[0].1.expose(), expected, "{end:?}");
    }
}

// PRC-16
#[cfg(unix)]
#[test]
fn a_secret_file_that_everyone_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    std::fs::write(&file, HEX).expect("a file");
    for (mode, warned) in [(0o644, true), (0o600, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("own file");
        let text = with_secret(r#"{ file = "key" }"#);
        let config = parse(&text, &folder.path().join("v.toml"), &environment(&[])).expect("a good file");
        let found = config.warnings.iter().any(|warning| warning.contains("can be read by everyone"));
        assert_eq!(found, warned, "{mode:o}: {:?}", config.warnings);
    }
}

// PRC-13
#[test]
fn a_secret_that_is_missing_empty_or_ambiguous_is_refused() {
    let cases = [
        (r#"{ env = "NOT_SET" }"#, "the variable NOT_SET is not set / set NOT_SET, or use { file = \"path\" }"),
        (r#"{ env = "EMPTY" }"#, "the secret is empty"),
        (r#"{ env = "LINE_END" }"#, "the secret is empty"),
        (r#"{ file = "no/such/file" }"#, "no/such/file cannot be read: "),
        (r#"{ env = "A", file = "b" }"#, "a secret is named by exactly one of `env` and `file`"),
        ("{}", "a secret is named by exactly one of `env` and `file`"),
        (r#"{ variable = "A" }"#, "a secret is named by exactly one of `env` and `file`"),
        (r"{ env = 1 }", "a secret is named by exactly one of `env` and `file`"),
        (r#""plain""#, "a secret is named here, not written out"),
    ];
    for (source, expected) in cases {
        let problems = bad(&with_secret(source), &[("EMPTY", ""), ("LINE_END", "\n")]);
        let errors: Vec<_> = problems.iter().filter(|problem| problem.contains("session.keys")).collect();
        assert_eq!(errors.len(), 1, "{source}: {problems:?}");
        assert!(
            errors[0].contains(&format!("session.keys[0].secret: session.keys[0].secret: {expected}")),
            "{errors:?}"
        );
    }
}

// PRC-13
#[test]
fn a_session_key_has_32_bytes_and_is_no_example() {
    let base64 = "ABEiM0RVZneImaq7zN3u_wARIjNEVWZ3iJmqu8zd7v8";
    for written in [HEX, base64, &format!("{base64}=")] {
        assert_eq!(good(MINIMAL, &[("VESTIBULE_SESSION_KEY", written)]).session.keys[0].1.expose().len(), 32);
    }
    for written in [&HEX[2..], &format!("{HEX}00"), &HEX.replace('f', "g"), "short"] {
        let problems = bad(MINIMAL, &[("VESTIBULE_SESSION_KEY", written)]);
        assert!(problems[0].contains("a session key is 32 bytes, as 64 hex digits or as base64url"), "{problems:?}");
    }
    let problems = bad(MINIMAL, &[("VESTIBULE_SESSION_KEY", &"0".repeat(64))]);
    assert!(problems[0].contains("this is an example and no key"), "{problems:?}");
}

#[test]
fn every_file_is_noted_also_one_that_is_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = |text: &str| {
        std::fs::write(folder.path().join("v.toml"), text).expect("a file");
        Source::find(Some(&folder.path().join("v.toml")), environment(&[])).expect("a path")
    };
    let named = with_secret(r#"{ file = "key" }"#);
    let (config, files) = source(&named).read();
    assert!(config.is_err(), "the key is not there");
    std::fs::write(folder.path().join("key"), HEX).expect("a file");
    assert_ne!(files.again(), files, "now it is");
    let (config, files) = source(&named).read();
    assert!(config.is_ok());
    assert_eq!(files.again(), files);
    std::fs::write(folder.path().join("key"), "another").expect("a file");
    assert_ne!(files.again(), files);
    let (config, files) = source("[server").read();
    assert!(config.is_err());
    std::fs::remove_file(folder.path().join("v.toml")).expect("a file");
    assert_ne!(files.again(), files, "the file itself");
}

#[test]
fn where_to_ask_is_known_whatever_is_wrong_elsewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let ask = |text: &str| {
        std::fs::write(folder.path().join("v.toml"), text).expect("a file");
        Source::find(Some(&folder.path().join("v.toml")), environment(&[])).and_then(|source| source.operator())
    };
    let admin = "[admin]\ntoken = { env = \"VESTIBULE_ADMIN_TOKEN\" }\n";
    let (asked, health) = ask(&format!("[upstraem]\n{admin}[health]\nlisten = \"127.0.0.1:1\"\n")).expect("both");
    assert_eq!((asked.expect("an API").listen.port(), health.expect("probes").port()), (9901, 1));
    assert!(matches!(ask("[upstraem]"), Ok((None, None))));
    assert!(ask("[admin]\ntoken = \"plain\"\n").is_err());
    assert!(ask("[admin").is_err());
}

#[test]
fn two_session_keys_of_one_id_and_a_list_without_keys_are_refused() {
    let entry = r#"{ id = "k1", secret = { env = "VESTIBULE_SESSION_KEY" } }"#;
    let two = MINIMAL.replace(entry, &format!("{entry}, {entry}"));
    let problems = bad(&two, &[]);
    assert!(problems[0].contains(" session.keys[1].id: two keys have the id `k1` / give each key"), "{problems:?}");
    let none = bad(&MINIMAL.replace(entry, ""), &[]);
    assert!(none[0].contains(" session.keys: session.keys holds no key / write keys = "), "{none:?}");
}

#[test]
fn naming_a_secret_in_a_variable_takes_the_place_of_its_source_in_the_file() {
    let name = "VESTIBULE__HOSTS__ASSEMBLY__API_KEY__ENV";
    let config = good(MINIMAL, &[(name, "OTHER"), ("OTHER", "other-key")]);
    let HostSettings::Assembly(host) = &config.hosts[0] else { panic!("another host") };
    assert_eq!(host.api_key.expose(), b"other-key");
    let file = "VESTIBULE__HOSTS__ASSEMBLY__API_KEY__FILE";
    let problems = bad(MINIMAL, &[(file, "no/such/file")]);
    assert!(problems[0].starts_with(&format!("{file} hosts.assembly.api_key: ")), "{problems:?}");
}

#[test]
fn what_could_be_a_secret_is_shown_in_no_problem() {
    let session = MINIMAL.lines().last().expect("the last line");
    let lines = [
        format!("secret = \"{CANARY}\""),
        format!("api_kye = \"{CANARY}\""),
        format!("api_key = {CANARY}"),
        format!("api_key = \"{CANARY}"),
        format!("keys = [\"{CANARY}\"]"),
        format!("keys = [\n  \"{CANARY}\",\n]"),
        format!("keys = [{{ id = \"k1\", secret = \"{CANARY}\" }}]"),
        format!("keys = [{{ idd = \"k1\", secert = \"{CANARY}\" }}]"),
        format!("keys = [{{ secret = \"{CANARY}\", id = \"?\" }}]"),
        format!("keys = {{ k1 = \"{CANARY}\" }}"),
    ];
    for line in &lines {
        let problems = read_with(&MINIMAL.replace(session, line), &[]).expect_err("a mistake");
        let shown = [problems.to_string(), problems.to_json(), problems.sentences().concat()].concat();
        assert!(!shown.contains(CANARY), "{line}:\n{shown}");
    }
    for name in
        ["VESTIBULE__ADMIN__TOKEN", "VESTIBULE__ADMIN__TOKN", "VESTIBULE__SESSION__KEYS", "VESTIBULE__SESSION__KEY"]
    {
        let problems = read_with(&whole(), &[(name, CANARY)]).expect_err("a mistake");
        let shown = [problems.to_string(), problems.to_json(), problems.sentences().concat()].concat();
        assert!(!shown.contains(CANARY), "{name}:\n{shown}");
    }
    let config = good(&whole(), &[("ASSEMBLY_API_KEY", CANARY), ("VESTIBULE_ADMIN_TOKEN", CANARY)]);
    assert!(!format!("{config:?}").contains(CANARY));
}
