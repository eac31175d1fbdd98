//! TLS with callers.

use std::fs;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use crate::support::h2::Client;
use crate::support::{
    Answer, Gateway, Issued, Setup, Token, Upstream, answer_with, connect, output_of, read_to_end, request, tool,
};

const NAME: &str = "127.0.0.1";

fn gateway(pair: &Issued, upstream: &Upstream) -> Gateway {
    Setup::new(upstream).tls(pair).start()
}

/// One request of HTTP/1.1 inside of TLS.
fn ask(gateway: &Gateway, pair: &Issued, protocols: &[&str], bytes: &[u8]) -> Answer {
    let mut stream = pair.connect(gateway.address, NAME, protocols);
    stream.write_all(bytes).expect("sent");
    let mut came = Vec::new();
    let _ = stream.read_to_end(&mut came);
    Answer::read(&came)
}

#[test]
fn both_versions_are_spoken_as_agreed_in_the_handshake() {
    let (pair, upstream) = (Issued::self_signed(NAME), Upstream::start());
    let gateway = gateway(&pair, &upstream);
    let hello = request("GET", "/public/x", &gateway.host(), &[], b"");
    for protocols in [&["http/1.1"][..], &[]] {
        assert_eq!(ask(&gateway, &pair, protocols, &hello).status, 200, "{protocols:?}");
    }
    let mut client = Client::with_tls(gateway.address, NAME, pair.trusting(&["h2", "http/1.1"]));
    assert_eq!(client.ask("GET", "/public/x", &[], b"").status, 200);
    assert_eq!(upstream.last().value("x-forwarded-proto"), "https");
    // HTTP/2 by prior knowledge is for the clear only (RFC 9113 §3.3).
    let answer = ask(&gateway, &pair, &["http/1.1"], crate::support::h2::PREFACE);
    assert!(answer.status != 200 && answer.headers.is_empty(), "{answer:?}");
    // Whose certificate it is does not decide whom a request is for.
    let stranger = request("GET", "/public/x", "other.example", &[], b"");
    assert_eq!(ask(&gateway, &pair, &["http/1.1"], &stranger).code(), "wrong_host");
}

#[test]
fn protocols_that_nobody_speaks_end_the_handshake() {
    let pair = Issued::self_signed(NAME);
    let gateway = gateway(&pair, &Upstream::start());
    let mut stream = pair.connect(gateway.address, NAME, &["smtp"]);
    assert!(stream.write_all(b"x").and_then(|()| stream.read(&mut [0; 1])).is_err());
}

#[test]
fn people_sign_in_and_websockets_open_over_tls() {
    let upstream = Upstream::scripted(|seen, stream| {
        if seen.line().contains("live") {
            answer_with(stream, super::upgrade::ACCEPTED);
            answer_with(stream, "hello");
            return false;
        }
        answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let pair = Issued::self_signed(NAME);
    let gateway = gateway(&pair, &upstream);
    let referer = format!("Referer: {}", crate::support::PORTAL);
    let framed = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", &referer];
    let target = format!("/open?token={}", Token::client().sealed());
    let answer = ask(&gateway, &pair, &[], &request("GET", &target, &gateway.host(), &framed, b""));
    assert_eq!(answer.status, 303, "{answer:?}");
    let (cookie, origin) = (format!("Cookie: {}", answer.cookie()), format!("Origin: https://{}", gateway.host()));
    let lines = [
        cookie.as_str(),
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Connection: Upgrade",
        "Upgrade: websocket",
        &origin,
    ];
    let mut stream = pair.connect(gateway.address, NAME, &["http/1.1"]);
    stream.write_all(&request("GET", "/open/live", &gateway.host(), &lines, b"")).expect("sent");
    let mut came = Vec::new();
    while !came.ends_with(b"hello") {
        let mut part = [0; 1024];
        let count = stream.read(&mut part).expect("more");
        assert!(count > 0, "{}", String::from_utf8_lossy(&came));
        came.extend_from_slice(&part[..count]);
    }
    assert!(came.starts_with(b"HTTP/1.1 101"));
}

#[test]
fn dos_15_plain_text_to_the_tls_port_is_closed_without_a_word_in_the_log() {
    let pair = Issued::self_signed(NAME);
    let gateway = Setup::new(&Upstream::start()).tls(&pair).with("\"trace\"", "\"info\"").start();
    while !gateway.output().contains("host_probe") {
        std::thread::sleep(Duration::from_millis(10));
    }
    let before = gateway.output().lines().count();
    for _ in 0..50 {
        let mut stream = connect(gateway.address);
        let started = Instant::now();
        let _ = stream.write_all(&request("GET", "/public/x", &gateway.host(), &[], b""));
        let came = read_to_end(&mut stream);
        assert!(started.elapsed() < Duration::from_secs(2) && !came.starts_with(b"HTTP"), "{came:?}");
    }
    assert_eq!(gateway.output().lines().count(), before, "{}", gateway.output());
    assert_eq!(ask(&gateway, &pair, &[], &request("GET", "/public/x", &gateway.host(), &[], b"")).status, 200);
}

#[test]
fn the_end_of_the_certificate_is_a_metric_and_told_when_it_is_near() {
    let gateway_with = |pair: &Issued| gateway(pair, &Upstream::start());
    let warned = |gateway: &Gateway| gateway.output().contains("the certificate has ended, or ends soon");
    let good = gateway_with(&Issued::self_signed(NAME));
    let metrics = good.admin("GET", "/metrics", &[], b"").text();
    assert!(metrics.contains("\nvestibule_tls_not_after_seconds 4070908800\n"), "{metrics}");
    assert!(!warned(&good));
    assert!(warned(&gateway_with(&Issued::self_signed_until(NAME, 2020))));
    let other = gateway_with(&Issued::self_signed("other.example"));
    assert!(other.output().contains("does not name `127.0.0.1`"), "{}", other.output());
}

/// A slow reader of TLS: what it does not take waits inside of TLS first.
#[test]
fn an_answer_that_nobody_takes_ends_over_tls_too() {
    let upstream = Upstream::scripted(|_, stream| {
        answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n");
        while stream.write_all(&[b'x'; 1 << 14]).is_ok() {}
        false
    });
    let pair = Issued::self_signed(NAME);
    let gateway = Setup::new(&upstream).tls(&pair).and("\n[limits]\nsend_idle = \"300ms\"\n").start();
    let mut stream = pair.connect(gateway.address, NAME, &[]);
    stream.write_all(&request("GET", "/public/x", &gateway.host(), &[], b"")).expect("sent");
    upstream.wait_for(1);
    upstream.wait_until_idle();
}

/// Programs that are not ours.
#[test]
fn curl_speaks_both_versions_with_tls_and_without() {
    let (pair, upstream) = (Issued::self_signed(NAME), Upstream::start());
    let secure = gateway(&pair, &upstream);
    let plain = Gateway::new(&upstream);
    let (certificate, upload) = (secure.folder().join("tls.crt"), secure.folder().join("upload"));
    fs::write(&upload, "x".repeat(3 << 20)).expect("written");
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let mut curl = tool("curl");
        curl.args(["-sS", flag, "--cacert"]).arg(&certificate).args(["-w", " %{http_version} %{http_code}"]);
        // More than fits into a window at once.
        curl.arg("--data-binary").arg(format!("@{}", upload.display()));
        curl.arg(format!("https://{}/public/x", secure.host()));
        assert_eq!(output_of(&curl), format!("ok {version} 200"));
    }
    let mut curl = tool("curl");
    curl.args(["-sS", "--http2-prior-knowledge", "-w", " %{http_version}"]);
    assert_eq!(output_of(curl.arg(format!("http://{}/public/x", plain.host()))), "ok 2");
    // An upgrade from HTTP/1.1 is not taken, and so the request stays what it was.
    let mut curl = tool("curl");
    curl.args(["-sS", "--http2", "-w", " %{http_version}"]);
    assert_eq!(output_of(curl.arg(format!("http://{}/public/x", plain.host()))), "ok 1.1");
}

/// Twenty requests at a time on one connection, one of them a body of a megabyte that comes back.
const NODE: &str = r#"
const http2 = require("http2"), fs = require("fs");
const [origin, ca] = process.argv.slice(1);
const session = http2.connect(origin, { ca: fs.readFileSync(ca) });
session.on("error", (error) => { console.error(error); process.exit(1); });
const ask = (path, body) => new Promise((resolve, reject) => {
    const stream = session.request({ ":path": path, ":method": body ? "POST" : "GET" });
    let status, text = "";
    stream.on("response", (headers) => status = headers[":status"]);
    stream.setEncoding("utf8");
    stream.on("data", (part) => text += part);
    stream.on("end", () => resolve(`${status} ${text.length}`));
    stream.on("error", reject);
    stream.end(body);
});
const all = [...Array(19).keys()].map((n) => ask(`/public/${n}`)).concat(ask("/public/big", "x".repeat(1 << 20)));
Promise.all(all).then((answers) => {
    console.log([...new Set(answers)].join(","), session.alpnProtocol);
    session.close();
});
"#;

#[test]
fn node_speaks_http2_with_tls() {
    let (pair, upstream) = (Issued::self_signed(NAME), Upstream::start());
    let gateway = gateway(&pair, &upstream);
    let mut node = tool("node");
    node.args(["-e", NODE, &format!("https://{}", gateway.host())]).arg(gateway.folder().join("tls.crt"));
    assert_eq!(output_of(&node).trim(), "200 2 h2");
    assert_eq!(upstream.wait_for(20).iter().filter(|seen| seen.body.len() >= 1 << 20).count(), 1);
}

#[test]
fn python_speaks_tls_of_both_kinds_and_refuses_another_certificate() {
    let pair = Issued::self_signed(NAME);
    let gateway = gateway(&pair, &Upstream::start());
    let script = r"
import ssl, sys, urllib.request, urllib.error
url, ca = sys.argv[1:]
for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = context.maximum_version = version
    print(urllib.request.urlopen(url, context=context).read().decode())
try:
    urllib.request.urlopen(url, context=ssl.create_default_context())
except urllib.error.URLError as error:
    print(type(error.reason).__name__)
";
    let mut python = tool("python3");
    python.args(["-c", script, &format!("https://{}/public/x", gateway.host())]).arg(gateway.folder().join("tls.crt"));
    assert_eq!(output_of(&python).split_whitespace().collect::<Vec<_>>(), ["ok", "ok", "SSLCertVerificationError"]);
}

#[test]
fn a_certificate_that_does_not_fit_is_told_before_anything_is_served() {
    let (one, other) = (Issued::self_signed(NAME), Issued::self_signed(NAME));
    let upstream = Upstream::start();
    let gateway = gateway(&one, &upstream);
    let folder = gateway.folder();
    let check = || {
        let check = std::process::Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(["check", "-c", "vestibule.toml"])
            .current_dir(&folder)
            .env("ASSEMBLY_API_KEY", crate::support::API_KEY)
            .env("SESSION_KEY", crate::support::SESSION_KEY)
            .env("ADMIN_TOKEN", crate::support::ADMIN_TOKEN)
            .output()
            .expect("the binary runs");
        let said = [check.stdout, check.stderr].concat();
        (check.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    assert_eq!(check().0, Some(0), "{}", check().1);
    fs::write(folder.join("tls.key"), &other.key).expect("written");
    let (status, said) = check();
    assert!(status == Some(78) && said.contains("server.tls.certificate: ") && !said.contains("PRIVATE"), "{said}");
    fs::remove_file(folder.join("tls.crt")).expect("removed");
    let (status, said) = check();
    assert!(status == Some(78) && said.contains("tls.crt cannot be read"), "{said}");
}

#[test]
fn a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on() {
    let (before, after) = (Issued::self_signed(NAME), Issued::self_signed_until(NAME, 2077));
    let gateway = gateway(&before, &Upstream::start());
    let hello = request("GET", "/public/x", &gateway.host(), &["Connection: keep-alive"], b"");
    let mut old = before.connect(gateway.address, NAME, &["http/1.1"]);
    let mut ask_again = || {
        old.write_all(&hello).expect("sent");
        let mut part = [0; 4096];
        let count = old.read(&mut part).expect("an answer");
        String::from_utf8_lossy(&part[..count]).starts_with("HTTP/1.1 200")
    };
    assert!(ask_again());
    fs::write(gateway.folder().join("tls.crt"), &after.certificate).expect("written");
    fs::write(gateway.folder().join("tls.key"), &after.key).expect("written");
    gateway.signal("-HUP");
    let deadline = Instant::now() + Duration::from_secs(5);
    let is_shown = || after.connect(gateway.address, NAME, &[]).write_all(&hello).is_ok();
    while !is_shown() {
        assert!(Instant::now() < deadline, "{}", gateway.output());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(ask_again());
    assert!(gateway.admin("GET", "/metrics", &[], b"").text().contains("vestibule_tls_not_after_seconds 3376684800"));
}

#[test]
fn a_stop_over_tls_is_a_proper_end() {
    let pair = Issued::self_signed(NAME);
    let gateway = gateway(&pair, &Upstream::start());
    let mut stream = pair.connect(gateway.address, NAME, &["http/1.1"]);
    stream.write_all(&request("GET", "/public/x", &gateway.host(), &["Connection: keep-alive"], b"")).expect("sent");
    let mut part = [0; 4096];
    assert!(stream.read(&mut part).expect("an answer") > 0);
    assert_eq!(gateway.terminate(), Some(0));
    // Not an error, as it would be without the word that TLS has for the end.
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
