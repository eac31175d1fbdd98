//! nginx with static files: ranges, conditions, compression.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use tempfile::TempDir;

use super::{Scene, noise};
use crate::support::{Answer, Peer, exchange, free_port, request, tool};

const TEXT: &str = "Vestibule stands between a host platform and an app. ";

/// The server, its files, and the folder that they are in.
struct Site {
    scene: Scene,
    text: String,
    binary: Vec<u8>,
    _folder: TempDir,
}

fn site() -> Site {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, binary) = (TEXT.repeat(400), noise(3_000_000));
    for path in ["site/open", "site/private"] {
        fs::create_dir_all(folder.path().join(path)).expect("a folder");
    }
    let files: [(&str, &[u8]); 6] = [
        ("site/open/text.txt", text.as_bytes()),
        ("site/open/page.html", text.as_bytes()),
        ("site/open/a b ü.txt", b"a name that is encoded"),
        ("site/open/noise.bin", &binary),
        ("site/private/secret.txt", b"the secret"),
        ("site/404.html", b"<p>nginx has no such file</p>"),
    ];
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("a file");
    }
    let address = free_port();
    let configuration = include_str!("nginx.conf").replace("{port}", &address.port().to_string());
    fs::write(folder.path().join("nginx.conf"), configuration).expect("a file");
    let mut nginx = tool("nginx");
    nginx.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(folder.path()).current_dir(folder.path());
    Site { scene: Scene::before(Peer::start(&nginx, address)), text, binary, _folder: folder }
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = tool("gzip");
    let mut child = gzip.arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("`gzip` was found");
    // Less than a pipe holds, so that nobody waits for anybody.
    assert!(bytes.len() < 60_000);
    child.stdin.take().expect("piped").write_all(bytes).expect("written");
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success());
    output.stdout
}

#[test]
fn static_files_arrive_whole_with_what_nginx_says_of_them() {
    let site = site();
    let answer = site.scene.get("/open/noise.bin", &[]);
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/octet-stream"));
    assert!(answer.body == site.binary && !answer.broken);
    let direct = request("GET", "/open/noise.bin", "app", &[], b"");
    let direct = Answer::read(&exchange(site.scene.app.address, &direct));
    for name in ["etag", "last-modified", "accept-ranges", "content-length"] {
        assert!(!answer.header(name).is_empty(), "{name}");
        assert_eq!(answer.header(name), direct.header(name), "{name}");
    }
    assert_eq!(site.scene.get("/open/a%20b%20%C3%BC.txt", &[]).text(), "a name that is encoded");
    let missing = site.scene.get("/open/no-such-file", &[]);
    assert_eq!((missing.status, missing.text().as_str()), (404, "<p>nginx has no such file</p>"));
    assert_eq!(missing.code(), "", "the app's own 404 is not ours");
}

#[test]
fn a_head_tells_the_length_and_sends_nothing() {
    let site = site();
    let answer = site.scene.ask("HEAD", "/open/noise.bin", &[], b"");
    assert_eq!((answer.status, answer.header("content-length")), (200, "3000000"));
    // A reader that takes the length at its word finds no byte behind the head.
    assert!(answer.body.is_empty() && answer.rest.is_empty());
    let bytes = site.scene.request("HEAD", "/open/text.txt", &["Connection: keep-alive"], b"");
    let next = site.scene.request("GET", "/open/text.txt", &[], b"");
    let answers = exchange(site.scene.gateway.address, &[bytes, next].concat());
    let heads = String::from_utf8_lossy(&answers).matches("HTTP/1.1 200 OK").count();
    assert_eq!(heads, 2, "the connection goes on after a HEAD");
    assert!(answers.ends_with(site.text.as_bytes()));
}

#[test]
fn ranges_are_the_parts_that_were_asked_for() {
    let site = site();
    let part = |range: &str| site.scene.get("/open/noise.bin", &[&format!("Range: bytes={range}")]);
    for (range, from, to) in
        [("0-0", 0, 1), ("100-1099", 100, 1100), ("2999000-", 2_999_000, 3_000_000), ("-7", 2_999_993, 3_000_000)]
    {
        let answer = part(range);
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(answer.header("content-range"), format!("bytes {from}-{}/3000000", to - 1), "{range}");
        assert!(answer.body == site.binary[from..to], "{range}");
    }
    let several = part("0-9,20-29");
    assert!(several.status == 206 && several.header("content-type").starts_with("multipart/byteranges; boundary="));
    assert!(several.body.windows(10).any(|window| *window == site.binary[20..30]));
    let beyond = part("3000000-");
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */3000000"));
    let tag = site.scene.get("/open/noise.bin", &["Range: bytes=0-0"]).header("etag").to_owned();
    for (tag, status) in [(tag.as_str(), 206), ("\"another\"", 200)] {
        let lines = ["Range: bytes=0-9", &format!("If-Range: {tag}")];
        assert_eq!(site.scene.get("/open/noise.bin", &lines).status, status, "{tag}");
    }
}

#[test]
fn what_the_browser_has_already_is_not_sent_again() {
    let site = site();
    let first = site.scene.get("/open/text.txt", &[]);
    let conditions = [
        (format!("If-None-Match: {}", first.header("etag")), 304),
        ("If-None-Match: \"another\"".to_owned(), 200),
        (format!("If-Modified-Since: {}", first.header("last-modified")), 304),
        (format!("If-Match: {}", first.header("etag")), 200),
        ("If-Match: \"another\"".to_owned(), 412),
    ];
    for (condition, status) in conditions {
        let answer = site.scene.get("/open/text.txt", &[&condition]);
        assert_eq!(answer.status, status, "{condition}");
        if status == 304 {
            assert!(answer.body.is_empty() && answer.rest.is_empty(), "{condition}");
            assert_eq!(answer.header("etag"), first.header("etag"), "{condition}");
        }
    }
}

#[test]
fn compressed_answers_stay_compressed() {
    let site = site();
    let answer = site.scene.get("/open/text.txt", &["Accept-Encoding: gzip"]);
    assert_eq!((answer.status, answer.header("content-encoding")), (200, "gzip"));
    assert!(answer.body.len() < site.text.len() / 10 && !answer.broken);
    assert!(unzipped(&answer.body) == site.text.as_bytes());
    assert!(answer.header("etag").starts_with("W/"), "{}", answer.head);
    assert_eq!(answer.all("vary"), ["Accept-Encoding"]);
    let page = site.scene.get("/open/page.html", &["Accept-Encoding: gzip"]);
    assert_eq!((page.header("content-encoding"), page.all("vary")), ("gzip", vec!["Accept-Encoding", "Cookie"]));
    let plain = site.scene.get("/open/text.txt", &[]);
    assert_eq!((plain.header("content-encoding"), plain.text()), ("", site.text.clone()));
}

#[test]
fn no_spelling_of_a_path_reaches_a_file_outside_the_routes() {
    let site = site();
    let outside = Answer::read(&exchange(
        site.scene.app.address,
        &request("GET", "/open/..%2fprivate/secret.txt", "app", &[], b""),
    ));
    assert_eq!(outside.text(), "the secret", "nginx itself takes the way around");
    for path in [
        "/private/secret.txt",
        "/open/../private/secret.txt",
        "/open/..%2fprivate/secret.txt",
        "/open/%2e%2e/private/secret.txt",
        "/open/.%2e%2fprivate%2fsecret.txt",
        "//private/secret.txt",
        "/open//../private/secret.txt",
        "/open/x/..;/../../private/secret.txt",
        "/open/..\\private/secret.txt",
        "/open/%252e%252e/private/secret.txt",
    ] {
        let answer = site.scene.get(path, &[]);
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
        assert!(!answer.text().contains("the secret"), "{path}");
    }
}
