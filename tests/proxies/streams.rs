//! What takes its time: uploads, events, `WebSocket`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Message, accept, client};

use super::start::PROXIES;
use super::{NAME, Scene};
use crate::support::{Answer, Upstream, answer_with, read_to_end, read_until, request};

/// How long something may take that happens at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// An app that tells how much has come, head included, and answers after this much.
fn counting_app(enough: usize) -> (SocketAddr, Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let (mut total, mut part) = (0, vec![0; 1 << 16]);
        while total < enough {
            total += stream.read(&mut part).ok().filter(|count| *count > 0).expect("more");
            sender.send(total).expect("somebody listens");
        }
        answer_with(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
    });
    (address, receiver)
}

fn wait_for(come: &Receiver<usize>, enough: usize) -> bool {
    std::iter::from_fn(|| come.recv_timeout(PATIENCE).ok()).any(|total| total >= enough)
}

#[test]
fn an_upload_reaches_the_app_while_it_is_being_sent_through_each_proxy() {
    const PART: usize = 2 << 20;
    for proxy in PROXIES {
        let (app, come) = counting_app(2 * PART);
        let scene = Scene::new(proxy, app);
        let mut stream =
            scene.client.open(&request("POST", "/public/up", NAME, &[&format!("Content-Length: {}", 2 * PART)], b""));
        let part = vec![b'x'; PART];
        stream.write_all(&part).expect("sent");
        assert!(wait_for(&come, PART / 2), "{}: nothing comes before everything is there", proxy.name);
        stream.write_all(&part).expect("sent");
        let answer = Answer::read(&read_to_end(&mut stream));
        assert_eq!((answer.status, answer.text().as_str()), (200, "done"), "{}: {answer:?}", proxy.name);
    }
}

/// Writes a first event, and the second when it is told to.
fn events(next: Receiver<()>) -> Upstream {
    let next = Mutex::new(next);
    Upstream::scripted(move |_, stream| {
        answer_with(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nb\r\ndata: one\n\n\r\n",
        );
        let told = next.lock().expect("no panic").recv_timeout(PATIENCE);
        told.is_ok() && answer_with(stream, "b\r\ndata: two\n\n\r\n0\r\n\r\n")
    })
}

#[test]
fn events_come_one_by_one_through_each_proxy() {
    for proxy in PROXIES {
        let (tell, next) = channel();
        let upstream = events(next);
        let scene = Scene::new(proxy, upstream.address);
        let mut stream = scene.client.open(&request("GET", "/public/events", NAME, &[], b""));
        let first = String::from_utf8_lossy(&read_until(&mut stream, b"data: one\n\n")).into_owned();
        assert!(first.contains("data: one") && !first.contains("data: two"), "{}: {first}", proxy.name);
        tell.send(()).expect("the app waits");
        let rest = String::from_utf8_lossy(&read_to_end(&mut stream)).into_owned();
        assert!(rest.contains("data: two"), "{}: {rest}", proxy.name);
    }
}

/// An app that says everything twice.
fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || echo(stream));
        }
    });
    address
}

fn echo(stream: TcpStream) {
    let Ok(mut socket) = accept(stream) else { return };
    while let Ok(message) = socket.read() {
        if message.is_text() && socket.send(message).is_err() {
            return;
        }
    }
}

#[test]
fn a_websocket_is_a_tunnel_through_each_proxy() {
    for proxy in PROXIES {
        let scene = Scene::new(proxy, echo_server());
        let cookie = scene.sign_in();
        let mut handshake = format!("wss://{NAME}/open/live").into_client_request().expect("a request");
        handshake.headers_mut().insert("cookie", cookie.parse().expect("a value"));
        handshake.headers_mut().insert("origin", format!("https://{NAME}").parse().expect("a value"));
        let (mut socket, _) = client(handshake, scene.client.connect(b"http/1.1")).expect(proxy.name);
        for text in ["one", &"x".repeat(100_000), "three"] {
            socket.send(Message::text(text)).expect("sent");
            assert_eq!(socket.read().expect("a message"), Message::text(text), "{}", proxy.name);
        }
    }
}

/// A browser that sees no `SETTINGS_ENABLE_CONNECT_PROTOCOL` opens an HTTP/1.1 connection for it (RFC 8441 §3).
#[test]
fn no_proxy_offers_websockets_over_http_2() {
    const ENABLE_CONNECT_PROTOCOL: u16 = 8;
    const MAX_CONCURRENT_STREAMS: u16 = 3;
    for proxy in PROXIES {
        let upstream = Upstream::start();
        let settings = Scene::new(proxy, upstream.address).client.http_2_settings();
        assert!(settings.iter().any(|(id, _)| *id == MAX_CONCURRENT_STREAMS), "{}: {settings:?}", proxy.name);
        assert!(settings.iter().all(|(id, _)| *id != ENABLE_CONNECT_PROTOCOL), "{}: {settings:?}", proxy.name);
    }
}
