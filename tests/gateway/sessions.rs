//! Sessions: cookies, ends, keys, contexts, and the endpoints about them.

use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use super::gateway;
use crate::support::{CLIENT, COMPANY, Gateway, STAFF, Setup, TENANT, Token, Upstream};

#[test]
fn a_session_slides_and_ends_when_nobody_comes() {
    let upstream = Upstream::start();
    let gateway =
        Setup::new(&upstream).with("[roles.viewer]", "idle = \"2s\"\nabsolute = \"1m\"\n\n[roles.viewer]").start();
    let mut cookie = gateway.sign_in(&Token::client());
    for _ in 0..5 {
        sleep(Duration::from_millis(500));
        let answer = gateway.own("GET", "/open", &cookie);
        assert_eq!(answer.status, 200);
        cookie = Some(answer.cookie()).filter(|new| !new.is_empty()).unwrap_or(cookie);
    }
    sleep(Duration::from_millis(2100));
    let answer = gateway.own("GET", "/open", &cookie);
    assert_eq!((answer.status, answer.code()), (401, "session_expired"), "SES-07: the end is inside the seal");
}

#[test]
fn the_absolute_end_does_not_slide() {
    let upstream = Upstream::start();
    let gateway =
        Setup::new(&upstream).with("[roles.viewer]", "idle = \"2s\"\nabsolute = \"3s\"\n\n[roles.viewer]").start();
    let mut cookie = gateway.sign_in(&Token::client());
    let mut last = gateway.own("GET", "/open", &cookie);
    for _ in 0..7 {
        sleep(Duration::from_millis(450));
        last = gateway.own("GET", "/open", &cookie);
        cookie = Some(last.cookie()).filter(|new| !new.is_empty()).unwrap_or(cookie);
    }
    assert_eq!(last.code(), "session_expired");
}

// SES-02, SES-24
#[test]
fn a_changed_cookie_is_no_session() {
    let (gateway, upstream) = gateway();
    let cookie = gateway.sign_in(&Token::client());
    let (name, value) = cookie.split_once('=').expect("a pair");
    let half = value.len() / 2;
    let odd = [
        format!("{name}={}", &value[..value.len() - 1]),
        format!("{name}={value}A"),
        format!("{name}={}{}", &value[half..], &value[..half]),
        format!("{name}="),
        name.to_owned(),
        format!("{}{}={value}", &name[..name.len() - 1], if name.ends_with('x') { "y" } else { "x" }),
        format!("__Host-vestibule={value}"),
        format!("=;;;=; {};", "a; ".repeat(500)),
    ];
    for cookie in &odd {
        let answer = gateway.own("GET", "/open", cookie);
        assert_eq!(answer.code(), "session_missing", "{cookie}");
    }
    // SES-08: two of one name, in any order.
    for cookie in [format!("{cookie}; {name}=x"), format!("{name}=x; {cookie}"), format!("{cookie}; {cookie}")] {
        assert_eq!(gateway.own("GET", "/open", &cookie).code(), "session_missing", "{cookie}");
    }
    assert!(upstream.seen().is_empty());
}

// SES-05
#[test]
fn logout_ends_every_copy_of_the_cookie() {
    let (gateway, _upstream) = gateway();
    let cookie = gateway.sign_in(&Token::client());
    let answer = gateway.own("POST", "/.vestibule/logout", &cookie);
    assert_eq!(answer.status, 204);
    assert!(
        answer.header("set-cookie").ends_with("=; Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age=0"),
        "{answer:?}"
    );
    let replayed = gateway.own("GET", "/open", &cookie);
    assert_eq!((replayed.status, replayed.code()), (401, "session_expired"));
    assert_eq!(gateway.own("POST", "/.vestibule/logout", &cookie).status, 204, "whoever is out stays out");
}

// SES-06, SES-03
#[test]
fn logout_ends_the_session_that_was_renewed_a_moment_before() {
    let (gateway, _upstream) = gateway();
    let old = gateway.sign_in(&Token::client());
    let fresh = Token::client().with("tokenId", "t-fresh").sealed();
    let new = gateway.framed(&format!("/open?token={fresh}"), &[&format!("Cookie: {old}")]).cookie();
    assert_eq!(gateway.own("GET", "/open", &old).status, 200, "requests that are on their way");
    assert_eq!(gateway.own("POST", "/.vestibule/logout", &new).status, 204);
    for cookie in [&new, &old] {
        assert_eq!(gateway.own("GET", "/open", cookie).code(), "session_expired");
    }
}

#[test]
fn keys_rotate_over_restarts_and_cookies_stay_where_they_belong() {
    let upstream = Upstream::start();
    let first = Gateway::new(&upstream);
    let cookie = first.sign_in(&Token::client());
    let (platform, public, admin) = (first.platform.clone(), first.address, first.admin);
    assert_eq!(first.terminate(), Some(0));
    let new_key = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";
    let both =
        "keys = [{ id = \"k2\", secret = { env = \"NEW_KEY\" } }, { id = \"k1\", secret = { env = \"SESSION_KEY\" } }]";
    let old = "keys = [{ id = \"k1\", secret = { env = \"SESSION_KEY\" } }]";
    let second =
        Setup::new(&upstream).with(old, both).env("NEW_KEY", new_key).start_at(platform.clone(), public, admin);
    let answer = second.own("GET", "/open", &cookie);
    assert_eq!(answer.status, 200, "{}", second.output());
    let resealed = answer.cookie();
    assert!(!resealed.is_empty(), "a cookie of an old key is sealed anew");
    assert_eq!(second.terminate(), Some(0));
    let only = "keys = [{ id = \"k2\", secret = { env = \"NEW_KEY\" } }]";
    let third = Setup::new(&upstream).with(old, only).env("NEW_KEY", new_key).start_at(platform, public, admin);
    assert_eq!(third.own("GET", "/open", &cookie).code(), "session_missing");
    assert_eq!(third.own("GET", "/open", &resealed).status, 200);
    let elsewhere = Gateway::new(&upstream);
    let stranger = elsewhere.sign_in(&Token::client());
    assert_eq!(third.own("GET", "/open", &stranger).code(), "session_missing");
}

// SES-19
#[test]
fn several_people_in_one_browser_are_told_apart_or_refused() {
    let (gateway, upstream) = gateway();
    let client = gateway.sign_in(&Token::client());
    let landing = gateway.framed(&format!("/open?token={}", Token::staff().sealed()), &[&format!("Cookie: {client}")]);
    let staff = landing.cookie();
    let context =
        staff.strip_prefix("__Host-vestibule.").and_then(|rest| rest.split('=').next()).expect("a context").to_owned();
    assert_eq!(landing.header("location"), format!("/open?_vestibule_ctx={context}"));
    let both = format!("Cookie: {client}; {staff}");
    let ask = |target: &str, line: &str| gateway.ask("GET", target, &[&both, "Sec-Fetch-Site: same-origin", line]);
    let ambiguous = ask("/open", "X-A: b");
    assert_eq!((ambiguous.status, ambiguous.code()), (409, "context_ambiguous"));
    for (target, line) in [
        ("/open".to_owned(), format!("X-Vestibule-Context: {context}")),
        (format!("/open?_vestibule_ctx={context}"), "X-A: b".to_owned()),
        ("/open".to_owned(), format!("Referer: http://{}/open?_vestibule_ctx={context}", gateway.host())),
    ] {
        assert_eq!(ask(&target, &line).status, 200, "{target} {line}");
        let seen = upstream.seen().pop().expect("the app was asked");
        assert_eq!((seen.line(), seen.value("x-vestibule-user")), ("GET /open HTTP/1.1", STAFF), "{line}");
        assert!(seen.values("x-vestibule-context").is_empty());
    }
    assert_eq!(ask("/open", "X-Vestibule-Context: nobody00").code(), "session_missing");
    let gone = gateway.ask("GET", "/open", &[&format!("Cookie: {client}"), &format!("X-Vestibule-Context: {context}")]);
    assert_eq!(gone.code(), "session_missing", "another context never steps in");
}

#[test]
fn a_page_can_ask_who_is_signed_in_and_renew_the_session() {
    let (gateway, _upstream) = gateway();
    let cookie = gateway.sign_in(&Token::client());
    let body = gateway.own("GET", "/.vestibule/session", &cookie).json();
    assert_eq!((&body["host"], &body["tenant"], &body["user"]), (&json!("assembly"), &json!(TENANT), &json!(CLIENT)));
    assert_eq!(
        (&body["kind"], &body["organization"], &body["actor"]),
        (&json!("client"), &json!(COMPANY), &json!(null))
    );
    assert_eq!((&body["roles"], &body["permissions"]), (&json!([]), &json!([])), "nothing in the whole tenant");
    assert!(body["expires_at"].as_str().is_some_and(|time| time.ends_with('Z')) && body["context"].is_string());

    let lines = [&format!("Cookie: {cookie}") as &str, "Sec-Fetch-Site: same-origin", "Content-Type: application/json"];
    let post = |body: String| gateway.send("POST", "/.vestibule/session", &lines, body.as_bytes());
    let fresh = Token::client().with("tokenId", "t-fresh").sealed();
    let renewed = post(json!({ "token": fresh, "host": "assembly" }).to_string());
    assert_eq!(renewed.status, 200, "{renewed:?}");
    assert_eq!(renewed.json()["user"], CLIENT);
    assert!(!renewed.cookie().is_empty() && renewed.cookie() != cookie, "SES-11: a new seal with a new id");
    assert_eq!(gateway.platform.calls("/v1/workspaces"), 1, "the same ids renew without a call");

    assert_eq!(gateway.own("GET", "/open", &cookie).status, 200, "requests that are on their way still count");
    assert_eq!(post(json!({ "token": Token::staff().sealed() }).to_string()).code(), "context_mismatch");
    assert_eq!(post(json!({ "token": "" }).to_string()).code(), "token_missing");
    assert_eq!(post(json!({ "token": "00" }).to_string()).code(), "token_invalid");
    assert_eq!(post(json!({ "token": fresh, "host": "nobody" }).to_string()).code(), "token_invalid");
    for odd in ["", "{}", "[]", "{\"token\":1}", "{\"token\":\"x\",\"more\":1}", "{\"token\":\"x\"}{}"] {
        assert_eq!(post(odd.to_owned()).code(), "malformed_request", "{odd}");
    }
    assert_eq!(post(format!("{{\"token\":\"{}\"}}", "0".repeat(20_000))).code(), "body_too_large");
}

#[test]
fn a_renewal_keeps_the_page_that_frames_and_ends_what_it_replaces() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream)
        .with("origins = [", "origins = [\"https://dashboard.example\", ")
        .with("[roles.viewer]", "idle = \"1s\"\n\n[roles.viewer]")
        .start();
    let target = format!("/open?token={}", Token::client().sealed());
    let lines = [
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-Dest: iframe",
        "Referer: https://dashboard.example/",
    ];
    let cookie = gateway.ask("GET", &target, &lines).cookie();
    sleep(Duration::from_millis(1100));
    let ended = gateway.own("GET", "/open", &cookie);
    assert_eq!(ended.code(), "session_expired");
    let body = json!({ "token": Token::client().with("tokenId", "t-late").sealed() }).to_string();
    let lines = [&format!("Cookie: {cookie}") as &str, "Sec-Fetch-Site: same-origin"];
    let renewed = gateway.send("POST", "/.vestibule/session", &lines, body.as_bytes());
    assert_eq!(renewed.status, 200);
    let landed = gateway.own("GET", "/open", &renewed.cookie());
    assert_eq!(
        landed.header("content-security-policy"),
        "frame-ancestors https://portal.example https://dashboard.example"
    );
}

#[test]
fn our_own_paths_are_few_and_know_their_methods() {
    let (gateway, upstream) = gateway();
    let cookie = gateway.sign_in(&Token::client());
    for (method, path, code) in [
        ("DELETE", "/.vestibule/session", "method_not_allowed"),
        ("GET", "/.vestibule/logout", "method_not_allowed"),
        ("POST", "/.vestibule/jwks.json", "method_not_allowed"),
        ("GET", "/.vestibule", "not_routed"),
        ("GET", "/.vestibule/session/x", "not_routed"),
        ("GET", "/.vestibule/metrics", "not_routed"),
        ("GET", "/metrics", "not_routed"),
        ("GET", "/healthz", "not_routed"),
    ] {
        assert_eq!(gateway.own(method, path, &cookie).code(), code, "{method} {path}");
    }
    assert!(upstream.seen().is_empty());
}
