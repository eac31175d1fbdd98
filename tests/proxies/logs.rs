//! What a proxy writes down: no token, no cookie, whatever happens to the request.

use super::start::{CADDY, NGINX, PROXIES, Proxy, TRAEFIK};
use super::{NAME, Scene};
use crate::support::{Token, Upstream, answer_with, read_to_end, request};

const REDIRECT: &str = "HTTP/1.1 302 Found\r\nLocation: /public/x?token=canary-location\r\nContent-Length: 0\r\n\r\n";
const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nSet-Cookie: a=canary-app\r\n\r\nhalf";

/// An app that is there, and breaks off in the middle of an answer if it is asked to.
fn app() -> Upstream {
    Upstream::scripted(|seen, stream| {
        let breaks = seen.line().contains("/broken");
        answer_with(stream, if breaks { HALF } else { REDIRECT }) && !breaks
    })
}

/// Secrets wherever a request may have them, in requests that arrive, that break, and that nobody can read.
fn ask_for_everything(scene: &Scene, cookie: &str) {
    let lines = [
        "Sec-Fetch-Site: same-origin",
        "Referer: https://portal.example/apps?token=canary-referer",
        "Authorization: Bearer canary-authorization",
        "X-Forwarded-For: canary-forwarded",
        "X-Request-Id: chosen-id",
    ];
    let cookie = format!("Cookie: {cookie}; a=canary-cookie");
    let lines = [&lines[..], &[&cookie]].concat();
    for target in ["/open/there", "/public/broken", "/nowhere", "/open/a%20b;c"] {
        scene.client.get(&format!("{target}?token=canary-token"), &lines);
    }
    scene.client.get_as("other.example", "/open/other?token=canary-token", &lines);
    let odd = request("GET", "/open/odd\u{1}?token=canary-token", NAME, &lines, b"");
    read_to_end(&mut scene.client.open(&odd));
    let upgrade = ["Connection: Upgrade, close", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
    let upgrade = [&lines[..], &upgrade, &["Sec-WebSocket-Version: 13"]].concat();
    scene.client.get("/open/live?token=canary-token", &upgrade);
}

fn secrets(log: &str, cookie: &str, token: &str) -> Vec<String> {
    let value = cookie.split_once('=').expect("a cookie").1;
    let is_secret = |line: &&str| ["canary", value, token].iter().any(|secret| line.contains(secret));
    log.lines().filter(is_secret).map(str::to_owned).collect()
}

// LOG-02
#[test]
fn log_02_no_proxy_writes_a_token_or_a_cookie_down() {
    for proxy in PROXIES {
        let upstream = app();
        let scene = Scene::new(proxy, upstream.address);
        let token = Token::client().sealed();
        let cookie = scene.client.present(&token).cookie();
        ask_for_everything(&scene, &cookie);
        scene.client.over_http_2("/open/version-2?token=canary-token", &["Referer: https://a.example/?token=canary"]);
        scene.gateway.terminate();
        ask_for_everything(&scene, &cookie);
        let answer = scene.client.get("/open/last?token=canary-token", &[]);
        assert_eq!(answer.status, 502, "{}: {answer:?}", proxy.name);

        let log = scene.log_with("/open/last");
        for expected in ["/open/there", "/public/broken", "/open/version-2", "303", "302", "502"] {
            assert!(log.contains(expected), "{}: no {expected} in\n{log}", proxy.name);
        }
        assert_eq!(secrets(&log, &cookie, &token), Vec::<String>::new(), "{}", proxy.name);
    }
}

/// The same with the one line changed that keeps the query out: a log that has it is seen.
#[test]
fn a_query_in_the_log_would_be_noticed() {
    let usual: [(&Proxy, &str, &str); 3] = [
        (NGINX, "$request_method $uri", "$request_method $request_uri"),
        (CADDY, "request>uri regexp [?].* \"\"", "request>uri regexp [?]never \"\""),
        (TRAEFIK, "queryParameters.defaultMode = \"drop\"", "queryParameters.defaultMode = \"keep\""),
    ];
    for (proxy, line, usual) in usual {
        let upstream = app();
        let scene = Scene::with(proxy, upstream.address, &[(line, usual)]);
        scene.client.get("/public/last?token=canary-token", &[]);
        let log = scene.log_with("/public/last");
        assert!(!secrets(&log, "a=b-cookie", "no-token").is_empty(), "{}: {log}", proxy.name);
    }
}

/// A socket that is not there is no usual failure: nginx speaks of it at the level `crit`, and quotes the request.
#[test]
fn log_02_nginx_has_no_error_log_in_which_a_token_could_stand() {
    let missing = ("server 127.0.0.1:8080;", "server unix:/no/such/socket; # server 127.0.0.1:8080;");
    let loud = ("error_log /dev/null emerg;", "error_log /var/log/nginx/errors.log crit;");
    for (changes, quoted) in [(&[missing][..], 0), (&[missing, loud], 1)] {
        let upstream = app();
        let scene = Scene::without_gateway(NGINX, upstream.address, changes);
        assert_eq!(scene.client.get("/public/last?token=canary-token", &[]).status, 502);
        let log = scene.log_with("\"GET /public/last\" 502");
        assert_eq!(secrets(&log, "a=b-cookie", "no-token").len(), quoted, "{log}");
    }
}
