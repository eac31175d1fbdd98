use super::*;

/// A key in PEM.
fn pem(byte: u8) -> String {
    let head = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let der = [&head[..], &[byte; 32]].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

/// Has keys `k0`, `k1` and so on.
fn store(question: &str) -> String {
    let id = question.strip_prefix("GET /keys/").and_then(|rest| rest.split(' ').next()).expect("a key's address");
    match id.strip_prefix('k').and_then(|number| number.parse().ok()) {
        Some(number) => answer(200, "Content-Type: text/plain\r\n", &pem(number)),
        None => answer(404, "", "<html>"),
    }
}

#[tokio::test]
async fn a_key_is_fetched_by_its_id_and_kept_for_an_hour() {
    let server = Server::new(|number, question| if number < 2 { store(question) } else { answer(410, "", "") }).await;
    let clock = clock();
    for url in [server.url(), format!("{}/", server.url())] {
        assert!(remote(&url, true, &clock).is_like(&url, true));
    }
    let keys = remote(&server.url(), true, &clock);
    let found = keys.find(Some("k7"), Algorithm::EdDsa).await.expect("an answer");
    assert_eq!(found.as_deref(), PublicKey::from_pem(&pem(7)).ok().as_ref());
    assert_eq!(keys.find(Some("k7"), Algorithm::Rs256).await, Ok(None));
    clock.advance(59 * MINUTE);
    assert!(keys.find(Some("k7"), Algorithm::EdDsa).now_or_never().is_some_and(|found| found.is_ok()));
    clock.advance(MINUTE);
    assert_eq!((has(&keys, "k7").await, server.seen().len()), (Some(true), 2));
    clock.advance(60 * MINUTE);
    assert_eq!((has(&keys, "k7").await, server.seen().len()), (Some(false), 3), "it went in the meantime");
}

#[tokio::test]
async fn an_id_that_is_no_plain_name_is_never_part_of_an_address() {
    let server = Server::new(|_, question| store(question)).await;
    let keys = remote(&server.url(), true, &clock());
    let long = "k".repeat(129);
    for id in
        ["", ".", "..", "a..b", "../k1", "a/k1", "/k1", "k1?", "k1#", "k1%2f", "k 1", "k1\n", "k1\0", "ü", "k1:", &long]
    {
        assert_eq!(has(&keys, id).await, Some(false), "{id:?}");
    }
    assert_eq!(keys.find(None, Algorithm::EdDsa).await, Ok(None));
    assert_eq!(server.connections(), 0);
    for id in ["a.b_c-D9", &long[1..]] {
        assert_eq!(has(&keys, id).await, Some(false));
    }
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn made_up_ids_cause_ten_fetches_a_minute_and_push_out_no_key() {
    let server = Server::new(|_, question| store(question)).await;
    let clock = clock();
    let keys = remote(&server.url(), true, &clock);
    assert_eq!(has(&keys, "k1").await, Some(true));
    for minute in 1..20 {
        clock.advance(MINUTE);
        let answers =
            join_all((0..30).map(|id| format!("x-{minute}-{id}")).collect::<Vec<_>>().iter().map(|id| has(&keys, id)))
                .await;
        let unknown = answers.iter().filter(|answer| **answer == Some(false)).count();
        let unasked = answers.iter().filter(|answer| answer.is_none()).count();
        assert_eq!((unknown, unasked), (10, 20), "who is not asked about is not unknown");
        assert_eq!(has(&keys, &format!("x-{minute}-0")).await, Some(false), "from memory");
        assert_eq!(has(&keys, "k1").await, Some(true));
    }
    assert_eq!(server.seen().len(), 1 + 19 * 10);
    assert_eq!(has(&keys, "x-19-0").await, Some(false));
    clock.advance(MINUTE);
    assert_eq!((has(&keys, "x-19-0").await, server.seen().len()), (Some(false), 192), "asked again after a minute");
}

#[tokio::test]
async fn two_questions_for_one_key_are_one_fetch() {
    let server = Server::slow(Duration::from_millis(100), |_, question| store(question)).await;
    let keys = remote(&server.url(), true, &clock());
    tokio::time::timeout(Duration::from_millis(20), has(&keys, "k1")).await.expect_err("not yet");
    assert_eq!(join_all(["k1", "k1", "k1"].map(|id| has(&keys, id))).await, [Some(true); 3]);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn an_outage_is_not_an_unknown_key() {
    for bad in [
        answer(500, "", &pem(1)),
        answer(429, "", ""),
        answer(401, "", ""),
        answer(302, "Location: /keys/k1\r\n", ""),
        answer(200, "", ""),
        answer(200, "", &pem(1).replace("PUBLIC", "PRIVATE")),
        answer(200, "", &format!("{}{}", pem(1), pem(2))),
        answer(200, "", &" ".repeat(65 * 1024)),
    ] {
        let server = Server::new(move |number, question| if number == 0 { bad.clone() } else { store(question) }).await;
        let keys = remote(&server.url(), true, &clock());
        assert_eq!(has(&keys, "k1").await, None);
        assert_eq!(keys.troubles(), ["the platform's keys cannot be fetched"]);
        assert_eq!((has(&keys, "k1").await, keys.troubles()), (Some(true), Vec::new()));
    }
    let server = Server::new(|number, question| if number == 0 { store(question) } else { String::new() }).await;
    let clock = clock();
    let keys = remote(&server.url(), true, &clock);
    assert_eq!(has(&keys, "k1").await, Some(true));
    clock.advance(60 * MINUTE);
    assert_eq!(
        (has(&keys, "k1").await, server.seen().len()),
        (Some(true), 2),
        "asked about, and used without an answer"
    );
    clock.advance(23 * 60 * MINUTE);
    assert_eq!(has(&keys, "k1").await, None, "not for longer than a day");
}

#[tokio::test]
async fn made_up_ids_do_not_keep_a_known_key_out() {
    let server = Server::new(|_, question| store(question)).await;
    let clock = clock();
    let keys = remote(&server.url(), true, &clock);
    assert_eq!(has(&keys, "k1").await, Some(true));
    clock.advance(61 * MINUTE);
    for id in 0..10 {
        assert_eq!(has(&keys, &format!("x{id}")).await, Some(false));
    }
    assert_eq!((has(&keys, "k1").await, server.seen().len()), (Some(true), 11), "no fetch was left");
}
