//! The machine's clock is wrong, or jumps: tokens and sessions are judged by it, waiting is not.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use super::metric;
use crate::support::{Gateway, Setup, Token, Upstream, connect, read_until, request};

/// Where the library of Debian's package `faketime` is.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("a folder").filter_map(|entry| Some(entry.ok()?.path()));
    let found = folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|file| file.is_file());
    assert!(found.is_some(), "faketime is not installed; ./scripts/test installs what the tests need");
    found.expect("just looked at")
}

/// A gateway whose wall clock is off by what stands in a file, such as `+10y`.
pub(crate) fn shifted(setup: Setup, file: &std::path::Path) -> Setup {
    let text = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let setup = setup.env("LD_PRELOAD", &text(&library())).env("FAKETIME_TIMESTAMP_FILE", &text(file));
    setup.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
}

fn start(upstream: &Upstream, file: &std::path::Path) -> Gateway {
    shifted(Setup::new(upstream), file).start()
}

pub(crate) fn set(file: &std::path::Path, offset: &str) {
    // Replaced, not written: the process must not see half of it.
    let next = file.with_extension("next");
    fs::write(&next, format!("{offset}\n")).and_then(|()| fs::rename(&next, file)).expect("a file");
}

/// The year of the last line of the log.
fn year(gateway: &Gateway) -> u32 {
    gateway.ask("GET", "/nowhere", &[]);
    let log = gateway.output();
    let line = log.lines().rev().find(|line| line.contains("\"event\":\"request\"")).expect("a line");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    line["ts"].as_str().and_then(|ts| ts.get(..4)?.parse().ok()).expect("a year")
}

// PRC-08, CCH-13
#[test]
fn a_clock_that_is_ten_years_off_or_jumps_breaks_nothing() {
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().expect("a folder"));
    let file = folder.path().join("offset");
    for offset in ["+10y", "-10y"] {
        set(&file, offset);
        let gateway = start(&upstream, &file);
        let cookie = gateway.sign_in(&Token::client());
        assert_eq!(gateway.own("GET", "/projects/apollo/x", &cookie).status, 200, "{offset}");
        assert!(!gateway.output().contains("panicked"), "{offset}");
    }
    set(&file, "+0");
    let gateway = start(&upstream, &file);
    let now = year(&gateway);
    let keep = request("GET", "/public/x", &gateway.host(), &["Connection: keep-alive"], b"");
    let mut open = connect(gateway.address);
    for (jump, token) in [("+10y", "t-1"), ("-10y", "t-2"), ("+1", "t-3")] {
        let before = gateway.sign_in(&Token::client().with("tokenId", &format!("{token}-before")));
        assert_eq!(gateway.own("GET", "/open", &before).status, 200);
        set(&file, jump);
        let jumped = year(&gateway);
        let after = gateway.own("GET", "/open", &before);
        match jump {
            "+10y" => assert_eq!((jumped, after.code()), (now + 10, "session_expired"), "judged by the wall clock"),
            "-10y" => assert_eq!((jumped, after.status), (now - 10, 200), "it has not ended by that clock"),
            _ => assert_eq!((jumped, after.code()), (now, "session_expired")),
        }
        let cookie = gateway.sign_in(&Token::client().with("tokenId", token));
        assert_eq!(gateway.own("GET", "/projects/apollo/x", &cookie).status, 200, "{jump}");
        open.write_all(&keep).expect("sent");
        assert!(read_until(&mut open, b"\r\n\r\nok").ends_with(b"ok"), "{jump}: waiting is not timed by that clock");
    }
    let asked = metric(&gateway, "vestibule_permission_requests_total{source=\"config\",result=\"ok\"}");
    assert_eq!(asked, 1, "what is cached ends by no clock that jumps");
    assert!(!gateway.output().contains("panicked"));
    assert_eq!(gateway.terminate(), Some(0));
}
