//! A stop finishes what it can, says so to everybody, and ends in time.

use std::io::Write as _;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use super::until;
use crate::gateway::upgrade::{ACCEPTED, handshake};
use crate::support::{Answer, Gateway, Setup, Token, Upstream, answer_with, connect, read_to_end, read_until, request};

fn keep_alive(gateway: &Gateway, target: &str) -> Vec<u8> {
    request("GET", target, &gateway.host(), &["Connection: keep-alive"], b"")
}

// PRC-01
#[test]
fn readyz_says_so_first_and_whoever_comes_is_served_once() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).with("drain_delay = \"0s\"", "drain_delay = \"4s\"").start();
    let mut open = connect(gateway.address);
    open.write_all(&keep_alive(&gateway, "/public/x")).expect("sent");
    assert!(!String::from_utf8_lossy(&read_until(&mut open, b"\r\n\r\nok")).contains("close"));
    gateway.signal("-TERM");
    until("draining", &gateway, || gateway.admin("GET", "/readyz", &[], b"").status == 503);
    assert_eq!(gateway.admin("GET", "/readyz", &[], b"").json()["status"], "draining");
    open.write_all(&keep_alive(&gateway, "/public/x")).expect("sent");
    let answer = Answer::read(&read_to_end(&mut open));
    assert_eq!((answer.status, answer.header("connection")), (200, "close"), "one that was open");
    // Many, because an answer of our own is there as soon as its request is read.
    for _ in 0..20 {
        let mut new = connect(gateway.address);
        new.write_all(&keep_alive(&gateway, "/nowhere")).expect("sent");
        let answer = Answer::read(&read_to_end(&mut new));
        assert_eq!((answer.status, answer.header("connection")), (404, "close"), "a new one");
    }
    assert_eq!(gateway.exit_status(), Some(0));
}

// PRC-01
#[test]
fn a_request_that_is_on_its_way_when_the_stop_begins_is_answered() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).with("drain = \"2s\"", "drain = \"8s\"").start();
    let mut open = connect(gateway.address);
    open.write_all(&keep_alive(&gateway, "/public/x")).expect("sent");
    read_until(&mut open, b"\r\n\r\nok");
    let mut silent = connect(gateway.address);
    gateway.signal("-TERM");
    until("the listener is gone", &gateway, || std::net::TcpStream::connect(gateway.address).is_err());
    open.write_all(&keep_alive(&gateway, "/public/x")).expect("sent");
    silent.write_all(&keep_alive(&gateway, "/public/x")).expect("sent");
    for stream in [&mut open, &mut silent] {
        let answer = Answer::read(&read_to_end(stream));
        assert_eq!((answer.status, answer.header("connection")), (200, "close"));
    }
    assert_eq!(gateway.exit_status(), Some(0));
}

/// A gateway with one caller of each kind that does not end by itself.
fn with_callers_that_stay(drain: &str) -> (Gateway, Vec<std::net::TcpStream>) {
    let upstream = Upstream::scripted(|seen, stream| {
        match seen.line() {
            line if line.contains("/hung") => sleep(Duration::from_secs(15)),
            line if line.contains("/live") => {
                answer_with(stream, ACCEPTED);
                sleep(Duration::from_secs(15));
            }
            _ => {
                answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
                while answer_with(stream, "data: on\n\n") {
                    sleep(Duration::from_millis(50));
                }
            }
        }
        false
    });
    let gateway = Setup::new(&upstream).with("drain = \"2s\"", drain).start();
    let cookie = gateway.sign_in(&Token::client());
    let silent = connect(gateway.address);
    let mut stalled = connect(gateway.address);
    let head = request("POST", "/public/stalled", &gateway.host(), &["Content-Length: 10"], b"");
    stalled.write_all(&[&head[..], b"123"].concat()).expect("sent");
    let mut hung = connect(gateway.address);
    hung.write_all(&keep_alive(&gateway, "/public/hung")).expect("sent");
    let mut events = connect(gateway.address);
    events.write_all(&keep_alive(&gateway, "/public/events")).expect("sent");
    read_until(&mut events, b"data: on");
    let mut tunnel = connect(gateway.address);
    tunnel.write_all(&handshake(&gateway, &cookie, &[])).expect("sent");
    assert!(read_until(&mut tunnel, b"\r\n\r\n").starts_with(b"HTTP/1.1 101"));
    upstream.wait_for(3);
    (gateway, vec![silent, stalled, hung, events, tunnel])
}

// PRC-02
#[test]
fn whatever_callers_hold_open_a_stop_ends_within_its_time_and_a_second() {
    let (gateway, callers) = with_callers_that_stay("drain = \"1500ms\"");
    let started = Instant::now();
    assert_eq!(gateway.terminate(), Some(0));
    let took = started.elapsed();
    assert!(took > Duration::from_millis(1400) && took < Duration::from_millis(2500), "{took:?}");
    assert!(gateway.output().contains("did not finish in time and are cut"));
    drop(callers);
}

// PRC-03
#[test]
fn a_second_signal_ends_at_once() {
    for second in ["-TERM", "-INT"] {
        let (gateway, callers) = with_callers_that_stay("drain = \"1m\"");
        gateway.signal("-TERM");
        until("draining", &gateway, || gateway.output().contains("a second signal ends at once"));
        let started = Instant::now();
        gateway.signal(second);
        assert_eq!(gateway.exit_status(), Some(1), "{second}");
        assert!(started.elapsed() < Duration::from_secs(1), "{second}: {:?}", started.elapsed());
        drop(callers);
    }
}

#[test]
fn a_reload_while_stopping_does_not_hold_it_up() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).with("drain_delay = \"0s\"", "drain_delay = \"1s\"").start();
    scope(|scope| {
        let ended = scope.spawn(|| gateway.terminate());
        until("draining", &gateway, || gateway.output().contains("a second signal ends at once"));
        gateway.signal("-HUP");
        assert_eq!(ended.join().expect("no panic"), Some(0));
    });
}
