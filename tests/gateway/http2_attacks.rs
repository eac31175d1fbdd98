//! HTTP/2 made by hand to do harm. Whoever does it is cut off; whoever stands beside it does not notice.

use std::time::{Duration, Instant};

use crate::support::h2::{
    self, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frame, GOAWAY, HEADERS, PING, PRIORITY,
    RST_STREAM, Raw, SETTINGS, WINDOW_UPDATE, frame,
};
use crate::support::{Gateway, Setup, Upstream, answer_with};

/// A gateway that does not spend its time on writing down each frame.
fn quiet(upstream: &Upstream) -> Setup {
    Setup::new(upstream).with("\"trace\"", "\"info\"")
}

/// Somebody else asks something.
fn others_are_served(gateway: &Gateway) {
    let started = Instant::now();
    assert_eq!(gateway.ask("GET", "/public/x", &[]).status, 200);
    assert!(started.elapsed() < Duration::from_secs(2), "after {:?}", started.elapsed());
    let mut raw = Raw::open(gateway.address);
    assert_eq!(raw.ask(1, &h2::get(&gateway.host(), "/public/x", &[])), 200);
}

fn is_calmed(frames: &[Frame]) {
    let last = frames.iter().rfind(|frame| frame.kind == GOAWAY).expect("a GOAWAY");
    assert_eq!(last.code(), ENHANCE_YOUR_CALM);
}

fn odd() -> impl Iterator<Item = u32> {
    (1..).step_by(2)
}

#[test]
fn h2x_01_streams_opened_and_broken_off_end_the_connection() {
    let upstream = Upstream::start();
    let gateway = quiet(&upstream).start();
    let before = gateway.memory();
    let request = h2::get(&gateway.host(), "/public/x", &[]);
    let pair = |id| [frame(HEADERS, END_HEADERS | END_STREAM, id, &request), frame(RST_STREAM, 0, id, &[0, 0, 0, 8])];
    let flood: Vec<u8> = odd().take(10_000).flat_map(pair).flatten().collect();
    let mut raw = Raw::open(gateway.address);
    raw.flood(&flood);
    is_calmed(&raw.rest());
    others_are_served(&gateway);
    assert!(upstream.seen().len() < 1000, "{} requests for the app", upstream.seen().len());
    assert!(gateway.memory() < before + 8 * 1024, "{} KiB, {before} before", gateway.memory());
}

// H2X-01, at a pace that the library takes for normal
#[test]
fn a_caller_that_breaks_off_request_after_request_has_to_connect_anew() {
    let upstream = Upstream::scripted(|_, _| {
        std::thread::sleep(Duration::from_secs(5));
        false
    });
    let gateway = quiet(&upstream).and("\n[limits]\nhttp2.resets = 20\n").start();
    let mut raw = Raw::open(gateway.address);
    let request = h2::get(&gateway.host(), "/public/x", &[]);
    for id in odd().take(60) {
        let sent = raw.flood(&frame(HEADERS, END_HEADERS | END_STREAM, id, &request))
            && raw.flood(&frame(RST_STREAM, 0, id, &[0, 0, 0, 8]));
        if !sent {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let frames = raw.rest();
    assert_eq!(frames.iter().find(|frame| frame.kind == GOAWAY).expect("it is told").code(), 0);
    assert!(upstream.seen().len() <= 45, "{} requests for the app", upstream.seen().len());
}

#[test]
fn h2x_03_a_header_block_in_endless_pieces_ends_the_connection() {
    let gateway = quiet(&Upstream::start()).start();
    let before = gateway.memory();
    let mut raw = Raw::open(gateway.address);
    let piece = frame(CONTINUATION, 0, 1, &h2::block(&[("x", "y")]));
    let flood =
        [frame(HEADERS, END_STREAM, 1, &h2::get(&gateway.host(), "/public/x", &[])), piece.repeat(10_000)].concat();
    raw.flood(&flood);
    is_calmed(&raw.rest());
    others_are_served(&gateway);
    assert!(gateway.memory() < before + 8 * 1024, "{} KiB, {before} before", gateway.memory());
}

#[test]
fn h2x_04_frames_that_make_us_reset_end_the_connection_and_make_no_work_for_the_app() {
    let upstream = Upstream::start();
    let gateway = quiet(&upstream).and("\n[limits]\nhttp2.resets = 100\n").start();
    let request = h2::get(&gateway.host(), "/public/x", &[]);
    let made: [fn(u32) -> Vec<u8>; 3] = [
        // No window is larger by nothing; nor by more than there are numbers; a stream does not wait for itself.
        |id| frame(WINDOW_UPDATE, 0, id, &[0; 4]),
        |id| frame(WINDOW_UPDATE, 0, id, &[0x7f, 0xff, 0xff, 0xff]),
        |id| frame(PRIORITY, 0, id, &[id.to_be_bytes().as_slice(), &[0]].concat()),
    ];
    for (index, bad) in made.into_iter().enumerate() {
        let asked = upstream.seen().len();
        let mut raw = Raw::open(gateway.address);
        let pair = |id| [frame(HEADERS, END_HEADERS, id, &request), bad(id)].concat();
        raw.flood(&odd().take(5000).flat_map(pair).collect::<Vec<u8>>());
        let frames = raw.rest();
        assert!(frames.iter().any(|frame| frame.kind == GOAWAY), "{index}");
        let more = upstream.seen().len() - asked;
        assert!(more <= 300, "{index}: {more} requests for the app");
        others_are_served(&gateway);
    }
}

#[test]
fn h2x_05_floods_of_frames_that_want_an_answer_cost_no_memory() {
    let gateway = quiet(&Upstream::start()).start();
    others_are_served(&gateway);
    let before = gateway.memory();
    let floods = [
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ("PING", frame(PING, 0, 0, &[1; 8])),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 9])),
    ];
    for (name, one) in floods {
        let mut raw = Raw::open(gateway.address);
        // Its answers are not read, so it is cut off, or not listened to any more, or it was too little to matter.
        let taken = raw.flood(&one.repeat(60_000));
        others_are_served(&gateway);
        let grown = gateway.memory().saturating_sub(before);
        assert!(grown < 5 * 1024, "{name}: {grown} KiB more, all taken: {taken}");
    }
}

#[test]
fn h2x_06_floods_of_tiny_pieces_of_a_body_end_the_connection() {
    let gateway = quiet(&Upstream::start()).start();
    let before = gateway.memory();
    let host = gateway.host();
    let post = [(":method", "POST"), (":scheme", "http"), (":authority", host.as_str()), (":path", "/public/x")];
    for piece in [&b""[..], b"x"] {
        let mut raw = Raw::open(gateway.address);
        raw.headers(1, END_HEADERS, &h2::block(&post));
        raw.flood(&frame(DATA, 0, 1, piece).repeat(200_000));
        let frames = raw.rest();
        assert!(frames.iter().any(|frame| frame.kind == GOAWAY), "{piece:?}: {:?}", frames.last());
        others_are_served(&gateway);
    }
    assert!(gateway.memory() < before + 8 * 1024, "{} KiB, {before} before", gateway.memory());
}

/// What 50 connections may hold in KiB, each with all its streams and more fields than it may have, 34 bytes for one sent.
const BOMB: u64 = 50 * 1024;

#[test]
fn h2x_07_a_bomb_of_small_fields_is_bounded_and_ends_with_its_streams() {
    let gateway = quiet(&Upstream::start())
        .and("\n[limits]\nsend_idle = \"4s\"\nkeep_alive = \"1s\"\nheaders.time = \"1s\"\n")
        .start();
    others_are_served(&gateway);
    let before = gateway.memory();
    let first = [h2::kept("x", "y"), h2::get(&gateway.host(), "/public/x", &[])].concat();
    // Pseudo fields come first; the field in the table is entry 62, and each mention of it is one byte.
    let later = [h2::get(&gateway.host(), "/public/x", &[]), vec![0x80 + 62; 300]].concat();
    let mut bombs: Vec<Raw> = (0..50)
        .map(|_| {
            let mut raw = Raw::with_settings(gateway.address, &[(4, 0)]);
            raw.headers(1, END_HEADERS | END_STREAM, &first);
            // One after the other: what many at a time hold for a moment depends on the machine.
            std::thread::sleep(Duration::from_millis(20));
            for id in odd().skip(1).take(99) {
                if !raw.flood(&frame(HEADERS, END_HEADERS | END_STREAM, id, &later)) {
                    break;
                }
            }
            raw
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < BOMB, "{grown} KiB for 50 connections");
    others_are_served(&gateway);
    let started = Instant::now();
    for raw in &mut bombs {
        raw.rest();
        assert!(started.elapsed() < Duration::from_secs(15), "closed after {:?}", started.elapsed());
    }
    others_are_served(&gateway);
}

#[test]
fn h2x_09_heads_that_are_too_large_are_refused_and_harm_nobody() {
    let gateway = quiet(&Upstream::start()).start();
    let host = gateway.host();
    let crumbs = vec![("cookie", "a=b"); 300];
    let (name, value) = ("n".repeat(16 * 1024), "v".repeat(20 * 1024));
    let heads = [
        h2::get(&host, "/public/x", &[("x-large", &value), ("x-larger", &value)]),
        h2::get(&host, "/public/x", &crumbs),
        h2::get(&host, "/public/x", &[(&name, "v"), ("x-large", &value)]),
    ];
    for (index, head) in heads.iter().enumerate() {
        let mut raw = Raw::open(gateway.address);
        let mut pieces = head.chunks(16 * 1024).peekable();
        let first = pieces.next().expect("a piece");
        let end = |last: bool| if last { END_HEADERS } else { 0 };
        raw.headers(1, END_STREAM | end(pieces.peek().is_none()), first);
        while let Some(piece) = pieces.next() {
            raw.send(&frame(CONTINUATION, end(pieces.peek().is_none()), 1, piece));
        }
        let answer = raw.wait(HEADERS, 1).map(|frame| frame.status());
        assert_eq!(answer, Some(431), "{index}");
        others_are_served(&gateway);
    }
    // What fits is served.
    let mut raw = Raw::open(gateway.address);
    assert_eq!(raw.ask(1, &h2::get(&host, "/public/x", &[("x-large", &value[..15_000])])), 200);
}

#[test]
fn h2x_07_a_stream_of_which_only_the_end_is_not_taken_is_given_up_too() {
    let text = "x".repeat(2000);
    for head in ["Content-Length: 2000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n7d0\r\n"] {
        let end = if head.starts_with("Content") { "" } else { "\r\n0\r\n\r\n" };
        let answer = format!("HTTP/1.1 200 OK\r\n{head}{text}{end}");
        let upstream = Upstream::scripted(move |_, stream| answer_with(stream, &answer));
        let gateway = quiet(&upstream).and("\n[limits]\nsend_idle = \"300ms\"\n").start();
        let path = h2::get(&gateway.host(), "/public/x", &[]);
        // A window of one byte, and one that is just large enough.
        let mut raw = Raw::with_settings(gateway.address, &[(4, 1)]);
        raw.headers(1, END_HEADERS | END_STREAM, &path);
        assert!(raw.wait(RST_STREAM, 1).is_some(), "{head}");
        let mut raw = Raw::with_settings(gateway.address, &[(4, 2000)]);
        raw.headers(1, END_HEADERS | END_STREAM, &path);
        let mut bytes = 0;
        while let Some(frame) = raw.next().filter(|frame| frame.kind != RST_STREAM) {
            bytes += if frame.kind == DATA { frame.payload.len() } else { 0 };
            if frame.stream == 1 && frame.flags & END_STREAM != 0 {
                break;
            }
        }
        assert_eq!(bytes, 2000, "{head}");
    }
}
