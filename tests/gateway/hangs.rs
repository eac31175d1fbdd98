//! Every way to hold a connection without using it ends, on both sides, and at the time that its limit says.
//!
//! The limit in question is 300 ms and all others are long, so that only the right one can have ended it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use crate::support::h2::{self, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Raw, SETTINGS, frame};
use crate::support::{Answer, Gateway, Issued, Setup, Upstream, connect, read_to_end, read_until, request};

/// An app that reads and never answers, or that sends this and then without end, and knows how many callers it has.
struct Silent {
    address: SocketAddr,
    open: Arc<AtomicUsize>,
    ever: Arc<AtomicUsize>,
}

impl Silent {
    fn start() -> Self {
        Self::with(|stream| while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {})
    }

    fn endless() -> Self {
        Self::with(|stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n");
            while stream.write_all(&[b'x'; 1 << 14]).is_ok() {}
        })
    }

    fn with(talk: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let silent =
            Self { address: listener.local_addr().expect("an address"), open: Arc::default(), ever: Arc::default() };
        let (open, ever, talk) = (Arc::clone(&silent.open), Arc::clone(&silent.ever), Arc::new(talk));
        spawn(move || {
            for mut stream in listener.incoming().flatten() {
                open.fetch_add(1, Ordering::SeqCst);
                ever.fetch_add(1, Ordering::SeqCst);
                let (open, talk) = (Arc::clone(&open), Arc::clone(&talk));
                spawn(move || {
                    talk(&mut stream);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        silent
    }

    fn setup(&self) -> Setup {
        Setup::before(&format!("http://{}", self.address))
    }

    fn is_asked(&self) {
        wait_until("the app is asked", || self.ever.load(Ordering::SeqCst) > 0);
    }

    fn is_let_go(&self) {
        wait_until("the app is let go", || self.open.load(Ordering::SeqCst) == 0);
    }
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(10));
    }
}

/// How long until the other side closes, and what came before that.
fn until_closed(stream: &mut TcpStream) -> (Duration, Vec<u8>) {
    let started = Instant::now();
    let came = read_to_end(stream);
    (started.elapsed(), came)
}

/// After the limit, and soon after it: the machine may be busy.
fn is_in_time(took: Duration) {
    assert!((Duration::from_millis(200)..Duration::from_secs(3)).contains(&took), "closed after {took:?}");
}

/// Sends bytes, and wants the connection closed by the limit without an answer.
fn is_closed_after(gateway: &Gateway, bytes: &[u8]) {
    let mut stream = connect(gateway.address);
    stream.write_all(bytes).expect("sent");
    let (took, came) = until_closed(&mut stream);
    is_in_time(took);
    assert_eq!(String::from_utf8_lossy(&came), "");
}

fn limited(key: &str) -> Gateway {
    Setup::new(&Upstream::start()).and(&format!("\n[limits]\n{key} = \"300ms\"\n")).start()
}

#[test]
fn dos_01_a_connection_that_sends_nothing_is_closed() {
    is_closed_after(&limited("first_byte"), b"");
}

#[test]
fn dos_01_a_connection_that_sends_one_byte_is_closed() {
    let gateway = limited("headers.time");
    is_closed_after(&gateway, b"G");
    is_closed_after(&gateway, b"P");
}

#[test]
fn dos_02_half_an_http2_preface_is_closed() {
    let gateway = limited("headers.time");
    is_closed_after(&gateway, b"PRI * HT");
    is_closed_after(&gateway, &h2::PREFACE[..23]);
}

#[test]
fn dos_03_half_a_head_is_closed_and_counted_from_its_first_byte() {
    let gateway = limited("headers.time");
    is_closed_after(&gateway, format!("GET /public/x HTTP/1.1\r\nHost: {}\r\n", gateway.host()).as_bytes());
    let mut stream = connect(gateway.address);
    let mut writer = stream.try_clone().expect("a second handle");
    let trickle = spawn(move || {
        for byte in b"GET /public/x HTTP/1.1\r\nX: ".iter().cycle() {
            if writer.write_all(&[*byte]).is_err() {
                return;
            }
            sleep(Duration::from_millis(50));
        }
    });
    is_in_time(until_closed(&mut stream).0);
    let _ = stream.shutdown(Shutdown::Both);
    trickle.join().expect("no panic");
}

#[test]
fn dos_04_a_body_that_stalls_is_refused_and_the_app_let_go() {
    let app = Silent::start();
    let gateway = app.setup().and("\n[limits]\nbody.idle = \"300ms\"\n").start();
    for (line, part) in [("Content-Length: 10", "123"), ("Transfer-Encoding: chunked", "5\r\n12")] {
        let mut stream = connect(gateway.address);
        let head = format!("POST /public/x HTTP/1.1\r\nHost: {}\r\n{line}\r\n\r\n{part}", gateway.host());
        stream.write_all(head.as_bytes()).expect("sent");
        app.is_asked();
        let (took, came) = until_closed(&mut stream);
        is_in_time(took);
        assert_eq!(Answer::read(&came).code(), "request_timeout", "{line}");
        app.is_let_go();
    }
}

// DOS-04
#[test]
fn a_body_that_stalls_on_one_http2_stream_ends_that_stream_alone() {
    let app = Silent::start();
    let gateway = app.setup().and("\n[limits]\nbody.idle = \"300ms\"\n").start();
    let mut raw = Raw::open(gateway.address);
    let post = [(":method", "POST"), (":scheme", "http"), (":authority", &gateway.host()), (":path", "/public/x")];
    raw.headers(1, END_HEADERS, &h2::block(&post));
    raw.send(&frame(h2::DATA, 0, 1, b"123"));
    app.is_asked();
    let started = Instant::now();
    assert_eq!(raw.wait(HEADERS, 1).expect("an answer").status(), 408);
    is_in_time(started.elapsed());
    app.is_let_go();
    assert_eq!(raw.ask(3, &h2::get(&gateway.host(), "/nowhere", &[])), 404);
}

// DOS-04
#[test]
fn a_route_may_have_a_limit_of_its_own_for_bodies_that_stall() {
    let app = Silent::start();
    let route =
        "\n[[routes]]\npath = \"/slow\"\naccess = \"public\"\nbody = { idle = \"300ms\", min_rate = \"1B/s\" }\n";
    let gateway = app.setup().and(route).start();
    let mut stream = connect(gateway.address);
    let head = format!("POST /slow HTTP/1.1\r\nHost: {}\r\nContent-Length: 10\r\n\r\n123", gateway.host());
    stream.write_all(head.as_bytes()).expect("sent");
    let (took, came) = until_closed(&mut stream);
    is_in_time(took);
    assert_eq!(Answer::read(&came).code(), "request_timeout");
    app.is_let_go();
}

#[test]
fn a_connection_that_is_idle_after_an_answer_is_closed() {
    let gateway = limited("keep_alive");
    let mut stream = connect(gateway.address);
    stream.write_all(&request("GET", "/public/x", &gateway.host(), &["Connection: keep-alive"], b"")).expect("sent");
    assert!(read_until(&mut stream, b"\r\n\r\nok").ends_with(b"ok"));
    is_in_time(until_closed(&mut stream).0);
}

// DOS-01
#[test]
fn an_http2_preface_without_its_settings_is_closed() {
    let gateway = limited("headers.time");
    for bytes in [h2::PREFACE.to_vec(), [h2::PREFACE, &frame(SETTINGS, 0, 0, &[0; 6])[..12]].concat()] {
        let mut stream = connect(gateway.address);
        stream.write_all(&bytes).expect("sent");
        is_in_time(until_closed(&mut stream).0);
    }
}

#[test]
fn an_http2_connection_without_a_request_is_told_and_then_closed_whatever_it_answers() {
    let gateway = Setup::new(&Upstream::start())
        .and("\n[limits]\nkeep_alive = \"300ms\"\nheaders.time = \"300ms\"\nhttp2.ping.interval = \"50ms\"\n")
        .start();
    // Settings and nothing else; and one that answers pings, which are no use of a connection.
    for answers in [false, true] {
        let mut raw = Raw::open(gateway.address);
        let (started, mut told, mut pings) = (Instant::now(), false, 0);
        while let Some(frame) = raw.next() {
            told |= frame.kind == GOAWAY;
            // The last one asks whether the GOAWAY has come; whoever answers that is let go at once.
            if frame.kind == h2::PING && frame.flags == 0 && answers && !told {
                pings += 1;
                raw.send(&h2::frame(h2::PING, h2::ACK, 0, &frame.payload));
            }
        }
        assert!(told && (!answers || pings > 1), "{answers}: {pings}");
        is_in_time(started.elapsed());
    }
}

#[test]
fn an_http2_connection_that_is_idle_after_an_answer_is_closed() {
    let gateway = limited("keep_alive");
    let mut raw = Raw::open(gateway.address);
    assert_eq!(raw.ask(1, &h2::get(&gateway.host(), "/public/x", &[])), 200);
    let started = Instant::now();
    let goaway = raw.wait(GOAWAY, 0).expect("it is told");
    assert_eq!(goaway.code(), 0);
    is_in_time(started.elapsed());
}

// H2X-03
#[test]
fn http2_headers_that_do_not_end_are_closed_also_beside_a_running_stream() {
    let app = Silent::start();
    let gateway = app.setup().and("\n[limits]\nheaders.time = \"300ms\"\n").start();
    let mut raw = Raw::open(gateway.address);
    raw.headers(1, END_HEADERS | END_STREAM, &h2::get(&gateway.host(), "/public/x", &[]));
    app.is_asked();
    raw.headers(3, END_STREAM, &h2::get(&gateway.host(), "/public/y", &[]));
    let started = Instant::now();
    raw.rest();
    is_in_time(started.elapsed());
    app.is_let_go();
}

#[test]
fn an_http2_caller_that_answers_no_ping_is_closed_and_the_app_let_go() {
    let app = Silent::start();
    let gateway = app.setup().and("\n[limits]\nhttp2.ping = { interval = \"200ms\", timeout = \"200ms\" }\n").start();
    let mut raw = Raw::open(gateway.address);
    raw.headers(1, END_HEADERS | END_STREAM, &h2::get(&gateway.host(), "/public/x", &[]));
    app.is_asked();
    let started = Instant::now();
    raw.rest();
    is_in_time(started.elapsed());
    app.is_let_go();
}

#[test]
fn dos_06_an_answer_that_nobody_takes_is_ended_and_the_app_let_go() {
    let app = Silent::endless();
    let gateway = app.setup().and("\n[limits]\nsend_idle = \"300ms\"\n").start();
    let mut stream = connect(gateway.address);
    stream.write_all(&request("GET", "/public/x", &gateway.host(), &[], b"")).expect("sent");
    app.is_asked();
    app.is_let_go();
    assert!(!read_to_end(&mut stream).is_empty());
}

// DOS-06
#[test]
fn an_answer_that_nobody_takes_ends_its_http2_stream_alone() {
    let app = Silent::endless();
    let gateway = app.setup().and("\n[limits]\nsend_idle = \"300ms\"\n").start();
    let mut raw = Raw::open(gateway.address);
    raw.headers(1, END_HEADERS | END_STREAM, &h2::get(&gateway.host(), "/public/x", &[]));
    app.is_asked();
    let started = Instant::now();
    assert!(raw.wait(h2::RST_STREAM, 1).is_some(), "the stream is reset");
    is_in_time(started.elapsed());
    app.is_let_go();
    assert_eq!(raw.ask(3, &h2::get(&gateway.host(), "/nowhere", &[])), 404);
}

// PRC-02
#[test]
fn a_stop_waits_for_nobody_who_has_asked_for_nothing() {
    let pair = Issued::self_signed("127.0.0.1");
    let long = |setup: Setup| setup.with("drain = \"2s\"", "drain = \"20s\"");
    let (plain, secure) = (Setup::new(&Upstream::start()), Setup::new(&Upstream::start()).tls(&pair));
    for gateway in [long(plain).start(), long(secure).start()] {
        let mut held = vec![connect(gateway.address), connect(gateway.address), connect(gateway.address)];
        // A byte of a head, of a preface, and of a handshake.
        held[1].write_all(b"P").expect("sent");
        held[2].write_all(&[22]).expect("sent");
        held.push(Raw::open(gateway.address).stream);
        sleep(Duration::from_millis(100));
        let started = Instant::now();
        assert_eq!(gateway.terminate(), Some(0));
        assert!(started.elapsed() < Duration::from_secs(6), "after {:?}", started.elapsed());
        assert!(!gateway.output().contains("are cut"), "{}", gateway.output());
    }
}

#[test]
fn dos_15_a_tls_handshake_that_does_not_end_is_closed() {
    let pair = Issued::self_signed("127.0.0.1");
    let gateway = Setup::new(&Upstream::start()).tls(&pair).and("\n[limits]\nfirst_byte = \"300ms\"\n").start();
    // The beginning of a record with a ClientHello: type, version, length, and less than that.
    let hello = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    for bytes in [&hello[..0], &hello[..1], &hello] {
        is_closed_after(&gateway, bytes);
    }
    // A byte now and then makes it no longer.
    let mut stream = connect(gateway.address);
    let mut writer = stream.try_clone().expect("a second handle");
    let dribble = spawn(move || {
        for byte in hello.iter().chain([0; 500].iter()) {
            if writer.write_all(&[*byte]).is_err() {
                return;
            }
            sleep(Duration::from_millis(50));
        }
    });
    is_in_time(until_closed(&mut stream).0);
    let _ = stream.shutdown(Shutdown::Both);
    dribble.join().expect("no panic");
    // Done, and then silent.
    let mut stream = pair.connect(gateway.address, "127.0.0.1", &["http/1.1"]);
    let started = Instant::now();
    let mut came = Vec::new();
    let _ = stream.read_to_end(&mut came);
    is_in_time(started.elapsed());
    let said = gateway.output();
    let mut connections = said.lines().filter(|line| line.contains("\"event\":\"connection\""));
    assert!(connections.all(|line| line.contains("\"DEBUG\"")), "{said}");
}
