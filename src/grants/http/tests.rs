use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::access::{Holding, HostName, Kind, OrganizationId, SubjectId, TenantId};
use crate::grants::Fact;

mod recovery;
mod tls;

const GOOD: &str = r#"{"grants":[{"role":"editor"}]}"#;

/// What a platform does with the questions of its own.
type Script = dyn Fn(usize, &str) -> String + Send + Sync;

/// A platform of the operator's, with sockets.
struct Platform {
    address: std::net::SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Platform {
    /// Answers with what the script makes of the question's number and text; empty closes the connection.
    async fn new(script: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let platform = Self { address, seen: Arc::default(), connections: Arc::default() };
        let (seen, connections) = (Arc::clone(&platform.seen), Arc::clone(&platform.connections));
        let script: Arc<Script> = Arc::new(script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(answer_all(stream, Arc::clone(&seen), Arc::clone(&script)));
            }
        });
        platform
    }

    async fn answering(bytes: impl Into<String>) -> Self {
        let bytes = bytes.into();
        Self::new(move |_, _| bytes.clone()).await
    }

    fn url(&self) -> Uri {
        format!("http://{}/grants", self.address).parse().expect("an address")
    }

    fn grants(&self) -> HttpGrants {
        grants(self.url(), settings())
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }
}

async fn answer_all(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    seen: Arc<Mutex<Vec<String>>>,
    script: Arc<Script>,
) {
    while let Some(question) = read_question(&mut stream).await {
        let number = {
            let mut seen = seen.lock().expect("no panic");
            seen.push(question.clone());
            seen.len() - 1
        };
        let answer = script(number, &question);
        if answer.is_empty() || stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_question(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0) {
                return Some(text.into_owned());
            }
        }
    }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn settings() -> HttpSettings {
    HttpSettings {
        headers: vec![(http::header::AUTHORIZATION, Secret::from("Bearer canary"))],
        timeout: Duration::from_secs(5),
        authorities: Authorities::Public,
        concurrency: 64,
    }
}

fn grants(url: Uri, settings: HttpSettings) -> HttpGrants {
    let spelling = |project: &str| ProjectKey::new(project).ok();
    HttpGrants::new(url, settings, Duration::from_secs(30), spelling, Clock::system()).expect("settings")
}

fn person(subject: &str) -> Principal {
    let (tenant, subject) = (TenantId::new("t").expect("id"), SubjectId::new(subject).expect("id"));
    Principal::proven(HostName::new("assembly").expect("a name"), tenant, subject, Kind::Client)
}

fn roles(told: &Told) -> Vec<String> {
    let role = |fact: &Fact| match &fact.grant.holding {
        Holding::Role(role) => role.to_string(),
        Holding::Permissions(list) => format!("{list:?}"),
    };
    told.facts.iter().map(role).collect()
}

async fn outage(source: &HttpGrants) -> (Outage, String) {
    source.grants(&person("ann")).await.map_or_else(|error| (error.outage, error.cause), |told| panic!("{told:?}"))
}

#[tokio::test]
async fn a_question_is_a_post_with_the_credential_and_its_answer_is_what_is_held() {
    let platform = Platform::answering(answer(200, "Cache-Control: max-age=7\r\n", GOOD)).await;
    let told = platform.grants().grants(&person("ann")).await.expect("an answer");
    assert_eq!((roles(&told), told.keep.fresh), (vec!["editor".to_owned()], Some(Duration::from_secs(7))));
    let seen = platform.seen().pop().expect("a question").to_ascii_lowercase();
    assert!(seen.starts_with("post /grants http/1.1\r\n"), "{seen}");
    for line in [
        "content-type: application/json",
        "accept-encoding: identity",
        "authorization: bearer canary",
        &format!("host: {}", platform.address),
    ] {
        assert!(seen.contains(&format!("\r\n{line}\r\n")), "{line}: {seen}");
    }
    let body: serde_json::Value = serde_json::from_str(seen.split_once("\r\n\r\n").expect("a body").1).expect("JSON");
    assert_eq!(body["subject"]["id"], "ann");
}

#[tokio::test]
async fn nothing_held_is_an_answer_and_everything_else_is_an_outage() {
    let platform = Platform::answering(answer(404, "Cache-Control: no-store\r\n", "<html>gone</html>")).await;
    let told = platform.grants().grants(&person("ann")).await.expect("an answer");
    assert_eq!((told.facts, told.keep.fresh), (Vec::new(), Some(Duration::ZERO)));
    for status in [201, 204, 206, 302, 304, 400, 402, 405, 410, 418, 429, 500, 502, 503, 504, 599] {
        let platform =
            Platform::answering(answer(status, "", if status == 204 || status == 304 { "" } else { GOOD })).await;
        let (outage, cause) = outage(&platform.grants()).await;
        assert_eq!(outage, Outage::Unavailable, "{status}");
        assert!(cause.starts_with(&format!("it answers {status}")), "{cause}");
    }
}

#[tokio::test]
async fn a_refused_credential_is_an_outage_that_says_so_until_it_is_mended() {
    for status in [401, 403] {
        let platform = Platform::new(move |number, _| match number {
            0 => answer(status, "", GOOD),
            _ => answer(200, "", GOOD),
        });
        let source = platform.await.grants();
        assert_eq!(source.troubles(), Vec::<String>::new());
        let expected = format!("it does not accept our credential ({status})");
        assert_eq!(outage(&source).await, (Outage::Refused, expected));
        assert_eq!(source.troubles(), ["permissions: the source http does not accept the credential"]);
        assert!(source.grants(&person("ann")).await.is_ok());
        assert_eq!(source.troubles(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn src_08_a_redirect_is_not_followed() {
    let elsewhere = Platform::answering(answer(200, "", GOOD)).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {}\r\n", elsewhere.url());
        let platform = Platform::answering(answer(status, &location, "")).await;
        let (outage, cause) = outage(&platform.grants()).await;
        assert_eq!((outage, cause), (Outage::Unavailable, format!("it answers {status}; redirects are not followed")));
    }
    assert_eq!(elsewhere.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn src_04_an_answer_that_is_broken_compressed_or_too_short_is_none() {
    for (bytes, cause) in [
        (answer(200, "Content-Encoding: gzip\r\n", "\u{1f}\u{8b}"), "the answer is compressed"),
        (
            format!("HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close\r\n\r\n{GOOD}"),
            "does not come to its end",
        ),
        (format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{GOOD}"), "does not come to its end"),
        (answer(200, "", &GOOD[..20]), "the answer is JSON that ends too soon"),
        (answer(200, "", "<html>"), "the answer is no JSON"),
        ("SSH-2.0-OpenSSH\r\n\r\n".into(), "client error"),
    ] {
        let platform = Platform::new(move |number, _| if number == 0 { bytes.clone() } else { String::new() }).await;
        let source = grants(platform.url(), HttpSettings { timeout: Duration::from_millis(700), ..settings() });
        let (_, says) = outage(&source).await;
        // A server that leaves its connection open does not come to its end in time.
        assert!(says.contains(cause) || (cause.contains("end") && says == "no answer in time"), "{cause}: {says}");
    }
}

#[tokio::test]
async fn src_09_an_answer_is_read_up_to_one_mebibyte() {
    let padded = |bytes: usize| format!("{GOOD}{}", " ".repeat(bytes - GOOD.len()));
    let most = Platform::answering(answer(200, "", &padded(1 << 20))).await;
    assert!(most.grants().grants(&person("ann")).await.is_ok());
    let more = Platform::answering(answer(200, "", &padded((1 << 20) + 1))).await;
    assert_eq!(outage(&more.grants()).await.1, "the answer is larger than 1 MiB");
}

#[tokio::test]
async fn src_02_the_deadline_is_for_the_whole_answer_and_not_for_its_silences() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address")).parse().expect("an address");
    let drops = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        read_question(&mut stream).await;
        for byte in answer(200, "", GOOD).bytes() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
        }
    });
    let source = grants(url, HttpSettings { timeout: Duration::from_millis(400), ..settings() });
    let begun = Instant::now();
    assert_eq!(outage(&source).await.1, "no answer in time");
    assert!((Duration::from_millis(400)..Duration::from_secs(2)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    tokio::time::timeout(Duration::from_secs(2), drops).await.expect("the connection is closed").expect("no panic");
}

#[tokio::test]
async fn an_answer_that_did_not_change_is_renewed_without_a_body() {
    let platform = Platform::new(|number, question| match number {
        0 => answer(200, "ETag: \"one\"\r\nCache-Control: max-age=8\r\n", GOOD),
        1 => "HTTP/1.1 304 Not Modified\r\n\r\n".into(),
        2 if question.to_ascii_lowercase().contains("\r\nif-none-match: \"one\"\r\n") => {
            "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=9\r\n\r\n".into()
        }
        3 => answer(200, "ETag: \"two\"\r\nCache-Control: no-store\r\n", r#"{"grants":[]}"#),
        _ => answer(200, "", GOOD),
    })
    .await;
    let source = platform.grants();
    let ask = async || source.grants(&person("ann")).await.map(|told| (roles(&told), told.keep.fresh));
    for seconds in [8, 8, 9] {
        assert_eq!(ask().await, Ok((vec!["editor".into()], Some(Duration::from_secs(seconds)))));
    }
    assert_eq!(ask().await, Ok((Vec::new(), Some(Duration::ZERO))));
    assert!(ask().await.is_ok());
    source.grants(&person("bob")).await.expect("an answer");
    let conditional: Vec<_> =
        platform.seen().iter().map(|seen| seen.to_ascii_lowercase().contains("if-none-match")).collect();
    assert_eq!(
        conditional,
        [false, true, true, true, false, false],
        "no-store is not stored, and a tag is one person's"
    );
}

#[tokio::test]
async fn a_question_that_was_sent_is_not_sent_again() {
    let platform = Platform::answering("").await;
    assert_eq!(outage(&platform.grants()).await.0, Outage::Unavailable);
    assert_eq!((platform.seen().len(), platform.connections.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn src_01_a_source_that_is_not_there_is_an_outage_and_soon_not_even_tried() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = nobody.local_addr().expect("an address");
    drop(nobody);
    for url in [format!("http://{address}/"), "http://no-such-name.invalid/".into()] {
        let source = grants(url.parse().expect("an address"), settings());
        for who in 0..5 {
            let error = source.grants(&person(&format!("p{who}"))).await.expect_err("an outage");
            assert_eq!(error.outage, Outage::Unavailable, "{error}");
        }
        let begun = Instant::now();
        assert_eq!(outage(&source).await.0, Outage::NotAsked);
        assert!(begun.elapsed() < Duration::from_millis(100));
        assert_eq!(source.troubles(), ["permissions: the source http cannot be asked"]);
    }
}

/// Counts how many are asked at a time.
async fn slow_platform(at_a_time: &Arc<AtomicUsize>, most: &Arc<AtomicUsize>) -> Uri {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (at_a_time, most) = (Arc::clone(at_a_time), Arc::clone(most));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_slowly(stream, Arc::clone(&at_a_time), Arc::clone(&most)));
        }
    });
    format!("http://{address}/").parse().expect("an address")
}

async fn answer_slowly(mut stream: TcpStream, at_a_time: Arc<AtomicUsize>, most: Arc<AtomicUsize>) {
    while read_question(&mut stream).await.is_some() {
        most.fetch_max(at_a_time.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(100)).await;
        at_a_time.fetch_sub(1, Ordering::SeqCst);
        if stream.write_all(answer(200, "", GOOD).as_bytes()).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn src_07_few_are_asked_at_a_time_some_wait_and_the_rest_is_turned_away_at_once() {
    let (at_a_time, most) = (Arc::default(), Arc::default());
    let url = slow_platform(&at_a_time, &most).await;
    let source = Arc::new(grants(url, HttpSettings { concurrency: 2, timeout: Duration::from_secs(8), ..settings() }));
    let crowd: Vec<_> = (0..50)
        .map(|who| {
            let source = Arc::clone(&source);
            tokio::spawn(async move { source.grants(&person(&format!("p{who}"))).await })
        })
        .collect();
    let mut turned_away = 0;
    for one in crowd {
        match one.await.expect("no panic") {
            Ok(told) => assert_eq!(roles(&told), ["editor"]),
            Err(error) => {
                assert_eq!(
                    (error.outage, error.cause.as_str()),
                    (Outage::NotAsked, "too many questions wait for an answer")
                );
                turned_away += 1;
            }
        }
    }
    assert_eq!((turned_away, most.load(Ordering::SeqCst)), (50 - 2 * 17, 2));
}

#[tokio::test]
async fn waiting_for_a_place_is_part_of_the_time() {
    let (at_a_time, most) = (Arc::default(), Arc::default());
    let url = slow_platform(&at_a_time, &most).await;
    let source = grants(url, HttpSettings { concurrency: 1, timeout: Duration::from_millis(250), ..settings() });
    let people: Vec<_> = (0..8).map(|who| person(&format!("p{who}"))).collect();
    let answers = futures_util::future::join_all(people.iter().map(|who| source.grants(who))).await;
    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!((1..=2).contains(&answered), "{answered}");
    assert!(answers.iter().filter_map(|answer| answer.as_ref().err()).all(|error| error.outage == Outage::NotAsked));
    assert!(source.grants(&person("late")).await.is_ok(), "a crowd is no outage, and ends nobody's questions");
}

#[tokio::test]
async fn one_person_in_many_companies_ends_nobody_elses_questions() {
    let broken =
        |_: usize, question: &str| if question.contains("ann") { answer(500, "", "") } else { answer(200, "", GOOD) };
    let platform = Platform::new(broken).await;
    let source = platform.grants();
    for company in 0..8 {
        let company = OrganizationId::new(&format!("company-{company}")).expect("an id");
        assert!(source.grants(&person("ann").in_organization(Some(company))).await.is_err());
    }
    assert!(source.grants(&person("bob")).await.is_ok());
    assert_eq!(platform.seen().len(), 9);
}
