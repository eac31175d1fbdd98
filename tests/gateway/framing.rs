//! Framing: one request in is one request out, with one length.

use super::gateway;
use crate::support::{Answer, Gateway, Token, Upstream, exchange, request};

// SMG-01, SMG-02
#[test]
fn a_request_with_two_lengths_is_one_request() {
    let (gateway, upstream) = gateway();
    let smuggled = format!("0\r\n\r\nGET /admin HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.host());
    for lines in
        [["Content-Length: 70", "Transfer-Encoding: chunked"], ["Transfer-Encoding: chunked", "Content-Length: 70"]]
    {
        let lines = [&lines[..], &["Connection: keep-alive"]].concat();
        let bytes =
            exchange(gateway.address, &request("POST", "/public/x", &gateway.host(), &lines, smuggled.as_bytes()));
        let answer = Answer::read(&bytes);
        assert!(matches!(answer.status, 200 | 400), "{answer:?}");
        assert!(answer.rest.is_empty(), "one answer, and the connection is closed: {answer:?}");
    }
    for seen in upstream.seen() {
        assert!(
            seen.line().starts_with("POST /public/x ")
                && seen.values("content-length").len() + seen.values("transfer-encoding").len() == 1,
            "{seen:?}"
        );
    }
}

// SMG-03, SMG-04, SMG-06, SMG-08, SMG-13, SMG-18, HDR-10, HDR-11
#[test]
fn framing_with_two_readings_is_refused() {
    let (gateway, upstream) = gateway();
    let host = gateway.host();
    let heads = [
        "POST /public/x HTTP/1.1\r\nTransfer-Encoding : chunked",
        "POST /public/x HTTP/1.1\r\nTransfer-Encoding: \x0bchunked",
        "POST /public/x HTTP/1.1\r\nTransfer-Encoding: xchunked",
        "POST /public/x HTTP/1.1\r\nTransfer-Encoding: chunked, identity",
        "POST /public/x HTTP/1.1\r\nTransfer-Encoding: chunked;q=1",
        "POST /public/x HTTP/1.1\r\nTransfer-Encoding: gzip, chunked",
        "POST /public/x HTTP/1.1\r\nTransfer-Encoding: chunked, chunked",
        "POST /public/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "POST /public/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "POST /public/x HTTP/1.0\r\nTransfer-Encoding: chunked",
        "POST /public/x HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6",
        "POST /public/x HTTP/1.1\r\nContent-Length: 5, 5",
        "POST /public/x HTTP/1.1\r\nContent-Length: +5",
        "POST /public/x HTTP/1.1\r\nContent-Length: -0",
        "POST /public/x HTTP/1.1\r\nContent-Length: 0x5",
        "POST /public/x HTTP/1.1\r\nContent-Length: 5 5",
        "POST /public/x HTTP/1.1\r\nContent-Length: 99999999999999999999999",
        "GET /public/x HTTP/1.1\r\nX-A: b\r\n X-Vestibule-User: admin",
        "GET /public/x HTTP/1.1\r\nX-A: b\rX-Vestibule-User: admin",
        "GET /public/x HTTP/1.1\r\nX-A: b\0",
        "garbage\r\nGET /public/x HTTP/1.1",
    ];
    for head in heads {
        let bytes = exchange(gateway.address, format!("{head}\r\nHost: {host}\r\n\r\n0\r\n\r\n").as_bytes());
        let answer = Answer::read(&bytes);
        assert_eq!(answer.status, 400, "{head:?}: {answer:?}");
    }
    for expect in ["y 100-continue", "200-ok", "100-continue, x"] {
        let answer = gateway.send("POST", "/public/x", &[&format!("Expect: {expect}")], b"x");
        assert_eq!((answer.status, answer.code()), (417, "expectation_failed"), "{expect}");
    }
    assert!(upstream.seen().is_empty());
}

// SMG-13
#[test]
fn a_caller_that_asks_first_is_told_to_go_on_only_if_it_may() {
    let (gateway, upstream) = gateway();
    let denied = gateway.send("POST", "/open", &["Expect: 100-continue", "Sec-Fetch-Site: same-origin"], b"body");
    assert_eq!((denied.status, denied.header("connection")), (401, "close"), "no 100 before the refusal");
    let allowed = gateway.send("POST", "/public/x", &["Expect: 100-continue"], b"body");
    assert_eq!(allowed.status, 100);
    assert_eq!(Answer::read(&allowed.rest).status, 200);
    let seen = upstream.last();
    assert_eq!((seen.body.as_slice(), seen.values("expect").len()), (&b"body"[..], 0));
}

// SMG-11
#[test]
fn the_body_of_a_refused_request_is_never_a_request() {
    let (gateway, upstream) = gateway();
    let inner = format!("GET /public/smuggled HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.host());
    let bytes = exchange(
        gateway.address,
        &request(
            "POST",
            "/open",
            &gateway.host(),
            &["Connection: keep-alive", "Sec-Fetch-Site: same-origin"],
            inner.as_bytes(),
        ),
    );
    let answer = Answer::read(&bytes);
    assert_eq!((answer.status, answer.rest.len()), (401, 0), "{}", String::from_utf8_lossy(&bytes));
    assert!(upstream.seen().is_empty());
}

// SMG-14, SMG-16
#[test]
fn a_broken_upload_never_looks_complete_to_the_app() {
    let (gateway, upstream) = gateway();
    let cookie = format!("Cookie: {}", gateway.sign_in(&Token::client()));
    for body in [
        "5;\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhel",
    ] {
        let lines = ["Transfer-Encoding: chunked", "Sec-Fetch-Site: same-origin", &cookie];
        let bytes = request("POST", "/projects/apollo", &gateway.host(), &lines, body.as_bytes());
        let answer = if body == "5\r\nhel" { half(&gateway, &bytes) } else { gateway.raw(&bytes) };
        assert!(matches!(answer.status, 0 | 400), "{body:?}: {answer:?}");
    }
    assert!(upstream.seen().is_empty(), "a request is recorded only when it has ended well");
    let lines = ["Transfer-Encoding: chunked", "Sec-Fetch-Site: same-origin", &cookie];
    let answer =
        gateway.raw(&request("POST", "/projects/apollo", &gateway.host(), &lines, b"5;ext=1\r\nhello\r\n0\r\n\r\n"));
    assert_eq!(answer.status, 200);
    assert_eq!(upstream.last().body, b"5\r\nhello\r\n0\r\n\r\n", "extensions are dropped");
}

/// Sends and stops sending.
fn half(gateway: &Gateway, bytes: &[u8]) -> Answer {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(gateway.address).expect("a connection");
    stream.write_all(bytes).expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    Answer::read(&crate::support::read_to_end(&mut stream))
}

// SMG-24, SMG-26
#[test]
fn what_an_app_says_too_much_reaches_nobody() {
    let upstream = Upstream::scripted(|seen, stream| {
        let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON";
        let body = if seen.line().contains("/twice") {
            format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{poison}")
        } else {
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into()
        };
        crate::support::answer_with(stream, &body)
    });
    let gateway = Gateway::new(&upstream);
    for round in 0..20 {
        assert_eq!(gateway.ask("GET", "/public/twice", &[]).text(), "ok", "{round}");
        assert_eq!(gateway.ask("GET", "/public/once", &[]).text(), "ok", "{round}");
    }
    for bad in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
        "HTTP/1.1 200 OK\r\nX-A: b\0\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nX-A: b\r\n folded\r\nContent-Length: 2\r\n\r\nok",
        "garbage",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let upstream = Upstream::answering(bad);
        let gateway = Gateway::new(&upstream);
        let answer = gateway.ask("GET", "/public/x", &[]);
        assert_eq!((answer.status, answer.code()), (502, "upstream_unavailable"), "{bad:?}: {answer:?}");
    }
}
