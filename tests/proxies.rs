//! The proxies of `deploy/`, in front of the gateway, over TLS: the real programs with the files as they are there, but
//! for addresses and paths. What holds behind one holds behind all three.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::client::Client;
use self::start::{NGINX, PROXIES, Place, Proxy};
use crate::support::{Answer, Gateway, Peer, Setup, Token, Upstream, free_port};

mod client;
mod logs;
mod start;
mod streams;

/// The public name of the app, as the files in `deploy/` have it.
const NAME: &str = "app.example.com";

/// A browser, a proxy, the gateway behind it, and whatever is behind that.
struct Scene {
    client: Client,
    gateway: Gateway,
    proxy: Peer,
    folder: TempDir,
}

impl Scene {
    fn new(proxy: &Proxy, app: SocketAddr) -> Self {
        Self::with(proxy, app, &[])
    }

    /// With parts of the proxy's files changed.
    fn with(proxy: &Proxy, app: SocketAddr, changes: &[(&str, &str)]) -> Self {
        let scene = Self::without_gateway(proxy, app, changes);
        scene.client.wait_for_routes();
        scene
    }

    /// The same, where the proxy need not find the gateway.
    fn without_gateway(proxy: &Proxy, app: SocketAddr, changes: &[(&str, &str)]) -> Self {
        let server = format!("public_url = \"https://{NAME}\"\ntrusted_proxies = [\"127.0.0.1/32\"]");
        let setup = Setup::before(&format!("http://{app}"));
        let gateway = setup.with("public_url = \"http://{public}\"", &server).start();
        let folder = tempfile::tempdir().expect("a folder");
        let listen = free_port();
        let client = Client::new(listen, folder.path());
        let place = Place { listen, gateway: gateway.address, folder: folder.path() };
        let proxy = proxy.start(&place, changes);
        Self { client, gateway, proxy, folder }
    }

    fn sign_in(&self) -> String {
        let answer = self.client.present(&Token::client().sealed());
        assert_eq!(answer.status, 303, "{answer:?}\n{}", self.gateway.output());
        answer.cookie()
    }

    /// A request of the app's own page.
    fn own(&self, target: &str, cookie: &str, more: &[&str]) -> Answer {
        let cookie = format!("Cookie: {cookie}");
        self.client.get(target, &[&[cookie.as_str(), "Sec-Fetch-Site: same-origin"], more].concat())
    }

    /// Everything that the proxy has written to files and to its terminal.
    fn written(&self) -> String {
        let files =
            |folder: &Path| fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let logs =
            files(self.folder.path()).filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        let logs: String = logs.map(|path| fs::read_to_string(path).expect("a log")).collect();
        logs + &self.proxy.output()
    }

    /// The same, once this is in it.
    fn log_with(&self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut log = self.written();
        while !log.contains(text) {
            assert!(Instant::now() < deadline, "no {text} in\n{log}");
            thread::sleep(Duration::from_millis(10));
            log = self.written();
        }
        log
    }
}

#[test]
fn a_framed_token_becomes_a_session_behind_each_proxy() {
    for proxy in PROXIES {
        let upstream = Upstream::start();
        let scene = Scene::new(proxy, upstream.address);
        let answer = scene.client.present(&Token::client().sealed());
        assert_eq!((answer.status, answer.header("location")), (303, "/open"), "{}: {answer:?}", proxy.name);
        let cookie = answer.all("set-cookie").join("");
        assert!(cookie.starts_with("__Host-vestibule.") && cookie.contains("Partitioned"), "{}: {cookie}", proxy.name);
        let answer = scene.own("/open/page?a=b", &answer.cookie(), &[]);
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{}: {answer:?}", proxy.name);
        let seen = upstream.last();
        assert_eq!(seen.line(), "GET /open/page?a=b HTTP/1.1", "{}", proxy.name);
        assert_eq!(seen.value("x-vestibule-user"), crate::support::CLIENT, "{}", proxy.name);
        assert_eq!((seen.value("host"), seen.value("x-forwarded-proto")), (NAME, "https"), "{}", proxy.name);
    }
}

// HDR-16, LOG-04
#[test]
fn hdr_16_addresses_and_ids_that_a_caller_makes_up_are_not_believed_behind_any_proxy() {
    const MADE_UP: [&str; 9] = [
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-For: 6.6.6.6, 7.7.7.7",
        "X_Forwarded_For: 6.6.6.6",
        "X-Forwarded-Proto: gopher",
        "X-Forwarded-Host: evil.example",
        "Forwarded: for=6.6.6.6;host=evil.example",
        "X-Real-IP: 6.6.6.6",
        "X-Request-Id: evil-id",
        "X-Vestibule-User: evil",
    ];
    for proxy in PROXIES {
        let upstream = Upstream::start();
        let scene = Scene::new(proxy, upstream.address);
        let answer = scene.client.get("/public/x", &MADE_UP);
        assert_eq!(answer.status, 200, "{}: {answer:?}", proxy.name);
        let seen = upstream.last();
        assert_eq!(
            seen.values("x-forwarded-for"),
            ["127.0.0.1, 127.0.0.1"],
            "{}: the caller, then the proxy",
            proxy.name
        );
        assert!(!["6.6.6.6", "7.7.7.7", "evil", "gopher"].iter().any(|word| seen.head.contains(word)), "{}", seen.head);
        assert!(seen.value("x-request-id").len() >= 16, "{}: {}", proxy.name, seen.head);
        scene.log_with(seen.value("x-request-id"));
        let log = scene.gateway.output();
        assert!(log.contains("\"peer\":\"127.0.0.1\"") && !log.contains("evil-id"), "{}: {log}", proxy.name);
    }
}

#[test]
fn a_host_that_is_not_ours_is_refused_behind_each_proxy() {
    for proxy in PROXIES {
        let upstream = Upstream::start();
        let scene = Scene::new(proxy, upstream.address);
        let asked = upstream.seen().len();
        let answer = scene.client.get_as("other.example", "/public/x", &[]);
        assert_ne!(answer.text(), "ok", "{}: {answer:?}", proxy.name);
        assert_eq!(upstream.seen().len(), asked, "{}", proxy.name);
    }
}

#[test]
fn a_request_over_http_2_arrives_as_any_other() {
    for proxy in PROXIES {
        let upstream = Upstream::start();
        let scene = Scene::new(proxy, upstream.address);
        let cookie = scene.sign_in();
        let printed = scene.client.over_http_2("/open/h2?a=b", &[&format!("Cookie: {cookie}")]);
        assert_eq!(printed, "ok 200 2", "{}", proxy.name);
        assert_eq!(upstream.last().value("x-vestibule-user"), crate::support::CLIENT, "{}", proxy.name);
    }
}

/// A connection that the gateway may close at any moment is not one to send a request on.
#[test]
fn each_proxy_lets_an_idle_connection_go_before_the_gateway_does() {
    let reference = fs::read_to_string(crate::support::root().join("config/vestibule.toml")).expect("a file");
    assert!(reference.contains("keep_alive = \"60s\""), "the default has changed; so must the proxies");
    for proxy in PROXIES {
        let text: String = proxy.texts().into_iter().map(|(_, text)| text).collect();
        let set = ["keepalive_timeout 50s;", "keepalive 50s ", "idleConnTimeout = \"50s\""];
        assert_eq!(set.iter().filter(|line| text.contains(*line)).count(), 1, "{}", proxy.name);
    }
}

#[test]
#[should_panic(expected = "nginx: the file has no \"no such line\"")]
fn a_part_of_a_file_that_is_not_there_is_noticed() {
    let upstream = Upstream::start();
    let _ = Scene::with(NGINX, upstream.address, &[("no such line", "")]);
}
