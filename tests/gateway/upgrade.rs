//! `WebSocket` tunnels.

use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::support::{Answer, Gateway, Token, Upstream, answer_with, connect, read_until, request};

pub(crate) const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

pub(crate) fn handshake(gateway: &Gateway, cookie: &str, more: &[&str]) -> Vec<u8> {
    let (cookie, origin) = (format!("Cookie: {cookie}"), format!("Origin: http://{}", gateway.host()));
    let usual = [cookie.as_str(), KEY, "Sec-WebSocket-Version: 13"];
    let rest = ["Connection: Upgrade", "Upgrade: websocket", origin.as_str()];
    let lines = if more.is_empty() { [&usual[..], &rest[..]].concat() } else { [&usual[..], more].concat() };
    request("GET", "/open/live", &gateway.host(), &lines, b"")
}

/// An app that speaks WebSocket with a library of its own.
pub(crate) fn echo_server() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let Ok(mut socket) = tokio_tungstenite::tungstenite::accept(stream) else { return };
                while let Ok(message) = socket.read() {
                    if message.is_text() && socket.send(message).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_websocket_of_the_apps_own_page_is_a_tunnel() {
    let gateway = crate::support::Setup::before(&format!("http://{}", echo_server())).start();
    let cookie = gateway.sign_in(&Token::client());
    let mut request = format!("ws://{}/open/live", gateway.host()).into_client_request().expect("a request");
    request.headers_mut().insert("cookie", cookie.parse().expect("a value"));
    request.headers_mut().insert("origin", format!("http://{}", gateway.host()).parse().expect("a value"));
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("a tunnel");
    for text in ["one", &"x".repeat(100_000), "three"] {
        socket.send(Message::text(text)).await.expect("sent");
        assert_eq!(socket.next().await.expect("an answer").expect("a message"), Message::text(text));
    }
}

// WSK-01, WSK-06: and no connection to the app is opened
#[test]
fn a_websocket_needs_a_session_and_our_own_origin() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    let own = format!("Origin: http://{}", gateway.host());
    let upgrade = ["Connection: Upgrade", "Upgrade: websocket"];
    assert_eq!(gateway.raw_first(&handshake(&gateway, "a=b", &[])).code(), "session_missing");
    for origin in ["Origin: https://evil.example", "Origin: null", "Origin: https://portal.example", "X-A: no-origin"] {
        let answer = gateway.raw_first(&handshake(&gateway, &cookie, &[upgrade[0], upgrade[1], origin]));
        assert_eq!((answer.status, answer.code()), (403, "origin_refused"), "{origin}");
    }
    let preview = gateway.sign_in(&Token::preview());
    assert_eq!(
        gateway.raw_first(&handshake(&gateway, &preview, &[upgrade[0], upgrade[1], &own])).code(),
        "preview_read_only"
    );
    assert!(upstream.seen().is_empty());
}

// WSK-02
#[test]
fn nothing_is_tunnelled_before_a_matching_101() {
    let upstream = Upstream::scripted(|seen, stream| {
        if seen.line().contains("/public") {
            return answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        thread::sleep(Duration::from_millis(200));
        answer_with(stream, "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n")
    });
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    let mut stream = connect(gateway.address);
    let second = request("GET", "/admin/x", &gateway.host(), &["Sec-Fetch-Site: same-origin"], b"");
    let first =
        String::from_utf8(handshake(&gateway, &cookie, &[])).expect("text").replace("Version: 13", "Version: 1337");
    stream.write_all(&[first.as_bytes(), &second].concat()).expect("sent");
    let bytes = crate::support::read_to_end(&mut stream);
    let first = Answer::read(&bytes);
    assert_eq!(first.status, 426);
    let lines: Vec<String> = upstream.seen().iter().map(|seen| seen.line().to_owned()).collect();
    assert_eq!(lines, ["GET /open/live HTTP/1.1"], "what stands behind is a request of its own, and is refused");
    if !first.rest.is_empty() {
        assert_eq!(Answer::read(&first.rest).code(), "session_missing");
    }
}

// WSK-03
#[test]
fn what_comes_right_behind_a_handshake_waits_for_the_101() {
    let early: Arc<Mutex<Vec<bool>>> = Arc::default();
    let noted = Arc::clone(&early);
    let upstream = Upstream::scripted(move |_, stream| {
        stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
        noted.lock().expect("no panic").push(stream.peek(&mut [0]).is_ok());
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let mut frame = [0; 7];
        answer_with(stream, ACCEPTED)
            && stream.read_exact(&mut frame).is_ok()
            && stream.write_all(&[b"got:", &frame[..]].concat()).is_ok()
    });
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    let mut stream = connect(gateway.address);
    let frame = b"\x81\x81\0\0\0\0x";
    stream.write_all(&[&handshake(&gateway, &cookie, &[])[..], frame].concat()).expect("sent");
    let bytes = read_until(&mut stream, &[b"got:", &frame[..]].concat());
    assert!(bytes.starts_with(b"HTTP/1.1 101") && bytes.ends_with(frame), "{}", String::from_utf8_lossy(&bytes));
    assert_eq!(*early.lock().expect("no panic"), [false]);
}

#[test]
fn a_101_that_does_not_answer_the_handshake_is_502() {
    for bad in [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let upstream = Upstream::answering(bad);
        let gateway = Gateway::new(&upstream);
        let cookie = gateway.sign_in(&Token::client());
        let answer = gateway.raw_first(&handshake(&gateway, &cookie, &[]));
        assert_eq!((answer.status, answer.code()), (502, "upstream_unavailable"), "{bad}");
    }
    let upstream = Upstream::answering(ACCEPTED);
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    let mut stream = connect(gateway.address);
    stream.write_all(&handshake(&gateway, &cookie, &[])).expect("sent");
    assert!(read_until(&mut stream, b"\r\n\r\n").starts_with(b"HTTP/1.1 101"));
}

// WSK-05, SMG-28
#[test]
fn no_other_upgrade_reaches_the_app() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    for lines in [
        [
            "Connection: Upgrade, HTTP2-Settings, close",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAAQAAP__",
            "Sec-Fetch-Site: same-origin",
        ],
        ["Connection: Upgrade, close", "Upgrade: websocket, h2c", "X-A: b", "Sec-Fetch-Site: same-origin"],
        ["Connection: keep-alive, close", "Upgrade: websocket", "X-A: b", "Sec-Fetch-Site: same-origin"],
    ] {
        let answer = gateway.raw(&handshake(&gateway, &cookie, &lines));
        assert_eq!(answer.status, 200, "{lines:?}");
        let seen = upstream.seen().pop().expect("asked");
        assert!(
            seen.values("upgrade").is_empty()
                && seen.values("connection").is_empty()
                && seen.values("http2-settings").is_empty(),
            "{}",
            seen.head
        );
    }
}
