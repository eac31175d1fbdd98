//! Callers that do not wait for an answer: what was begun for them costs what it would cost for one that stays.

use std::io::Write as _;
use std::thread;
use std::time::Duration;

use crate::support::{Gateway, Setup, Token, Upstream, answer_with, connect, request};

/// Asks, and is gone after 20 ms.
fn ask_and_leave(gateway: &Gateway, target: &str, lines: &[&str]) {
    let mut stream = connect(gateway.address);
    stream.write_all(&request("GET", target, &gateway.host(), lines, b"")).expect("sent");
    thread::sleep(Duration::from_millis(20));
}

fn look_and_leave(gateway: &Gateway, cookie: &str) {
    ask_and_leave(gateway, "/open", &[&format!("Cookie: {cookie}"), "Sec-Fetch-Site: same-origin"]);
}

// CCH-05, SRC-07
#[test]
fn cch_05_who_leaves_again_and_again_makes_one_question_to_the_source() {
    let app = Upstream::start();
    let source = Upstream::scripted(|_, stream| {
        thread::sleep(Duration::from_millis(300));
        answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"grants\":[]}")
    });
    let section =
        format!("\n[permissions]\nsource = \"http\"\nurl = \"http://{}/\"\ntimeout = \"5s\"\n", source.address);
    let gateway = Setup::new(&app).and(&section).start();
    let cookie = gateway.sign_in(&Token::client());
    for _ in 0..20 {
        look_and_leave(&gateway, &cookie);
    }
    assert_eq!(gateway.own("GET", "/open", &cookie).status, 200);
    assert_eq!(source.seen().len(), 1);
}

#[test]
fn who_leaves_again_and_again_makes_one_question_to_the_host() {
    let app = Upstream::start();
    let gateway = Setup::new(&app).with("[session]", "revalidate = \"2s\"\n\n[session]").start();
    let cookie = gateway.sign_in(&Token::client());
    gateway.platform.be_slow();
    thread::sleep(Duration::from_millis(2500));
    let before = gateway.platform.seen().len();
    for _ in 0..20 {
        look_and_leave(&gateway, &cookie);
    }
    assert_eq!(gateway.own("GET", "/open", &cookie).status, 200);
    let calls = gateway.platform.seen().len() - before;
    assert!(calls <= 3, "the workspace and the person, once: {calls}");
}

#[test]
fn who_guesses_and_leaves_is_counted_too() {
    let app = Upstream::start();
    let gateway = Setup::new(&app).and("\n[limits]\ntoken_failures = \"3/1m\"\n").start();
    gateway.platform.be_slow();
    for number in 0..3 {
        let guess = Token::client().with("clientId", &format!("aaaaaaaa-bbbb-4ccc-8ddd-{number:012}"));
        let referer = format!("Referer: {}/apps", crate::support::PORTAL);
        let lines = [
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: iframe",
            "Accept: text/html",
            &referer,
        ];
        let guess = guess.with("tokenId", &format!("t-{number}")).sealed();
        ask_and_leave(&gateway, &format!("/open?token={guess}"), &lines);
    }
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(gateway.present(&Token::client().with("tokenId", "t-new").sealed()).status, 429);
}
