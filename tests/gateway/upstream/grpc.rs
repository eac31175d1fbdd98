//! What gRPC needs: both directions at once, trailers, and nothing in the way of its own fields.

use std::convert::Infallible;
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;

use super::before_http2;
use crate::support::{
    Answer, App, Gateway, Peer, connect, free_port, output_of, python_with_packages, read_to_end, read_until, request,
    root,
};

/// Answers every message as it comes, and ends with a status. `Trailer` is for callers of HTTP/1.1, who need it.
fn echo(body: Incoming) -> crate::support::AppAnswer {
    let frames = futures_util::stream::unfold(Some(body), |body| async move {
        let mut body = body?;
        if let Some(Ok(frame)) = body.frame().await {
            return frame.into_data().ok().map(|data| (Ok::<_, Infallible>(Frame::data(data)), Some(body)));
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        trailers.insert("x-vestibule-user", HeaderValue::from_static("evil"));
        Some((Ok(Frame::trailers(trailers)), None))
    });
    let answer = Response::builder().header("content-type", "application/grpc");
    let answer = answer.header("trailer", "grpc-status, x-vestibule-user");
    answer.body(StreamBody::new(frames).boxed()).expect("an answer")
}

fn app() -> App {
    App::start(|request| async move {
        if request.uri().path() == "/public/unimplemented" {
            // Trailers only: the status is in the one and only head (gRPC over HTTP/2, "Trailers-Only").
            let answer = Response::builder().header("content-type", "application/grpc").header("grpc-status", "12");
            return answer.body(http_body_util::Empty::<Bytes>::new().boxed()).expect("an answer");
        }
        echo(request.into_body())
    })
}

fn call(gateway: &Gateway, target: &str) -> Vec<u8> {
    let lines = [
        "Content-Type: application/grpc",
        "TE: trailers",
        "Connection: close, TE",
        "grpc-timeout: 5S",
        "Transfer-Encoding: chunked",
    ];
    request("POST", target, &gateway.host(), &lines, b"")
}

#[test]
fn messages_go_both_ways_while_the_request_is_open() {
    let app = app();
    // Both silences are longer than a body or an answer alone may have, and shorter than the two of them may.
    let gateway =
        before_http2(app.address).and("\n[limits]\nbody = { idle = \"300ms\" }\nanswer_idle = \"3s\"\n").start();
    let mut stream = connect(gateway.address);
    stream.write_all(&call(&gateway, "/public/echo")).expect("sent");
    assert!(read_until(&mut stream, b"\r\n\r\n").starts_with(b"HTTP/1.1 200"), "before there is any message");
    for message in ["one", "two", "six"] {
        thread::sleep(Duration::from_millis(700));
        let started = Instant::now();
        stream.write_all(format!("3\r\n{message}\r\n").as_bytes()).expect("sent");
        let answered = read_until(&mut stream, message.as_bytes());
        let came = String::from_utf8_lossy(&answered).contains(message);
        assert!(came && started.elapsed() < Duration::from_secs(1), "{message}");
    }
    stream.write_all(b"0\r\n\r\n").expect("sent");
    let rest = String::from_utf8(read_to_end(&mut stream)).expect("ASCII");
    assert!(rest.contains("grpc-status: 0\r\n") && !rest.contains("evil"), "{rest}");
    let head = app.heads().pop().expect("asked");
    assert!(head.headers["te"] == "trailers" && head.headers["grpc-timeout"] == "5S");
}

#[test]
fn a_conversation_in_which_nobody_says_anything_ends() {
    let app = app();
    let gateway =
        before_http2(app.address).and("\n[limits]\nbody = { idle = \"300ms\" }\nanswer_idle = \"800ms\"\n").start();
    let mut stream = connect(gateway.address);
    stream.write_all(&call(&gateway, "/public/echo")).expect("sent");
    let started = Instant::now();
    let answer = Answer::read(&read_to_end(&mut stream));
    assert!(answer.status == 200 && answer.broken, "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[test]
fn a_status_without_a_message_passes() {
    let app = app();
    let gateway = before_http2(app.address).start();
    let bytes = [call(&gateway, "/public/unimplemented"), b"0\r\n\r\n".to_vec()].concat();
    let answer = gateway.raw(&bytes);
    assert_eq!((answer.status, answer.header("grpc-status"), answer.body.len()), (200, "12", 0), "{}", answer.head);
}

/// A server of another make, which is strict about HTTP/2 where ours is lenient.
fn server() -> Peer {
    let address = free_port();
    let mut python = python_with_packages();
    python.arg(root().join("tests/grpc/server.py")).arg(address.port().to_string());
    Peer::start(&python, address)
}

/// One message as gRPC frames it: not compressed, and its length (gRPC over HTTP/2, "Length-Prefixed-Message"); as a chunk.
fn message(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("short").to_be_bytes();
    let framed = [&[0], &length[..], text.as_bytes()].concat();
    [format!("{:x}\r\n", framed.len()).as_bytes(), &framed, b"\r\n"].concat()
}

#[test]
fn a_grpc_server_of_another_make_answers_through_the_gateway() {
    let server = server();
    let gateway = before_http2(server.address).start();
    let mut stream = connect(gateway.address);
    stream.write_all(&call(&gateway, "/public/Echo")).expect("sent");
    let head = read_until(&mut stream, b"\r\n\r\n");
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}\n{}", String::from_utf8_lossy(&head), server.output());
    for text in ["one", "two"] {
        stream.write_all(&message(text)).expect("sent");
        let answered = read_until(&mut stream, text.as_bytes());
        assert!(String::from_utf8_lossy(&answered).contains(&format!("echo:{text}")), "{text}");
    }
    stream.write_all(b"0\r\n\r\n").expect("sent");
    assert!(read_to_end(&mut stream).ends_with(b"0\r\n\r\n"), "a whole answer");
    // An error before the first message is a head without a body.
    let failing = [call(&gateway, "/public/Fail"), message(""), b"0\r\n\r\n".to_vec()].concat();
    let answer = gateway.raw(&failing);
    assert_eq!((answer.status, answer.header("grpc-status")), (200, "9"), "{}", answer.head);
    assert_eq!(answer.header("grpc-message"), "not like this: 100 %25 sure");
    let nothing = [call(&gateway, "/public/Nothing"), message(""), b"0\r\n\r\n".to_vec()].concat();
    assert_eq!(gateway.raw(&nothing).header("grpc-status"), "12");
}

#[test]
fn grpc_of_another_make_on_both_sides_notices_no_gateway_between() {
    let server = server();
    let gateway = before_http2(server.address).start();
    let mut python = python_with_packages();
    python.arg(root().join("tests/grpc/client.py")).arg(gateway.address.port().to_string());
    let said = output_of(&python);
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 11, "{said}");
}
