//! How many streams there may be, how long they may live in doubt, what they cost, and how a stop ends them.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::{Error, Message};

use super::answers::ask_for;
use super::{SocketApp, closed, log_out, open, said, try_open};
use crate::support::{
    ADMIN_TOKEN, Answer, Gateway, OTHER_TENANT, Setup, TENANT, Token, Upstream, read_to_end, read_until,
};

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
    let heads = [read_until(&mut events, b"part"), read_until(&mut download, b"part")];
    let reader = thread::spawn(move || [read_to_end(&mut events), read_to_end(&mut download)]);
    assert_eq!(gateway.terminate(), Some(0));
    let [events, download] = reader.join().expect("no panic");
    assert!(Answer::read(&[&heads[0][..], &events].concat()).broken);
    assert!(!Answer::read(&[&heads[1][..], &download].concat()).broken, "what can finish in time is not cut");
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
    let bearer = format!("Authorization: Bearer {ADMIN_TOKEN}");
    let change = |tenant: &str| {
        let body = format!("{{\"tenant\": \"{tenant}\"}}");
        assert_eq!(gateway.admin("POST", "/v1/invalidate", &[&bearer], body.as_bytes()).status, 204);
    };
    let checks = || counted(&gateway, "vestibule_cache_requests_total");
    thread::sleep(Duration::from_millis(200));
    let before = checks();
    for _ in 0..100 {
        change(OTHER_TENANT);
    }
    thread::sleep(Duration::from_millis(200));
    assert_eq!(checks(), before, "other tenants are not ours");
    let began = Instant::now();
    for _ in 0..100 {
        change(TENANT);
    }
    let took = began.elapsed();
    thread::sleep(Duration::from_millis(300));
    let (checked, most) = (checks() - before, 10 * (took.as_secs() * 10 + 13));
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
