//! Tabs of their own, by ticket; and pages whose browser keeps no cookie, by bearer.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::gateway;
use super::upgrade::echo_server;
use crate::process::clock::{set, shifted};
use crate::support::{Answer, CLIENT, Gateway, Setup, Token, Upstream};

const FROM_US: &str = "Sec-Fetch-Site: same-origin";
/// A click in our own page that opens a tab.
const NEW_TAB: [&str; 3] = [FROM_US, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"];

fn post(gateway: &Gateway, path: &str, lines: &[&str], body: &Value) -> Answer {
    let lines = [&["Content-Type: application/json"], lines].concat();
    gateway.send("POST", path, &lines, body.to_string().as_bytes())
}

fn ask_ticket(gateway: &Gateway, cookie: &str, path: &str) -> Answer {
    let cookie = format!("Cookie: {cookie}");
    post(gateway, "/.vestibule/ticket", &[FROM_US, &cookie], &json!({ "path": path }))
}

fn url_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["url"].as_str().expect("an address").to_owned()
}

fn location(answer: &Answer) -> &str {
    assert_eq!(answer.status, 303, "{answer:?}");
    answer.header("location")
}

#[test]
fn a_tab_that_is_opened_with_a_ticket_is_signed_in_and_its_address_is_clean() {
    let (gateway, upstream) = gateway();
    let frame = gateway.sign_in(&Token::client());
    let url = url_of(&ask_ticket(&gateway, &frame, "/open/x?y=1"));
    assert!(url.starts_with("/open/x?y=1&_vestibule_ticket="), "{url}");
    let landing = gateway.ask("GET", &url, &NEW_TAB);
    assert_eq!(location(&landing), "/open/x?y=1");
    let cookie = landing.header("set-cookie");
    assert!(cookie.contains("; Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age="), "{cookie}");
    let tab = landing.cookie();
    assert_eq!(tab.split('=').next(), frame.split('=').next(), "one context");
    assert_eq!(gateway.own("GET", "/open/x?y=1", &tab).status, 200);
    assert_eq!(upstream.last().value("x-vestibule-user"), CLIENT);
    assert!(!upstream.last().line().contains("ticket"));

    let again = gateway.ask("GET", &url, &NEW_TAB);
    assert_eq!((again.status, again.code()), (401, "session_expired"), "spent");
    assert_eq!(again.cookie(), "");
    gateway.own("POST", "/.vestibule/logout", &frame);
    assert_eq!(gateway.own("GET", "/open", &tab).code(), "session_expired", "the session is one");
}

#[test]
fn a_tab_stays_signed_in_when_its_frame_renews_the_session() {
    let (gateway, _upstream) = gateway();
    let frame = gateway.sign_in(&Token::client());
    let tab = gateway.ask("GET", &url_of(&ask_ticket(&gateway, &frame, "/open")), &NEW_TAB).cookie();
    let mut newest = frame;
    for _ in 0..10 {
        let cookie = format!("Cookie: {newest}");
        let token = json!({ "token": Token::client().sealed() });
        let renewed = post(&gateway, "/.vestibule/session", &[FROM_US, &cookie], &token);
        assert_eq!(renewed.status, 200, "{renewed:?}");
        newest = renewed.cookie();
    }
    assert_eq!(gateway.own("GET", "/open", &tab).status, 200);
    gateway.own("POST", "/.vestibule/logout", &newest);
    assert_eq!(gateway.own("GET", "/open", &tab).code(), "session_expired", "and ends with the newest");
}

#[test]
fn a_ticket_is_for_one_page_our_own_links_and_ten_seconds() {
    let upstream = Upstream::start();
    let file = std::env::temp_dir().join(format!("vestibule-ticket-clock-{}", std::process::id()));
    set(&file, "+0s");
    let gateway = shifted(Setup::new(&upstream), &file).start();
    let frame = gateway.sign_in(&Token::client());
    let ticket = |path: &str| url_of(&ask_ticket(&gateway, &frame, path));

    let elsewhere = ticket("/open/x").replace("/open/x", "/open/y");
    assert_eq!(gateway.ask("GET", &elsewhere, &NEW_TAB).code(), "session_missing", "another page");
    for site in ["cross-site", "same-site", "none"] {
        let lines = [&format!("Sec-Fetch-Site: {site}"), NEW_TAB[1], NEW_TAB[2]];
        let answer = gateway.ask("GET", &ticket("/open"), &lines);
        assert_eq!((answer.code(), answer.cookie().as_str()), ("cross_site_refused", ""), "{site}");
    }
    assert_eq!(gateway.ask("GET", &ticket("/open"), &[]).code(), "cross_site_refused", "nobody says from where");
    let own = format!("Referer: http://{}/open", gateway.host());
    assert_eq!(gateway.ask("GET", &ticket("/open"), &[&own]).status, 303, "a browser without fetch metadata");
    let url = ticket("/open");
    set(&file, "+11s");
    assert_eq!(gateway.ask("GET", &url, &NEW_TAB).code(), "session_expired", "too late");
    let cut = &url[..url.len() - 1];
    assert_eq!(gateway.ask("GET", cut, &NEW_TAB).code(), "session_missing", "changed");
    let _ = fs::remove_file(&file);
}

#[test]
fn a_ticket_is_given_to_our_own_pages_and_to_whoever_may_do_more_than_look() {
    let (gateway, _upstream) = gateway();
    let frame = gateway.sign_in(&Token::client());
    let cookie = format!("Cookie: {frame}");
    let foreign = ["Sec-Fetch-Site: cross-site", "Origin: https://evil.example", cookie.as_str()];
    assert_eq!(post(&gateway, "/.vestibule/ticket", &foreign, &json!({"path": "/"})).code(), "cross_site_refused");
    assert_eq!(post(&gateway, "/.vestibule/ticket", &[FROM_US], &json!({"path": "/"})).code(), "session_missing");
    for path in
        ["//evil.example", "/\\evil.example", "https://evil.example/", "/%09/evil.example", "/.vestibule/session"]
    {
        assert_eq!(ask_ticket(&gateway, &frame, path).code(), "malformed_request", "{path}");
    }
    let preview = gateway.sign_in(&Token::preview());
    assert_eq!(ask_ticket(&gateway, &preview, "/open").code(), "preview_read_only");
}

#[test]
fn a_frame_without_cookies_opens_a_tab_with_a_token() {
    let (gateway, _upstream) = gateway();
    let asked = json!({"path": "/open", "token": Token::client().sealed(), "host": "assembly"});
    let answer = post(&gateway, "/.vestibule/ticket", &[FROM_US], &asked);
    assert_eq!(answer.all("set-cookie"), [""; 0], "{answer:?}");
    let tab = gateway.ask("GET", &url_of(&answer), &NEW_TAB);
    assert_eq!(gateway.own("GET", location(&tab), &tab.cookie()).status, 200);
    let bad = json!({"path": "/open", "token": "00"});
    assert_eq!(post(&gateway, "/.vestibule/ticket", &[FROM_US], &bad).code(), "token_invalid");
}

#[test]
fn the_page_around_a_frame_has_to_be_one_that_may_open_us() {
    let (gateway, _upstream) = gateway();
    let exchange = |parent: &str| {
        let asked = json!({"token": Token::client().sealed(), "parent": parent});
        post(&gateway, "/.vestibule/session", &[FROM_US], &asked)
    };
    for parent in ["https://evil.example", "null", "x"] {
        let answer = exchange(parent);
        assert_eq!((answer.code(), answer.cookie().as_str()), ("origin_refused", ""), "{parent}");
    }
    // A neighbour's portal fits the pattern, and is not the portal of this workspace.
    assert_eq!(exchange("https://neighbour.portal.example").code(), "token_invalid");
}

fn with_bearers(setup: Setup) -> Setup {
    setup.with("[session]\n", "[session]\nbearer = true\n")
}

/// Whether the answer holds a bearer, and which.
fn exchanged(gateway: &Gateway, token: &Token) -> Value {
    let asked = json!({"token": token.sealed(), "bearer": true});
    let answer = post(gateway, "/.vestibule/session", &[FROM_US], &asked);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn without_cookies_a_bearer_asks_for_one_session() {
    let upstream = Upstream::start();
    let gateway = with_bearers(Setup::new(&upstream)).start();
    let said = exchanged(&gateway, &Token::client());
    let bearer = format!("Authorization: Vestibule {}", said["bearer"].as_str().expect("a bearer"));
    assert_eq!(gateway.ask("POST", "/open/x", &[&bearer, FROM_US]).status, 200);
    assert_eq!(upstream.last().value("x-vestibule-user"), CLIENT);
    assert_eq!(upstream.last().values("authorization"), [""; 0]);
    let me = gateway.ask("GET", "/.vestibule/session", &[&bearer, FROM_US]);
    assert_eq!((me.status, &me.json()["user"]), (200, &json!(CLIENT)));
    assert_eq!(me.cookie(), "", "it never becomes a cookie");

    let foreign = [bearer.as_str(), "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"];
    assert_eq!(gateway.ask("GET", "/open", &foreign).code(), "origin_refused");
    let other = [bearer.as_str(), "X-Vestibule-Context: aaaaaaaaaa"];
    assert_eq!(gateway.ask("GET", "/open", &other).code(), "context_mismatch");
    assert_eq!(gateway.ask("GET", "/open", &["Authorization: Vestibule x"]).code(), "session_missing");
    assert_eq!(gateway.ask("GET", "/open", &[&bearer, &bearer]).code(), "malformed_request");
    let name = format!("__Host-vestibule.{}", said["context"].as_str().expect("a context"));
    let as_cookie = format!("{name}={}", said["bearer"].as_str().expect("a bearer"));
    assert_eq!(gateway.own("GET", "/open", &as_cookie).code(), "session_missing", "sealed for another purpose");

    assert_eq!(gateway.ask("POST", "/.vestibule/logout", &[&bearer, FROM_US]).status, 204);
    assert_eq!(gateway.ask("GET", "/open", &[&bearer]).code(), "session_expired");
}

#[test]
fn a_bearer_lives_for_five_minutes_and_only_where_it_is_allowed() {
    let upstream = Upstream::start();
    let file = std::env::temp_dir().join(format!("vestibule-bearer-clock-{}", std::process::id()));
    set(&file, "+0s");
    let gateway = shifted(with_bearers(Setup::new(&upstream)), &file).start();
    let said = exchanged(&gateway, &Token::client());
    let bearer = format!("Authorization: Vestibule {}", said["bearer"].as_str().expect("a bearer"));
    assert_eq!(gateway.ask("GET", "/open", &[&bearer]).status, 200);
    set(&file, "+301s");
    sleep(Duration::from_millis(100));
    assert_eq!(gateway.ask("GET", "/open", &[&bearer]).code(), "session_expired");
    let _ = fs::remove_file(&file);

    let (without, _upstream) = super::gateway();
    assert_eq!(exchanged(&without, &Token::client()).get("bearer"), None, "off by default");
    assert_eq!(without.ask("GET", "/open", &[&bearer]).code(), "session_missing");
}

#[tokio::test]
async fn a_websocket_without_cookies_speaks_with_a_bearer_that_the_app_never_sees() {
    let gateway = with_bearers(Setup::before(&format!("http://{}", echo_server()))).start();
    let said = exchanged(&gateway, &Token::client());
    let bearer = said["bearer"].as_str().expect("a bearer");
    let mut request = format!("ws://{}/open/live", gateway.host()).into_client_request().expect("a request");
    let headers = request.headers_mut();
    headers.insert("origin", format!("http://{}", gateway.host()).parse().expect("a value"));
    let protocols = format!("vestibule.v1, vestibule.bearer.{bearer}");
    headers.insert("sec-websocket-protocol", protocols.parse().expect("a value"));
    let (mut socket, answer) = tokio_tungstenite::connect_async(request).await.expect("a tunnel");
    assert_eq!(answer.headers()["sec-websocket-protocol"], "vestibule.v1", "and not the secret one");
    socket.send(Message::text("hello")).await.expect("it is sent");
    let heard = socket.next().await.expect("something").expect("a message");
    assert_eq!(heard.into_text().expect("a text"), "hello");
}
