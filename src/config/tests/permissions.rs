//! Where grants come from.

use super::*;

const URL: &str = "[permissions]\nsource = \"http\"\nurl = \"https://platform.example.com/grants\"\n";

fn permissions(part: &str) -> Permissions {
    good(&[MINIMAL, part].concat(), &[]).permissions
}

/// What is wrong with a part, beside that it has no routes.
fn mistakes(part: &str) -> Vec<String> {
    bad_part(part).into_iter().filter(|problem| !problem.contains("there are no routes")).collect()
}

#[test]
fn a_source_is_one_word_or_a_list_and_each_is_asked_in_its_place() {
    let http = PermissionSource::Http("https://platform.example.com/grants".parse().expect("an address"));
    assert_eq!(permissions("").sources, [PermissionSource::Config]);
    assert_eq!(permissions(URL).sources, std::slice::from_ref(&http));
    let both = URL.replace("\"http\"", "[\"http\", \"config\"]");
    assert_eq!(permissions(&both).sources, [http, PermissionSource::Config]);
    for (source, problem) in [
        (
            "\"directory\"",
            "`directory` is not available in this version / write \"config\", \"http\", or a list of both",
        ),
        ("[\"http\", \"directory\"]", "`directory` is not available in this version / write \"config\""),
        ("\"htp\"", "`htp` is no source / did you mean `http`?"),
        ("[\"http\", \"http\"]", "`http` is there twice / name each source once"),
        ("[]", "there is no source in it / write source = \"config\""),
        ("1", "must be a string, not a number / put it into quotes"),
    ] {
        let part = URL.replace("\"http\"", source).replace("url", "#url");
        let problems = mistakes(&part);
        let expected = format!(" permissions.source: permissions.source: {problem}");
        assert!(problems.len() == 1 && problems[0].contains(&expected), "{source}: {problems:?}");
    }
}

#[test]
fn an_address_that_cannot_be_trusted_with_a_credential_is_refused() {
    for address in ["http://127.0.0.1:9/grants", "http://localhost/x?y=1", "http://[::1]:9", "https://platform.example"]
    {
        permissions(&URL.replace("https://platform.example.com/grants", address));
    }
    for address in
        ["http://platform.example/grants", "https://user:secret@platform.example/", "unix:/run/grants", "grants", ""]
    {
        let problems = mistakes(&URL.replace("https://platform.example.com/grants", address));
        assert_eq!(problems.len(), 1, "{address}: {problems:?}");
        assert!(problems[0].starts_with("3:7 permissions.url: permissions.url: `"), "{problems:?}");
        assert!(
            problems[0].contains("` cannot be trusted with a credential / write \"https://HOST/PATH\""),
            "{problems:?}"
        );
    }
    let problems = mistakes("[permissions]\nsource = \"http\"\n");
    let expected = "2:10 permissions.url: permissions.url is missing: `http` asks there / write url = \
                    \"https://platform.example.com/grants\"";
    assert_eq!(problems, [expected]);
}

#[test]
fn headers_are_secrets_and_none_that_a_connection_needs() {
    let header = |line: &str| format!("{URL}headers.{line}\n").replace("\"http\"", "[\"config\", \"http\"]");
    let held = permissions(&header("Authorization = { env = \"VESTIBULE_GRANTS_CREDENTIAL\" }")).http;
    assert_eq!(held.headers[0].0, http::header::AUTHORIZATION);
    assert_eq!(held.headers[0].1.expose(), b"Bearer a-credential");
    assert!(!format!("{held:?}").contains("a-credential"));
    for (line, problem) in [
        ("Authorization = \"Bearer x\"", "a secret is named here, not written out"),
        ("Host = { env = \"VESTIBULE_GRANTS_CREDENTIAL\" }", "`Host` cannot be set for a question"),
        ("\"a b\" = { env = \"VESTIBULE_GRANTS_CREDENTIAL\" }", "`a b` cannot be set for a question"),
        ("Content-Length = { env = \"VESTIBULE_GRANTS_CREDENTIAL\" }", "`Content-Length` cannot be set"),
        ("Authorization = { env = \"TWO_LINES\" }", "the secret is no header value"),
    ] {
        let problems = bad(&[whole(), header(line)].concat(), &[("TWO_LINES", "Bearer a\nX-Other: b")]);
        assert!(problems.len() == 1 && problems[0].contains(problem), "{line}: {problems:?}");
    }
}

#[test]
fn what_has_no_effect_with_this_source_is_a_warning() {
    let url = "[permissions]\nurl = \"https://platform.example.com/grants\"\n";
    let config = good(&[MINIMAL, url].concat(), &[]);
    assert!(config.warnings.iter().any(|warning| warning.contains("url has no effect")), "{:?}", config.warnings);
    let config = good(&[whole().as_str(), URL].concat(), &[]);
    assert!(
        config.warnings.iter().any(|warning| warning.contains("[[grants]] have no effect")),
        "{:?}",
        config.warnings
    );
    let both = URL.replace("\"http\"", "[\"config\", \"http\"]");
    assert_eq!(good(&[whole(), both].concat(), &[]).warnings, Vec::<String>::new());
}

#[test]
fn authorities_come_from_a_file_with_certificates() {
    let problems = mistakes(&format!("{URL}ca = \"no-such.pem\"\n"));
    assert!(problems[0].contains("permissions.ca: permissions.ca: no-such.pem cannot be read"), "{problems:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let text = [MINIMAL, URL, "ca = \"ca.pem\"\n"].concat();
    std::fs::write(folder.path().join("ca.pem"), "nothing").expect("a file");
    let problems =
        parse(&text, &folder.path().join("v.toml"), &environment(&[])).expect_err("no certificate").to_string();
    assert!(problems.contains("there is no certificate in it"), "{problems}");
}
