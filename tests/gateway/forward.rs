//! Both ways as a stream, and what happens when the app is not there.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Answer, Gateway, Setup, Token, Upstream, answer_with, connect, read_until, request};

// DOS-11
#[test]
fn a_body_of_any_size_takes_constant_memory_both_ways() {
    const SIZE: u64 = 96 << 20;
    let upstream = Upstream::scripted(|seen, stream| {
        if !seen.line().contains("/down") {
            return answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        let part = vec![b'x'; 1 << 16];
        answer_with(stream, &format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"))
            && (0..SIZE >> 16).all(|_| stream.write_all(&part).is_ok())
    });
    let gateway = Gateway::new(&upstream);
    gateway.ask("GET", "/public/warm", &[]);
    let before = gateway.memory();

    let mut stream = connect(gateway.address);
    stream
        .write_all(&request("PUT", "/public/up", &gateway.host(), &[&format!("Content-Length: {SIZE}")], b""))
        .expect("a head");
    let part = vec![b'x'; 1 << 16];
    for _ in 0..SIZE >> 16 {
        stream.write_all(&part).expect("a part");
    }
    assert_eq!(Answer::read(&crate::support::read_to_end(&mut stream)).text(), "ok");
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB for an upload");

    let mut stream = connect(gateway.address);
    stream.write_all(&request("GET", "/public/down", &gateway.host(), &[], b"")).expect("a head");
    // A caller that reads nothing: the app has to wait, and nothing piles up here.
    thread::sleep(Duration::from_millis(500));
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB while nobody reads");
    let mut total = 0_u64;
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        total += count as u64;
    }
    assert!(total > SIZE, "{total}");
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB for a download");
}

// UPS-09
#[test]
fn an_event_arrives_before_its_stream_ends() {
    let upstream = Upstream::scripted(|_, stream| {
        answer_with(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n",
        );
        thread::sleep(Duration::from_secs(2));
        answer_with(stream, "0\r\n\r\n")
    });
    let gateway = Gateway::new(&upstream);
    let mut stream = connect(gateway.address);
    let started = Instant::now();
    stream.write_all(&request("GET", "/public/events", &gateway.host(), &[], b"")).expect("sent");
    let bytes = read_until(&mut stream, b"data: 1");
    assert!(
        bytes.ends_with(b"data: 1\n\n\r\n") && started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn trailers_of_the_app_reach_a_caller_that_takes_them() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum, X-Vestibule-User\r\n\r\n2\r\nok\r\n0\r\nX-Checksum: abc\r\nX-Vestibule-User: evil\r\n\r\n",
    );
    let gateway = Gateway::new(&upstream);
    let answer = gateway.ask("GET", "/public/x", &["TE: trailers", "Connection: close, TE"]);
    assert_eq!((answer.text().as_str(), answer.trailers.to_ascii_lowercase().as_str()), ("ok", "x-checksum: abc"));
    assert_eq!(upstream.last().value("te"), "trailers");
    let answer = gateway.ask("GET", "/public/x", &[]);
    assert_eq!((answer.text().as_str(), answer.trailers.as_str()), ("ok", ""));
}

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nSet-Cookie: a=b\r\nX-Vestibule-User: evil\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n";
const HINTED: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n";

#[test]
fn interim_answers_of_the_app_come_before_the_final_one() {
    for pause in [0, 150] {
        let upstream = Upstream::scripted(move |_, stream| {
            answer_with(stream, HINTS);
            thread::sleep(Duration::from_millis(pause));
            answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        });
        let gateway = Gateway::new(&upstream);
        let mut stream = connect(gateway.address);
        for round in 0..3 {
            let ask = request("POST", "/public/x", &gateway.host(), &["Connection: keep-alive"], b"body");
            stream.write_all(&ask).expect("sent");
            let bytes = read_until(&mut stream, b"\r\n\r\nok");
            let text = String::from_utf8(bytes).expect("ASCII");
            let (interim, last) = text.split_at(HINTED.len());
            assert_eq!(interim, HINTED, "round {round}, {pause} ms");
            assert!(last.starts_with("HTTP/1.1 200 OK\r\n"), "{last}");
        }
        let old = format!("GET /public/x HTTP/1.0\r\nHost: {}\r\n\r\n", gateway.host());
        let answer = gateway.raw(old.as_bytes());
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "HTTP/1.0 knows none");
    }
}

#[test]
fn an_interim_answer_arrives_while_the_final_one_is_awaited() {
    let upstream = Upstream::scripted(|_, stream| {
        answer_with(stream, HINTS);
        thread::sleep(Duration::from_secs(2));
        answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let gateway = Gateway::new(&upstream);
    let mut stream = connect(gateway.address);
    let started = Instant::now();
    stream.write_all(&request("GET", "/public/x", &gateway.host(), &[], b"")).expect("sent");
    assert_eq!(read_until(&mut stream, b"102 Processing\r\n\r\n"), HINTED.as_bytes());
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

/// What is sent past the HTTP library must never land inside of an answer.
#[test]
fn interim_answers_never_break_into_another_answer() {
    const SIZE: usize = 8 << 20;
    let upstream = Upstream::scripted(|seen, stream| {
        if seen.line().contains("/large") {
            let body = "x".repeat(SIZE);
            return answer_with(stream, &format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n{body}"));
        }
        answer_with(stream, HINTS) && answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let gateway = Gateway::new(&upstream);
    let keep = ["Connection: keep-alive"];
    let ask = |target| request("GET", target, &gateway.host(), &keep, b"");
    let last = request("GET", "/public/hinted", &gateway.host(), &[], b"");
    let mut stream = connect(gateway.address);
    // All at once, and read late: what is behind has its hints ready while what is before is still being sent.
    stream
        .write_all(&[ask("/public/large"), ask("/public/hinted"), ask("/public/large"), last].concat())
        .expect("sent");
    thread::sleep(Duration::from_millis(300));
    let mut rest = crate::support::read_to_end(&mut stream);
    for (target, length) in [("large", SIZE), ("hinted", 2), ("large", SIZE), ("hinted", 2)] {
        while Answer::read(&rest).status < 200 {
            rest = Answer::read(&rest).rest;
        }
        let answer = Answer::read(&rest);
        assert_eq!((answer.status, answer.body.len()), (200, length), "{target}: {}", answer.head);
        assert!(answer.body.iter().all(|byte| *byte == answer.body[0]) || length == 2, "{target}");
        rest = answer.rest;
    }
    assert!(rest.is_empty());
}

#[test]
fn head_and_range_and_odd_statuses_pass() {
    let upstream = Upstream::scripted(|seen, stream| {
        let bytes = match seen.line().split(' ').nth(1) {
            Some("/public/head") => "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
            Some("/public/range") => {
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 1-2/5\r\nContent-Length: 2\r\n\r\nbc"
            }
            Some("/public/same") => "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
            Some("/public/none") => "HTTP/1.1 204 No Content\r\n\r\n",
            _ => "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 3\r\n\r\ntea",
        };
        answer_with(stream, bytes)
    });
    let gateway = Gateway::new(&upstream);
    let head = gateway.ask("HEAD", "/public/head", &[]);
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "1000", 0));
    let range = gateway.ask("GET", "/public/range", &["Range: bytes=1-2"]);
    assert_eq!((range.status, range.header("content-range"), range.text().as_str()), (206, "bytes 1-2/5", "bc"));
    assert_eq!(upstream.seen()[1].value("range"), "bytes=1-2");
    assert_eq!(
        (gateway.ask("GET", "/public/same", &[]).status, gateway.ask("GET", "/public/none", &[]).status),
        (304, 204)
    );
    let teapot = gateway.ask("GET", "/public/tea", &[]);
    assert_eq!((teapot.status, teapot.text().as_str()), (418, "tea"));
}

#[test]
fn an_app_of_an_older_http_is_answered_for_in_ours() {
    let upstream = Upstream::scripted(|_, stream| {
        answer_with(stream, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end");
        let _ = stream.shutdown(Shutdown::Both);
        false
    });
    let gateway = Gateway::new(&upstream);
    let answer = gateway.ask("GET", "/public/x", &[]);
    assert!(answer.head.starts_with("HTTP/1.1 200"), "{}", answer.head);
    assert_eq!((answer.text().as_str(), answer.broken), ("until the end", false));
}

// UPS-01
#[test]
fn an_app_that_is_not_there_is_502_at_once() {
    let gateway = Setup::before("http://127.0.0.1:9").start();
    let started = Instant::now();
    let answer = gateway.ask("GET", "/public/x", &[]);
    assert_eq!((answer.status, answer.code()), (502, "upstream_unavailable"));
    assert!(started.elapsed() < Duration::from_secs(1));
    assert!(!answer.text().contains("refused") && !answer.text().contains("127.0.0.1"), "{}", answer.text());
}

// UPS-04
#[test]
fn an_app_that_does_not_answer_is_504() {
    let upstream = Upstream::scripted(|_, _| {
        thread::sleep(Duration::from_secs(3));
        false
    });
    let gateway =
        Setup::new(&upstream).with("[hosts.assembly]", "header_timeout = \"300ms\"\n\n[hosts.assembly]").start();
    let answer = gateway.ask("GET", "/public/x", &[]);
    assert_eq!((answer.status, answer.code()), (504, "upstream_timeout"));
}

// UPS-02, UPS-10
#[test]
fn a_transfer_that_breaks_off_never_looks_complete() {
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    ] {
        let upstream = Upstream::scripted(move |_, stream| {
            answer_with(stream, bytes);
            let _ = stream.shutdown(Shutdown::Both);
            false
        });
        let gateway = Gateway::new(&upstream);
        let answer = gateway.ask("GET", "/public/x", &[]);
        assert!(answer.broken, "{bytes:?}: {answer:?}");
    }
}

// UPS-03
#[test]
fn a_connection_that_the_app_closed_is_replaced_and_no_post_is_sent_twice() {
    let posts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&posts);
    // Every connection serves one request, says nothing of closing, and then closes.
    let upstream = Upstream::scripted(move |seen, stream| {
        if seen.line().starts_with("POST") {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let _ = stream.shutdown(Shutdown::Both);
        false
    });
    let gateway = Gateway::new(&upstream);
    let mut failed = 0;
    for round in 0..500 {
        assert_eq!(gateway.ask("GET", "/public/x", &[]).status, 200, "GET {round}");
        let post = gateway.send("POST", "/public/x", &[], b"once");
        assert!(matches!(post.status, 200 | 502), "POST {round}: {post:?}");
        failed += usize::from(post.status == 502);
    }
    assert!(posts.load(Ordering::SeqCst) <= 500);
    // Some are written in the moment in which the app closes, more of them on a busy machine; most are not.
    assert!(failed < 250, "{failed} of 500");
}

// SMG-10
#[test]
fn a_connection_whose_request_was_not_taken_whole_is_not_used_again() {
    let upstream = Upstream::scripted(|seen, stream| {
        let early = seen.line().contains("/early");
        answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") && !early
    });
    let gateway = Gateway::new(&upstream);
    for method in ["OPTIONS", "GET", "POST"] {
        let inner = format!("GET /admin HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.host());
        assert_eq!(gateway.send(method, "/public/x", &[], inner.as_bytes()).status, 200, "{method}");
        let seen = upstream.seen().pop().expect("asked");
        assert_eq!(
            (seen.line(), seen.body.as_slice()),
            (format!("{method} /public/x HTTP/1.1").as_str(), inner.as_bytes()),
            "{method}"
        );
    }
}

// UPS-08
#[test]
fn a_caller_that_leaves_takes_its_request_along() {
    let gone = Arc::new(AtomicUsize::new(0));
    let noticed = Arc::clone(&gone);
    let upstream = Upstream::scripted(move |_, stream| {
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let started = Instant::now();
        let closed = matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)) && started.elapsed() < Duration::from_secs(3);
        noticed.store(usize::from(closed), Ordering::SeqCst);
        false
    });
    let gateway = Gateway::new(&upstream);
    let mut stream = connect(gateway.address);
    stream.write_all(&request("GET", "/public/slow", &gateway.host(), &["Connection: keep-alive"], b"")).expect("sent");
    upstream.wait_for(1);
    drop(stream);
    let deadline = Instant::now() + Duration::from_secs(4);
    while gone.load(Ordering::SeqCst) == 0 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(gone.load(Ordering::SeqCst), 1, "the app's connection is closed within a second or so");
}

#[test]
fn connections_to_the_app_are_used_again() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    let mut stream = connect(gateway.address);
    for _ in 0..10 {
        let lines = [&format!("Cookie: {cookie}") as &str, "Sec-Fetch-Site: same-origin", "Connection: keep-alive"];
        stream.write_all(&request("GET", "/open", &gateway.host(), &lines, b"")).expect("sent");
        read_until(&mut stream, b"\r\n\r\nok");
    }
    assert_eq!(upstream.seen().iter().map(|seen| seen.before).max(), Some(9));
}

#[test]
fn a_path_prefix_stands_before_every_path() {
    let upstream = Upstream::start();
    let gateway = Setup::before(&format!("http://{}/base/", upstream.address)).start();
    gateway.ask("GET", "/public/x?y", &[]);
    assert_eq!(upstream.last().line(), "GET /base/public/x?y HTTP/1.1");
}

/// An app that answers each head that it finds and takes no notice of lengths, as some do where they expect no body.
fn app_that_ignores_bodies() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer_all = |mut stream: std::net::TcpStream| {
        let (mut unread, mut part) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = stream.read(&mut part) {
            unread.extend_from_slice(&part[..count]);
            while let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = unread.drain(..end + 4).collect();
                let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
                let length = line.len();
                answer_with(&mut stream, &format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{line}"));
            }
        }
    };
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer_all(stream));
        }
    });
    address
}

// SMG-10
#[test]
fn the_answer_to_a_request_hidden_in_a_body_reaches_nobody() {
    let gateway = Setup::before(&format!("http://{}", app_that_ignores_bodies())).start();
    let hidden = b"GET /public/hidden HTTP/1.1\r\nHost: x\r\n\r\n";
    for (round, method) in ["GET", "OPTIONS", "POST", "PUT"].into_iter().cycle().take(200).enumerate() {
        gateway.send(method, "/public/x", &[], hidden);
        let answer = gateway.ask("GET", &format!("/public/{round}"), &[]);
        assert_eq!(answer.text(), format!("GET /public/{round} HTTP/1.1"));
    }
}
