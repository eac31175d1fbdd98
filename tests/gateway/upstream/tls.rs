//! An app behind TLS.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use tempfile::TempDir;

use super::speaking;
use crate::support::{App, Authority, Gateway, Issued, SESSION_KEY, Token};

const BOTH: &[&str] = &["h2", "http/1.1"];

/// A folder with the authority's certificate.
fn folder(authority: &Authority) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("written");
    folder
}

fn before(app: &App, protocol: &str, host: &str, folder: &Path, tls: &str) -> Gateway {
    let tls = tls.replace("{folder}", &folder.display().to_string());
    let tls = if tls.is_empty() { tls } else { format!("tls = {{ {tls} }}\n") };
    let setup = speaking(protocol, &format!("https://{host}:{}", app.address.port()));
    setup.with("[hosts.assembly]", &format!("{tls}\n[hosts.assembly]")).start()
}

const CA: &str = "ca = \"{folder}/ca.pem\"";

#[test]
fn an_app_behind_tls_is_spoken_to_in_either_protocol() {
    let authority = Authority::new();
    let folder = folder(&authority);
    let app = App::over_tls(authority.issue("localhost", false).server(BOTH, None));
    for (protocol, version, scheme) in [("http1", "HTTP/1.1", ""), ("h2", "HTTP/2.0", "https://")] {
        let gateway = before(&app, protocol, "localhost", folder.path(), CA);
        for _ in 0..5 {
            let answer = gateway.ask("GET", "/public/x", &[]);
            assert_eq!((answer.status, answer.text().as_str()), (200, version), "{}", gateway.output());
        }
        let uri = app.heads().pop().expect("asked").uri.to_string();
        assert!(uri.starts_with(scheme) && uri.ends_with("/public/x"), "{uri}");
        let cookie = gateway.sign_in(&Token::client());
        assert_eq!(gateway.own("GET", "/open", &cookie).status, 200);
    }
    assert!(app.connections() <= 8, "connections are used again, {} were made", app.connections());
    // By its address, and by a name that is not in the url.
    let app = App::over_tls(authority.issue("127.0.0.1", false).server(BOTH, None));
    assert_eq!(before(&app, "h2", "127.0.0.1", folder.path(), CA).ask("GET", "/public/x", &[]).status, 200);
    let app = App::over_tls(authority.issue("app.internal", false).server(&[], None));
    let named = format!("{CA}, server_name = \"app.internal\"");
    let answer = before(&app, "http1", "127.0.0.1", folder.path(), &named).ask("GET", "/public/x", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "HTTP/1.1"), "ALPN is not needed for HTTP/1.1");
}

#[test]
fn an_app_that_does_not_prove_itself_is_502_and_the_log_says_why() {
    let (authority, other) = (Authority::new(), Authority::new());
    let folder = folder(&authority);
    let good = || authority.issue("localhost", false);
    let cases: [(&str, Arc<ServerConfig>, &str, &str, &str); 7] = [
        ("expired", authority.issue("localhost", true).server(BOTH, None), "http1", CA, "expired"),
        ("other name", authority.issue("app.internal", false).server(BOTH, None), "h2", CA, "not valid for name"),
        ("other authority", other.issue("localhost", false).server(BOTH, None), "http1", CA, "UnknownIssuer"),
        ("self-signed", Issued::self_signed("localhost").server(BOTH, None), "h2", CA, "UnknownIssuer"),
        ("no public authority", good().server(BOTH, None), "h2", "", "UnknownIssuer"),
        ("no HTTP/2", good().server(&[], None), "h2", CA, "does not offer HTTP/2"),
        ("only HTTP/1.1", good().server(&["http/1.1"], None), "h2", CA, "NoApplicationProtocol"),
    ];
    for (name, server, protocol, tls, cause) in cases {
        let app = App::over_tls(server);
        let gateway = before(&app, protocol, "localhost", folder.path(), tls);
        let answer = gateway.ask("GET", "/public/x", &[]);
        assert_eq!((answer.status, answer.code()), (502, "upstream_unavailable"), "{name}");
        assert!(!answer.text().contains(cause), "{name}: {}", answer.text());
        let output = gateway.output();
        let line = output.lines().find(|line| line.contains("\"code\":\"upstream_unavailable\"")).unwrap_or_default();
        assert!(line.contains(cause), "{name}: {line}");
        assert!(app.heads().is_empty(), "{name}: nothing was sent");
    }
}

#[test]
fn an_app_that_asks_for_a_certificate_gets_ours() {
    let authority = Authority::new();
    let folder = folder(&authority);
    authority.issue("gateway", false).write(folder.path(), "client");
    Authority::new().issue("gateway", false).write(folder.path(), "stranger");
    let app = App::over_tls(authority.issue("localhost", false).server(BOTH, Some(&authority)));
    let shown = |name: &str| {
        format!("{CA}, certificate = \"{{folder}}/{name}.crt\", key = {{ file = \"{{folder}}/{name}.key\" }}")
    };
    for protocol in ["http1", "h2"] {
        let answer = before(&app, protocol, "localhost", folder.path(), &shown("client")).ask("GET", "/public/x", &[]);
        assert_eq!(answer.status, 200, "{protocol}");
        for tls in [CA.to_owned(), shown("stranger")] {
            let gateway = before(&app, protocol, "localhost", folder.path(), &tls);
            for method in ["GET", "POST"] {
                let answer = gateway.ask(method, "/public/x", &[]);
                assert_eq!((answer.status, answer.code()), (502, "upstream_unavailable"), "{protocol} {tls}");
            }
            // In TLS 1.3 the refusal comes after the handshake. What HTTP/2 makes of it can be no more than that it is over.
            let late: &[_] = if protocol == "h2" { &["broken pipe", "closes connections", "reset"] } else { &[] };
            let causes = [&["CertificateRequired", "UnknownCA", "BadCertificate", "DecryptError"], late].concat();
            let output = gateway.output();
            assert!(causes.iter().any(|cause| output.contains(cause)), "{protocol} {tls}: {output}");
            assert!(!output.contains("PRIVATE KEY"));
        }
    }
}

/// `check` on a configuration with this `[upstream]`: the exit status and what it says.
fn check(folder: &Path, upstream: &str, more: &[&str]) -> (Option<i32>, String) {
    let text = format!(
        "[server]\npublic_url = \"http://127.0.0.1:1\"\n[upstream]\n{upstream}\n[hosts.assembly]\nplatform = \"assembly\"\napi_key = {{ env = \"KEY\" }}\ntenants = [\"11111111-2222-4333-8444-555555555555\"]\napi_url = \"http://127.0.0.1:9\"\n[session]\nkeys = [{{ id = \"k\", secret = {{ env = \"KEY\" }} }}]\n"
    );
    std::fs::write(folder.join("vestibule.toml"), text).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.arg("check").args(more).current_dir(folder).env("KEY", SESSION_KEY);
    let output = command.output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn check_online_asks_an_app_behind_tls() {
    let authority = Authority::new();
    let folder = folder(&authority);
    authority.issue("gateway", false).write(folder.path(), "client");
    let app = App::over_tls(authority.issue("localhost", false).server(BOTH, Some(&authority)));
    let ours = "certificate = \"client.crt\", key = { file = \"client.key\" }";
    let says = |host: &str, protocol: &str, tls: &str| {
        let url = format!("url = \"https://{host}:{}\"\nprotocol = \"{protocol}\"", app.address.port());
        let (_, text) = check(folder.path(), &format!("{url}\ntls = {{ {tls} }}"), &["--online"]);
        text.lines().find(|line| line.starts_with("upstream")).unwrap_or_default().to_owned()
    };
    let whole = format!("ca = \"ca.pem\", server_name = \"localhost\", {ours}");
    for protocol in ["http1", "h2"] {
        assert_eq!(says("localhost", protocol, &whole), "upstream  ok: answers 200", "{protocol}");
        let without = says("localhost", protocol, "ca = \"ca.pem\"");
        assert!(without.starts_with("upstream  NOT OK"), "{without}");
    }
    let untrusted = says("localhost", "h2", ours);
    assert!(untrusted.contains("NOT OK") && untrusted.contains("UnknownIssuer"), "{untrusted}");
}

#[test]
fn what_is_wrong_with_the_files_is_told_before_anything_runs() {
    let authority = Authority::new();
    let folder = folder(&authority);
    authority.issue("gateway", false).write(folder.path(), "client");
    authority.issue("gateway", false).write(folder.path(), "other");
    std::fs::write(folder.path().join("empty.pem"), "").expect("written");
    let https = |tls: &str| check(folder.path(), &format!("url = \"https://localhost\"\ntls = {{ {tls} }}"), &[]);
    for (tls, problem) in [
        ("ca = \"nowhere.pem\"", "nowhere.pem cannot be read"),
        ("ca = \"empty.pem\"", "there is no certificate in it"),
        ("certificate = \"client.crt\"", "a certificate without its key"),
        ("key = { file = \"client.key\" }", "a key without its certificate"),
        ("certificate = \"client.crt\", key = { file = \"other.key\" }", "upstream.tls.certificate"),
        ("server_name = \"not a name\"", "no name of a server"),
    ] {
        let (code, says) = https(tls);
        assert!(code == Some(78) && says.contains(problem) && says.contains("\n1 error, "), "{tls}: {says}");
    }
    let (code, says) = check(folder.path(), "url = \"http://localhost\"\ntls = { ca = \"ca.pem\" }", &[]);
    assert!(code == Some(78) && says.contains("the app is not at https://"), "{says}");
    assert_eq!(https("ca = \"ca.pem\", certificate = \"client.crt\", key = { file = \"client.key\" }").0, Some(0));
}

#[test]
fn a_renewed_authority_counts_after_a_reload() {
    let (old, new) = (Authority::new(), Authority::new());
    let folder = folder(&old);
    let app = App::over_tls(new.issue("localhost", false).server(BOTH, None));
    let gateway = before(&app, "h2", "localhost", folder.path(), CA);
    assert_eq!(gateway.ask("GET", "/public/x", &[]).status, 502);
    std::fs::write(folder.path().join("ca.pem"), new.pem()).expect("written");
    gateway.signal("-HUP");
    let mut asked = (0..100).map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        gateway.ask("GET", "/public/x", &[]).status
    });
    assert!(asked.any(|status| status == 200), "{}", gateway.output());
}
