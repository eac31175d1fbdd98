use futures_util::future::join_all;

use super::*;
use crate::hosts::fetch::tests::{Server, answer};

const GOOD: &str = r#"{"id":"u1","siteId":"s1","email":"ann@example.com"}"#;

fn clock() -> Clock {
    Clock::manual(Timestamp::from_secs(1_790_000_000))
}

fn asking(url: &str, clock: &Clock) -> Introspection {
    let host = HostName::new("acme").expect("a name");
    Introspection::new(host, url, Secret::from("canary-credential"), clock.clone()).expect("TLS")
}

async fn resolve(platform: &Introspection, token: &str) -> Result<String, Refusal> {
    platform.resolve(&Secret::from(token)).await.map(|meaning| meaning["id"].as_str().expect("text").to_owned())
}

#[tokio::test]
async fn a_token_means_what_the_platform_says_for_a_minute() {
    let server = Server::answering(answer(200, "", GOOD)).await;
    let clock = clock();
    let platform = asking(&server.url(), &clock);
    let meaning = platform.resolve(&Secret::from("t\"\\1")).await.expect("a meaning");
    assert_eq!(Value::Object(Meaning::clone(&meaning)), serde_json::from_str::<Value>(GOOD).expect("JSON"));
    let seen = server.seen().pop().expect("a question");
    assert!(seen.starts_with("POST /keys HTTP/1.1\r\n"), "{seen}");
    for line in
        ["authorization: Bearer canary-credential", "content-type: application/json", "accept: application/json"]
    {
        assert!(seen.contains(&format!("\r\n{line}\r\n")), "{line}: {seen}");
    }
    assert!(seen.ends_with("\r\n\r\n{\"idToken\":\"t\\\"\\\\1\"}"), "{seen}");
    clock.advance(Duration::from_secs(59));
    assert_eq!((resolve(&platform, "t\"\\1").await.as_deref(), server.seen().len()), (Ok("u1"), 1));
    clock.advance(Duration::from_secs(1));
    assert_eq!((resolve(&platform, "t\"\\1").await.as_deref(), server.seen().len()), (Ok("u1"), 2));
    assert_eq!((resolve(&platform, "other").await.as_deref(), server.seen().len()), (Ok("u1"), 3));
}

#[tokio::test]
async fn a_token_that_the_platform_refuses_is_refused_for_a_minute() {
    for status in [400, 404, 410, 422] {
        let server =
            Server::new(move |number, _| if number == 0 { answer(status, "", GOOD) } else { answer(200, "", GOOD) });
        let (server, clock) = (server.await, clock());
        let platform = asking(&server.url(), &clock);
        for _ in 0..3 {
            assert_eq!(resolve(&platform, "t").await, Err(Refusal::BadSignature), "{status}");
        }
        assert_eq!((server.seen().len(), platform.troubles()), (1, Vec::new()));
        clock.advance(KEEP);
        assert_eq!(resolve(&platform, "t").await.as_deref(), Ok("u1"));
    }
}

#[tokio::test]
async fn what_is_neither_yes_nor_no_is_an_outage_and_not_kept() {
    let cannot = "the platform's API cannot be asked";
    for (bad, trouble) in [
        (answer(401, "", ""), "the platform's API does not accept the API key"),
        (answer(403, "", ""), "the platform's API does not accept the API key"),
        (answer(408, "", ""), cannot),
        (answer(429, "", ""), cannot),
        (answer(500, "", GOOD), cannot),
        (answer(503, "", ""), cannot),
        (answer(201, "", GOOD), cannot),
        (answer(302, "Location: /other\r\n", GOOD), cannot),
        (answer(200, "", ""), cannot),
        (answer(200, "", "[]"), cannot),
        (answer(200, "", r#"{"id":"u1","id":"u2"}"#), cannot),
        (answer(200, "", &format!("{GOOD}{}", " ".repeat(65 * 1024))), cannot),
        (String::new(), cannot),
    ] {
        let server = Server::new(move |number, _| if number == 0 { bad.clone() } else { answer(200, "", GOOD) }).await;
        let platform = asking(&server.url(), &clock());
        assert_eq!(resolve(&platform, "t").await, Err(Refusal::Unavailable));
        assert_eq!(platform.troubles(), [trouble]);
        assert_eq!(resolve(&platform, "t").await.as_deref(), Ok("u1"));
        assert_eq!(platform.troubles(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_cannot_be_a_token_is_not_asked_about() {
    let server = Server::answering(answer(200, "", GOOD)).await;
    let platform = asking(&server.url(), &clock());
    let long = "t".repeat(MAX_TOKEN + 1);
    for token in ["", " t", "a b", "t\n", "t\0", "ü", "\u{7f}", &long] {
        assert_eq!(resolve(&platform, token).await, Err(Refusal::Malformed), "{token:?}");
    }
    assert_eq!(platform.resolve(&Secret::new(vec![0xff])).await.err(), Some(Refusal::Malformed));
    assert_eq!(server.connections(), 0);
    assert!(resolve(&platform, &long[1..]).await.is_ok());
}

#[tokio::test]
async fn many_questions_about_one_token_are_one() {
    let server = Server::slow(Duration::from_millis(100), |_, _| answer(200, "", GOOD)).await;
    let platform = asking(&server.url(), &clock());
    let gone = tokio::time::timeout(Duration::from_millis(20), resolve(&platform, "t")).await;
    gone.expect_err("a caller who goes away");
    let answers = join_all((0..20).map(|_| resolve(&platform, "t"))).await;
    assert!(answers.iter().all(|answer| answer.as_deref() == Ok("u1")));
    assert_eq!(server.seen().len(), 2, "what was asked for nobody is asked again");
}

#[tokio::test]
async fn rubbish_is_asked_about_ten_times_a_second_and_what_is_not_asked_about_is_not_refused() {
    let server = Server::new(|_, question| answer(if question.contains("good") { 200 } else { 404 }, "", GOOD)).await;
    let clock = clock();
    let platform = asking(&server.url(), &clock);
    assert!(resolve(&platform, "good").await.is_ok());
    for second in 0..5 {
        clock.advance(Duration::from_secs(1));
        let tokens: Vec<_> = (0..40).map(|number| format!("rubbish-{second}-{number}")).collect();
        let answers = join_all(tokens.iter().map(|token| resolve(&platform, token))).await;
        let refused = answers.iter().filter(|answer| **answer == Err(Refusal::BadSignature)).count();
        let unasked = answers.iter().filter(|answer| **answer == Err(Refusal::Unavailable)).count();
        assert_eq!((refused, unasked), (10, 30));
        assert!(resolve(&platform, "good").await.is_ok(), "from memory");
    }
    assert_eq!(server.seen().len(), 1 + 50);
}

#[tokio::test]
async fn few_are_asked_at_a_time_and_a_platform_that_stands_still_holds_nobody_for_long() {
    let server = Server::slow(Duration::from_secs(60), |_, _| String::new()).await;
    let clock = clock();
    let platform = asking(&server.url(), &clock);
    let begun = std::time::Instant::now();
    let tokens: Vec<_> = (0..30).map(|number| format!("t-{number}")).collect();
    let answers = join_all(tokens.iter().map(|token| resolve(&platform, token))).await;
    assert!(answers.iter().all(|answer| *answer == Err(Refusal::Unavailable)));
    assert_eq!(server.seen().len(), CONCURRENCY);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn it_is_carried_over_to_the_same_address_and_credential() {
    let platform = asking("https://host.example/resolve", &clock());
    assert!(platform.is_like("https://host.example/resolve", &Secret::from("canary-credential")));
    assert!(!platform.is_like("https://host.example/resolve", &Secret::from("another")));
    assert!(!platform.is_like("https://host.example/other", &Secret::from("canary-credential")));
}
