//! The platform is slow, gone, out of quota, or says that somebody is.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::{CLIENT, Gateway, Platform, Setup, Token, Upstream};

#[test]
fn fifty_first_requests_are_one_question() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    gateway.platform.be_slow();
    let token = Token::client().sealed();
    thread::scope(|scope| {
        let crowd: Vec<_> = (0..50).map(|_| scope.spawn(|| gateway.present(&token).status)).collect();
        assert!(crowd.into_iter().all(|one| one.join().expect("no panic") == 303));
    });
    assert_eq!(
        (gateway.platform.calls("/v1/workspaces"), gateway.platform.calls(&format!("/v1/clients/{CLIENT}"))),
        (1, 1)
    );
}

#[test]
fn an_outage_ends_no_session_within_its_grace_and_begins_none() {
    let upstream = Upstream::start();
    let gateway =
        Setup::new(&upstream).with("[session]", "revalidate = \"1s\"\noutage_grace = \"3s\"\n\n[session]").start();
    let cookie = gateway.sign_in(&Token::client());
    for status in [500, 429, 503] {
        gateway.platform.fail_with(status);
        let answer = gateway.present(&Token::staff().with("tokenId", &format!("t-{status}")).sealed());
        assert_eq!((answer.status, answer.code()), (503, "host_unavailable"), "{status}");
        assert!(answer.cookie().is_empty());
    }
    thread::sleep(Duration::from_millis(1300));
    assert_eq!(gateway.own("GET", "/open", &cookie).status, 200, "within the grace");
    thread::sleep(Duration::from_secs(4));
    let answer = gateway.own("GET", "/open", &cookie);
    assert_eq!((answer.status, answer.code()), (503, "host_unavailable"), "an outage is never a no");
    assert_eq!(
        gateway.admin("GET", "/readyz", &[], b"").status,
        200,
        "trouble behind us is no reason to send nobody here"
    );
    assert!(gateway.admin("GET", "/readyz", &[], b"").text().contains("the platform's API cannot be asked"));
    gateway.platform.fail_with(0);
    assert_eq!(gateway.own("GET", "/open", &cookie).status, 200, "and it passes");
}

#[test]
fn a_person_who_is_deleted_is_out_after_the_next_confirmation() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).with("[session]", "revalidate = \"1s\"\n\n[session]").start();
    let cookie = gateway.sign_in(&Token::client());
    gateway.platform.delete(CLIENT);
    thread::sleep(Duration::from_millis(1300));
    let answer = gateway.own("GET", "/open", &cookie);
    assert_eq!((answer.status, answer.code()), (401, "session_expired"));
    assert_eq!(gateway.own("GET", "/open", &cookie).code(), "session_expired");
    assert_eq!(gateway.present(&Token::client().with("tokenId", "t-again").sealed()).code(), "token_invalid");
}

#[test]
fn a_used_up_quota_is_an_outage() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).with("per_month = 1000000", "per_month = 4").start();
    thread::sleep(Duration::from_millis(200));
    assert_eq!(gateway.present(&Token::client().sealed()).status, 303, "two calls were the probe's, two are these");
    assert_eq!(gateway.present(&Token::staff().sealed()).code(), "host_unavailable");
}

#[test]
fn people_who_keep_trying_in_an_outage_do_not_use_up_the_quota() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream)
        .with("[session]", "revalidate = \"1s\"\noutage_grace = \"1h\"\n\n[session]")
        .with("per_month = 1000000", "per_month = 100")
        .start();
    let cookie = gateway.sign_in(&Token::client());
    thread::sleep(Duration::from_millis(1300));
    gateway.platform.fail_with(503);
    assert!((0..200).all(|_| gateway.own("GET", "/open", &cookie).status == 200), "within the grace");
    assert_eq!(gateway.present(&Token::staff().sealed()).code(), "host_unavailable");
    let asked = gateway.platform.seen().len();
    assert!(asked < 40, "{asked} calls");
}

#[test]
fn tokens_that_differ_in_their_id_only_do_not_use_up_the_quota() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).and("\n[limits]\ntoken_failures = \"1000/1m\"\n").start();
    let codes: Vec<String> = (0..40)
        .map(|n| gateway.present(&Token::client().with("tokenId", &format!("dead-{n}")).sealed()).code().to_owned())
        .collect();
    assert!(codes[..20].iter().all(|code| code == "token_invalid"), "{codes:?}");
    assert!(codes[20..].iter().all(|code| code == "host_unavailable"), "no answer is not a no: {codes:?}");
    assert_eq!(gateway.platform.calls("/v1/workspaces"), 20);
    assert_eq!(gateway.present(&Token::staff().sealed()).status, 303, "others are not held up");
}

#[test]
fn a_key_that_is_not_accepted_is_our_trouble_and_nobodys_no() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    gateway.platform.fail_with(401);
    let bare = Token::of(&[("clientId", CLIENT), ("workspaceId", crate::support::TENANT)]).sealed();
    assert_eq!(gateway.present(&bare).code(), "host_unavailable");
    let gateway = Setup::new(&upstream).start_with({
        let platform = Platform::start();
        platform.fail_with(401);
        platform
    });
    assert_eq!(gateway.present(&Token::client().sealed()).code(), "host_unavailable", "with a token id too");
    assert!(gateway.admin("GET", "/readyz", &[], b"").text().contains("does not accept the API key"));
}

#[test]
fn what_the_platform_checks_of_a_token_is_found_out_at_start() {
    let upstream = Upstream::start();
    let careful = Gateway::new(&upstream);
    let platform = Platform::start();
    platform.be_careless();
    let careless = Setup::new(&upstream).start_with(platform);
    let says = |gateway: &Gateway, text: &str| {
        (0..100).any(|_| {
            thread::sleep(Duration::from_millis(20));
            gateway.output().contains(text)
        })
    };
    assert!(says(&careful, "confirmation: liveness") && says(&careless, "confirmation: existence"));
    assert!(careless.admin("GET", "/readyz", &[], b"").text().contains("confirmation: existence"));
    assert!(!careful.admin("GET", "/readyz", &[], b"").text().contains("confirmation"));
}

#[test]
fn who_stays_is_asked_about_again_in_time_and_waits_for_no_answer() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).with("[session]", "revalidate = \"5s\"\n\n[session]").start();
    let cookie = gateway.sign_in(&Token::client());
    let path = format!("/v1/clients/{CLIENT}");
    gateway.platform.be_slow();
    let (start, mut slowest) = (Instant::now(), Duration::ZERO);
    // Its share of the 20 % may make the period one of 6 s.
    while gateway.platform.calls(&path) < 2 && start.elapsed() < Duration::from_secs(6) {
        let asked = Instant::now();
        assert_eq!(gateway.own("GET", "/open", &cookie).status, 200);
        slowest = slowest.max(asked.elapsed());
        thread::sleep(Duration::from_millis(100));
    }
    let took = start.elapsed();
    assert_eq!(gateway.platform.calls(&path), 2, "asked again before it had to be");
    assert!(took >= Duration::from_secs(3) && slowest < Duration::from_millis(200), "{took:?}, {slowest:?}");
    gateway.platform.delete(CLIENT);
    thread::sleep(Duration::from_millis(700));
    let gone = (0..70).map(|_| {
        thread::sleep(Duration::from_millis(100));
        gateway.own("GET", "/open", &cookie).code().to_owned()
    });
    assert_eq!(gone.into_iter().find(|code| !code.is_empty()).as_deref(), Some("session_expired"));
}
