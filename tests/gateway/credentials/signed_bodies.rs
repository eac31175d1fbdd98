//! Bodies that are read as a whole before they are believed: how large, in how many pieces, how fast.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;

use super::{Stage, lines};
use crate::support::h2::Client;
use crate::support::{Answer, App, Setup, Upstream, connect, read_to_end, request, text};

fn chunked(body: &[u8], end: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(700) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        bytes.extend([chunk, b"\r\n"].concat());
    }
    bytes.extend(end.as_bytes());
    bytes
}

const KIB: &str = "\n[limits]\nsigned_body = \"2KiB\"\n";
const TARGET: &str = "/open/hook?portalId=7&userId=1";

#[test]
fn a_body_up_to_the_limit_passes_and_one_byte_more_does_not() {
    let stage = Stage::with(Upstream::start(), |setup| setup.and(KIB));
    for (length, status) in [(2048, 200), (2049, 413)] {
        let body = vec![b'x'; length];
        let headers = stage.hubspot("POST", TARGET, &body, 0);
        assert_eq!(stage.send("POST", TARGET, &headers, &body).status, status, "{length}");
        let headers = [&headers[..], &["Transfer-Encoding: chunked".to_owned()]].concat();
        let answer = stage.send("POST", TARGET, &headers, &chunked(&body, "0\r\n\r\n"));
        assert_eq!(answer.status, status, "{length} in chunks");
    }
    let seen = stage.upstream.wait_for(2);
    assert_eq!(seen.len(), 2);
    for seen in seen {
        assert_eq!((seen.value("content-length"), seen.values("transfer-encoding").len()), ("2048", 0));
        assert!(seen.body == vec![b'x'; 2048]);
    }
}

#[test]
fn what_is_refused_is_refused_before_its_body_has_come() {
    let stage = Stage::with(Upstream::start(), |setup| setup.and(KIB));
    let ask = |headers: &[String], length: usize| {
        let length = format!("Content-Length: {length}");
        let bytes = request("POST", TARGET, &stage.gateway.host(), &[&lines(headers)[..], &[&length]].concat(), b"");
        let mut stream = connect(stage.gateway.address);
        stream.write_all(&bytes).expect("sent");
        let began = Instant::now();
        let answer = Answer::read(&read_to_end(&mut stream));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        answer.code().to_owned()
    };
    assert_eq!(ask(&stage.hubspot("POST", TARGET, b"", 0), 2049), "body_too_large");
    assert_eq!(ask(&stage.hubspot("POST", TARGET, b"", 301), 2000), "token_expired");
    assert_eq!(ask(&["X-HubSpot-Signature-v3: x".to_owned()], 2000), "token_invalid");
    assert!(stage.upstream.seen().is_empty());
}

#[test]
fn trailers_behind_a_signed_body_are_refused() {
    let stage = Stage::new();
    let body = b"{}";
    let mut headers = stage.hubspot("POST", TARGET, body, 0);
    headers.extend(["Transfer-Encoding: chunked".to_owned(), "Trailer: X-Late".to_owned()]);
    let answer = stage.send("POST", TARGET, &headers, &chunked(body, "0\r\nX-Late: 1\r\n\r\n"));
    assert_eq!((answer.status, answer.code()), (400, "malformed_request"));
    assert_eq!(stage.send("POST", TARGET, &headers, &chunked(body, "0\r\n\r\n")).status, 200);
}

#[test]
fn a_body_that_stands_still_is_given_up() {
    let stage = Stage::with(Upstream::start(), |setup| setup.and("\n[limits]\nbody.idle = \"300ms\"\n"));
    let mut headers = stage.hubspot("POST", TARGET, b"hello world", 0);
    headers.push("Content-Length: 11".to_owned());
    let answer = stage.send("POST", TARGET, &headers, b"hello");
    assert_eq!((answer.status, answer.code()), (408, "request_timeout"));
    assert!(stage.upstream.seen().is_empty());
}

#[test]
fn one_address_has_room_for_eight_bodies_and_gets_it_back() {
    let stage = Stage::with(Upstream::start(), |setup| setup.and(KIB));
    let body = vec![b'x'; 2048];
    let headers = stage.hubspot("POST", TARGET, &body, 0);
    let begin = || -> TcpStream {
        let bytes = request("POST", TARGET, &stage.gateway.host(), &lines(&headers), &body);
        let mut stream = connect(stage.gateway.address);
        stream.write_all(&bytes[..bytes.len() - 1]).expect("sent");
        stream
    };
    let mut held: Vec<TcpStream> = (0..8).map(|_| begin()).collect();
    let send = || stage.send("POST", TARGET, &headers, &body);
    // Until all of what was sent has been read. One of those that wait may have found its room taken by this very question.
    let deadline = Instant::now() + Duration::from_secs(6);
    while send().status == 200 && Instant::now() < deadline {
        held.push(begin());
    }
    let answer = send();
    assert_eq!((answer.status, answer.code()), (503, "overloaded"));
    drop(held);
    while send().status != 200 {
        assert!(Instant::now() < deadline, "what was held is not given back");
    }
}

#[test]
fn http_2_on_both_sides_changes_nothing() {
    let app = App::start(|request| async {
        let body = request.into_body().collect().await.expect("a body").to_bytes();
        text(&format!("{} bytes", body.len()))
    });
    let stage = Stage::with(Upstream::start(), |setup: Setup| {
        let (url, h2) = (format!("http://{}", app.address), "protocol = \"h2c\"");
        setup.with("[upstream]\nurl = \"", &format!("[upstream]\n{h2}\nurl = \"{url}\" # "))
    });
    let body = vec![b'y'; 100_000];
    let headers = stage.hubspot("POST", TARGET, &body, 0);
    let fields: Vec<(String, &str)> = headers
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let mut client = Client::open(stage.gateway.address);
    let answer = client.ask("POST", TARGET, &fields, &body);
    assert_eq!((answer.status, answer.text().as_str()), (200, "100000 bytes"), "{}", stage.gateway.output());
    assert_eq!(client.ask("POST", TARGET, &fields, &body[1..]).code(), "token_invalid");
    let head = app.heads().pop().expect("asked");
    assert_eq!(head.headers["content-length"], "100000");
    assert_eq!(head.headers["x-vestibule-host"], "hubspot");
}

#[test]
fn a_public_route_streams_a_body_whatever_signature_it_has() {
    let stage = Stage::with(Upstream::start(), |setup| setup.and(KIB));
    let headers = ["X-HubSpot-Signature-v3: x".to_owned()];
    assert_eq!(stage.send("POST", "/public/x", &headers, &vec![b'x'; 5000]).status, 200);
    let seen = stage.upstream.last();
    assert_eq!((seen.body.len(), seen.values("x-hubspot-signature-v3").len()), (5000, 0));
}
