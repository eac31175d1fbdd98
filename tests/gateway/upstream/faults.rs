//! An app of HTTP/2 that breaks, stalls, or takes leave, frame by frame.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use super::{before_http2, with_upstream};
use crate::support::h2::{self, Raw};
use crate::support::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, FrameApp, HEADERS, RST_STREAM, STATUS_200, Wire, connect, request,
};

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;

/// What is done with one stream.
type Script = fn(&mut Wire, u32);

/// Serves as many requests as come.
fn serve(wire: &mut Wire) {
    while let Some(stream) = wire.request() {
        wire.answer(stream);
    }
}

/// A length of 10 in the way that needs no table (RFC 7541 §6.2.2).
fn status_200_of_length_10() -> Vec<u8> {
    [STATUS_200, &[0x0f, 0x0d, 0x02], b"10"].concat()
}

// UPS-02, UPS-10
#[test]
fn a_transfer_that_breaks_off_never_looks_complete_over_http_2() {
    let breaks: [(&str, Script); 6] = [
        ("reset", |wire, stream| {
            wire.begin_answer(stream);
            wire.reset(stream, INTERNAL_ERROR);
        }),
        ("reset without an error", |wire, stream| {
            wire.begin_answer(stream);
            wire.reset(stream, NO_ERROR);
        }),
        ("left behind", |wire, stream| {
            wire.begin_answer(stream);
            wire.go_away(0, NO_ERROR);
        }),
        ("closed", |wire, stream| wire.begin_answer(stream)),
        ("taken leave of and closed", |wire, stream| {
            wire.begin_answer(stream);
            wire.go_away(stream, NO_ERROR);
        }),
        ("shorter than it said", |wire, stream| {
            wire.send(HEADERS, END_HEADERS, stream, &status_200_of_length_10());
            wire.send(DATA, END_STREAM, stream, b"12345");
        }),
    ];
    for (name, script) in breaks {
        let app = FrameApp::start(move |wire| {
            if let Some(stream) = wire.request() {
                script(wire, stream);
                thread::sleep(Duration::from_millis(200));
            }
        });
        let gateway = before_http2(app.address).start();
        let answer = gateway.ask("GET", "/public/x", &[]);
        assert!(answer.broken, "{name}: {answer:?}");
        let mut caller = Raw::open(gateway.address);
        caller.headers(1, END_HEADERS | END_STREAM, &h2::get(&gateway.host(), "/public/x", &[]));
        let reset = caller.wait(RST_STREAM, 1).expect(name);
        assert_ne!(reset.code(), NO_ERROR, "{name}: which would be an end");
    }
}

#[test]
fn an_answer_that_ended_before_its_request_did_is_complete() {
    let app = FrameApp::start(|wire| {
        while let Some(stream) = wire.request() {
            wire.answer(stream);
            wire.reset(stream, NO_ERROR);
        }
    });
    let gateway = before_http2(app.address).start();
    let answer = gateway.send("POST", "/public/x", &[], &b"x".repeat(100_000));
    assert_eq!((answer.status, answer.text().as_str(), answer.broken), (200, "ok", false));
}

// UPS-03
#[test]
fn what_the_app_did_not_look_at_is_sent_again_unless_it_has_a_body() {
    let refusals: [Script; 2] =
        [|wire, _| wire.go_away(0, NO_ERROR), |wire, stream| wire.reset(stream, REFUSED_STREAM)];
    for refuse in refusals {
        // Every second request is refused.
        let (asked, counted) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let count = Arc::clone(&asked);
        let app = FrameApp::start(move |wire| {
            while let Some(stream) = wire.request() {
                if count.fetch_add(1, Ordering::SeqCst) % 2 == 0 {
                    refuse(wire, stream);
                } else {
                    wire.answer(stream);
                }
            }
        });
        let gateway = before_http2(app.address).start();
        for round in 0..30 {
            for method in ["GET", "POST", "DELETE"] {
                assert_eq!(gateway.ask(method, "/public/x", &[]).status, 200, "{method} {round}");
                counted.fetch_add(2, Ordering::SeqCst);
            }
        }
        assert_eq!(asked.load(Ordering::SeqCst), counted.load(Ordering::SeqCst), "each was sent twice");
        let answer = gateway.send("POST", "/public/x", &[], b"body");
        assert_eq!((answer.status, answer.code()), (502, "upstream_unavailable"));
        assert_eq!(asked.load(Ordering::SeqCst), counted.load(Ordering::SeqCst) + 1, "once");
    }
}

// UPS-03
#[test]
fn a_connection_that_the_app_takes_leave_of_serves_what_it_has_and_nothing_new() {
    let app = FrameApp::start(|wire| {
        if let Some(stream) = wire.request() {
            wire.go_away(stream, NO_ERROR);
            thread::sleep(Duration::from_millis(20));
            wire.answer(stream);
            // Still there: it is the gateway that has to choose another one.
            wire.request();
        }
    });
    let gateway = before_http2(app.address).start();
    for round in 0..50 {
        assert_eq!(gateway.ask("GET", "/public/x", &[]).text(), "ok", "GET {round}");
        assert_eq!(gateway.send("POST", "/public/x", &[], b"body").text(), "ok", "POST {round}");
    }
    assert_eq!(app.connections(), 100);
}

// UPS-04
#[test]
fn a_stalled_head_is_504_and_its_connection_is_not_used_again() {
    let app = FrameApp::start(|wire| {
        if wire.connection > 0 {
            return serve(wire);
        }
        // Part of a head, and silence.
        let stream = wire.request().expect("a request");
        wire.send(HEADERS, 0, stream, STATUS_200);
        wire.request();
    });
    let gateway = with_upstream(before_http2(app.address), "header_timeout = \"300ms\"").start();
    let answer = gateway.ask("GET", "/public/x", &[]);
    assert_eq!((answer.status, answer.code()), (504, "upstream_timeout"));
    for _ in 0..20 {
        assert_eq!(gateway.ask("GET", "/public/x", &[]).text(), "ok");
    }
}

// UPS-08
#[test]
fn a_caller_that_leaves_resets_its_stream_and_the_connection_goes_on() {
    for body in ["", "half"] {
        let reset = Arc::<AtomicUsize>::default();
        let noticed = Arc::clone(&reset);
        let app = FrameApp::start(move |wire| {
            if wire.connection == 0 {
                let stream = wire.request().expect("a request");
                let frame = wire.next(RST_STREAM).expect("a reset");
                // A body that broke off is noticed first, and is an error.
                let reasons = [CANCEL, INTERNAL_ERROR].map(|reason| reason.to_be_bytes().to_vec());
                assert!(frame.stream == stream && reasons.contains(&frame.payload), "{frame:?}");
                noticed.store(1, Ordering::SeqCst);
            }
            serve(wire);
        });
        let gateway = before_http2(app.address).start();
        let mut stream = connect(gateway.address);
        let lines = ["Connection: keep-alive", if body.is_empty() { "X-A: b" } else { "Content-Length: 10" }];
        stream.write_all(&request("POST", "/public/slow", &gateway.host(), &lines, body.as_bytes())).expect("sent");
        thread::sleep(Duration::from_millis(200));
        drop(stream);
        let left = Instant::now();
        while reset.load(Ordering::SeqCst) == 0 && left.elapsed() < Duration::from_secs(4) {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(left.elapsed() < Duration::from_secs(2), "{body:?}: {:?}", left.elapsed());
        for _ in 0..20 {
            assert_eq!(gateway.ask("GET", "/public/x", &[]).text(), "ok");
        }
        assert!(app.connections() <= 2, "one for each worker, {}", app.connections());
    }
}

/// Fields of this many bytes each, in frames as large as they may be.
fn send_fields(wire: &mut Wire, stream: u32, count: usize, size: usize) {
    let mut block = STATUS_200.to_vec();
    for _ in 0..count {
        // `a: xxx…` without a table; the length has a prefix of 7 bits (RFC 7541 §5.1).
        block.extend_from_slice(&[0x00, 0x01, b'a', 0x7f]);
        let mut rest = size - 127;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128 + 128).expect("a byte"));
            rest /= 128;
        }
        block.push(u8::try_from(rest).expect("a byte"));
        block.resize(block.len() + size, b'x');
    }
    let frames: Vec<_> = block.chunks(16_000).collect();
    for (index, frame) in frames.iter().enumerate() {
        let kind = if index == 0 { HEADERS } else { CONTINUATION };
        let end = if index + 1 == frames.len() { END_HEADERS } else { 0 };
        wire.send(kind, end, stream, frame);
    }
    wire.send(DATA, END_STREAM, stream, b"ok");
}

// UPS-07
#[test]
fn a_head_that_is_too_large_is_502_over_http_2_and_memory_stays() {
    for (count, size) in [(1, 1 << 20), (10_000, 130), (300, 130)] {
        let app = FrameApp::start(move |wire| {
            while let Some(stream) = wire.request() {
                send_fields(wire, stream, count, size);
            }
        });
        let gateway = before_http2(app.address).start();
        gateway.ask("GET", "/nowhere", &[]);
        let before = gateway.memory();
        for _ in 0..5 {
            let answer = gateway.ask("GET", "/public/x", &[]);
            assert_eq!((answer.status, answer.code()), (502, "upstream_unavailable"), "{count} of {size}");
        }
        let grown = gateway.memory().saturating_sub(before);
        assert!(grown < 8 << 10, "{grown} KiB for {count} of {size}");
    }
    let app = FrameApp::start(|wire| {
        while let Some(stream) = wire.request() {
            send_fields(wire, stream, 190, 130);
        }
    });
    assert_eq!(before_http2(app.address).start().ask("GET", "/public/x", &[]).text(), "ok");
}

#[test]
fn an_app_that_closes_every_connection_at_once_is_502_and_is_not_stormed() {
    let app = FrameApp::start(|_| {});
    let gateway = before_http2(app.address).start();
    for _ in 0..5 {
        let answer = gateway.ask("GET", "/public/x", &[]);
        assert_eq!((answer.status, answer.code()), (502, "upstream_unavailable"));
    }
    assert!(app.connections() <= 40, "{} connections", app.connections());
}

#[test]
fn what_the_app_may_have_looked_at_is_not_sent_again() {
    let failures: [(&str, bool, Script); 5] = [
        ("leave that counts the request", true, |wire, stream| wire.go_away(stream, NO_ERROR)),
        ("a broken connection", true, |wire, stream| wire.go_away(stream, INTERNAL_ERROR)),
        ("nothing", true, |_, _| {}),
        ("a reset", false, |wire, stream| wire.reset(stream, INTERNAL_ERROR)),
        ("a cancelled stream", false, |wire, stream| wire.reset(stream, CANCEL)),
    ];
    for (name, closes, fail) in failures {
        let asked = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&asked);
        // The first request of a connection is answered, so that it is one that has been used.
        let app = FrameApp::start(move |wire| {
            let Some(first) = wire.request() else { return };
            wire.answer(first);
            while let Some(stream) = wire.request() {
                count.fetch_add(1, Ordering::SeqCst);
                fail(wire, stream);
                if closes {
                    return thread::sleep(Duration::from_millis(50));
                }
            }
        });
        let gateway = before_http2(app.address).start();
        let mut failed = 0;
        for method in ["POST", "DELETE"].repeat(8) {
            let answer = gateway.ask(method, "/public/x", &[]);
            assert!(matches!(answer.status, 200 | 502), "{name}: {answer:?}");
            failed += usize::from(answer.status == 502);
        }
        assert!(failed > 4, "{name}: {failed} failed");
        assert_eq!(asked.load(Ordering::SeqCst), failed, "{name}: one try for each");
    }
}

// UPS-08
#[test]
fn a_stream_that_its_caller_resets_is_reset_at_the_app_before_and_inside_of_its_answer() {
    for begun in [false, true] {
        let (sender, resets) = mpsc::channel();
        let app = FrameApp::start(move |wire| {
            let stream = wire.request().expect("a request");
            if begun {
                wire.begin_answer(stream);
            }
            let frame = wire.next(RST_STREAM).expect("a reset");
            sender.send((frame.stream == stream, frame.payload)).expect("the test waits");
            serve(wire);
        });
        let gateway = before_http2(app.address).start();
        let mut caller = Raw::open(gateway.address);
        caller.headers(1, END_HEADERS | END_STREAM, &h2::get(&gateway.host(), "/public/slow", &[]));
        if begun {
            caller.wait(DATA, 1).expect("a part of the answer");
        } else {
            thread::sleep(Duration::from_millis(200));
        }
        caller.send(&h2::frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()));
        let reset = resets.recv_timeout(Duration::from_secs(2)).expect("within a second or so");
        assert_eq!(reset, (true, CANCEL.to_be_bytes().to_vec()), "begun: {begun}");
        assert_eq!(caller.ask(3, &h2::get(&gateway.host(), "/public/x", &[])), 200, "the connections go on");
    }
}
