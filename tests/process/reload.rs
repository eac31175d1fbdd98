//! A changed file comes into force as a whole, or not at all.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::thread::{scope, sleep};
use std::time::Duration;

use super::{generation, is_behind, metric, ready, reload, reload_with, until};
use crate::support::{
    ADMIN_TOKEN, API_KEY, Gateway, OTHER_TENANT, SESSION_KEY, Setup, TENANT, Token, Upstream, answer_with, free_port,
};

const OTHER_KEY: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("own file");
}

/// A configuration whose admin token is in a file, which has to be there before the process is.
fn with_secret_file(folder: &Path, upstream: &Upstream) -> Setup {
    write_secret(&folder.join("token"), ADMIN_TOKEN);
    let named = format!("token = {{ file = \"{}\" }}", folder.join("token").display());
    Setup::new(upstream).with("token = { env = \"ADMIN_TOKEN\" }", &named)
}

#[test]
fn sighup_puts_everything_in_force_as_one_generation() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    assert_eq!(gateway.own("GET", "/projects/zeus/x", &cookie).status, 200);
    assert_eq!(gateway.ask("GET", "/new", &[]).status, 404);
    assert_eq!(generation(&gateway), 1);
    gateway.edit("project = \"zeus\"", "project = \"hera\"");
    gateway.edit("path = \"/public/**\"", "path = \"/new\"");
    gateway.signal("-HUP");
    until("generation 2", &gateway, || generation(&gateway) == 2);
    assert_eq!(gateway.own("GET", "/projects/zeus/x", &cookie).code(), "forbidden", "grants, though they were cached");
    assert_eq!(gateway.own("GET", "/projects/hera/x", &cookie).status, 200);
    assert_eq!((gateway.ask("GET", "/new", &[]).status, gateway.ask("GET", "/public/x", &[]).status), (200, 404));
    assert_eq!(metric(&gateway, "vestibule_config_generation"), 2);
    let log = gateway.output();
    let line = log.lines().find(|line| line.contains("\"event\":\"reload\"")).expect("a line");
    for part in ["\"cause\":\"SIGHUP\"", "\"result\":\"ok\"", "\"generation\":2", "\"duration_ms\":"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

// CCH-11; people and companies are asked of the host, see WSK-07
#[test]
fn a_role_that_is_made_smaller_gives_less_with_the_next_request() {
    let gateway = Gateway::new(&Upstream::start());
    let cookie = gateway.sign_in(&Token::client());
    assert_eq!(gateway.own("POST", "/projects/apollo/x", &cookie).status, 200);
    let elsewhere = "permissions = []\n[roles.writer]\nweight = 600\npermissions = [\"projects:write\"]";
    gateway.edit("permissions = [\"projects:write\"]", elsewhere);
    assert_eq!(reload(&gateway).status, 200);
    assert_eq!(gateway.own("POST", "/projects/apollo/x", &cookie).code(), "forbidden");
    assert_eq!(gateway.own("GET", "/projects/apollo/x", &cookie).status, 200, "the role that it extends is as it was");
}

// PRC-04
#[test]
fn a_bad_reload_leaves_everything_as_it_was() {
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().expect("a folder"));
    let gateway = with_secret_file(folder.path(), &upstream).start();
    let (file, token) = (gateway.folder().join("vestibule.toml"), folder.path().join("token"));
    let (good, used) = (fs::read_to_string(&file).expect("a file"), upstream.address.to_string());
    let listen = format!("listen = \"{}\"", gateway.address);
    let key = "keys = [{ id = \"k1\", secret = { env = \"SESSION_KEY\" } }]";
    // What each would change if it were taken in part.
    let good_part = |text: &str| text.replace("path = \"/public/**\"", "path = \"/new\"");
    let cases = [
        ("a fault of syntax", good.replace("[session]", "[session"), "this is not TOML"),
        ("an unknown field", good.replace("[session]", "[session]\nidel = \"1h\""), "did you mean `idle`?"),
        ("a bad key", good.replace(key, "keys = [{ id = \"k1\", secret = { env = \"ADMIN_TOKEN\" } }]"), "32 bytes"),
        ("a port in use", good.replace(&listen, &format!("listen = \"{used}\"")), "server.listen: a change"),
        ("a secret that is gone", good.clone(), "token cannot be read"),
    ];
    for (index, (name, text, expected)) in cases.iter().enumerate() {
        if *name == "a secret that is gone" {
            fs::remove_file(&token).expect("a file");
        }
        fs::write(&file, good_part(text)).expect("a file");
        let answer = reload(&gateway);
        assert_eq!((answer.status, answer.code()), (422, "config_refused"), "{name}");
        assert!(answer.json()["problems"].to_string().contains(expected), "{name}: {}", answer.text());
        let count = metric(&gateway, "vestibule_config_reloads_total{result=\"refused\"}");
        assert!(count > u64::try_from(index).expect("few"), "{name}: {count}");
        assert!(is_behind(&gateway), "{name}");
        assert_eq!((ready(&gateway)["status"].as_str(), generation(&gateway)), (Some("degraded"), 1), "{name}");
        assert_eq!(gateway.ask("GET", "/public/x", &[]).status, 200, "{name}");
        assert_eq!(gateway.ask("GET", "/new", &[]).status, 404, "{name}: not even a part");
        let log = gateway.output();
        assert!(log.lines().any(|line| line.contains("\"result\":\"refused\"") && line.contains(expected)), "{name}");
        if *name != "a port in use" {
            let mut check = Command::new(env!("CARGO_BIN_EXE_vestibule"));
            check.args(["check", "-c"]).arg(&file).env_clear();
            check.env("ASSEMBLY_API_KEY", API_KEY).env("SESSION_KEY", SESSION_KEY).env("ADMIN_TOKEN", ADMIN_TOKEN);
            assert_eq!(check.output().expect("the binary runs").status.code(), Some(78), "{name}");
        }
    }
    write_secret(&token, ADMIN_TOKEN);
    fs::write(&file, good_part(&good)).expect("a file");
    assert_eq!(reload(&gateway).status, 200, "{}", gateway.output());
    assert!(!is_behind(&gateway));
    assert_eq!(gateway.ask("GET", "/new", &[]).status, 200);
}

#[test]
fn a_secret_that_is_swapped_behind_links_comes_into_force_by_itself() {
    let (upstream, volume) = (Upstream::start(), tempfile::tempdir().expect("a folder"));
    // As a kubelet keeps a volume: `..data` is swapped as a whole.
    let put = |version: &str, first: &str, second: &str| {
        let folder = volume.path().join(version);
        fs::create_dir(&folder).expect("a folder");
        write_secret(&folder.join("first"), first);
        write_secret(&folder.join("second"), second);
        symlink(version, volume.path().join("..next")).expect("a link");
        fs::rename(volume.path().join("..next"), volume.path().join("..data")).expect("swapped");
    };
    put("..1", SESSION_KEY, OTHER_KEY);
    for name in ["first", "second"] {
        symlink(format!("..data/{name}"), volume.path().join(name)).expect("a link");
    }
    let at = |name: &str| volume.path().join(name).display().to_string();
    let keys = format!(
        "keys = [{{ id = \"k1\", secret = {{ file = \"{}\" }} }}, {{ id = \"k2\", secret = {{ file = \"{}\" }} }}]",
        at("first"),
        at("second")
    );
    let setup = Setup::new(&upstream).with("keys = [{ id = \"k1\", secret = { env = \"SESSION_KEY\" } }]", &keys);
    let gateway = setup.start();
    let cookie = gateway.sign_in(&Token::client());
    put("..2", OTHER_KEY, OTHER_KEY);
    until("generation 2", &gateway, || generation(&gateway) == 2);
    assert!(gateway.output().contains("\"cause\":\"a file changed\""));
    assert_eq!(gateway.own("GET", "/open", &cookie).code(), "session_missing", "the key that sealed it is gone");
    put("..3", SESSION_KEY, OTHER_KEY);
    until("generation 3", &gateway, || generation(&gateway) == 3);
    assert_eq!(gateway.own("GET", "/open", &cookie).status, 200);
    sleep(Duration::from_millis(2500));
    assert_eq!(generation(&gateway), 3, "nothing changed any more");
}

#[test]
fn a_file_that_is_being_written_is_not_read_and_a_refused_one_is_not_tried_again() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let refused = || metric(&gateway, "vestibule_config_reloads_total{result=\"refused\"}");
    gateway.edit("[session]\n", "[session\n");
    sleep(Duration::from_millis(300));
    gateway.edit("[session\n", "[session]\n");
    until("generation 2", &gateway, || generation(&gateway) == 2);
    assert_eq!(refused(), 0, "{}", gateway.output());
    gateway.edit("[session]\n", "[session\n");
    until("a refusal", &gateway, || refused() == 1);
    sleep(Duration::from_millis(2500));
    assert_eq!((refused(), generation(&gateway), is_behind(&gateway)), (1, 2, true));
}

#[test]
fn a_pipe_in_the_place_of_a_file_holds_no_later_reload_up() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let file = gateway.folder().join("vestibule.toml");
    let good = fs::read_to_string(&file).expect("a file");
    fs::remove_file(&file).expect("a file");
    assert!(Command::new("mkfifo").arg(&file).status().is_ok_and(|status| status.success()));
    gateway.signal("-HUP");
    until("the pipe is refused", &gateway, || is_behind(&gateway));
    fs::remove_file(&file).and_then(|()| fs::write(&file, good)).expect("a file");
    until("a good file is taken", &gateway, || generation(&gateway) == 2 && !is_behind(&gateway));
}

#[test]
fn what_must_live_through_a_reload_does() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).with("[session]", "max_token_age = \"1s\"\n\n[session]").start();
    let jwks = || gateway.ask("GET", "/.vestibule/jwks.json", &[]).text();
    let (made, ended, stays) = (jwks(), gateway.sign_in(&Token::client()), gateway.sign_in(&Token::staff()));
    let old = Token::client().with("tokenId", "t-old").sealed();
    assert_eq!(gateway.present(&old).status, 303);
    assert_eq!(gateway.own("POST", "/.vestibule/logout", &ended).status, 204);
    let calls = gateway.platform.seen().len();
    // Another first key, so that nothing but the list of ended sessions can say so.
    let keys = "keys = [{ id = \"k2\", secret = { env = \"OTHER_KEY\" } }, { id = \"k1\", secret";
    gateway.edit("keys = [{ id = \"k1\", secret", &keys.replace("env = \"OTHER_KEY\"", "file = \"other\""));
    write_secret(&gateway.folder().join("other"), OTHER_KEY);
    let answer = reload(&gateway);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["generation"], generation(&gateway));
    assert_eq!(jwks(), made, "the key that was made at start");
    assert_eq!(gateway.own("GET", "/open", &ended).code(), "session_expired", "what was ended stays ended");
    let answer = gateway.own("GET", "/open", &stays);
    assert_eq!(answer.status, 200);
    assert!(!answer.cookie().is_empty(), "sealed anew by the first key");
    assert_eq!(gateway.platform.seen().len(), calls, "the platform is not asked again about anybody");
    sleep(Duration::from_millis(1100));
    assert_eq!(gateway.present(&old).code(), "token_invalid", "first seen before the reload");
}

#[test]
fn a_workspace_that_is_no_longer_served_takes_its_sessions_along() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    gateway.edit(TENANT, OTHER_TENANT);
    assert_eq!(reload(&gateway).status, 200, "{}", gateway.output());
    assert_eq!(gateway.own("GET", "/open", &cookie).code(), "session_expired");
}

#[test]
fn a_running_request_ends_with_what_it_began_with() {
    let upstream = Upstream::scripted(|_, stream| {
        sleep(Duration::from_millis(1500));
        answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let (gateway, other) = (Gateway::new(&upstream), Upstream::start());
    scope(|scope| {
        let running = scope.spawn(|| gateway.ask("GET", "/public/x", &[]));
        upstream.wait_for(1);
        gateway.edit(&format!("url = \"http://{}\"", upstream.address), &format!("url = \"http://{}\"", other.address));
        assert_eq!(reload(&gateway).status, 200, "{}", gateway.output());
        assert_eq!(gateway.ask("GET", "/public/x", &[]).status, 200);
        assert_eq!((upstream.seen().len(), other.seen().len()), (1, 1));
        assert_eq!(running.join().expect("no panic").status, 200);
    });
}

#[test]
fn the_admin_token_and_the_log_level_are_part_of_it() {
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().expect("a folder"));
    let gateway = with_secret_file(folder.path(), &upstream).start();
    write_secret(&folder.path().join("token"), OTHER_KEY);
    gateway.edit("level = \"trace\"", "level = \"error\"");
    assert_eq!(reload_with(&gateway, OTHER_KEY).code(), "token_invalid");
    assert_eq!(reload(&gateway).status, 200);
    assert_eq!(reload(&gateway).code(), "token_invalid");
    assert_eq!(reload_with(&gateway, OTHER_KEY).status, 200);
    let before = gateway.output().len();
    gateway.ask("GET", "/public/x", &[]);
    assert_eq!(gateway.output().len(), before);
}

#[test]
fn what_a_process_keeps_is_named() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let health = format!("[health]\nlisten = \"{}\"\n[telemetry]\nformat = \"text\"\n", free_port());
    gateway.edit("[telemetry]\n", &health);
    let problems = reload(&gateway).json()["problems"].to_string();
    assert!(problems.contains("health.listen: ") && problems.contains("telemetry.format: "), "{problems}");
    assert!(!problems.contains("admin.listen"), "{problems}");
}
