//! Event streams, and whatever else of an answer takes long.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};

use super::{AT_ONCE, log_out};
use crate::gateway::upstream::before_http2;
use crate::support::{Answer, App, Gateway, Setup, Token, Upstream, connect, read_to_end, read_until, request};

/// An app whose answers never end: the head, and then an event every 50 ms until the caller is gone.
fn endless(head: &'static str) -> (Upstream, Arc<Mutex<Vec<Instant>>>) {
    let gone: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let noted = Arc::clone(&gone);
    let upstream = Upstream::scripted(move |_, stream| {
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes());
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && stream.write_all(b"9\r\ndata: x\n\n\r\n").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
        noted.lock().expect("no panic").push(Instant::now());
        false
    });
    (upstream, gone)
}

pub(super) fn ask_for(gateway: &Gateway, path: &str, cookie: &str) -> TcpStream {
    let mut stream = connect(gateway.address);
    let cookie = format!("Cookie: {cookie}");
    let lines = [cookie.as_str(), "Sec-Fetch-Site: same-origin", "Connection: keep-alive"];
    stream.write_all(&request("GET", path, &gateway.host(), &lines, b"")).expect("sent");
    stream
}

// WSK-07, UPS-09
#[test]
fn every_long_answer_breaks_off_when_its_session_is_ended() {
    for head in [
        "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked",
        "Content-Type: application/grpc\r\nTransfer-Encoding: chunked",
        "Content-Type: text/csv\r\nContent-Length: 2000000000",
        "Content-Type: text/plain\r\nConnection: close",
    ] {
        let (upstream, gone) = endless(head);
        let gateway = Gateway::new(&upstream);
        let cookie = gateway.sign_in(&Token::client());
        let mut stream = ask_for(&gateway, "/open/events", &cookie);
        let mut bytes = read_until(&mut stream, b"data: x");
        thread::sleep(Duration::from_millis(400));
        let began = Instant::now();
        log_out(&gateway, &cookie);
        bytes.extend(read_to_end(&mut stream));
        assert!(began.elapsed() < AT_ONCE, "{head}: {:?}", began.elapsed());
        let answer = Answer::read(&bytes);
        assert!(
            answer.status == 200 && (answer.broken || head.contains("close")),
            "{head}: not as if it were complete"
        );
        while gone.lock().expect("no panic").is_empty() {
            assert!(began.elapsed() < Duration::from_secs(3), "{head}: the app is still asked");
            thread::sleep(Duration::from_millis(5));
        }
        // What an EventSource does next, and what stops it.
        assert_eq!(gateway.own("GET", "/open/events", &cookie).code(), "session_expired");
    }
}

#[test]
fn a_session_that_ends_while_an_answer_begins_is_not_overlooked() {
    let (upstream, _gone) = endless("Content-Type: text/event-stream\r\nTransfer-Encoding: chunked");
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    let mut stream = ask_for(&gateway, "/open/events", &cookie);
    read_until(&mut stream, b"data: x");
    let began = Instant::now();
    log_out(&gateway, &cookie);
    read_to_end(&mut stream);
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

// UPS-09
#[test]
fn each_event_arrives_when_it_is_sent_and_the_stream_has_no_end_of_its_own() {
    let upstream = Upstream::scripted(|_, stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        let began = Instant::now();
        for _ in 0..12 {
            thread::sleep(Duration::from_millis(250));
            let event = format!("data: {:06}\n\n", began.elapsed().as_millis());
            if stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).is_err() {
                return false;
            }
        }
        stream.write_all(b"0\r\n\r\n").is_ok()
    });
    // Longer than every timer that could be taken for one of streams.
    let gateway = Setup::new(&upstream)
        .and("\n[limits]\nkeep_alive = \"300ms\"\nsend_idle = \"300ms\"\nbody.idle = \"300ms\"\n[cache]\nttl = \"400ms\"\n")
        .start();
    let cookie = gateway.sign_in(&Token::client());
    let mut stream = ask_for(&gateway, "/open/events", &cookie);
    let (mut arrived, mut bytes): (Vec<(u64, Instant)>, _) = (Vec::new(), Vec::new());
    for _ in 0..12 {
        bytes = read_until(&mut stream, b"\n\n");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let sent = text.rsplit("data: ").next().and_then(|text| text.get(..6)).and_then(|text| text.parse().ok());
        arrived.push((sent.expect("an event"), Instant::now()));
    }
    // Against the fastest of them, because the two clocks began at different moments.
    let late =
        |&(sent, at): &(u64, Instant)| at.duration_since(arrived[0].1).as_millis().cast_signed() - i128::from(sent);
    let mut late: Vec<_> = arrived.iter().map(late).collect();
    late.sort_unstable();
    let (usual, most) = (late[6] - late[0], late[11] - late[0]);
    println!("events came {usual} ms (median) and at most {most} ms later than the fastest");
    assert!(usual <= 100 && most < 1000, "{late:?}");
    // The end may have come along with the last event.
    if !bytes.ends_with(b"0\r\n\r\n") {
        bytes = read_until(&mut stream, b"0\r\n\r\n");
    }
    assert!(bytes.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&bytes));
}

#[test]
fn a_call_to_an_app_of_http2_ends_there_too() {
    let (gone, noted) = mpsc::channel();
    let app = App::start(move |request| {
        let gone = gone.clone();
        async move {
            let mut body = request.into_body();
            tokio::spawn(async move {
                while let Some(Ok(_)) = body.frame().await {}
                let _ = gone.send(Instant::now());
            });
            let frames = futures_util::stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"message"))), ()))
            });
            let answer = Response::builder().header("content-type", "application/grpc");
            answer.body(StreamBody::new(frames).boxed()).expect("an answer")
        }
    });
    let gateway = before_http2(app.address).start();
    let cookie = format!("Cookie: {}", gateway.sign_in(&Token::client()));
    let lines = [
        cookie.as_str(),
        "Sec-Fetch-Site: same-origin",
        "TE: trailers",
        "Connection: TE",
        "Transfer-Encoding: chunked",
    ];
    let mut stream = connect(gateway.address);
    stream.write_all(&request("POST", "/open/call", &gateway.host(), &lines, b"3\r\none\r\n")).expect("sent");
    read_until(&mut stream, b"message");
    thread::sleep(Duration::from_millis(400));
    let began = Instant::now();
    log_out(&gateway, cookie.trim_start_matches("Cookie: "));
    read_to_end(&mut stream);
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    noted.recv_timeout(Duration::from_secs(3)).expect("the app's stream is over");
}
