use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// What a server does with its questions: their number and text become an answer, which is empty to close the connection.
type Script = dyn Fn(usize, &str) -> String + Send + Sync;

/// A server of a platform, on loopback.
pub(in crate::hosts) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Answers each question after a while.
    pub(in crate::hosts) async fn slow(
        wait: Duration,
        script: impl Fn(usize, &str) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = Self { address, seen: Arc::default(), connections: Arc::default() };
        let (seen, connections) = (Arc::clone(&server.seen), Arc::clone(&server.connections));
        let script: Arc<Script> = Arc::new(script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(answer_all(stream, wait, Arc::clone(&seen), Arc::clone(&script)));
            }
        });
        server
    }

    pub(in crate::hosts) async fn new(script: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> Self {
        Self::slow(Duration::ZERO, script).await
    }

    /// The same answer to everything.
    pub(in crate::hosts) async fn answering(bytes: impl Into<String>) -> Self {
        let bytes = bytes.into();
        Self::new(move |_, _| bytes.clone()).await
    }

    pub(in crate::hosts) fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    /// The questions until now.
    pub(in crate::hosts) fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }

    pub(in crate::hosts) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn answer_all(mut stream: TcpStream, wait: Duration, seen: Arc<Mutex<Vec<String>>>, script: Arc<Script>) {
    while let Some(question) = read_question(&mut stream).await {
        let number = {
            let mut seen = seen.lock().expect("no panic");
            seen.push(question.clone());
            seen.len() - 1
        };
        tokio::time::sleep(wait).await;
        let answer = script(number, &question);
        if answer.is_empty() || stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_question(stream: &mut TcpStream) -> Option<String> {
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

pub(in crate::hosts) fn answer(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

async fn get(url: &str) -> Result<Reply, String> {
    let request = Request::get(url).body(Full::default()).expect("a request");
    Fetcher::new().expect("TLS").send(request).await
}

async fn refused(bytes: impl Into<String>) -> String {
    let server = Server::answering(bytes).await;
    get(&server.url()).await.err().expect("no answer")
}

#[tokio::test]
async fn an_answer_is_read_to_its_end_and_no_further_than_64_kib() {
    let server = Server::answering(answer(418, "X-A: b\r\n", &"x".repeat(MAX_BODY))).await;
    let reply = get(&server.url()).await.expect("an answer");
    assert_eq!((reply.status.as_u16(), reply.body.len()), (418, MAX_BODY));
    assert_eq!(reply.headers["x-a"], "b");
    assert!(server.seen()[0].contains("\r\naccept-encoding: identity\r\n"));
    assert_eq!(refused(answer(200, "", &"x".repeat(MAX_BODY + 1))).await, "the answer is larger than 64 KiB");
    let chunked =
        format!("HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n{}\r\n", "x".repeat(MAX_BODY + 1));
    assert_eq!(refused(chunked).await, "the answer is larger than 64 KiB");
}

#[tokio::test]
async fn what_is_no_whole_plain_answer_is_none() {
    let compressed = answer(200, "Content-Encoding: gzip\r\n", "x");
    assert_eq!(refused(compressed).await, "the answer is compressed, which nobody asked for");
    assert!(refused(answer(200, &format!("X: {}\r\n", "x".repeat(8 * MAX_HEAD)), "")).await.contains("client error"));
    assert!(refused("").await.contains("client error"));
    assert!(refused("SSH-2.0-x\r\n\r\n").await.contains("client error"));
    let broken = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    assert!(refused(broken).await.starts_with("the answer does not come to its end: "));
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_any_other() {
    let elsewhere = Server::answering(answer(200, "", "x")).await;
    let server = Server::answering(answer(302, &format!("Location: {}\r\n", elsewhere.url()), "")).await;
    assert_eq!(get(&server.url()).await.expect("an answer").status, 302);
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn nothing_is_asked_without_tls_but_on_this_machine() {
    for url in ["http://192.0.2.1/keys", "http://localhost.example/", "http://127.0.0.1@192.0.2.1/", "ftp://127.0.0.1/"]
    {
        let begun = Instant::now();
        let error = get(url).await.err().expect("no answer");
        assert!(error.contains("cannot be believed"), "{url}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_server_that_drips_is_waited_for_five_seconds_in_all() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let drips = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        read_question(&mut stream).await;
        while stream.write_all(b"HTTP/1.1 200 X\r\nX: x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    let begun = Instant::now();
    assert_eq!(get(&url).await.err().as_deref(), Some("no answer in time"));
    assert!((TIME..TIME * 3).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    tokio::time::timeout(Duration::from_secs(10), drips).await.expect("the connection is closed").expect("no panic");
}

#[test]
fn an_allowance_is_for_a_span_of_time() {
    let clock = Clock::manual(Timestamp::from_secs(1000));
    let mut allowance = Allowance::new(3, Duration::from_secs(60));
    let mut take = |seconds| {
        clock.advance(Duration::from_secs(seconds));
        allowance.take(&clock)
    };
    assert_eq!([0, 0, 0, 0, 59, 1].map(&mut take), [true, true, true, false, false, true]);
}

#[test]
fn a_clock_that_was_set_back_lets_time_pass() {
    let at = Timestamp::from_secs;
    assert!(!has_passed(Duration::from_secs(60), at(1000), at(1059)));
    assert!(has_passed(Duration::from_secs(60), at(1000), at(1060)));
    assert!(has_passed(Duration::from_secs(60), at(1000), at(999)));
}
