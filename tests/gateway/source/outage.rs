//! The platform is gone, slow, out of quota, or does not accept the credential.

use super::*;

/// Anybody who says so, so that there can be many: nobody is asked whether they exist.
fn offline(setup: Setup) -> Setup {
    setup.with("platform = \"assembly\"", "platform = \"assembly\"\nconfirm = \"offline\"")
}

fn person(number: usize) -> Token {
    let id = format!("aaaaaaaa-bbbb-4ccc-8ddd-{number:012}");
    Token::of(&[("clientId", &id), ("workspaceId", TENANT), ("tokenId", &format!("t-{number}"))])
}

fn sign_in_many(gateway: &Gateway, count: usize) -> Vec<String> {
    (0..count).map(|number| gateway.sign_in(&person(number))).collect()
}

#[test]
fn src_01_a_source_that_is_not_there_is_an_outage_that_says_when_to_come_back() {
    let app = Upstream::start();
    for url in [format!("http://{}/", free_port()), "https://no-such-name.invalid/".to_owned()] {
        let gateway = asking(&app, &url, "source = \"http\"").start();
        let cookie = gateway.sign_in(&Token::client());
        let answer = look(&gateway, &cookie);
        assert_eq!((answer.status, answer.code(), answer.header("retry-after")), (503, "permissions_unavailable", "5"));
        assert_eq!(gateway.own("GET", "/public/x", "").status, 200, "what needs no grant goes on");
        let ready = gateway.admin("GET", "/readyz", &[], b"");
        assert_eq!(ready.status, 200);
        assert!(ready.text().contains("permissions: the source http cannot be asked"), "{}", ready.text());
        assert!(metric(&gateway, "unavailable") >= 1);
    }
    assert!(app.seen().iter().all(|seen| seen.line().starts_with("GET /public/")));
}

#[test]
fn src_02_a_slow_source_is_an_outage_after_the_deadline_however_it_is_slow() {
    let silent = Source::scripted(|_, _| {
        thread::sleep(Duration::from_secs(15));
        false
    });
    let trickling = Source::scripted(|_, stream| {
        ok(EDITOR).bytes().all(|byte| {
            thread::sleep(Duration::from_millis(200));
            stream.write_all(&[byte]).is_ok()
        })
    });
    for source in [silent, trickling] {
        let app = Upstream::start();
        let gateway = asking(&app, &source.url(), "source = \"http\"\ntimeout = \"500ms\"").start();
        let cookie = gateway.sign_in(&Token::client());
        let begun = Instant::now();
        assert_eq!(look(&gateway, &cookie).code(), "permissions_unavailable");
        let took = begun.elapsed();
        assert!((Duration::from_millis(450)..Duration::from_secs(4)).contains(&took), "{took:?}");
        assert_eq!(seen_at(&app), 0);
    }
}

#[test]
fn src_04_an_answer_that_is_cut_is_none_and_nothing_of_it_is_kept() {
    let (app, source) = (
        Upstream::start(),
        Source::scripted({
            let count = AtomicUsize::new(0);
            move |_, stream| match count.fetch_add(1, Ordering::SeqCst) {
                0 => {
                    answer_with(stream, &format!("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{EDITOR}"));
                    false
                }
                1 => answer_with(stream, &ok(&EDITOR[..EDITOR.len() - 2])),
                2 => answer_with(stream, &status(200, "Content-Encoding: gzip\r\n", "\u{1f}\u{8b}")),
                3 => answer_with(stream, &status(500, "", EDITOR)),
                _ => answer_with(stream, &ok(EDITOR)),
            }
        }),
    );
    let gateway = source.setup(&app).start();
    let cookie = gateway.sign_in(&Token::client());
    for _ in 0..4 {
        assert_eq!(look(&gateway, &cookie).code(), "permissions_unavailable");
    }
    // CCH-04
    assert_eq!(look(&gateway, &cookie).status, 200, "an outage is kept by nobody");
    assert_eq!((source.questions(), seen_at(&app)), (5, 1));
}

#[test]
fn a_refused_credential_is_an_outage_with_an_alarm_and_nobodys_no() {
    let (app, source) = (Upstream::start(), Source::start(&status(401, "", "")));
    let gateway = source.setup(&app).start();
    let cookie = gateway.sign_in(&Token::client());
    for code in [401, 403] {
        source.becomes(&status(code, "", r#"{"grants":[]}"#));
        let answer = look(&gateway, &cookie);
        assert_eq!((answer.status, answer.code()), (503, "permissions_unavailable"));
    }
    let ready = gateway.admin("GET", "/readyz", &[], b"").text();
    assert!(ready.contains("permissions: the source http does not accept the credential"), "{ready}");
    assert_eq!(metric(&gateway, "refused"), 2);
    let output = gateway.output();
    let is_alarm = |line: &&str| line.contains("ERROR") && line.contains("permission_source");
    let alarms = output.lines().filter(is_alarm).count();
    assert_eq!(alarms, 2, "{output}");
    assert!(!output.contains("canary-grants"));
    source.becomes(&ok(EDITOR));
    assert_eq!(look(&gateway, &cookie).status, 200);
    assert!(!gateway.admin("GET", "/readyz", &[], b"").text().contains("permissions"));
}

#[test]
fn src_12_a_source_that_asks_for_a_rest_is_left_alone() {
    let (app, source) = (Upstream::start(), Source::editor());
    let more = "source = \"http\"\non_outage = \"serve_stale\"\nstale_for = \"1h\"";
    let gateway = offline(asking(&app, &source.url(), more))
        .with("[telemetry]", "[cache]\nttl = \"100ms\"\nnegative_ttl = \"100ms\"\n[telemetry]")
        .start();
    let people = sign_in_many(&gateway, 2);
    assert_eq!(look(&gateway, &people[0]).status, 200);
    source.becomes(&status(429, "Retry-After: 60\r\n", ""));
    thread::sleep(Duration::from_millis(150));
    for _ in 0..30 {
        assert_eq!(look(&gateway, &people[0]).status, 200, "the last answer serves");
        assert_eq!(look(&gateway, &people[1]).code(), "permissions_unavailable", "where there is one");
    }
    assert_eq!(source.questions(), 2);
}

#[test]
fn cch_10_in_an_outage_the_last_answer_serves_for_its_time_and_never_a_revoked_one() {
    let (app, source) = (Upstream::start(), Source::editor());
    let more = "source = \"http\"\non_outage = \"serve_stale\"\nstale_for = \"4s\"";
    let gateway = offline(asking(&app, &source.url(), more))
        .with("[telemetry]", "[cache]\nttl = \"300ms\"\nnegative_ttl = \"300ms\"\n[telemetry]")
        .start();
    let people = sign_in_many(&gateway, 3);
    for cookie in &people[..2] {
        assert_eq!(look(&gateway, cookie).status, 200);
    }
    let stale = |gateway: &Gateway| {
        let text = gateway.admin("GET", "/metrics", &[], b"").text();
        text.lines().any(|line| line.starts_with("vestibule_cache_requests_total") && line.contains("result=\"stale\""))
    };
    assert!(!stale(&gateway));
    source.becomes(&status(500, "", ""));
    thread::sleep(Duration::from_millis(400));
    assert_eq!(look(&gateway, &people[0]).status, 200, "within stale_for");
    assert!(stale(&gateway));
    assert_eq!(look(&gateway, &people[2]).code(), "permissions_unavailable", "nothing is known of them");
    thread::sleep(Duration::from_millis(4400));
    assert_eq!(look(&gateway, &people[0]).code(), "permissions_unavailable", "after stale_for");
    source.becomes(&ok(EDITOR));
    assert_eq!(look(&gateway, &people[1]).status, 200);
    source.becomes(&status(500, "", ""));
    invalidate(&gateway);
    assert_eq!(
        look(&gateway, &people[1]).code(),
        "permissions_unavailable",
        "something changed, and nobody knows what"
    );
}

#[test]
fn src_07_people_who_are_known_notice_nothing_of_a_source_that_hangs() {
    let hanging = Arc::new(AtomicBool::new(false));
    let hangs = Arc::clone(&hanging);
    let source = Source::scripted(move |_, stream| {
        if hangs.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_secs(6));
        }
        answer_with(stream, &ok(EDITOR))
    });
    let app = Upstream::start();
    let gateway = offline(asking(&app, &source.url(), "source = \"http\"\ntimeout = \"3s\"")).start();
    let people = sign_in_many(&gateway, 40);
    assert_eq!(look(&gateway, &people[0]).status, 200);
    hanging.store(true, Ordering::SeqCst);
    let slowest = thread::scope(|scope| {
        let others: Vec<_> = people[1..].iter().map(|cookie| scope.spawn(|| look(&gateway, cookie).status)).collect();
        let mut slowest = Duration::ZERO;
        for _ in 0..200 {
            let begun = Instant::now();
            assert_eq!(look(&gateway, &people[0]).status, 200);
            slowest = slowest.max(begun.elapsed());
        }
        for other in others {
            assert_eq!(other.join().expect("no panic"), 503);
        }
        slowest
    });
    assert!(slowest < Duration::from_secs(2), "{slowest:?}: no request waits for the deadline of another");
    for cookie in &people[20..] {
        assert_eq!(look(&gateway, cookie).code(), "permissions_unavailable");
    }
    assert!(metric(&gateway, "not_asked") > 0, "after some failures it is not even asked");
}
