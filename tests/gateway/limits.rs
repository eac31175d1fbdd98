//! Bounds: each refusal of a size has its code.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::support::{Gateway, Setup, Token, Upstream, connect, read_to_end, request};

// DOS-08, DOS-09, DOS-10, TOK-22
#[test]
fn what_is_too_large_is_refused_with_its_code() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).and("\n[[routes]]\npath = \"/small\"\naccess = \"public\"\nrequest_body = \"4B\"\n[limits]\nrequest_body = \"1KiB\"\n").start();
    let long = format!("/public/{}", "x".repeat(9 * 1024));
    assert_eq!(gateway.ask("GET", &long, &[]).code(), "uri_too_long");
    let longest = format!("/public/{}", "x".repeat(60 * 1024));
    assert_eq!(gateway.ask("GET", &longest, &[]).status, 414);
    let token = format!("/open?token={}", "0".repeat(9 * 1024));
    assert_eq!(gateway.framed(&token, &[]).code(), "uri_too_long");
    let cookie = format!("Cookie: a={}", "x".repeat(40 * 1024));
    assert_eq!(gateway.ask("GET", "/public/x", &[&cookie]).code(), "headers_too_large");
    let huge = format!("Cookie: a={}", "x".repeat(300 * 1024));
    assert_eq!(gateway.ask("GET", "/public/x", &[&huge]).status, 431);
    let many: Vec<String> = (0..101).map(|n| format!("X-{n}: y")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(gateway.ask("GET", "/public/x", &many).code(), "headers_too_large");
    assert_eq!(gateway.send("POST", "/public/x", &[], &[b'x'; 2000]).code(), "body_too_large");
    assert_eq!(gateway.send("POST", "/small", &[], b"12345").code(), "body_too_large");
    assert_eq!(gateway.send("POST", "/small", &[], b"1234").status, 200);
    let chunked = [b"800\r\n".as_slice(), &[b'x'; 0x800], b"\r\n0\r\n\r\n"].concat();
    let answer = gateway.send("POST", "/public/x", &["Transfer-Encoding: chunked"], &chunked);
    assert_eq!(answer.code(), "body_too_large");
    assert_eq!(upstream.seen().len(), 1, "the app got none of them whole");
}

// DOS-01, DOS-03, DOS-04
#[test]
fn a_caller_that_stalls_is_let_go() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).and("\n[limits]\nfirst_byte = \"300ms\"\nheaders = { time = \"300ms\" }\nbody = { idle = \"300ms\" }\nkeep_alive = \"300ms\"\n").start();
    let head = format!("GET /public/x HTTP/1.1\r\nHost: {}\r\n", gateway.host());
    let keep = format!("{head}\r\n");
    let body = format!("POST /public/x HTTP/1.1\r\nHost: {}\r\nContent-Length: 10\r\n\r\n123", gateway.host());
    let chunk =
        format!("POST /public/x HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12", gateway.host());
    for (name, bytes) in [
        ("nothing", String::new()),
        ("half a head", head),
        ("idle", keep),
        ("half a body", body),
        ("half a chunk", chunk),
    ] {
        let mut stream = connect(gateway.address);
        stream.write_all(bytes.as_bytes()).expect("sent");
        let started = Instant::now();
        read_to_end(&mut stream);
        assert!(started.elapsed() < Duration::from_secs(2), "{name}: {:?}", started.elapsed());
    }
}

#[test]
fn connections_of_one_address_are_counted() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).and("\n[limits]\nconnections = { per_address = 3 }\n").start();
    std::thread::sleep(Duration::from_millis(100));
    let _held: Vec<_> = (0..3).map(|_| connect(gateway.address)).collect();
    std::thread::sleep(Duration::from_millis(100));
    let mut one_more = connect(gateway.address);
    let _ = one_more.write_all(&request("GET", "/public/x", &gateway.host(), &[], b""));
    assert!(read_to_end(&mut one_more).is_empty());
    drop(_held);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(gateway.ask("GET", "/public/x", &[]).status, 200);
}

// PRC-01, PRC-02
#[test]
fn a_stop_finishes_what_is_running_and_exits_0() {
    let upstream = Upstream::scripted(|_, stream| {
        std::thread::sleep(Duration::from_millis(700));
        crate::support::answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    let mut idle = connect(gateway.address);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| gateway.own("GET", "/open", &cookie));
        upstream.wait_for(1);
        assert_eq!(gateway.terminate(), Some(0));
        assert_eq!(running.join().expect("no panic").status, 200, "a request that can finish is not cut");
    });
    assert!(read_to_end(&mut idle).is_empty());
}
