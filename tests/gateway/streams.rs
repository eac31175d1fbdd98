//! Streams end with the right to them.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::stream::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{self, Error, Message, WebSocket};

use crate::support::{
    Answer, CLIENT, Gateway, Inside, Setup, TENANT, Token, Upstream, connect, read_to_end, read_until, request,
};

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
        match socket.read() {
            Ok(Message::Close(Some(CloseFrame { code, reason }))) => {
                let told = began.elapsed();
                // The answer goes out, and then the gateway is the one who closes.
                while socket.read().is_ok() {}
                return (code.into(), reason.to_string(), told);
            }
            Ok(_) => {}
            Err(error) => panic!("no Close frame: {error}"),
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
    let gateway = Inside::start(Setup::before(&app.url()));
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
    let gateway = Inside::start(Setup::before(&app.url()));
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

fn ask_for(gateway: &Gateway, path: &str, cookie: &str) -> TcpStream {
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
    let mut arrived: Vec<(u64, Instant)> = Vec::new();
    for _ in 0..12 {
        let bytes = read_until(&mut stream, b"\n\n");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let sent = text.rsplit("data: ").next().and_then(|text| text.get(..6)).and_then(|text| text.parse().ok());
        arrived.push((sent.expect("an event"), Instant::now()));
    }
    // Against the fastest of them, because the two clocks began at different moments.
    let late = |&(sent, at): &(u64, Instant)| at.duration_since(arrived[0].1).as_millis() as i128 - i128::from(sent);
    let mut late: Vec<_> = arrived.iter().map(late).collect();
    late.sort_unstable();
    let (usual, most) = (late[6] - late[0], late[11] - late[0]);
    println!("events came {usual} ms (median) and at most {most} ms later than the fastest");
    assert!(usual <= 100 && most < 1000, "{late:?}");
    assert!(read_until(&mut stream, b"0\r\n\r\n").ends_with(b"0\r\n\r\n"));
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
fn an_outage_is_no_no_but_bounds_a_stream() {
    let app = SocketApp::start();
    let gateway = Setup::before(&app.url())
        .with("[session]", "revalidate = \"1s\"\noutage_grace = \"0s\"\n\n[session]")
        .and("\n[cache]\nttl = \"2s\"\n")
        .start();
    let cookie = gateway.sign_in(&Token::client());
    let mut socket = open(&gateway.host(), "/open/live", &cookie);
    gateway.platform.fail_with(503);
    let began = Instant::now();
    while gateway.own("GET", "/open", &cookie).code() != "host_unavailable" {
        assert!(began.elapsed() < Duration::from_secs(3), "a request is refused when the host was due");
        thread::sleep(Duration::from_millis(20));
    }
    let refused = Instant::now();
    assert_eq!(said(&mut socket, "in doubt").expect("an echo"), Message::text("in doubt"));
    let (code, reason, _) = closed(&mut socket);
    assert_eq!((code, reason.as_str()), (1013, "unavailable"));
    let went_on = refused.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(6)).contains(&went_on), "{went_on:?}");
}

#[test]
fn an_outage_that_passes_ends_no_stream() {
    let app = SocketApp::start();
    let gateway = Setup::before(&app.url())
        .with("[session]", "revalidate = \"1s\"\noutage_grace = \"0s\"\n\n[session]")
        .and("\n[cache]\nttl = \"3s\"\n")
        .start();
    let cookie = gateway.sign_in(&Token::client());
    let mut socket = open(&gateway.host(), "/open/live", &cookie);
    gateway.platform.fail_with(503);
    thread::sleep(Duration::from_millis(2500));
    gateway.platform.fail_with(0);
    thread::sleep(Duration::from_millis(3500));
    assert_eq!(said(&mut socket, "well again").expect("an echo"), Message::text("well again"));
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
    assert_eq!(closed(&mut socket).0, 4401);
}

#[test]
fn a_session_has_so_many_websockets_and_a_closed_one_makes_room() {
    let app = SocketApp::start();
    let gateway = Setup::before(&app.url()).and("\n[limits]\nwebsockets_per_session = 2\n").start();
    let (cookie, other) = (gateway.sign_in(&Token::client()), gateway.sign_in(&Token::staff()));
    let _first = open(&gateway.host(), "/open/live", &cookie);
    let mut second = open(&gateway.host(), "/open/live", &cookie);
    let refused = try_open(&gateway.host(), "/open/live", &cookie).expect_err("one too many");
    let Error::Http(answer) = *refused else { panic!("{refused}") };
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-vestibule-error"]),
        (429, &"rate_limited".parse().expect("a value"))
    );
    open(&gateway.host(), "/open/live", &other);
    assert_eq!(gateway.own("GET", "/.vestibule/session", &cookie).status, 200, "requests are not counted");
    second.close(None).expect("open");
    while second.read().is_ok() {}
    let deadline = Instant::now() + Duration::from_secs(3);
    while try_open(&gateway.host(), "/open/live", &cookie).is_err() {
        assert!(Instant::now() < deadline, "the place of a closed one is taken");
        thread::sleep(Duration::from_millis(10));
    }
}

// WSK-11
#[test]
fn a_stop_closes_websockets_with_1001_ends_event_streams_and_lets_downloads_finish() {
    let app = SocketApp::start();
    let sockets = Setup::before(&app.url()).with("drain = \"2s\"", "drain = \"4s\"").start();
    let cookie = sockets.sign_in(&Token::client());
    let mut open: Vec<_> = (0..5).map(|_| open(&sockets.host(), "/open/live", &cookie)).collect();
    let reader = thread::spawn(move || open.iter_mut().map(closed).map(|(code, ..)| code).collect::<Vec<_>>());
    let began = Instant::now();
    assert_eq!(sockets.terminate(), Some(0));
    assert!(began.elapsed() < Duration::from_millis(3900), "nothing is left that has to be cut: {:?}", began.elapsed());
    assert_eq!(reader.join().expect("no panic"), [1001; 5]);
    assert_eq!(app.wait_for(5), [Some(1001); 5]);

    let upstream = Upstream::scripted(|seen, stream| {
        let events = seen.line().contains("/events");
        let kind = if events { "text/event-stream" } else { "text/csv" };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n");
        let _ = stream.write_all(head.as_bytes());
        let parts = if events { 200 } else { 60 };
        for _ in 0..parts {
            if stream.write_all(b"4\r\npart\r\n").is_err() {
                return false;
            }
            thread::sleep(Duration::from_millis(50));
        }
        stream.write_all(b"0\r\n\r\n").is_ok()
    });
    let gateway = Setup::new(&upstream).with("drain = \"2s\"", "drain = \"4s\"").start();
    let cookie = gateway.sign_in(&Token::client());
    let (mut events, mut download) =
        (ask_for(&gateway, "/open/events", &cookie), ask_for(&gateway, "/open/csv", &cookie));
    let begun = [read_until(&mut events, b"part"), read_until(&mut download, b"part")];
    let reader = thread::spawn(move || [read_to_end(&mut events), read_to_end(&mut download)]);
    assert_eq!(gateway.terminate(), Some(0));
    let [events, download] = reader.join().expect("no panic");
    assert!(Answer::read(&[&begun[0][..], &events].concat()).broken);
    assert!(!Answer::read(&[&begun[1][..], &download].concat()).broken, "what can finish in time is not cut");
}

// WSK-11
#[test]
fn a_websocket_that_does_not_answer_is_cut_at_the_end_of_the_drain() {
    let app = SocketApp::start();
    let gateway = Setup::before(&app.url()).with("drain = \"2s\"", "drain = \"1s\"").start();
    let cookie = gateway.sign_in(&Token::client());
    let mut socket = open(&gateway.host(), "/open/live", &cookie);
    let began = Instant::now();
    assert_eq!(gateway.terminate(), Some(0));
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
    assert_eq!(closed(&mut socket).0, 1001);
}

/// What a counter says whose line begins like this.
fn counted(gateway: &Gateway, start: &str) -> u64 {
    let metrics = gateway.admin("GET", "/metrics", &[], b"").text();
    let lines = metrics.lines().filter(|line| line.starts_with(start));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[test]
fn a_flood_of_changes_elsewhere_is_no_work_for_a_stream_and_one_of_its_own_is_bounded() {
    let app = SocketApp::start();
    let gateway = Setup::before(&app.url()).and("\n[cache]\nttl = \"1h\"\n").start();
    let cookie = gateway.sign_in(&Token::client());
    let mut sockets: Vec<_> = (0..10).map(|_| open(&gateway.host(), "/open/live", &cookie)).collect();
    let bearer = format!("Authorization: Bearer {}", crate::support::ADMIN_TOKEN);
    let change = |tenant: &str| {
        let body = format!("{{\"tenant\": \"{tenant}\"}}");
        assert_eq!(gateway.admin("POST", "/v1/invalidate", &[&bearer], body.as_bytes()).status, 204);
    };
    let checks = || counted(&gateway, "vestibule_cache_requests_total");
    thread::sleep(Duration::from_millis(200));
    let before = checks();
    for _ in 0..100 {
        change(crate::support::OTHER_TENANT);
    }
    thread::sleep(Duration::from_millis(200));
    assert_eq!(checks(), before, "other tenants are not ours");
    let began = Instant::now();
    for _ in 0..100 {
        change(TENANT);
    }
    let took = began.elapsed();
    thread::sleep(Duration::from_millis(300));
    let (checked, most) = (checks() - before, 10 * (took.as_millis() as u64 / 100 + 3));
    println!("100 changes in {took:?} made {checked} checks of 10 streams");
    assert!((10..=most).contains(&checked), "{checked} of at most {most}");
    assert_eq!(said(&mut sockets[0], "still").expect("an echo"), Message::text("still"));
    assert_eq!(counted(&gateway, "vestibule_streams_open{kind=\"websocket\"}"), 10);
    log_out(&gateway, &cookie);
    assert!(sockets.iter_mut().all(|socket| closed(socket).0 == 4401));
    let ended = "vestibule_streams_total{kind=\"websocket\",end=\"session_over\"}";
    let deadline = Instant::now() + Duration::from_secs(3);
    while counted(&gateway, ended) < 10 || counted(&gateway, "vestibule_streams_open{kind=\"websocket\"}") > 0 {
        assert!(Instant::now() < deadline, "what has ended is counted");
        thread::sleep(Duration::from_millis(20));
    }
}
