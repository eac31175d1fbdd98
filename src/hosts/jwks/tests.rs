use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::*;
use crate::clock::Timestamp;
use crate::hosts::fetch::tests::{Server, answer};

mod apart;

const MINUTE: Duration = Duration::from_secs(60);

type Found = Result<Option<Arc<PublicKey>>, Unavailable>;

fn clock() -> Clock {
    Clock::manual(Timestamp::from_secs(1_790_000_000))
}

fn remote(url: &str, by_id: bool, clock: &Clock) -> RemoteKeys {
    RemoteKeys::new(HostName::new("acme").expect("a name"), url, by_id, clock.clone()).expect("TLS")
}

/// A set with a key for each letter.
fn set(ids: &str) -> String {
    let key = |id: char| {
        let x = URL_SAFE_NO_PAD.encode([u8::try_from(id).expect("ASCII"); 32]);
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"{id}"}}"#)
    };
    format!("{{\"keys\":[{}]}}", ids.chars().map(key).collect::<Vec<_>>().join(","))
}

fn good(ids: &str) -> String {
    answer(200, "", &set(ids))
}

/// Whether there is such a key; `None` if that cannot be said.
async fn has(keys: &RemoteKeys, id: &str) -> Option<bool> {
    keys.find(Some(id), Algorithm::EdDsa).await.ok().map(|key| key.is_some())
}

/// Waits for what happens beside the caller.
async fn eventually(what: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !what().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn two_first_uses_at_once_are_one_fetch() {
    let server = Server::slow(Duration::from_millis(200), |_, _| good("ab")).await;
    let keys = remote(&server.url(), false, &clock());
    let all = join_all(["a", "b", "a", "c"].map(|id| has(&keys, id))).await;
    assert_eq!(all, [Some(true), Some(true), Some(true), Some(false)]);
    for _ in 0..100 {
        assert_eq!(has(&keys, "a").await, Some(true));
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].starts_with("GET /keys HTTP/1.1\r\n") && seen[0].contains("\r\naccept: application/json\r\n"));
}

#[tokio::test]
async fn a_known_key_needs_no_wait_and_another_algorithm_has_none() {
    let server = Server::answering(answer(200, "Content-Type: text/html\r\n", &set("a"))).await;
    let keys = remote(&server.url(), false, &clock());
    assert_eq!(has(&keys, "a").await, Some(true));
    let now = |id, algorithm| keys.find(id, algorithm).now_or_never().map(|found| found.map(|key| key.is_some()));
    assert_eq!(now(Some("a"), Algorithm::EdDsa), Some(Ok(true)));
    assert_eq!(now(None, Algorithm::EdDsa), Some(Ok(true)), "the only one");
    assert_eq!(now(Some("a"), Algorithm::Es256), Some(Ok(false)));
    assert_eq!(now(Some("x"), Algorithm::EdDsa), Some(Ok(false)));
}

#[tokio::test]
async fn a_new_key_is_found_and_one_that_went_is_gone_at_once() {
    let server = Server::new(|number, _| if number == 0 { good("a") } else { good("b") }).await;
    let clock = clock();
    let keys = remote(&server.url(), false, &clock);
    assert_eq!((has(&keys, "a").await, has(&keys, "b").await), (Some(true), Some(false)));
    clock.advance(MINUTE);
    assert_eq!((has(&keys, "b").await, has(&keys, "a").await), (Some(true), Some(false)));
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn made_up_ids_cause_one_fetch_a_minute_whoever_presents_them() {
    let server = Server::slow(Duration::from_millis(5), |_, _| good("a")).await;
    let clock = clock();
    let keys = remote(&server.url(), false, &clock);
    assert_eq!(has(&keys, "a").await, Some(true));
    for second in 0..300 {
        let ids: Vec<_> = (0..10).map(|id| format!("{second}-{id}")).collect();
        let answers = join_all(ids.iter().map(|id| has(&keys, id))).await;
        assert!(answers.iter().all(|answer| *answer == Some(false)));
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(server.seen().len(), 5, "of the first use, and after 60, 120, 180 and 240 seconds");
}

#[tokio::test]
async fn a_set_that_is_no_more_fresh_is_used_while_it_is_fetched() {
    let server = Server::new(|number, _| if number == 0 { good("a") } else { good("ab") }).await;
    let clock = clock();
    let keys = remote(&server.url(), false, &clock);
    assert_eq!(has(&keys, "a").await, Some(true));
    clock.advance(9 * MINUTE);
    assert_eq!(has(&keys, "a").await, Some(true));
    assert_eq!(server.seen().len(), 1);
    clock.advance(MINUTE);
    for _ in 0..10 {
        assert!(keys.find(Some("a"), Algorithm::EdDsa).now_or_never().is_some(), "no wait");
    }
    eventually(async || has(&keys, "b").await == Some(true)).await;
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_set_that_nobody_looked_at_for_long_is_not_used_before_a_fetch() {
    let server = Server::new(|number, _| if number == 0 { good("a") } else { good("b") }).await;
    let clock = clock();
    let keys = remote(&server.url(), false, &clock);
    assert_eq!(has(&keys, "a").await, Some(true));
    clock.advance(20 * MINUTE);
    assert_eq!(has(&keys, "a").await, Some(false), "it went in the meantime");
}

#[tokio::test]
async fn the_platform_can_shorten_how_long_a_set_is_fresh_and_not_lengthen_it() {
    for (control, minutes) in [
        ("max-age=300", 5),
        ("public, Max-Age=\"300\"", 5),
        ("max-age=0", 1),
        ("no-cache", 1),
        ("max-age=300, no-store", 1),
        ("max-age=soon", 1),
        ("max-age=86400", 10),
        ("max-age=99999999999999999999999", 1),
        ("immutable", 10),
    ] {
        let server = Server::answering(answer(200, &format!("Cache-Control: {control}\r\n"), &set("a"))).await;
        let clock = clock();
        let keys = remote(&server.url(), false, &clock);
        assert_eq!(has(&keys, "a").await, Some(true));
        clock.advance(Duration::from_secs(minutes * 60 - 1));
        assert_eq!(has(&keys, "a").await, Some(true));
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(server.seen().len(), 1, "{control}");
        clock.advance(Duration::from_secs(1));
        assert_eq!(has(&keys, "a").await, Some(true));
        eventually(async || server.seen().len() == 2).await;
    }
}

#[tokio::test]
async fn in_an_outage_the_last_good_keys_hold_for_a_day_and_nobody_says_of_a_key_that_it_does_not_exist() {
    let server =
        Server::new(|number, _| if number == 0 || number > 100 { good("a") } else { answer(503, "", "") }).await;
    let clock = clock();
    let keys = remote(&server.url(), false, &clock);
    assert_eq!((has(&keys, "a").await, has(&keys, "b").await), (Some(true), Some(false)));
    assert_eq!(keys.troubles(), Vec::<String>::new());
    clock.advance(MINUTE);
    assert_eq!((has(&keys, "b").await, has(&keys, "c").await, has(&keys, "a").await), (None, None, Some(true)));
    assert_eq!(keys.troubles(), ["the platform's keys cannot be fetched"]);
    for _ in 1..24 {
        clock.advance(60 * MINUTE);
        assert_eq!(has(&keys, "a").await, Some(true));
    }
    clock.advance(60 * MINUTE);
    assert_eq!((has(&keys, "a").await, has(&keys, "b").await), (None, None));
    while server.seen().len() <= 101 {
        clock.advance(MINUTE);
        has(&keys, "a").await;
    }
    assert_eq!((has(&keys, "a").await, has(&keys, "b").await), (Some(true), Some(false)));
    assert_eq!(keys.troubles(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_no_good_set_replaces_none() {
    let elsewhere = Server::answering(good("b")).await;
    let padded = |bytes: usize| format!("{}{}", set("b"), " ".repeat(bytes - set("b").len()));
    for bad in [
        answer(200, "", r#"{"keys":[]}"#),
        answer(200, "", r#"{"keys":[{"kty":"oct","k":"AA","kid":"b"}]}"#),
        answer(200, "", "{}"),
        answer(200, "", &set("b")[1..]),
        answer(200, "", "<html>"),
        answer(200, "", &padded(65 * 1024)),
        answer(200, "Content-Encoding: gzip\r\n", &set("b")),
        answer(301, &format!("Location: {}\r\n", elsewhere.url()), &set("b")),
        answer(307, "Location: /other\r\n", &set("b")),
        answer(404, "", &set("b")),
        answer(206, "", &set("b")),
        String::new(),
    ] {
        let shown = bad.get(..60).unwrap_or(&bad).to_owned();
        let server = Server::new(move |number, _| if number == 0 { good("a") } else { bad.clone() }).await;
        let clock = clock();
        let keys = remote(&server.url(), false, &clock);
        assert_eq!(has(&keys, "a").await, Some(true));
        clock.advance(MINUTE);
        assert_eq!((has(&keys, "b").await, has(&keys, "a").await), (None, Some(true)), "{shown}");
        assert_eq!(server.seen().len(), 2);
    }
    assert_eq!(elsewhere.connections(), 0);
    let server = Server::answering(answer(200, "", r#"{"keys":[]}"#)).await;
    assert_eq!(has(&remote(&server.url(), false, &clock()), "a").await, None, "nor is it a first one");
}

#[tokio::test]
async fn an_outage_at_the_first_use_is_not_hammered() {
    let server = Server::answering(answer(500, "", "")).await;
    let clock = clock();
    let keys = remote(&server.url(), false, &clock);
    let mut fetches = Vec::new();
    for second in 0..300 {
        let before = server.seen().len();
        for _ in 0..5 {
            assert_eq!(has(&keys, "a").await, None);
        }
        if server.seen().len() > before {
            fetches.push(second);
        }
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(fetches, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
    assert_eq!(server.seen().len(), fetches.len());
}

#[tokio::test]
async fn a_caller_who_goes_away_takes_the_answer_from_nobody() {
    let server = Server::slow(Duration::from_millis(200), |_, _| good("a")).await;
    let keys = remote(&server.url(), false, &clock());
    tokio::time::timeout(Duration::from_millis(50), has(&keys, "a")).await.expect_err("not yet");
    assert_eq!(has(&keys, "a").await, Some(true));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_waited_for_once() {
    let server = Server::slow(MINUTE, |_, _| String::new()).await;
    let keys = remote(&server.url(), false, &clock());
    let begun = Instant::now();
    let found: Vec<Found> = join_all((0..20).map(|_| keys.find(Some("a"), Algorithm::EdDsa))).await;
    assert!(found.iter().all(Result::is_err));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn keys_are_carried_over_to_the_same_address_in_the_same_form() {
    let keys = remote("https://host.example/keys", false, &clock());
    assert!(keys.is_like("https://host.example/keys", false));
    assert!(!keys.is_like("https://host.example/keys", true) && !keys.is_like("https://host.example/keys/", false));
}

#[tokio::test]
async fn a_set_can_be_fetched_before_a_token_asks_for_it() {
    let server = Server::new(|number, _| if number == 0 { answer(503, "", "") } else { good("ab") }).await;
    let clock = clock();
    let keys = remote(&server.url(), false, &clock);
    assert!(!keys.probe().await);
    clock.advance(MINUTE);
    assert!(keys.probe().await && keys.probe().await);
    assert!(keys.find(Some("a"), Algorithm::EdDsa).now_or_never().is_some_and(|found| found.is_ok()));
    assert_eq!(server.seen().len(), 2);
    assert!(remote("http://127.0.0.1:9", true, &clock).probe().await);
}
