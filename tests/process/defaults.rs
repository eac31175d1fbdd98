//! What a process does that was told little: deny, and complain.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{ADMIN_TOKEN, Setup, Token, Upstream};

// PRC-12
#[test]
fn without_routes_everything_is_denied_and_without_roles_too() {
    let upstream = Upstream::start();
    for rules in ["", "routes = []\n"] {
        let top = format!("{rules}[server]");
        let gateway = Setup::new(&upstream).without_rules().with("[server]", &top).start();
        for method in ["GET", "POST", "OPTIONS"] {
            for target in ["/", "/public/x", "/projects/apollo/x", "/admin/x", "/../x"] {
                assert_eq!(gateway.ask(method, target, &[]).code(), "not_routed", "{rules}{method} {target}");
            }
        }
        assert_eq!(gateway.present(&Token::client().sealed()).code(), "not_routed", "{rules}");
    }
    let rest = "[roles.none]\nweight = 1\npermissions = [\"projects:read\"]\n\n[[routes]]\npath = \"/open/**\"\naccess = \"authenticated\"\n[[routes]]\npath = \"/projects/{project}\"\nrequire = \"projects:read\"\n\n";
    let gateway = Setup::new(&upstream).without_rules().with("[admin]\n", &format!("{rest}[admin]\n")).start();
    for token in [Token::client(), Token::staff()] {
        let cookie = gateway.sign_in(&token);
        assert_eq!(gateway.own("GET", "/projects/apollo", &cookie).code(), "forbidden", "nobody holds anything");
    }
    assert!(upstream.seen().is_empty());
}

// PRC-16
#[test]
fn files_that_others_can_read_and_a_configuration_that_is_our_own_are_warned_of() {
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().expect("a folder"));
    let token = folder.path().join("token");
    fs::write(&token, ADMIN_TOKEN).expect("a file");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).expect("own file");
    let named = format!("token = {{ file = \"{}\" }}", token.display());
    let gateway = Setup::new(&upstream).with("token = { env = \"ADMIN_TOKEN\" }", &named).start();
    for expected in ["token can be read by everyone on this machine", "this process may write its own configuration"] {
        let log = gateway.output();
        let warned = |line: &str| line.contains(expected) && line.contains("\"level\":\"WARN\"");
        assert!(log.lines().any(warned), "{expected}: {log}");
    }
}
