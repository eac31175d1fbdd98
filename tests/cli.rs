//! The command line.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::{
    ADMIN_TOKEN, API_KEY, Answer, CLIENT, Gateway, SESSION_KEY, Setup, TENANT, Token, Upstream, answer_with, connect,
    exchange, free_port, read_until, request,
};

fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_vestibule")
}

fn vestibule(arguments: &[&str]) -> Output {
    vestibule_with(arguments, SESSION_KEY)
}

fn vestibule_with(arguments: &[&str], admin_token: &str) -> Output {
    Command::new(binary())
        .args(arguments)
        .env_clear()
        .env("ASSEMBLY_API_KEY", API_KEY)
        .env("SESSION_KEY", SESSION_KEY)
        .env("ADMIN_TOKEN", admin_token)
        .output()
        .expect("the binary runs")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn explain_says_how_a_request_is_decided_and_why() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let file = gateway.folder().join("vestibule.toml");
    let file = file.to_str().expect("UTF-8");
    let explain = |arguments: &[&str]| {
        vestibule(&[&["explain"], arguments, &["--tenant", TENANT, "--subject", CLIENT, "-c", file]].concat())
    };
    let allowed = text(&explain(&["POST", "/projects/apollo/x"]));
    for part in [
        "/projects/{project}/**",
        "projects:write",
        "apollo",
        "role editor on project apollo (from config)",
        "allow",
        "x-vestibule-permissions: projects:read,projects:write",
    ] {
        assert!(allowed.contains(part), "{part}: {allowed}");
    }
    let denied = text(&explain(&["POST", "/projects/zeus"]));
    assert!(denied.contains("deny: forbidden (missing_permission)"), "{denied}");
    let staff = text(&explain(&["GET", "/projects/zeus", "--kind", "internal"]));
    assert!(staff.contains("role staff on the whole tenant (from default_roles)"), "{staff}");
    let json = explain(&["GET", "/projects/zeus", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!((&json["decision"], &json["grants"][1]["source"]), (&"allow".into(), &"config".into()));
    assert!(text(&explain(&["GET", "/public/../nothing"])).contains("not_routed"));
    assert!(text(&explain(&["TRACE", "/open"])).contains("method_not_allowed"), "no route takes it");
    let own = text(&explain(&["GET", "/public/../.vestibule/session"]));
    assert!(own.contains("the gateway answers this path itself"), "{own}");
    let elsewhere = ["explain", "GET", "/projects/zeus", "--tenant", CLIENT, "--subject", CLIENT, "-c", file];
    let elsewhere = text(&vestibule(&elsewhere));
    assert!(elsewhere.contains("deny: token_invalid (the host's `tenants`"), "{elsewhere}");
}

#[test]
fn check_passes_a_good_file_and_says_what_it_understood() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let file = gateway.folder().join("vestibule.toml");
    let file = file.to_str().expect("UTF-8");
    let output = vestibule(&["check", "-c", file, "--online"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    for part in ["/projects/{project}/**", "require projects:read", "upstream", "assembly"] {
        assert!(text(&output).contains(part), "{part}: {}", text(&output));
    }
    let written = fs::read_to_string(file).expect("a file").replace(&upstream.address.to_string(), "127.0.0.1:9");
    fs::write(file, written).expect("a file");
    let output = vestibule(&["check", "-c", file, "--online"]);
    assert_eq!(output.status.code(), Some(69), "{}", text(&output));
}

#[test]
fn a_bad_file_stops_check_and_serve_with_78() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bad.toml");
    fs::write(&file, "[server]\nlisten = 1\nlissten = \"x\"\n").expect("a file");
    let file = file.to_str().expect("UTF-8");
    for command in ["check", "serve"] {
        let output = vestibule(&[command, "-c", file]);
        assert_eq!(output.status.code(), Some(78), "{command}");
        assert!(
            text(&output).contains("did you mean `listen`?") && text(&output).contains("bad.toml:3:1"),
            "{}",
            text(&output)
        );
    }
    let json: serde_json::Value =
        serde_json::from_slice(&vestibule(&["check", "-c", file, "--format", "json"]).stdout).expect("JSON");
    assert!(json["problems"].as_array().is_some_and(|problems| problems.len() >= 4));
    for command in ["check", "serve"] {
        assert_eq!(vestibule(&[command, "-c", "/nonexistent.toml"]).status.code(), Some(78), "{command}");
    }
}

#[test]
fn tokens_are_minted_and_inspected() {
    let minted = vestibule(&["token", "mint", "--tenant", TENANT, "--client", CLIENT, "--field", "notificationId=n"]);
    let token = text(&minted).trim().to_owned();
    let inspected = vestibule(&["token", "inspect", &token]);
    assert!(
        inspected.status.success() && text(&inspected).contains(CLIENT) && !text(&inspected).contains(API_KEY),
        "{}",
        text(&inspected)
    );
    assert!(!vestibule(&["token", "inspect", &token[2..]]).status.success());
    assert!(vestibule(&["token", "inspect", &Token::preview().sealed()]).status.success());
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let minted = vestibule(&["token", "mint", "--tenant", TENANT, "--client", CLIENT, "--token-id", "t-minted"]);
    assert_eq!(gateway.present(text(&minted).trim()).status, 303);
}

#[test]
fn keys_are_new_private_and_never_overwritten() {
    let (one, two) =
        (text(&vestibule(&["keys", "generate", "session"])), text(&vestibule(&["keys", "generate", "session"])));
    assert!(one.trim().len() == 64 && one != two);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("assertion.pem");
    let path = file.to_str().expect("UTF-8");
    assert!(vestibule(&["keys", "generate", "assertion", "--out", path]).status.success());
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&file).expect("a file").starts_with("-----BEGIN PRIVATE KEY-----"));
    assert!(!vestibule(&["keys", "generate", "assertion", "--out", path]).status.success());
}

#[test]
fn healthcheck_knows_whether_the_process_lives() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let file = gateway.folder().join("vestibule.toml");
    let file = file.to_str().expect("UTF-8").to_owned();
    assert_eq!(vestibule(&["healthcheck", "-c", &file]).status.code(), Some(0));
    gateway.terminate();
    let output = vestibule(&["healthcheck", "-c", &file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("does not answer"), "{}", text(&output));
}

#[test]
fn an_operator_reloads_and_asks_how_it_is() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let file = gateway.folder().join("vestibule.toml");
    let ask = |command: &str, more: &[&str]| {
        vestibule_with(&[&[command, "-c", file.to_str().expect("UTF-8")], more].concat(), ADMIN_TOKEN)
    };
    gateway.edit("path = \"/public/**\"", "path = \"/new\"");
    let output = ask("reload", &[]);
    assert!(output.status.success() && text(&output).starts_with("in force: generation "), "{}", text(&output));
    assert_eq!(gateway.ask("GET", "/new", &[]).status, 200);
    let output = ask("status", &[]);
    assert!(output.status.success(), "{}", text(&output));
    for line in ["status      degraded\n", "\ngeneration  ", "\nversion     ", "\nreason      revocations: memory\n"] {
        assert!(text(&output).contains(line), "{line}: {}", text(&output));
    }
    gateway.edit("[session]\n", "[session]\nidel = \"1h\"\n");
    let output = ask("reload", &[]);
    assert_eq!(output.status.code(), Some(78), "{}", text(&output));
    assert!(text(&output).contains("[session] has no key `idel`"), "{}", text(&output));
    let json: serde_json::Value = serde_json::from_slice(&ask("status", &["--format", "json"]).stdout).expect("JSON");
    assert_eq!(json["reasons"][0], "reload: refused, see the log");
    assert_eq!(ask("healthcheck", &[]).status.code(), Some(0), "a file that is not in force ends nobody");
    let output = vestibule(&["reload", "-c", file.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1), "another token: {}", text(&output));
    assert!(!text(&output).contains(SESSION_KEY) && text(&output).contains("admin token"), "{}", text(&output));
    gateway.terminate();
    assert!(["reload", "status"].iter().all(|command| ask(command, &[]).status.code() == Some(1)));
}

#[test]
fn serve_takes_the_open_files_that_it_may_have_and_says_if_they_are_few() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    gateway.terminate();
    let file = gateway.folder().join("vestibule.toml");
    let serve = |limits: &str| {
        let script = format!("{limits}; exec timeout --signal=TERM 1 {} serve -c {}", binary(), file.display());
        let mut command = Command::new("bash");
        command.args(["-c", &script]).env("ASSEMBLY_API_KEY", API_KEY).env("SESSION_KEY", SESSION_KEY);
        command.env("ADMIN_TOKEN", SESSION_KEY).env("VESTIBULE__LIMITS__CONNECTIONS__TOTAL", "1000");
        text(&command.output().expect("bash runs"))
    };
    let few = serve("ulimit -n 100");
    assert!(few.contains("\"allowed\":100") && few.contains("\"wanted\":2000"), "{few}");
    let raised = serve("ulimit -Hn 5000; ulimit -Sn 100");
    assert!(raised.contains("\"event\":\"ready\"") && !raised.contains("\"wanted\""), "{raised}");
}

#[test]
fn completions_and_help_name_every_command() {
    let help = text(&vestibule(&["--help"]));
    let completions = text(&vestibule(&["completions", "bash"]));
    for command in
        ["serve", "demo", "check", "explain", "token", "keys", "healthcheck", "reload", "status", "completions"]
    {
        assert!(help.contains(command) && completions.contains(command), "{command}");
    }
}

#[test]
fn serve_ends_when_its_drain_is_over_though_a_stream_goes_on() {
    let upstream = Upstream::scripted(|_, stream| {
        answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
        while answer_with(stream, "data: on\n\n") {
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    });
    let gateway = Setup::new(&upstream).with("drain = \"2s\"", "drain = \"300ms\"").start();
    let open = stream(gateway.address, "/public/x", "", "data: on");
    let started = Instant::now();
    assert_eq!(gateway.terminate(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    drop(open);
}

/// `vestibule demo` in the foreground; ended by force if a test forgets to.
struct Demo {
    child: Child,
    port: u16,
}

impl Demo {
    fn start() -> Self {
        let port = free_pair();
        let mut child = Command::new(binary())
            .args(["demo", "--port", &port.to_string()])
            .env_clear()
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let said: Vec<String> = lines.map_while(Result::ok).take(6).collect();
        assert!(said.last().is_some_and(|line| line.contains("Ctrl-C")), "{said:?}");
        Self { child, port }
    }

    fn host(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    fn gateway(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port + 1))
    }

    fn sign_in(&self) -> String {
        let host = self.host().to_string();
        let token = Answer::read(&exchange(self.host(), &request("GET", "/api/token?person=ann", &host, &[], b"")));
        let target = format!("/projects?token={}", token.json()["token"].as_str().expect("a token"));
        let referer = format!("Referer: http://localhost:{}/", self.port);
        let framed = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", &referer];
        let bytes = request("GET", &target, &self.gateway().to_string(), &framed, b"");
        Answer::read(&exchange(self.gateway(), &bytes)).cookie()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request whose answer goes on for ever, and reads until something has come of it.
fn stream(to: SocketAddr, target: &str, cookie: &str, first: &str) -> TcpStream {
    let mut stream = connect(to);
    let lines = [&*format!("Cookie: {cookie}"), "Connection: keep-alive"];
    stream.write_all(&request("GET", target, &to.to_string(), &lines, b"")).expect("sent");
    let came = String::from_utf8_lossy(&read_until(&mut stream, first.as_bytes())).into_owned();
    assert!(came.contains(first), "no stream at {target}: {came}");
    stream
}

/// A free port whose next one is free too, and promised to nobody else.
fn free_pair() -> u16 {
    let pair = || {
        let (first, second) = (free_port().port(), free_port().port());
        (second == first + 1).then_some(first)
    };
    (0..50).find_map(|_| pair()).expect("two adjacent free ports")
}

#[test]
fn the_demo_drives_itself_and_passes() {
    let output = vestibule(&["demo", "--smoke"]);
    let said = text(&output);
    let last = said.lines().last().unwrap_or_default();
    let passed = last.strip_suffix(" passed, 0 failed").and_then(|count| count.parse::<usize>().ok());
    assert!(output.status.success() && passed.is_some_and(|count| count > 70), "{said}");
}

#[test]
fn a_demo_without_its_ports_says_which_one_and_what_to_do() {
    let first = free_pair();
    for taken in [first, first + 1] {
        let _held = TcpListener::bind(("127.0.0.1", taken)).expect("free");
        let output = vestibule(&["demo", "--port", &first.to_string()]);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("port {taken} cannot be used")) && said.contains("--port N"), "{said}");
    }
    assert!(text(&vestibule(&["demo", "--port", "65535"])).contains("--port must leave room"));
}

#[test]
fn the_demo_ends_at_once_whatever_a_browser_holds_open() {
    for signal in ["-INT", "-TERM"] {
        let mut demo = Demo::start();
        let inspector = stream(demo.host(), "/api/events", "", "\r\n\r\n");
        let cookie = demo.sign_in();
        let app = stream(demo.gateway(), "/projects/apollo/events", &cookie, "data: 0");
        let idle = connect(demo.gateway());
        let started = Instant::now();
        let sent = Command::new("kill").arg(signal).arg(demo.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()));
        let code = loop {
            if let Some(status) = demo.child.try_wait().expect("a status") {
                break status.code();
            }
            assert!(started.elapsed() < Duration::from_secs(5), "{signal}: the demo does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(code, Some(0), "{signal}");
        assert!(started.elapsed() < Duration::from_secs(2), "{signal}: {:?}", started.elapsed());
        drop((inspector, app, idle));
    }
}
