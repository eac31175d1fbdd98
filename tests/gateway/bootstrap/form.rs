//! Tokens in a form that a host's page posts into its frame.

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use super::{FORM, FRAMED, Stage, page, shop, site};
use crate::support::{Answer, Upstream, connect, read_to_end, request};

const PORTAL: &str = "https://portal.example";
const PROGRAM: &str = "https://program.example";

fn refused(answer: &Answer) -> (u16, &str) {
    assert_eq!(answer.cookie(), "", "{answer:?}");
    (answer.status, answer.code())
}

#[test]
fn a_form_becomes_a_session_and_a_page_that_is_got() {
    let stage = Stage::new();
    let token = page(|_| {});
    let answer = stage.posted(PORTAL, "/projects/apollo/x?view=1&q=%20", &format!("locale=de&token={token}&x=%C3%BC"));
    assert_eq!((answer.status, answer.header("location")), (303, "/projects/apollo/x?view=1&q=%20"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "strict-origin-when-cross-origin");
    for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=None", "; Partitioned", "; Max-Age="] {
        assert!(answer.header("set-cookie").contains(attribute), "{answer:?}");
    }
    assert_eq!(answer.header("content-security-policy"), format!("frame-ancestors {PORTAL}"));
    assert!(stage.upstream.seen().is_empty(), "the app hears nothing of a bootstrap");
    let lands = stage.lands(&answer, PORTAL);
    assert_eq!(lands, ["GET /projects/apollo/x?view=1&q=%20 HTTP/1.1", "page", "acme", "ann", "client"]);
    assert!(stage.has_kept(&token));
}

#[test]
fn each_host_reads_its_own_field() {
    let stage = Stage::new();
    let program = page(|claims| claims["aud"] = "the-program".into());
    let answer = stage.posted(PROGRAM, "/open", &format!("token=of-something-else&assertion={program}"));
    assert_eq!(answer.code(), "malformed_request", "fields of two hosts");
    let answer = stage.posted(PROGRAM, "/open", &format!("assertion={program}"));
    assert_eq!(stage.lands(&answer, PROGRAM)[1..3], ["program", "acme"]);
    assert_eq!(refused(&stage.posted(PROGRAM, "/open", &format!("token={program}"))), (403, "origin_refused"));
    let percent = program.bytes().fold(String::new(), |all, byte| format!("{all}%{byte:02X}"));
    assert_eq!(stage.posted(PROGRAM, "/open", &format!("%61ssertion={percent}")).status, 303, "however it is spelled");
    // The hash of a posted token is that of the POST.
    let atlassian = "https://acme.atlassian.net";
    let jwt = |method| format!("jwt={}", site(method, "/open", "a=1"));
    assert_eq!(stage.posted(atlassian, "/open?a=1", &jwt("POST")).header("location"), "/open?a=1");
    assert_eq!(refused(&stage.posted(atlassian, "/open?a=1", &jwt("GET"))), (401, "token_invalid"));
}

#[test]
fn a_form_of_another_page_or_of_no_page_signs_nobody_in() {
    let stage = Stage::new();
    let body = format!("token={}", page(|_| {}));
    let post = |lines: &[&str]| {
        let answer = stage.gateway.send("POST", "/open", &[&[FORM], lines].concat(), body.as_bytes());
        (refused(&answer).0, answer.code().to_owned())
    };
    let cross_site = (403, "cross_site_refused".to_owned());
    let portal = "Origin: https://portal.example";
    let (site, mode, dest) = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe");
    for lines in [
        &[site, mode, dest][..],
        &[site, mode, dest, "Origin: null"],
        &[site, mode, dest, "Origin: https://evil.example"],
        &[site, mode, dest, "Origin: https://portal.example.evil.example"],
        &[site, mode, dest, "Origin: https://page.example"],
        &[site, mode, dest, "Origin: http://portal.example"],
        // A page that may only be the Referer.
        &[site, mode, dest, "Referer: https://portal.example/"],
        &[site, mode, dest, "Origin: null", "Referer: https://portal.example/"],
        // Not the navigation of a frame.
        &[site, mode, "Sec-Fetch-Dest: document", portal],
        &[site, "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", portal],
        &[site, "Sec-Fetch-Mode: no-cors", dest, portal],
    ] {
        assert_eq!(post(lines), cross_site, "{lines:?}");
    }
    assert_eq!(post(&["Sec-Fetch-Site: same-origin", mode, dest, portal]).1, "session_missing", "our own page's form");
    assert!(stage.upstream.seen().is_empty());
    let plain = stage.gateway.send("POST", "/open", &[FORM, portal], body.as_bytes());
    assert_eq!(plain.status, 303, "a browser without fetch metadata");
}

#[test]
fn a_form_with_more_than_one_reading_is_malformed() {
    let stage = Stage::new();
    let (token, other) = (page(|_| {}), shop(|_| {}));
    for body in [
        format!("token={token}&token={token}"),
        format!("token={token}&%74oken="),
        format!("token={token}&jwt=x"),
        format!("token={token}%"),
        format!("token={token}&x=%ff"),
        "token=%zz".to_owned(),
    ] {
        assert_eq!(refused(&stage.posted(PORTAL, "/open", &body)), (400, "malformed_request"), "{body}");
    }
    for query in [format!("id_token={other}"), format!("token={token}"), "jwt=".to_owned()] {
        let answer = stage.posted(PORTAL, &format!("/open?{query}"), &format!("token={token}"));
        assert_eq!(refused(&answer), (400, "malformed_request"), "{query}: in the address as well");
    }
    let alone = stage.posted(PORTAL, &format!("/open?token={token}"), "x=1");
    assert_eq!(refused(&alone), (403, "cross_site_refused"), "a token in the address of a POST counts for nothing");
}

#[test]
fn a_refused_form_looks_like_any_refused_token() {
    let stage = Stage::with(|setup| setup.with("token_failures = \"1000/1m\"", "token_failures = \"3/1m\""));
    let post = |token: &str| stage.posted(PORTAL, "/open", &format!("token={token}"));
    let (first, second) = (post(""), post(&page(|claims| claims["tenant"] = "globex".into())));
    assert_eq!(refused(&first), (401, "token_invalid"));
    assert_eq!(first.without_volatile(), second.without_volatile());
    assert_eq!(refused(&post(&page(|claims| claims["exp"] = 1.into()))), (401, "token_expired"));
    assert_eq!(refused(&post(&page(|_| {}))), (429, "rate_limited"), "a good token has to wait too");
}

#[test]
fn the_page_behind_a_form_has_to_be_one_that_can_be_got() {
    let stage = Stage::new();
    let body = format!("token={}", page(|_| {}));
    assert_eq!(refused(&stage.posted(PORTAL, "/nowhere", &body)), (404, "not_routed"));
    assert_eq!(refused(&stage.posted(PORTAL, "/hook", &body)), (405, "method_not_allowed"), "only POST is there");
    assert_eq!(refused(&stage.posted(PORTAL, "/.vestibule/session", &body)), (403, "cross_site_refused"));
    assert_eq!(stage.posted(PORTAL, "/public/app", &body).status, 303);
    assert_eq!(refused(&stage.posted(PORTAL, "/own-form", &body)), (403, "cross_site_refused"), "the app's own");
    assert!(stage.upstream.seen().is_empty());
}

#[test]
fn a_form_that_is_too_long_is_not_kept_waiting_for() {
    let stage = Stage::new();
    let token = page(|_| {});
    let most = 64 * 1024;
    let padded = |length: usize| {
        let body = format!("token={token}&x=");
        format!("{body}{}", "y".repeat(length - body.len()))
    };
    assert_eq!(stage.posted(PORTAL, "/open", &padded(most)).status, 303);
    assert_eq!(refused(&stage.posted(PORTAL, "/open", &padded(most + 1))), (413, "body_too_large"));
    let lines = [&FRAMED[..], &[FORM, "Origin: https://portal.example", "Transfer-Encoding: chunked"]].concat();
    let chunked = format!("{:x}\r\n{}\r\n0\r\n\r\n", most + 1, padded(most + 1));
    assert_eq!(refused(&stage.gateway.send("POST", "/open", &lines, chunked.as_bytes())), (413, "body_too_large"));
    let chunked = format!("5\r\ntoken\r\n{:x}\r\n={token}\r\n0\r\n\r\n", token.len() + 1);
    assert_eq!(stage.gateway.send("POST", "/open", &lines, chunked.as_bytes()).status, 303, "in pieces");
}

#[test]
fn a_post_without_a_token_goes_on_as_it_came() {
    let stage = Stage::new();
    // Read, because it could have been one, and sent on whole.
    let answer = stage.posted(PORTAL, "/public/x?token=t&a=1", "b=2&c=%20");
    assert_eq!(answer.status, 200);
    let seen = stage.upstream.last();
    assert_eq!((seen.line(), seen.body.as_slice()), ("POST /public/x?a=1 HTTP/1.1", &b"b=2&c=%20"[..]));
    assert_eq!(seen.value("content-length"), "9");
    assert_eq!(refused(&stage.posted(PORTAL, "/open", "b=2")), (403, "cross_site_refused"));
    assert_eq!(stage.posted(PORTAL, "/hook", "b=2").status, 200, "a route for POST alone");
    assert_eq!(stage.posted(PORTAL, "/public/x", "").status, 200, "no body at all");
    let cookie = format!("Cookie: {}", stage.posted(PORTAL, "/open", &format!("token={}", page(|_| {}))).cookie());
    let own = stage.gateway.send("POST", "/open", &[FORM, &cookie, "Sec-Fetch-Site: same-origin"], b"token=of-the-app");
    assert_eq!(own.status, 200, "a field of that name in a form of our own page");
    assert_eq!(stage.upstream.last().body, b"token=of-the-app");
    for kind in ["Content-Type: multipart/form-data; boundary=x", "Content-Type: text/plain", "X: no type"] {
        let lines = [&FRAMED[..], &[kind, "Origin: https://portal.example"]].concat();
        let answer = stage.gateway.send("POST", "/open", &lines, format!("token={}", page(|_| {})).as_bytes());
        assert_eq!(refused(&answer), (403, "cross_site_refused"), "{kind}");
    }
}

#[test]
fn other_uploads_reach_the_app_while_they_come() {
    let stage = Stage::new();
    let cookie = format!("Cookie: {}", stage.posted(PORTAL, "/open", &format!("token={}", page(|_| {}))).cookie());
    let lines = [FORM, &cookie, "Sec-Fetch-Site: same-origin", "Content-Length: 10"];
    let mut stream = connect(stage.gateway.address);
    stream.write_all(&request("POST", "/open/slow", &stage.gateway.host(), &lines, b"")).expect("sent");
    stream.write_all(b"token").expect("sent");
    // The app has the head before the rest of the body is there.
    wait_for_connection(&stage.upstream);
    stream.write_all(b"=mine").expect("sent");
    assert_eq!(Answer::read(&read_to_end(&mut stream)).status, 200);
    assert_eq!(stage.upstream.last().body, b"token=mine");
}

fn wait_for_connection(upstream: &Upstream) {
    let deadline = Instant::now() + Duration::from_secs(8);
    while upstream.open() == 0 {
        assert!(Instant::now() < deadline, "the body is held back");
        thread::sleep(Duration::from_millis(10));
    }
}
