//! What an app may take, and what it may do to us.

use std::io::{Error, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use socket2::{Domain, Socket, Type};

use super::{before_http2, with_upstream};
use crate::support::{Answer, App, Setup, Upstream, answer_with, connect, read_to_end, request};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn an_app_that_has_as_many_requests_as_it_may_have_is_503_until_it_has_fewer() {
    let (held, release) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let (count, go) = (Arc::clone(&held), Arc::clone(&release));
    let upstream = Upstream::scripted(move |_, stream| {
        // One waits for its head, the other has begun: both count.
        let begins = count.fetch_add(1, Ordering::SeqCst) == 0;
        if begins {
            answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
        }
        while !go.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
        answer_with(stream, if begins { "ok" } else { OK })
    });
    let gateway = Setup::new(&upstream).and("\n[limits]\nupstream_requests = { total = 2 }\n").start();
    thread::scope(|scope| {
        let two: Vec<_> = (0..2).map(|_| scope.spawn(|| gateway.ask("GET", "/public/x", &[]))).collect();
        upstream.wait_for(2);
        for _ in 0..10 {
            let answer = gateway.ask("GET", "/public/x", &[]);
            assert_eq!((answer.status, answer.code(), answer.header("retry-after")), (503, "overloaded", "5"));
        }
        assert_eq!(gateway.ask("GET", "/.vestibule/jwks.json", &[]).status, 200, "what is ours is answered");
        release.store(true, Ordering::SeqCst);
        assert!(two.into_iter().all(|one| one.join().expect("no panic").text() == "ok"));
    });
    assert_eq!(gateway.ask("GET", "/public/x", &[]).status, 200);
    assert_eq!(held.load(Ordering::SeqCst), 3, "the app saw none of the others");
}

// PRC-07
#[test]
fn uploads_that_the_app_does_not_take_are_shed_before_they_take_the_memory() {
    // An app that takes connections, and then stands still.
    let app = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = app.local_addr().expect("an address");
    thread::spawn(move || app.incoming().collect::<Vec<_>>());
    let limits = "\n[limits]\nconnections.per_address = 1000\nupstream_requests = { total = 60, per_address = 1000 }\n";
    let gateway = Setup::before(&format!("http://{address}")).and(limits).start();
    let before = gateway.memory();
    let part = vec![b'x'; 1 << 20];
    let mut callers: Vec<_> = (0..360)
        .map(|_| {
            let mut caller = connect(gateway.address);
            caller.set_write_timeout(Some(Duration::from_millis(10))).expect("a timeout");
            let head =
                format!("POST /public/x HTTP/1.1\r\nHost: {}\r\nContent-Length: 100000000\r\n\r\n", gateway.host());
            caller.write_all(head.as_bytes()).expect("sent");
            // As much as is taken.
            while caller.write_all(&part).is_ok() {}
            caller
        })
        .collect();
    let grown = gateway.memory().saturating_sub(before) / 1024;
    // Those that hear nothing are held. The others have a refusal, or the end of a connection that went on sending.
    let is_held = |caller: &mut TcpStream| {
        caller.set_read_timeout(Some(Duration::from_millis(10))).expect("a timeout");
        let timed_out = |error: &Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        caller.read(&mut [0; 12]).is_err_and(|error| timed_out(&error))
    };
    let held = callers.iter_mut().filter_map(|caller| is_held(caller).then_some(())).count();
    assert!(grown < 64, "{grown} MiB more");
    assert!((50..=60).contains(&held), "{held} of 360 are held");
    assert_eq!(gateway.ask("GET", "/.vestibule/jwks.json", &[]).status, 200, "what is ours is answered");
}

#[test]
fn one_address_does_not_take_all_the_requests_that_an_app_may_have() {
    let upstream = Upstream::scripted(|seen, stream| {
        if seen.line().contains("/held") {
            answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
            // Until the gateway lets go.
            return stream.read(&mut [0; 1]).is_ok_and(|count| count > 0);
        }
        answer_with(stream, OK)
    });
    let limits = "\n[limits]\nupstream_requests = { total = 3, per_address = 2 }\n";
    let gateway = Setup::new(&upstream).and(limits).start();
    let held: Vec<_> = (0..2)
        .map(|_| {
            let mut caller = connect(gateway.address);
            caller.write_all(&request("GET", "/public/held", &gateway.host(), &[], b"")).expect("sent");
            caller
        })
        .collect();
    upstream.wait_for(2);
    assert_eq!(gateway.ask("GET", "/public/x", &[]).code(), "overloaded");
    let other = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    other.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).expect("bound");
    other.connect(&gateway.address.into()).expect("connected");
    let mut other = TcpStream::from(other);
    other.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    other.write_all(&request("GET", "/public/x", &gateway.host(), &["Connection: close"], b"")).expect("sent");
    assert_eq!(Answer::read(&read_to_end(&mut other)).status, 200, "another address has its own share");
    drop(held);
    let deadline = Instant::now() + Duration::from_secs(10);
    while gateway.ask("GET", "/public/x", &[]).status != 200 {
        assert!(Instant::now() < deadline, "what has ended is not counted any more");
        thread::sleep(Duration::from_millis(20));
    }
}

// UPS-04
#[test]
fn an_answer_that_falls_silent_is_broken_off_on_both_sides() {
    let closed = Arc::<AtomicUsize>::default();
    let noticed = Arc::clone(&closed);
    let upstream = Upstream::scripted(move |_, stream| {
        answer_with(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..3 {
            answer_with(stream, "2\r\nab\r\n");
            thread::sleep(Duration::from_millis(200));
        }
        if matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)) {
            noticed.fetch_add(1, Ordering::SeqCst);
        }
        false
    });
    let slow = "\n[[routes]]\npath = \"/slow\"\naccess = \"public\"\nanswer_idle = \"1500ms\"\n";
    let gateway = Setup::new(&upstream).and(&format!("{slow}[limits]\nanswer_idle = \"500ms\"\n")).start();
    for (target, least) in [("/public/x", 900), ("/slow", 1900)] {
        let started = Instant::now();
        let answer = gateway.ask("GET", target, &[]);
        let took = started.elapsed();
        assert_eq!((answer.status, answer.text().as_str(), answer.broken), (200, "ababab", true), "{target}");
        assert!(took > Duration::from_millis(least) && took < Duration::from_secs(5), "{target}: {took:?}");
    }
    thread::sleep(Duration::from_millis(300));
    assert_eq!(closed.load(Ordering::SeqCst), 2, "the app's side is let go");
    assert!(gateway.output().contains("silent for longer than answer_idle"));
}

#[test]
fn an_answer_may_be_silent_while_its_request_comes_in() {
    let app = App::start(|request| async move {
        // The head of the answer is there at once, its body when that of the request has ended.
        let mut body = request.into_body();
        let ended = async move {
            while let Some(Ok(_)) = body.frame().await {}
            Ok::<_, std::convert::Infallible>(http_body::Frame::data(bytes::Bytes::from("ok")))
        };
        http::Response::new(http_body_util::StreamBody::new(futures_util::stream::once(ended)).boxed())
    });
    let gateway = before_http2(app.address).and("\n[limits]\nanswer_idle = \"500ms\"\n").start();
    let mut stream = connect(gateway.address);
    let head = request("POST", "/public/x", &gateway.host(), &["Content-Length: 10"], b"");
    stream.write_all(&head).expect("sent");
    for _ in 0..10 {
        thread::sleep(Duration::from_millis(200));
        stream.write_all(b"x").expect("sent");
    }
    let answer = Answer::read(&read_to_end(&mut stream));
    assert_eq!((answer.text().as_str(), answer.broken), ("ok", false));
}

// UPS-04
#[test]
fn a_route_has_a_time_of_its_own_for_the_head() {
    let upstream = Upstream::scripted(|_, stream| {
        thread::sleep(Duration::from_millis(800));
        answer_with(stream, OK)
    });
    let slow = "\n[[routes]]\npath = \"/slow\"\naccess = \"public\"\nheader_timeout = \"5s\"\n";
    let gateway = with_upstream(Setup::new(&upstream), "header_timeout = \"300ms\"").and(slow).start();
    assert_eq!(gateway.ask("GET", "/public/x", &[]).code(), "upstream_timeout");
    assert_eq!(gateway.ask("GET", "/slow", &[]).text(), "ok");
}

// UPS-07
#[test]
fn a_head_that_is_too_large_is_502_and_memory_stays() {
    let upstream = Upstream::scripted(|seen, stream| {
        let fields = match seen.line().split(' ').nth(1) {
            Some("/public/large") => format!("a: {}\r\n", "x".repeat(1 << 20)),
            Some("/public/many") => "a: b\r\n".repeat(10_000),
            _ => "a: b\r\n".repeat(190),
        };
        answer_with(stream, &format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok"))
    });
    let gateway = Setup::new(&upstream).start();
    assert_eq!(gateway.ask("GET", "/public/fit", &[]).text(), "ok");
    let before = gateway.memory();
    for target in ["/public/large", "/public/many"].repeat(5) {
        let answer = gateway.ask("GET", target, &[]);
        assert_eq!((answer.status, answer.code()), (502, "upstream_unavailable"), "{target}");
    }
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < 8 << 10, "{grown} KiB");
}

/// The app ends every connection that serves nothing, again and again, as one does that is replaced by a new version.
// UPS-13
#[test]
fn an_app_that_restarts_under_load_fails_only_what_it_had_begun() {
    let (restarts, cut) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (now, lost) = (Arc::clone(&restarts), Arc::clone(&cut));
    let posts = Arc::<AtomicUsize>::default();
    let posted = Arc::clone(&posts);
    let upstream = Upstream::scripted(move |seen, stream| {
        let version = now.load(Ordering::SeqCst);
        if seen.line().starts_with("POST") {
            posted.fetch_add(1, Ordering::SeqCst);
        }
        thread::sleep(Duration::from_millis(2));
        if now.load(Ordering::SeqCst) != version {
            // In the middle of a request: it is lost with its connection.
            lost.fetch_add(1, Ordering::SeqCst);
            let _ = stream.shutdown(Shutdown::Both);
            return false;
        }
        let answered = answer_with(stream, OK);
        // The connections that are idle at a restart close too.
        let ends = seen.before % 7 == 6;
        if ends {
            let _ = stream.shutdown(Shutdown::Both);
        }
        answered && !ends
    });
    let gateway = Setup::new(&upstream).start();
    let done = AtomicBool::new(false);
    let (failed, sent) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for method in ["GET", "GET", "POST", "POST"] {
            let (gateway, done, failed, sent) = (&gateway, &done, &failed, &sent);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    let body: &[u8] = if method == "POST" { b"once" } else { b"" };
                    let answer = gateway.send(method, "/public/x", &[], body);
                    assert!(matches!(answer.status, 200 | 502), "{answer:?}");
                    failed.fetch_add(usize::from(answer.status == 502), Ordering::SeqCst);
                    sent.fetch_add(usize::from(method == "POST"), Ordering::SeqCst);
                }
            });
        }
        for _ in 0..20 {
            thread::sleep(Duration::from_millis(100));
            restarts.fetch_add(1, Ordering::SeqCst);
        }
        done.store(true, Ordering::SeqCst);
    });
    let (failed, cut) = (failed.load(Ordering::SeqCst), cut.load(Ordering::SeqCst));
    // Four at a time, and a POST on a connection that closes in that moment.
    assert!(failed <= cut + 20, "{failed} failed, {cut} were cut");
    assert!(posts.load(Ordering::SeqCst) <= sent.load(Ordering::SeqCst), "no POST is sent twice");
}

/// 64 MiB of zeros as gzip: one zero, and "the same 258 times more" again and again (RFC 1951 §3.2.6).
fn gzip_bomb() -> Vec<u8> {
    let zero = "00110000";
    let again = ["11000101", "00000"].concat().repeat((64 << 20) / 258);
    // Last block, fixed codes; then the end of the block.
    let bits = ["110", zero, &again, "0000000"].concat();
    let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | (bit - b'0'));
    let packed: Vec<u8> = bits.as_bytes().chunks(8).map(byte).collect();
    // A reader would find out about the missing check sum only after it had all of it.
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &packed].concat()
}

// UPS-15
#[test]
fn a_compressed_answer_passes_as_it_is() {
    let bomb = gzip_bomb();
    let sent = bomb.clone();
    let upstream = Upstream::scripted(move |_, stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\nContent-Length";
        answer_with(stream, &format!("{head}: {}\r\n\r\n", sent.len())) && stream.write_all(&sent).is_ok()
    });
    let gateway = Setup::new(&upstream).start();
    gateway.ask("GET", "/nowhere", &[]);
    let before = gateway.memory();
    let answer = gateway.ask("GET", "/public/x", &["Accept-Encoding: gzip"]);
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert!(answer.body == bomb, "{} bytes of {}", answer.body.len(), bomb.len());
    assert_eq!(upstream.last().value("accept-encoding"), "gzip");
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < 8 << 10, "{grown} KiB");
}
