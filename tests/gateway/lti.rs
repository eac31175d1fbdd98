//! LTI 1.3 launches, with a simulated LMS: login, answer, page; and everything that must not become a session.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vestibule::clock::Clock;

use crate::process::{clock, reload};
use crate::support::{Answer, Gateway, Rsa, Setup, Upstream, answer_with, connect, request};

mod refused;

const LMS: &str = "https://lms.example";
const CLAIM: &str = "https://purl.imsglobal.org/spec/lti/claim/";

const CONFIG: &str = r#"
[hosts.lms]
platform = "lti13"
issuer = "https://lms.example"
audience = "client-1"
deployments = ["d1", "d2"]
jwks_url = "http://{keys}/jwks"
login_url = "https://lms.example/auth"
origins = ["https://lms.example", "https://sso.lms.example"]
[[routes]]
path = "/open/**"
access = "authenticated"
"#;

/// The gateway, the app behind it, and what an LMS has.
struct Stage {
    gateway: Gateway,
    upstream: Upstream,
    rsa: Rsa,
    _keys: Upstream,
}

/// What a browser has once a login has begun.
struct Login {
    state: String,
    nonce: String,
    cookie: String,
}

impl Stage {
    fn new() -> Self {
        Self::with(|setup| setup)
    }

    fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let (upstream, rsa) = (Upstream::start(), Rsa::new());
        let set = rsa.jwks("k1");
        let keys = Upstream::scripted(move |_, stream| {
            answer_with(stream, &format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{set}", set.len()))
        });
        let setup = Setup::new(&upstream).without_rules().and(&CONFIG.replace("{keys}", &keys.address.to_string()));
        Self { gateway: change(setup).start(), upstream, rsa, _keys: keys }
    }

    /// A page of the app.
    fn page(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway.host())
    }

    /// What an LMS sends along when it begins a login.
    fn initiation(&self) -> Vec<(&'static str, String)> {
        vec![
            ("iss", LMS.to_owned()),
            ("login_hint", "u 1&x".to_owned()),
            ("target_link_uri", self.page("/open/launch")),
            ("client_id", "client-1".to_owned()),
            ("lti_message_hint", "m/1".to_owned()),
            ("lti_deployment_id", "d1".to_owned()),
        ]
    }

    /// The framed navigation that begins a login.
    fn begin(&self, query: &str) -> Answer {
        let lines = [
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: iframe",
            "Referer: https://lms.example/course/1",
        ];
        self.gateway.ask("GET", &format!("/.vestibule/login/lms?{query}"), &lines)
    }

    fn login(&self) -> Login {
        Login::of(&self.begin(&form(&self.initiation())))
    }

    /// What the LMS signs for a launch that was asked for with this nonce.
    fn claims(&self, nonce: &str) -> Value {
        let now = Clock::system().now().as_secs();
        json!({
            "iss": LMS, "aud": "client-1", "sub": "person-1", "iat": now, "exp": now + 3600, "nonce": nonce,
            "name": "Ann", "email": "ann@example.edu",
            format!("{CLAIM}version"): "1.3.0",
            format!("{CLAIM}message_type"): "LtiResourceLinkRequest",
            format!("{CLAIM}deployment_id"): "d1",
            format!("{CLAIM}target_link_uri"): self.page("/open/launch?course=7"),
            format!("{CLAIM}resource_link"): {"id": "r1"},
            format!("{CLAIM}roles"): ["http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"],
        })
    }

    fn token(&self, nonce: &str) -> String {
        self.rsa.sign(Some("k1"), &self.claims(nonce))
    }

    /// The form that the LMS's page posts.
    fn post(&self, cookie: &str, fields: &str) -> Answer {
        self.post_from(&["Origin: https://lms.example", &format!("Cookie: {cookie}")], fields)
    }

    fn post_from(&self, lines: &[&str], fields: &str) -> Answer {
        let usual = [
            "Content-Type: application/x-www-form-urlencoded",
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: iframe",
            "Accept: text/html",
        ];
        self.gateway.send("POST", "/.vestibule/callback", &[&usual[..], lines].concat(), fields.as_bytes())
    }

    fn answer(&self, login: &Login, token: &str) -> Answer {
        self.post(&login.cookie, &answered(&login.state, token))
    }
}

impl Login {
    fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 303, "{answer:?}");
        let location = answer.header("location");
        let cookie = answer.header("set-cookie").split(';').next().expect("a cookie").to_owned();
        Self { state: parameter(location, "state"), nonce: parameter(location, "nonce"), cookie }
    }
}

fn answered(state: &str, token: &str) -> String {
    form(&[("state", state.to_owned()), ("id_token", token.to_owned())])
}

fn form(fields: &[(&str, String)]) -> String {
    let pair = |(name, value): &(&str, String)| format!("{name}={}", encode(value));
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// All but unreserved characters (RFC 3986 §2.3).
fn encode(text: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _ = if kept(byte) { write!(encoded, "{}", char::from(byte)) } else { write!(encoded, "%{byte:02X}") };
        encoded
    })
}

/// A parameter of an address; those that are asked for hold nothing that is escaped.
fn parameter(address: &str, name: &str) -> String {
    let query = address.split_once('?').map_or("", |(_, query)| query);
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value.expect("a parameter").to_owned()
}

#[test]
fn a_launch_ends_at_the_page_that_the_lms_signed() {
    let stage = Stage::new();
    let begun = stage.begin(&form(&stage.initiation()));
    let login = Login::of(&begun);
    let callback = encode(&stage.page("/.vestibule/callback"));
    let expected = format!(
        "https://lms.example/auth?scope=openid&response_type=id_token&response_mode=form_post&prompt=none\
         &client_id=client-1&redirect_uri={callback}&login_hint=u%201%26x&state={}&nonce={}&lti_message_hint=m%2F1",
        login.state, login.nonce,
    );
    assert_eq!(begun.header("location"), expected);
    assert_eq!(begun.header("cache-control"), "no-store");
    let cookie = begun.header("set-cookie");
    assert!(cookie.starts_with("__Host-vestibule-login."), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age=600"), "{cookie}");

    let answer = stage.answer(&login, &stage.token(&login.nonce));
    assert_eq!((answer.status, answer.header("location")), (303, "/open/launch?course=7"), "{answer:?}");
    let name = login.cookie.split('=').next().expect("a name");
    let cleared = |cookie: &&str| cookie.starts_with(&format!("{name}=;")) && cookie.ends_with("Max-Age=0");
    assert!(answer.all("set-cookie").iter().any(cleared), "{answer:?}");
    assert!(stage.upstream.seen().is_empty(), "the app hears nothing of a login");

    let both = format!("{}; {}; own=1", answer.cookie(), login.cookie);
    let page = stage.gateway.own("GET", "/open/launch?course=7", &both);
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.header("content-security-policy").contains("frame-ancestors https://lms.example"), "{page:?}");
    let seen = stage.upstream.last();
    assert_eq!(seen.value("x-vestibule-host"), "lms");
    assert_eq!(seen.value("x-vestibule-tenant"), "https://lms.example|client-1|d1");
    assert_eq!(seen.value("x-vestibule-user"), "person-1");
    assert_eq!(seen.value("x-vestibule-user-kind"), "client");
    assert_eq!(seen.value("cookie"), "own=1", "a login is none of the app's affair");
    let log = stage.gateway.output();
    assert!(!log.contains(&login.state) && !log.contains(&login.nonce), "{log}");
}

#[test]
fn a_login_may_begin_with_a_form_and_end_at_another_page_of_the_lms() {
    let stage = Stage::new();
    let lines = ["Content-Type: application/x-www-form-urlencoded", "Referer: https://lms.example/course/1"];
    let body = form(&stage.initiation());
    let login = Login::of(&stage.gateway.send("POST", "/.vestibule/login/lms", &lines, body.as_bytes()));
    let fields = answered(&login.state, &stage.token(&login.nonce));
    let lines = ["Origin: https://sso.lms.example", &format!("Cookie: {}", login.cookie)];
    let answer = stage.post_from(&lines, &fields);
    assert_eq!(answer.status, 303, "{answer:?}");
    let page = stage.gateway.own("GET", "/open/launch", &answer.cookie());
    let sources = "frame-ancestors https://sso.lms.example https://lms.example";
    assert!(page.header("content-security-policy").contains(sources), "{page:?}");
}

#[test]
fn two_launches_in_one_browser_do_not_disturb_each_other() {
    let stage = Stage::new();
    let (one, other) = (stage.login(), stage.login());
    let both = format!("{}; {}", one.cookie, other.cookie);
    for login in [&other, &one] {
        let answer = stage.post(&both, &answered(&login.state, &stage.token(&login.nonce)));
        assert_eq!(answer.status, 303, "{answer:?}");
    }
}

#[test]
fn the_least_that_an_lms_may_send_is_enough() {
    let stage = Stage::new();
    let least: Vec<_> = stage.initiation().into_iter().take(3).collect();
    let login = Login::of(&stage.begin(&format!("{}&canvas_region=eu", form(&least))));
    let mut claims = stage.claims(&login.nonce);
    claims["aud"] = json!(["client-1"]);
    claims[format!("{CLAIM}roles")] = json!([]);
    assert_eq!(stage.answer(&login, &stage.rsa.sign(Some("k1"), &claims)).status, 303);
}

#[test]
fn a_second_deployment_is_another_tenant() {
    let stage = Stage::new();
    let login = stage.login();
    let mut claims = stage.claims(&login.nonce);
    claims[format!("{CLAIM}deployment_id")] = json!("d2");
    let answer = stage.answer(&login, &stage.rsa.sign(Some("k1"), &claims));
    stage.gateway.own("GET", "/open", &answer.cookie());
    assert_eq!(stage.upstream.last().value("x-vestibule-tenant"), "https://lms.example|client-1|d2");
}

#[test]
fn a_deployment_that_leaves_the_configuration_takes_its_sessions_along() {
    let stage = Stage::new();
    let login = stage.login();
    let cookie = stage.answer(&login, &stage.token(&login.nonce)).cookie();
    assert_eq!(stage.gateway.own("GET", "/open", &cookie).status, 200);
    stage.gateway.edit("[\"d1\", \"d2\"]", "[\"d2\"]");
    assert_eq!(reload(&stage.gateway).status, 200);
    assert_eq!(stage.gateway.own("GET", "/open", &cookie).code(), "session_expired");
}

#[test]
fn one_address_has_room_for_a_few_forms_and_gets_it_back() {
    let stage = Stage::with(|setup| setup.and("\n[limits]\nsigned_body = \"1KiB\"\n"));
    let body = format!("{}&x={}", form(&stage.initiation()), "x".repeat(60_000));
    let lines = ["Content-Type: application/x-www-form-urlencoded"];
    let begin = || -> TcpStream {
        let bytes = request("POST", "/.vestibule/login/lms", &stage.gateway.host(), &lines, body.as_bytes());
        let mut stream = connect(stage.gateway.address);
        // One that finds no room is answered before it has been read to its end.
        let _is_refused = stream.write_all(&bytes[..bytes.len() - 1]).is_err();
        stream
    };
    let mut held: Vec<TcpStream> = (0..9).map(|_| begin()).collect();
    let send = || stage.gateway.send("POST", "/.vestibule/login/lms", &lines, body.as_bytes());
    // Until all of what was sent has been read. One of those that wait may have found its room taken by this very question.
    let deadline = Instant::now() + Duration::from_secs(20);
    while send().status == 303 && Instant::now() < deadline {
        held.push(begin());
    }
    let answer = send();
    assert_eq!((answer.status, answer.code()), (503, "overloaded"));
    drop(held);
    while send().status != 303 {
        assert!(Instant::now() < deadline, "what was held is not given back");
    }
}
