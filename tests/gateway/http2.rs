//! HTTP/2 with callers: everything that holds for HTTP/1.1 holds here, and the app sees no difference.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::h2::{
    self, Client, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, Raw, SETTINGS, frame,
};
use crate::support::{Answer, App, Gateway, Setup, Token, Upstream, answer_with, connect, read_until, request};

const SAME_ORIGIN: (&str, &str) = ("sec-fetch-site", "same-origin");

/// What a raw request is answered with, on a connection of its own; 0 for none.
fn status(gateway: &Gateway, fields: &[(&str, &str)]) -> u16 {
    Raw::open(gateway.address).ask(1, &h2::block(fields))
}

#[test]
fn a_request_passes_and_the_app_sees_http_1_1() {
    let upstream = Upstream::scripted(|_, stream| {
        answer_with(
            stream,
            "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nX-App: 1\r\nContent-Length: 2\r\n\r\nok",
        )
    });
    let gateway = Gateway::new(&upstream);
    let mut client = Client::open(gateway.address);
    let answer = client.ask("POST", "/public/x?q=1", &[("te", "trailers"), ("x-own", "1")], b"hello");
    assert_eq!((answer.status, answer.text().as_str(), answer.header("x-app")), (200, "ok", "1"));
    for gone in ["connection", "keep-alive", "x-hop", "transfer-encoding"] {
        assert_eq!(answer.header(gone), "", "{gone}");
    }
    assert_eq!(answer.header("content-length"), "2");
    assert!(!answer.header("x-request-id").is_empty());
    let seen = upstream.last();
    assert_eq!(seen.line(), "POST /public/x?q=1 HTTP/1.1");
    assert_eq!((seen.value("host"), seen.value("x-own"), seen.value("te")), (gateway.host().as_str(), "1", "trailers"));
    assert_eq!((seen.value("content-length"), seen.body.as_slice()), ("5", &b"hello"[..]));
    assert_eq!(client.ask("GET", "/nowhere", &[], b"").code(), "not_routed");
    assert_eq!(client.ask("GET", "/open/x", &[SAME_ORIGIN], b"").code(), "session_missing");
}

// H2X-13
#[test]
fn cookies_that_come_one_by_one_are_a_session_and_reach_the_app_as_one_field() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    let mut client = Client::open(gateway.address);
    let crumbs = [SAME_ORIGIN, ("cookie", "a=1"), ("cookie", &cookie), ("cookie", "b=2"), ("cookie", "c=3; d=4")];
    assert_eq!(client.ask("GET", "/open/x", &crumbs, b"").status, 200);
    let seen = upstream.last();
    assert_eq!(seen.values("cookie"), ["a=1; b=2; c=3; d=4"]);
    assert!(!seen.value("x-vestibule-user").is_empty());
    // The same name twice is nobody's, however it comes.
    let twice = [SAME_ORIGIN, ("cookie", &cookie), ("cookie", &cookie)];
    assert_eq!(client.ask("GET", "/open/x", &twice, b"").code(), "session_missing");
}

#[test]
fn a_framed_navigation_signs_in() {
    let gateway = Gateway::new(&Upstream::start());
    let fields = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "iframe"),
        ("accept", "text/html"),
        ("referer", crate::support::PORTAL),
    ];
    let target = format!("/open?token={}", Token::client().sealed());
    let answer = Client::open(gateway.address).ask("GET", &target, &fields, b"");
    assert_eq!((answer.status, answer.header("location")), (303, "/open"));
    let cookie = answer.cookie();
    assert!(cookie.starts_with("__Host-vestibule."));
    assert_eq!(gateway.own("GET", "/open/x", &cookie).status, 200, "the session is the same in both versions");
}

// PTH-30, PTH-31
#[test]
fn there_is_one_host_and_it_is_ours() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let host = gateway.host();
    let [method, scheme, path] = [(":method", "GET"), (":scheme", "http"), (":path", "/public/x")];
    let with = |more: &[(&str, &str)]| status(&gateway, &[&[method, scheme, path], more].concat());
    assert_eq!(with(&[(":authority", &host)]), 200);
    assert_eq!(with(&[(":authority", &host), ("host", &host)]), 200);
    assert_eq!(with(&[("host", &host)]), 200);
    let asked = upstream.seen().len();
    assert_eq!(with(&[]), 400);
    assert_eq!(with(&[(":authority", &host), ("host", "evil.example")]), 400);
    assert_eq!(with(&[(":authority", &host), ("host", &host), ("host", &host)]), 400);
    assert_eq!(with(&[("host", &host), ("host", "evil.example")]), 400);
    assert_eq!(with(&[(":authority", "evil.example"), ("host", &host)]), 400);
    assert_eq!(with(&[(":authority", "evil.example")]), 421);
    assert_eq!(with(&[("host", "evil.example")]), 421);
    assert_ne!(with(&[(":authority", &format!("user@{host}"))]), 200);
    assert_eq!(with(&[(":authority", "")]), 0, "the library finds it malformed");
    let odd = [method, (":scheme", "gopher"), path, (":authority", &host)];
    assert_eq!(status(&gateway, &odd), 400);
    assert_eq!(status(&gateway, &[("x", "y"), method, scheme, path, (":authority", &host)]), 0);
    assert_eq!(status(&gateway, &[method, scheme, (":path", "*"), (":authority", &host)]), 400);
    assert_eq!(upstream.seen().len(), asked, "the app got none of them");
}

// WSK-09, MTH
#[test]
fn wsk_09_connect_is_refused_and_its_extension_is_not_offered() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let host = gateway.host();
    assert_eq!(status(&gateway, &[(":method", "CONNECT"), (":authority", &host)]), 405);
    let mut raw = Raw::open(gateway.address);
    let settings = raw.wait(SETTINGS, 0).expect("settings");
    assert!(settings.payload.chunks(6).all(|setting| setting[..2] != [0, 8]), "no SETTINGS_ENABLE_CONNECT_PROTOCOL");
    let websocket = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", &host),
        (":path", "/open/live"),
        ("sec-websocket-version", "13"),
    ];
    raw.headers(1, END_HEADERS, &h2::block(&websocket));
    assert_eq!(raw.wait(RST_STREAM, 1).expect("a reset").code(), 1);
    assert_eq!(raw.ask(3, &h2::get(&host, "/public/x", &[])), 200, "the connection goes on");
    assert_eq!(upstream.wait_for(1).len(), 1);
}

#[test]
fn fields_of_one_connection_are_malformed_here() {
    let gateway = Gateway::new(&Upstream::start());
    let host = gateway.host();
    for field in [("connection", "close"), ("upgrade", "h2c"), ("transfer-encoding", "chunked"), ("te", "gzip")] {
        let mut raw = Raw::open(gateway.address);
        raw.headers(1, END_HEADERS | END_STREAM, &h2::get(&host, "/public/x", &[field]));
        assert_eq!(raw.wait(RST_STREAM, 1).map(|reset| reset.code()), Some(1), "{field:?}");
    }
}

// H2X-09
#[test]
fn what_is_too_large_is_refused_with_its_code() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).and("\n[limits]\nrequest_body = \"1KiB\"\n").start();
    let mut client = Client::open(gateway.address);
    let long = format!("/public/{}", "x".repeat(9 * 1024));
    assert_eq!(client.ask("GET", &long, &[], b"").code(), "uri_too_long");
    let names: Vec<String> = (0..101).map(|n| format!("x-{n}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "y")).collect();
    assert_eq!(client.ask("GET", "/public/x", &many, b"").code(), "headers_too_large");
    let value = "x".repeat(33 * 1024);
    assert_eq!(client.ask("GET", "/public/x", &[("x-large", &value)], b"").code(), "headers_too_large");
    assert_eq!(client.ask("POST", "/public/x", &[], &[b'x'; 2000]).code(), "body_too_large");
    assert_eq!(client.ask("POST", "/public/x", &[], &[b'x'; 1000]).status, 200);
    assert_eq!(upstream.seen().len(), 1);
}

// H2X-04
#[test]
fn a_refused_body_ends_its_stream_without_a_fault_and_no_other() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let host = gateway.host();
    let mut raw = Raw::open(gateway.address);
    let post = [(":method", "POST"), (":scheme", "http"), (":authority", &host), (":path", "/nowhere")];
    for id in [1, 3, 5] {
        raw.headers(id, END_HEADERS, &h2::block(&post));
        raw.send(&frame(DATA, 0, id, &[b'x'; 10_000]));
        assert_eq!(raw.wait(HEADERS, id).expect("an answer").status(), 404);
        // RFC 9113 §8.1: no error, and nothing more is wanted.
        assert_eq!(raw.wait(RST_STREAM, id).expect("a reset").code(), 0);
    }
    assert_eq!(raw.ask(7, &h2::get(&host, "/public/x", &[])), 200);
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn trailers_of_a_request_are_dropped_and_those_of_an_answer_pass() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nX-Vestibule-User: me\r\nConnection: x\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\n\r\n",
    );
    let gateway = Gateway::new(&upstream);
    let host = gateway.host();
    let mut raw = Raw::open(gateway.address);
    let post = [(":method", "POST"), (":scheme", "http"), (":authority", &host), (":path", "/public/x")];
    raw.headers(1, END_HEADERS, &h2::block(&post));
    raw.send(&frame(DATA, 0, 1, b"hi"));
    raw.headers(1, END_HEADERS | END_STREAM, &h2::block(&[("x-vestibule-user", "somebody"), ("x-late", "1")]));
    assert_eq!(raw.wait(HEADERS, 1).expect("an answer").status(), 200);
    let seen = upstream.last();
    let everything = format!("{}{}", seen.head, String::from_utf8_lossy(&seen.body)).to_ascii_lowercase();
    assert!(everything.contains("hi") && !everything.contains("somebody") && !everything.contains("x-late"));
    let answer = Client::open(gateway.address).ask("GET", "/public/x", &[("te", "trailers")], b"");
    assert_eq!((answer.broken, answer.trailers.as_str()), (false, "[(\"x-sum\", \"7\")]"), "{answer:?}");
}

/// A call of gRPC, which is a conversation on one stream and ends with trailers.
#[test]
fn a_call_of_grpc_passes_in_both_directions_at_once_and_with_its_trailers() {
    use http_body_util::BodyExt as _;
    let app = App::start(|request| async {
        let mut status = hyper::HeaderMap::new();
        status.insert("grpc-status", "0".parse().expect("a value"));
        let echo = request.into_body().map_err(|error| -> std::convert::Infallible { panic!("{error}") });
        let mut answer = hyper::Response::new(echo.with_trailers(async { Some(Ok(status)) }).boxed());
        answer.headers_mut().insert("content-type", "application/grpc".parse().expect("a value"));
        answer
    });
    let gateway =
        Setup::before(&format!("http://{}", app.address)).with("[hosts.", "protocol = \"h2c\"\n[hosts.").start();
    let host = gateway.host();
    let call = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", &host),
        (":path", "/public/service.Echo/Talk"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let mut raw = Raw::open(gateway.address);
    raw.headers(1, END_HEADERS, &h2::block(&call));
    assert_eq!(raw.wait(HEADERS, 1).expect("a head before the end of the request").status(), 200);
    for message in ["one", "two", "three"] {
        raw.send(&frame(DATA, 0, 1, message.as_bytes()));
        assert_eq!(raw.wait(DATA, 1).expect("an echo").payload, message.as_bytes());
    }
    raw.send(&frame(DATA, END_STREAM, 1, b""));
    let trailers = raw.wait(HEADERS, 1).expect("trailers");
    assert_eq!(trailers.flags & END_STREAM, END_STREAM);
    let answer = Client::open(gateway.address).ask("POST", "/public/x", &[("te", "trailers")], b"whole");
    assert_eq!((answer.text().as_str(), answer.trailers.contains("grpc-status")), ("whole", true));
}

#[test]
fn an_answer_passes_as_it_comes_and_whole() {
    let large = "0123456789abcdef".repeat(1 << 16);
    let body = large.clone();
    let upstream = Upstream::scripted(move |seen, stream| {
        if seen.line().contains("slow") {
            answer_with(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n",
            );
            sleep(Duration::from_millis(700));
            return answer_with(stream, "3\r\ntwo\r\n0\r\n\r\n");
        }
        answer_with(stream, &format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    });
    let gateway = Gateway::new(&upstream);
    let mut client = Client::open(gateway.address);
    let answer = client.ask("POST", "/public/large", &[], large.as_bytes());
    assert_eq!((answer.status, answer.body.len(), answer.text() == large), (200, 1 << 20, true));
    assert_eq!(upstream.last().body.len(), 1 << 20);
    assert_eq!(client.ask("HEAD", "/public/large", &[], b"").header("content-length"), "1048576");
    let mut raw = Raw::open(gateway.address);
    let started = Instant::now();
    raw.headers(1, END_HEADERS | END_STREAM, &h2::get(&gateway.host(), "/public/slow", &[]));
    assert_eq!(raw.wait(DATA, 1).expect("a part").payload, b"one");
    assert!(started.elapsed() < Duration::from_millis(600), "after {:?}", started.elapsed());
    assert_eq!(raw.wait(DATA, 1).expect("a part").payload, b"two");
}

#[test]
fn an_interim_answer_is_left_out() {
    let upstream = Upstream::answering(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let gateway = Gateway::new(&upstream);
    let mut raw = Raw::open(gateway.address);
    assert_eq!(raw.ask(1, &h2::get(&gateway.host(), "/public/x", &[])), 200);
    assert_eq!(raw.wait(DATA, 1).expect("a body").payload, b"ok");
}

#[test]
fn a_caller_that_breaks_off_frees_the_app() {
    let upstream = Upstream::scripted(|_, stream| {
        use std::io::Read as _;
        // Ends when the gateway lets go.
        stream.read(&mut [0; 1]).is_ok_and(|count| count > 0)
    });
    let gateway = Gateway::new(&upstream);
    let mut raw = Raw::open(gateway.address);
    raw.headers(1, END_HEADERS | END_STREAM, &h2::get(&gateway.host(), "/public/x", &[]));
    upstream.wait_for(1);
    raw.send(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]));
    upstream.wait_until_idle();
}

// PRC-01
#[test]
fn a_stop_says_so_and_finishes_what_is_running() {
    let upstream = Upstream::scripted(|_, stream| {
        sleep(Duration::from_millis(700));
        answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let gateway = Gateway::new(&upstream);
    let mut raw = Raw::open(gateway.address);
    raw.headers(1, END_HEADERS | END_STREAM, &h2::get(&gateway.host(), "/public/x", &[]));
    upstream.wait_for(1);
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| gateway.terminate());
        let goaway = raw.wait(GOAWAY, 0).expect("it is told");
        assert_eq!(goaway.code(), 0);
        answer_pings(&mut raw);
        assert_eq!(raw.wait(HEADERS, 1).expect("an answer").status(), 200);
        assert_eq!(raw.wait(DATA, 1).expect("a body").payload, b"ok");
        drop(raw);
        assert_eq!(ended.join().expect("no panic"), Some(0));
    });
}

/// Answers the ping that asks whether a GOAWAY has come.
fn answer_pings(raw: &mut Raw) {
    let ping = raw.wait(h2::PING, 0).expect("a ping");
    raw.send(&frame(h2::PING, h2::ACK, 0, &ping.payload));
}

#[test]
fn an_old_connection_takes_no_new_requests_and_finishes_what_it_has() {
    let upstream = Upstream::scripted(|seen, stream| {
        if seen.line().contains("slow") {
            sleep(Duration::from_millis(900));
        }
        answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let gateway = Setup::new(&upstream).and("\n[limits]\nconnection_age = \"400ms\"\n").start();
    let mut raw = Raw::open(gateway.address);
    raw.headers(1, END_HEADERS | END_STREAM, &h2::get(&gateway.host(), "/public/slow", &[]));
    assert!(raw.wait(GOAWAY, 0).is_some());
    answer_pings(&mut raw);
    assert_eq!(raw.wait(HEADERS, 1).expect("an answer").status(), 200);
    raw.rest();
    // HTTP/1.1: said with the next answer, and never in the middle of one.
    let mut stream = connect(gateway.address);
    let keep = |target: &str| request("GET", target, &gateway.host(), &["Connection: keep-alive"], b"");
    std::io::Write::write_all(&mut stream, &keep("/public/x")).expect("sent");
    assert_eq!(Answer::read(&read_until(&mut stream, b"\r\n\r\nok")).header("connection"), "");
    sleep(Duration::from_millis(600));
    std::io::Write::write_all(&mut stream, &keep("/public/x")).expect("sent");
    let last = Answer::read(&crate::support::read_to_end(&mut stream));
    assert_eq!((last.status, last.header("connection"), last.broken), (200, "close", false));
}
