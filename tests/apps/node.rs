//! A Node app: forms, uploads, events, a WebSocket, cookies.

use std::io::Write as _;
use std::thread;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::{Scene, chunked, noise, sha256};
use crate::support::{CLIENT, Peer, connect, free_port, read_to_end, read_until, root, tool};

fn app(more: &[&str]) -> Peer {
    let address = free_port();
    let mut node = tool("node");
    node.arg(root().join("tests/apps/node.mjs")).arg(address.port().to_string()).args(more);
    Peer::start(&node, address)
}

fn scene() -> Scene {
    Scene::before(app(&[]))
}

#[test]
fn node_sees_each_identity_header_once_whatever_the_caller_sends() {
    let scene = scene();
    let forged = ["X-Vestibule-User: evil", "x_vestibule_user: evil", "X-VESTIBULE-USER: evil", "X-Own: 1, 2"];
    let seen = scene.get("/open/request?a=%20b&a=c", &forged).json();
    assert_eq!(seen["url"], "/open/request?a=%20b&a=c");
    let words: Vec<&str> =
        seen["headers"].as_array().expect("a list").iter().filter_map(|word| word.as_str()).collect();
    let pairs: Vec<(String, &str)> = words.chunks(2).map(|pair| (pair[0].to_ascii_lowercase(), pair[1])).collect();
    let values = |name: &str| pairs.iter().filter(|(own, _)| own == name).map(|(_, value)| *value).collect::<Vec<_>>();
    assert_eq!(values("x-vestibule-user"), [CLIENT]);
    assert_eq!(values("x-own"), ["1, 2"]);
    assert_eq!(values("host"), [scene.gateway.host()]);
    assert!(!words.contains(&"evil"), "{words:?}");
}

#[test]
fn a_form_is_posted() {
    let scene = scene();
    let body = "name=%C3%9Cnal+A&amp=%26&empty=&list=1&list=2";
    let answer = scene.ask("POST", "/open/form", &["Content-Type: application/x-www-form-urlencoded"], body.as_bytes());
    let fields = json!([["name", "Ünal A"], ["amp", "&"], ["empty", ""], ["list", "1"], ["list", "2"]]);
    assert_eq!(answer.json(), json!({ "type": "application/x-www-form-urlencoded", "fields": fields }));
}

#[test]
fn uploads_arrive_whole_in_either_framing() {
    let scene = scene();
    for length in [0, 1, 65_536, 2_000_003] {
        let body = noise(length);
        let expected = |framing: &str| json!({ "length": length, "sha256": sha256(&body), "framing": framing });
        let answer = scene.ask("POST", "/open/upload", &["Transfer-Encoding: chunked"], &chunked(&body, 9973));
        assert_eq!(answer.json(), expected("chunked"));
        let length_line = format!("Content-Length: {length}");
        assert_eq!(scene.ask("POST", "/open/upload", &[&length_line], &body).json(), expected("length"));
    }
}

#[test]
fn an_event_is_there_before_the_next_one_is_made() {
    let scene = scene();
    let mut stream = connect(scene.gateway.address);
    stream.write_all(&scene.request("GET", "/open/events", &["Accept: text/event-stream"], b"")).expect("sent");
    let first = String::from_utf8(read_until(&mut stream, b"data: one\n\n")).expect("text");
    assert!(first.contains("text/event-stream") && first.contains("data: one\n\n"), "{first}");
    assert_eq!(scene.ask("POST", "/open/next", &[], b"").json(), "sent");
    let rest = String::from_utf8(read_to_end(&mut stream)).expect("text");
    assert!(rest.contains("data: two\n\n") && rest.ends_with("0\r\n\r\n"), "{rest}");
}

#[tokio::test]
async fn a_websocket_knows_its_caller_and_goes_both_ways() {
    let scene = scene();
    let mut request = format!("ws://{}/open/live", scene.gateway.host()).into_client_request().expect("a request");
    let origin = format!("http://{}", scene.gateway.host());
    for (name, value) in [("cookie", scene.cookie.as_str()), ("origin", &origin), ("x-vestibule-user", "evil")] {
        request.headers_mut().insert(name, value.parse().expect("a value"));
    }
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("a tunnel");
    let mut said = Vec::new();
    for text in ["one", "two"] {
        socket.send(Message::text(text)).await.expect("sent");
    }
    while said.len() < 3 {
        said.push(socket.next().await.expect("an answer").expect("a message").to_string());
    }
    assert_eq!(said, [format!("hello {CLIENT}"), "echo one".into(), "echo two".into()]);
    socket.close(None).await.expect("sent");
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
}

#[test]
fn the_apps_cookies_come_back_to_it_and_ours_does_not() {
    let scene = scene();
    let set = scene.get("/open/login", &[]);
    let cookies = set.all("set-cookie");
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert!(cookies.iter().all(|cookie| cookie.ends_with("; Secure; SameSite=None; Partitioned")), "{cookies:?}");
    let (name, rest) = cookies[0].split_once('=').expect("a pair");
    assert!(name.starts_with("sid~") && rest.starts_with("s3cr3t; HttpOnly; Path=/;"), "{cookies:?}");
    let both = format!("Cookie: {name}=s3cr3t; {}; theme=dark", scene.cookie);
    let answer = scene.gateway.ask("GET", "/open/cookies", &[&both, "Sec-Fetch-Site: same-origin"]);
    assert_eq!(answer.json(), "sid=s3cr3t; theme=dark");
    assert_eq!(scene.get("/open/cookies", &[]).json(), "");
}

#[test]
fn a_connection_that_node_has_closed_meanwhile_costs_nobody_a_request() {
    let scene = scene();
    for round in 0..3 {
        let answer = scene.ask("POST", "/open/upload", &[], b"x");
        assert_eq!(answer.status, 200, "round {round}: {answer:?}");
        // Longer than the app keeps an idle connection.
        thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn the_same_app_works_over_http_2() {
    let scene = Scene::before_http2(app(&["http2"]));
    let seen = scene.get("/open/request?a=%20b", &["X-Vestibule-User: evil", "TE: trailers", "Connection: close, TE"]);
    let seen = seen.json();
    let words: Vec<&str> = seen["headers"].as_array().expect("a list").iter().filter_map(|w| w.as_str()).collect();
    let values = |name: &str| words.chunks(2).filter(|pair| pair[0] == name).map(|pair| pair[1]).collect::<Vec<_>>();
    assert_eq!(values(":authority"), [scene.gateway.host()]);
    assert_eq!((values(":scheme"), values(":path")), (vec!["http"], vec!["/open/request?a=%20b"]));
    assert_eq!((values("x-vestibule-user"), values("te"), values("host")), (vec![CLIENT], vec!["trailers"], vec![]));
    for length in [0, 1, 2_000_003] {
        let body = noise(length);
        let answer = scene.ask("POST", "/open/upload", &["Transfer-Encoding: chunked"], &chunked(&body, 9973)).json();
        assert_eq!((&answer["length"], &answer["sha256"]), (&json!(length), &json!(sha256(&body))));
    }
    let mut stream = connect(scene.gateway.address);
    stream.write_all(&scene.request("GET", "/open/events", &[], b"")).expect("sent");
    assert!(String::from_utf8_lossy(&read_until(&mut stream, b"data: one\n\n")).contains("data: one\n\n"));
    assert_eq!(scene.ask("POST", "/open/next", &[], b"").json(), "sent");
    assert!(read_to_end(&mut stream).ends_with(b"0\r\n\r\n"));
    assert_eq!(scene.get("/open/login", &[]).all("set-cookie").len(), 2);
    let both = format!("Cookie: sid=s3cr3t; {}; theme=dark", scene.cookie);
    let answer = scene.gateway.ask("GET", "/open/cookies", &[&both, "Sec-Fetch-Site: same-origin"]);
    assert_eq!(answer.json(), "sid=s3cr3t; theme=dark");
    assert_eq!(scene.get("/open/nowhere", &[]).status, 404);
}
