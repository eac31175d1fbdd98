//! Streams end with the right to them.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::stream::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{self, Error, Message, WebSocket};

use crate::support::{CLIENT, Gateway, Inside, Setup, Token};

mod answers;
mod bounds;

/// What is promised, and the machine that runs the tests is busy.
const AT_ONCE: Duration = Duration::from_secs(1);

type Socket = WebSocket<MaybeTlsStream<TcpStream>>;

/// An app that sends back what it gets over WebSocket, and remembers how each socket ended.
#[derive(Clone)]
struct SocketApp {
    address: SocketAddr,
    closed: Arc<Mutex<Vec<Option<u16>>>>,
}

impl SocketApp {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let app = Self { address: listener.local_addr().expect("an address"), closed: Arc::default() };
        let closed = Arc::clone(&app.closed);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let closed = Arc::clone(&closed);
                thread::spawn(move || {
                    let Ok(mut socket) = tungstenite::accept(stream) else { return };
                    let code = echo(&mut socket);
                    closed.lock().expect("no panic").push(code);
                });
            }
        });
        app
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn wait_for(&self, count: usize) -> Vec<Option<u16>> {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let closed = self.closed.lock().expect("no panic").clone();
            if closed.len() >= count || Instant::now() > deadline {
                return closed;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The code of the Close frame that ended it, if one did.
fn echo(socket: &mut WebSocket<TcpStream>) -> Option<u16> {
    loop {
        match socket.read().ok()? {
            Message::Close(frame) => {
                let _ = socket.flush();
                return frame.map(|frame| frame.code.into());
            }
            message if message.is_text() => socket.send(message).ok()?,
            _ => {}
        }
    }
}

fn try_open(host: &str, path: &str, cookie: &str) -> Result<Socket, Box<Error>> {
    let mut request = format!("ws://{host}{path}").into_client_request().expect("a request");
    request.headers_mut().insert("cookie", cookie.parse().expect("a value"));
    request.headers_mut().insert("origin", format!("http://{host}").parse().expect("a value"));
    let (socket, _) = tungstenite::connect(request).map_err(Box::new)?;
    if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
        stream.set_read_timeout(Some(Duration::from_secs(8))).expect("a timeout");
    }
    Ok(socket)
}

/// An open WebSocket that has been used.
fn open(host: &str, path: &str, cookie: &str) -> Socket {
    let mut socket = try_open(host, path, cookie).expect("a tunnel");
    assert_eq!(said(&mut socket, "hello").expect("an echo"), Message::text("hello"));
    socket
}

fn said(socket: &mut Socket, text: &str) -> Result<Message, Box<Error>> {
    socket.send(Message::text(text))?;
    Ok(socket.read()?)
}

/// The code and reason that a WebSocket is closed with, and how long it takes from now until it is.
fn closed(socket: &mut Socket) -> (u16, String, Duration) {
    let began = Instant::now();
    loop {
        if let Message::Close(Some(CloseFrame { code, reason })) = socket.read().expect("a Close frame") {
            let told = began.elapsed();
            // The answer goes out, and then the gateway is the one who closes.
            while socket.read().is_ok() {}
            return (code.into(), reason.to_string(), told);
        }
    }
}

fn log_out(gateway: &Gateway, cookie: &str) {
    assert_eq!(gateway.own("POST", "/.vestibule/logout", cookie).status, 204);
}

/// Lines of the log with this event.
fn logged(gateway: &Gateway, event: &str) -> Vec<serde_json::Value> {
    let output = gateway.output();
    let lines = output.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter(|line| line["event"] == event).collect()
}

// WSK-07
#[test]
fn a_websocket_is_closed_with_4401_when_its_session_is_ended_and_no_other_is() {
    let app = SocketApp::start();
    let gateway = Setup::before(&app.url()).start();
    let (cookie, other) = (gateway.sign_in(&Token::client()), gateway.sign_in(&Token::staff()));
    let (mut socket, mut same) =
        (open(&gateway.host(), "/open/live", &cookie), open(&gateway.host(), "/open/live", &cookie));
    let mut others = open(&gateway.host(), "/open/live", &other);
    log_out(&gateway, &cookie);
    let (code, reason, took) = closed(&mut socket);
    assert_eq!((code, reason.as_str()), (4401, "session_over"));
    assert!(took < AT_ONCE, "{took:?}");
    assert_eq!(closed(&mut same).0, 4401);
    assert_eq!(said(&mut others, "still here").expect("an echo"), Message::text("still here"));
    assert_eq!(app.wait_for(2), [Some(4401), Some(4401)], "the app is told too");
    let lines = logged(&gateway, "stream_ended");
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["reason"], &lines[0]["close_code"], &lines[0]["route"], &lines[0]["kind"]),
        (&"session_over".into(), &4401.into(), &"/open/**".into(), &"websocket".into())
    );
    assert!(lines[0]["request_id"].is_string() && lines[0]["duration_ms"].is_u64());
}

// WSK-07, CCH-01
#[test]
fn a_revoked_grant_closes_the_websocket_with_4403_within_a_second_two_hundred_times() {
    let app = SocketApp::start();
    let gateway = Inside::start(&Setup::before(&app.url()));
    let cookie = gateway.sign_in(&Token::client());
    let (mut slowest, mut total) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..200 {
        gateway.grant("viewer", "apollo");
        let mut socket = open(&gateway.host(), "/projects/apollo/live", &cookie);
        gateway.grant("viewer", "zeus");
        let (code, reason, took) = closed(&mut socket);
        assert_eq!((code, reason.as_str()), (4403, "forbidden"));
        let denied = gateway.own("GET", "/projects/apollo/x", &cookie);
        assert_eq!((denied.status, denied.code()), (403, "forbidden"), "a request is refused with the change at once");
        (slowest, total) = (slowest.max(took), total + took);
    }
    println!("from revocation to Close: mean {:?}, most {slowest:?} of 200", total / 200);
    assert!(slowest < AT_ONCE, "{slowest:?}");
}

#[test]
fn a_change_that_leaves_the_right_leaves_the_stream() {
    let app = SocketApp::start();
    let gateway = Inside::start(&Setup::before(&app.url()));
    let cookie = gateway.sign_in(&Token::client());
    let mut socket = open(&gateway.host(), "/projects/apollo/live", &cookie);
    for role in ["viewer", "editor"].repeat(10) {
        gateway.grant(role, "apollo");
        assert_eq!(said(&mut socket, role).expect("an echo"), Message::text(role));
    }
    thread::sleep(Duration::from_millis(300));
    assert_eq!(said(&mut socket, "still").expect("an echo"), Message::text("still"));
    gateway.grant("viewer", "zeus");
    assert_eq!(closed(&mut socket).0, 4403);
}

// WSK-07
#[test]
fn a_person_who_is_gone_at_the_host_is_cut_off_without_a_request() {
    let app = SocketApp::start();
    let gateway = Setup::before(&app.url())
        .with("[session]", "revalidate = \"1s\"\n\n[session]")
        .and("\n[cache]\nttl = \"1s\"\n")
        .start();
    let cookie = gateway.sign_in(&Token::client());
    let mut socket = open(&gateway.host(), "/open/live", &cookie);
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(said(&mut socket, "confirmed").expect("an echo"), Message::text("confirmed"));
    gateway.platform.delete(CLIENT);
    let (code, _, took) = closed(&mut socket);
    assert_eq!(code, 4401);
    assert!(took < Duration::from_secs(4), "revalidate and a quarter of the ttl: {took:?}");
}

#[test]
fn an_open_websocket_is_no_idle_time_and_ends_with_the_absolute_end() {
    let app = SocketApp::start();
    let gateway = Setup::before(&app.url()).with("[session]", "[session]\nidle = \"1s\"\nabsolute = \"3s\"").start();
    let began = Instant::now();
    let cookie = gateway.sign_in(&Token::client());
    let mut socket = open(&gateway.host(), "/open/live", &cookie);
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(gateway.own("GET", "/open", &cookie).code(), "session_expired", "the cookie has idled out");
    assert_eq!(said(&mut socket, "here").expect("an echo"), Message::text("here"));
    assert_eq!(closed(&mut socket).0, 4401);
    let lived = began.elapsed();
    assert!((Duration::from_millis(2900)..Duration::from_millis(4500)).contains(&lived), "{lived:?}");
}

#[test]
fn a_stream_goes_on_with_the_session_that_takes_the_place_of_its_own() {
    let app = SocketApp::start();
    let gateway = Setup::before(&app.url()).start();
    let cookie = gateway.sign_in(&Token::client());
    let mut socket = open(&gateway.host(), "/open/live", &cookie);
    let again = Token::client().with("tokenId", "t-again").sealed();
    let renewed = gateway.framed(&format!("/open?token={again}"), &[&format!("Cookie: {cookie}")]).cookie();
    assert_ne!(cookie, renewed);
    assert_eq!(said(&mut socket, "renewed").expect("an echo"), Message::text("renewed"));
    log_out(&gateway, &renewed);
    let (code, _, took) = closed(&mut socket);
    assert!(code == 4401 && took < AT_ONCE, "{code} after {took:?}");
}

// WSK-07
#[test]
fn a_reload_ends_what_the_new_configuration_does_not_allow_and_nothing_else() {
    let app = SocketApp::start();
    let gateway = Setup::before(&app.url()).start();
    let cookie = gateway.sign_in(&Token::client());
    let open = |path: &str| open(&gateway.host(), path, &cookie);
    let mut other = open("/open/live");
    for (old, new, path, code) in [
        ("project = \"zeus\"", "project = \"hera\"", "/projects/zeus/live", 4403),
        ("path = \"/projects/{project}/**\"", "path = \"/plans/{project}/**\"", "/projects/apollo/live", 4403),
    ] {
        let mut socket = open(path);
        gateway.edit(old, new);
        gateway.signal("-HUP");
        assert_eq!(closed(&mut socket).0, code, "{old}");
        assert_eq!(said(&mut other, new).expect("an echo"), Message::text(new));
    }
    gateway.edit("id = \"k1\"", "id = \"k2\"");
    gateway.signal("-HUP");
    assert_eq!(closed(&mut other).0, 4401, "the key that the session was sealed with is gone");
    assert_eq!(gateway.own("GET", "/open", &cookie).code(), "session_missing");
}
