//! Restarts behind a load, without a failed request.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use super::until;
use crate::support::{ADMIN_TOKEN, API_KEY, Gateway, Platform, SESSION_KEY, Setup, Upstream, free_port, request};

mod http2;

/// What a load has met.
#[derive(Default)]
struct Load {
    stop: AtomicBool,
    answered: AtomicUsize,
    /// Requests that were sent again, as a browser does with one that is safe to repeat on a connection that had closed.
    repeated: AtomicUsize,
    failed: std::sync::Mutex<Vec<String>>,
}

/// One caller.
#[derive(Clone, Copy)]
struct Caller {
    to: SocketAddr,
    method: &'static str,
    keeps: bool,
}

impl Caller {
    /// Asks again and again until the load is to stop.
    fn run(self, load: &Load) {
        let mut kept = None;
        let mut last = Instant::now();
        while !load.stop.load(Ordering::Relaxed) {
            let reused = kept.is_some();
            let mut result = self.ask(kept.take());
            if reused && self.method == "GET" && result.is_err() {
                load.repeated.fetch_add(1, Ordering::Relaxed);
                result = self.ask(None);
            }
            match result {
                Ok(stream) => {
                    load.answered.fetch_add(1, Ordering::Relaxed);
                    kept = stream;
                    last = Instant::now();
                }
                Err(error) => {
                    let silence = last.elapsed();
                    let what =
                        format!("{} {} after {silence:?}: {error}", self.method, if reused { "kept" } else { "new" });
                    load.failed.lock().expect("no panic").push(what);
                }
            }
            sleep(Duration::from_millis(3));
        }
    }

    /// One request; gives the connection back if another may follow on it.
    fn ask(self, kept: Option<TcpStream>) -> std::io::Result<Option<TcpStream>> {
        let mut stream = match kept {
            Some(stream) => stream,
            None => TcpStream::connect_timeout(&self.to, Duration::from_secs(10))?,
        };
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let lines: &[&str] = if self.keeps { &["Connection: keep-alive"] } else { &[] };
        let body: &[u8] = if self.method == "POST" { b"{\"a\":1}" } else { b"" };
        stream.write_all(&request(self.method, "/public/x", &self.to.to_string(), lines, body))?;
        let (mut bytes, mut part) = (Vec::new(), [0; 2048]);
        while !bytes.ends_with(b"\r\n\r\nok") {
            match stream.read(&mut part)? {
                0 => return Err(std::io::Error::other(format!("closed after {} bytes", bytes.len()))),
                count => bytes.extend_from_slice(&part[..count]),
            }
        }
        let head = String::from_utf8_lossy(&bytes).to_lowercase();
        if !head.starts_with("http/1.1 200") {
            return Err(std::io::Error::other(head));
        }
        let goes_on = self.keeps && !head.contains("\r\nconnection: close\r\n");
        Ok(goes_on.then_some(stream))
    }
}

/// Replaces the process so often behind a load; the next is ready before the one before is told to stop.
fn restarts(count: usize, address: SocketAddr, start: impl Fn() -> Gateway) -> Load {
    let load = Load::default();
    let callers = ["GET", "POST"]
        .iter()
        .flat_map(|&method| [true, true, false].map(|keeps| Caller { to: address, method, keeps }));
    let callers: Vec<_> = callers.collect();
    let mut current = start();
    scope(|scope| {
        for caller in &callers {
            scope.spawn(|| caller.run(&load));
        }
        for _ in 0..2 {
            scope.spawn(|| http2::run(address, &load));
        }
        for round in 0..count {
            sleep(Duration::from_millis(300));
            let next = start();
            until("ready", &next, || next.output().contains("\"event\":\"ready\""));
            assert_eq!(current.terminate(), Some(0), "round {round}:\n{}", current.output());
            current = next;
        }
        sleep(Duration::from_millis(300));
        load.stop.store(true, Ordering::Relaxed);
    });
    load
}

fn setup(upstream: &Upstream) -> Setup {
    let quiet = Setup::new(upstream).with("level = \"trace\"", "level = \"info\"");
    quiet.with("drain_delay = \"0s\"", "drain_delay = \"200ms\"").with("drain = \"2s\"", "drain = \"8s\"")
}

fn no_failed_request_in(count: usize) {
    let upstream = Upstream::start();
    let address = free_port();
    // Held here as a service manager holds it, so that no connection is lost with a process.
    let listener = TcpListener::bind(address).expect("free");
    let start = || setup(&upstream).inheriting(&listener).start_at(Platform::start(), address, free_port());
    let load = restarts(count, address, start);
    let (answered, repeated) = (load.answered.into_inner(), load.repeated.into_inner());
    let failed = load.failed.into_inner().expect("no panic");
    assert!(failed.is_empty(), "of {answered}: {failed:?}");
    assert_eq!(repeated, 0, "no kept connection closes without having said so");
    assert!(answered > count * 100, "{answered} answers are no load");
}

// PRC-01
#[test]
fn restarts_with_an_inherited_listener_lose_no_request() {
    no_failed_request_in(5);
}

// PRC-01
#[test]
#[ignore = "takes a minute; ./scripts/soak runs it"]
fn twenty_restarts_with_an_inherited_listener_lose_no_request() {
    no_failed_request_in(20);
}

#[test]
fn two_processes_share_an_address_if_both_are_told_to() {
    let upstream = Upstream::start();
    let start = |address| {
        let shared = setup(&upstream).with("drain = \"8s\"", "drain = \"8s\"\nreuse_port = true");
        shared.start_at(Platform::start(), address, free_port())
    };
    let address = free_port();
    let (one, two) = (start(address), start(address));
    assert_eq!(one.terminate(), Some(0));
    assert_eq!(two.ask("GET", "/public/x", &[]).status, 200);
    let serve = |reuse: &str| {
        let mut command = Command::new("timeout");
        command.args(["1", env!("CARGO_BIN_EXE_vestibule"), "serve", "-c"]).arg(two.folder().join("vestibule.toml"));
        command.env("ASSEMBLY_API_KEY", API_KEY).env("SESSION_KEY", SESSION_KEY).env("ADMIN_TOKEN", ADMIN_TOKEN);
        command.env("VESTIBULE__ADMIN__LISTEN", "127.0.0.1:0").env("VESTIBULE__SERVER__REUSE_PORT", reuse);
        command.output().expect("the binary runs")
    };
    let (alone, shared) = (serve("false"), serve("true"));
    assert_eq!(alone.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&alone.stderr).contains("[server] listen"));
    assert!(String::from_utf8_lossy(&shared.stdout).contains("\"event\":\"ready\""));
}

#[test]
fn what_is_no_listener_is_not_taken_over() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let serve = |hand_over: &str| {
        let script = format!("{hand_over} exec timeout 1 \"$0\" serve -c \"$1\"");
        let mut command = Command::new("bash");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_vestibule")]).arg(gateway.folder().join("vestibule.toml"));
        let output = command.output().expect("bash runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (hand_over, expected) in [
        ("exec 3</dev/null; LISTEN_FDS=1", "no TCP socket"),
        ("exec 3</dev/null 4</dev/null; LISTEN_FDS=2", "2 sockets were handed over"),
    ] {
        let (code, said) = serve(hand_over);
        assert!(code == Some(1) && said.contains(expected), "{hand_over}: {code:?} {said}");
    }
    let (code, said) = serve("LISTEN_FDS=1 LISTEN_PID=1");
    assert!(code == Some(78) && said.contains("ASSEMBLY_API_KEY"), "meant for somebody else: {code:?} {said}");
}
