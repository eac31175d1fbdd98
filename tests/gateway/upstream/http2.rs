//! HTTP/2 to the app.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use http::{Version, header};
use http_body_util::BodyExt as _;

use super::{before_http2, speaking, with_upstream};
use crate::support::{
    Answer, App, AppAnswer, CLIENT, Token, Upstream, connect, read_to_end, read_until, request, text,
};

#[test]
fn an_app_of_http_2_gets_the_same_request_in_its_own_form() {
    let app = App::start(|_| async { text("ok") });
    let gateway = with_upstream(before_http2(app.address), "")
        .with(&format!("http://{}", app.address), &format!("http://{}/base", app.address))
        .start();
    let cookie = gateway.sign_in(&Token::client());
    let lines = [
        &format!("Cookie: {cookie}; own=1") as &str,
        "Sec-Fetch-Site: same-origin",
        "TE: trailers",
        "Connection: close, TE, X-Hop",
        "X-Hop: 1",
        "Keep-Alive: timeout=5",
        "X-Vestibule-User: evil",
        "grpc-timeout: 5S",
    ];
    let answer = gateway.ask("GET", "/open/x?y=1", &lines);
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    assert!(answer.head.starts_with("HTTP/1.1 200"), "{}", answer.head);
    let head = app.heads().pop().expect("asked");
    let field = |name: &str| head.headers.get(name).map(|value| value.to_str().expect("ASCII").to_owned());
    assert_eq!(head.version, Version::HTTP_2);
    assert_eq!(head.uri.to_string(), format!("http://{}/base/open/x?y=1", gateway.host()));
    assert_eq!(field("x-vestibule-user").as_deref(), Some(CLIENT));
    assert_eq!((field("te").as_deref(), field("grpc-timeout").as_deref()), (Some("trailers"), Some("5S")));
    assert_eq!(field("cookie").as_deref(), Some("own=1"));
    assert_eq!(field("x-forwarded-host"), Some(gateway.host()));
    for name in [header::CONNECTION, header::HOST, header::TRANSFER_ENCODING, header::UPGRADE] {
        assert!(!head.headers.contains_key(&name), "{name}");
    }
    assert_eq!((field("x-hop"), field("keep-alive")), (None, None));
    assert!(!gateway.output().contains("illegal in HTTP/2"), "nothing is left for the library to remove");
}

#[test]
fn many_requests_share_a_connection_and_more_than_the_app_allows_get_another() {
    let slow = |_| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        text("ok")
    };
    let ask_at_once = |app: &App, count: usize| {
        let gateway = before_http2(app.address).start();
        // Both workers know what the app allows.
        for _ in 0..20 {
            assert_eq!(gateway.ask("GET", "/public/x", &[]).status, 200);
        }
        let gateway = &gateway;
        thread::scope(|scope| {
            let crowd: Vec<_> =
                (0..count).map(|_| scope.spawn(|| gateway.ask("GET", "/public/x", &[]).status)).collect();
            assert!(crowd.into_iter().all(|one| one.join().expect("no panic") == 200));
        });
    };
    let generous = App::start(slow);
    ask_at_once(&generous, 60);
    assert!(generous.connections() <= 8, "{} connections", generous.connections());
    let strict = App::with_streams(5, slow);
    ask_at_once(&strict, 60);
    assert!((12..40).contains(&strict.connections()), "{} connections", strict.connections());
}

#[test]
fn an_app_on_a_unix_socket_is_spoken_to_in_either_protocol() {
    let folder = tempfile::tempdir().expect("a folder");
    for (protocol, version) in [("h2c", Version::HTTP_2), ("http1", Version::HTTP_11)] {
        let socket = folder.path().join(protocol);
        let log = App::on_unix_socket(&socket, version == Version::HTTP_2);
        let gateway = speaking(protocol, &format!("unix:{}", socket.display())).start();
        assert_eq!(gateway.send("POST", "/public/x", &[], b"body").text(), "ok", "{protocol}");
        assert_eq!(log.heads()[0].version, version);
    }
}

#[test]
fn a_websocket_of_an_app_of_http_2_gets_a_connection_of_http_1() {
    let upstream = Upstream::answering(crate::gateway::upgrade::ACCEPTED);
    let gateway = before_http2(upstream.address).start();
    let cookie = gateway.sign_in(&Token::client());
    let mut stream = connect(gateway.address);
    stream.write_all(&crate::gateway::upgrade::handshake(&gateway, &cookie, &[])).expect("sent");
    assert!(read_until(&mut stream, b"\r\n\r\n").starts_with(b"HTTP/1.1 101"));
    assert_eq!(upstream.last().value("host"), gateway.host());
    // An app that speaks nothing but HTTP/2 cannot have one.
    let app = App::start(|_| async { text("ok") });
    let gateway = before_http2(app.address).start();
    let cookie = gateway.sign_in(&Token::client());
    let answer = gateway.raw_first(&crate::gateway::upgrade::handshake(&gateway, &cookie, &[]));
    assert_eq!((answer.status, answer.code()), (502, "upstream_unavailable"));
}

/// An answer of this size, which takes no room here.
fn large(size: usize) -> AppAnswer {
    let part = bytes::Bytes::from(vec![b'x'; 1 << 16]);
    let parts = (0..size >> 16).map(move |_| Ok::<_, Infallible>(http_body::Frame::data(part.clone())));
    http::Response::new(http_body_util::StreamBody::new(futures_util::stream::iter(parts)).boxed())
}

// DOS-11
#[test]
fn a_body_of_any_size_takes_constant_memory_over_http_2_too() {
    const SIZE: usize = 64 << 20;
    let app = App::start(|request| async move {
        if request.uri().path() == "/public/down" {
            return large(SIZE);
        }
        let mut body = request.into_body();
        let mut total = 0;
        while let Some(Ok(frame)) = body.frame().await {
            total += frame.into_data().map_or(0, |data| data.len());
        }
        text(&total.to_string())
    });
    let gateway = before_http2(app.address).start();
    gateway.ask("GET", "/public/warm", &[]);
    let before = gateway.memory();
    let mut stream = connect(gateway.address);
    let head = request("PUT", "/public/up", &gateway.host(), &[&format!("Content-Length: {SIZE}")], b"");
    stream.write_all(&head).expect("a head");
    let part = vec![b'x'; 1 << 16];
    for _ in 0..SIZE >> 16 {
        stream.write_all(&part).expect("a part");
    }
    assert_eq!(Answer::read(&read_to_end(&mut stream)).text(), SIZE.to_string());
    let mut stream = connect(gateway.address);
    stream.write_all(&request("GET", "/public/down", &gateway.host(), &[], b"")).expect("a head");
    thread::sleep(Duration::from_millis(500));
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB while nobody reads");
    let (mut total, mut buffer) = (0, vec![0; 1 << 16]);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        total += count;
    }
    assert!(total > SIZE, "{total}");
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB for a download");
}

/// What a caller does not take must not use up the room of the connection that it shares.
#[test]
fn callers_who_take_nothing_do_not_hold_up_others_on_the_same_connection() {
    let app = App::start(|request| async move {
        if request.uri().path() == "/public/large" { large(64 << 20) } else { text(&"x".repeat(100_000)) }
    });
    let gateway = before_http2(app.address).start();
    let stuck: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = connect(gateway.address);
            stream.write_all(&request("GET", "/public/large", &gateway.host(), &[], b"")).expect("sent");
            stream
        })
        .collect();
    thread::sleep(Duration::from_millis(500));
    let started = Instant::now();
    for _ in 0..20 {
        assert_eq!(gateway.ask("GET", "/public/small", &[]).body.len(), 100_000);
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(app.connections() <= 4, "{} connections", app.connections());
    drop(stuck);
}

#[test]
fn what_is_wrong_with_a_body_is_said_over_http_2_too() {
    let app = App::start(|request| async move {
        let _ = request.into_body().collect().await;
        text("ok")
    });
    let gateway =
        before_http2(app.address).and("\n[limits]\nrequest_body = \"1KiB\"\nbody = { idle = \"300ms\" }\n").start();
    let chunked = ["Transfer-Encoding: chunked"];
    let send = |body: &[u8]| {
        let answer = gateway.raw(&request("POST", "/public/x", &gateway.host(), &chunked, body));
        (answer.status, answer.code().to_owned())
    };
    let large = [b"800\r\n".as_slice(), &[b'x'; 0x800], b"\r\n0\r\n\r\n"].concat();
    assert_eq!(send(&large), (413, "body_too_large".into()));
    assert_eq!(send(b"5\r\nab"), (408, "request_timeout".into()));
    assert_eq!(send(b"zz\r\n"), (400, "malformed_request".into()));
    assert_eq!(send(b"2\r\nab\r\n0\r\n\r\n").0, 200);
}

#[test]
fn protocol_and_address_have_to_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |protocol: &str, url: &str| {
        let text = format!(
            "[server]\npublic_url = \"http://127.0.0.1:1\"\n[upstream]\nurl = \"{url}\"\nprotocol = \"{protocol}\"\n[hosts.assembly]\nplatform = \"assembly\"\napi_key = {{ env = \"KEY\" }}\ntenants = [\"11111111-2222-4333-8444-555555555555\"]\n[session]\nkeys = [{{ id = \"k\", secret = {{ env = \"KEY\" }} }}]\n"
        );
        std::fs::write(folder.path().join("vestibule.toml"), text).expect("written");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.arg("check").current_dir(folder.path()).env("KEY", crate::support::SESSION_KEY);
        let output = command.output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, says) = check("h2", "http://127.0.0.1:2");
    assert!(code == Some(78) && says.contains("the app is not at https://"), "{says}");
    let (code, says) = check("h2c", "https://127.0.0.1:2");
    assert!(code == Some(78) && says.contains("write \"h2\""), "{says}");
    for (protocol, url) in [("h2c", "unix:/run/a.sock"), ("h2", "https://127.0.0.1:2"), ("http1", "https://[::1]/x")] {
        assert_eq!(check(protocol, url).0, Some(0), "{protocol} {url}");
    }
}

// UPS-09
#[test]
fn events_arrive_one_by_one_and_their_stream_has_no_time_limit() {
    let app = App::start(|_| async {
        let events = futures_util::stream::unfold(0, |number| async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let event = http_body::Frame::data(bytes::Bytes::from(format!("data: {number}\n\n")));
            (number < 6).then_some((Ok::<_, Infallible>(event), number + 1))
        });
        let answer = http::Response::builder().header("content-type", "text/event-stream");
        answer.body(http_body_util::StreamBody::new(events).boxed()).expect("an answer")
    });
    let gateway = with_upstream(before_http2(app.address), "header_timeout = \"300ms\"").start();
    let mut stream = connect(gateway.address);
    stream.write_all(&request("GET", "/public/events", &gateway.host(), &[], b"")).expect("sent");
    read_until(&mut stream, b"\r\n\r\n");
    let started = Instant::now();
    for number in 0..5 {
        let seen = read_until(&mut stream, b"\n\n");
        assert!(String::from_utf8_lossy(&seen).contains(&format!("data: {number}")), "{number}");
        let late = started.elapsed().saturating_sub(Duration::from_millis(200 * (number + 1)));
        assert!(late < Duration::from_secs(1), "{number}: {late:?} late");
    }
    assert!(started.elapsed() > Duration::from_millis(900), "they come as they are made");
    assert!(read_to_end(&mut stream).ends_with(b"0\r\n\r\n"), "a whole answer");
}

#[test]
fn answers_without_a_body_pass_with_their_length_over_http_2() {
    let app = App::start(|request| async move {
        let status = match request.uri().path() {
            "/public/same" => 304,
            "/public/none" => 204,
            _ => 200,
        };
        let answer = http::Response::builder().status(status).header("etag", "\"x\"");
        let answer =
            if request.method() == http::Method::HEAD { answer.header("content-length", "1000") } else { answer };
        answer.body(http_body_util::Empty::new().boxed()).expect("an answer")
    });
    let gateway = before_http2(app.address).start();
    let head = gateway.ask("HEAD", "/public/head", &[]);
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "1000", 0));
    for (target, status) in [("/public/same", 304), ("/public/none", 204), ("/public/empty", 200)] {
        let answer = gateway.ask("GET", target, &[]);
        assert_eq!((answer.status, answer.header("etag"), answer.broken), (status, "\"x\"", false), "{target}");
    }
    assert!(!gateway.output().contains("broke off"), "{}", gateway.output());
}

// UPS-13
#[test]
fn an_app_that_takes_leave_of_its_connections_under_load_costs_nobody_a_request() {
    let app = App::with_life(Duration::from_millis(30), |request| async move {
        let body = request.into_body().collect().await.expect("a body").to_bytes();
        tokio::time::sleep(Duration::from_millis(3)).await;
        text(&format!("{} bytes", body.len()))
    });
    let gateway = before_http2(app.address).start();
    let until = Instant::now() + Duration::from_secs(2);
    thread::scope(|scope| {
        for (method, body) in [("GET", 0), ("POST", 10), ("POST", 100_000)].repeat(2) {
            let gateway = &gateway;
            scope.spawn(move || {
                let (body, mut asked) = (b"x".repeat(body), 0);
                while Instant::now() < until {
                    let answer = gateway.send(method, "/public/x", &[], &body);
                    assert_eq!(answer.text(), format!("{} bytes", body.len()), "{method} {asked}: {}", answer.head);
                    asked += 1;
                }
                assert!(asked > 20, "{asked}");
            });
        }
    });
    assert!(app.connections() > 20, "{} connections", app.connections());
}
