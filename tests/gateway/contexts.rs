//! Several people, or workspaces, in one browser.

use crate::support::{COMPANY, Gateway, Setup, TENANT, Token, Upstream, answer_with};

/// The cookies of one browser, as it would keep them.
#[derive(Default)]
struct Browser(Vec<(String, String)>);

impl Browser {
    fn line(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("Cookie: {}", pairs.join("; "))
    }

    fn keep(&mut self, set: &[&str]) {
        for cookie in set {
            let (name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
            self.0.retain(|(known, _)| known != name);
            if !cookie.contains("Max-Age=0") {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Opens a frame, and gives its context.
    fn open(&mut self, gateway: &Gateway, token: &Token) -> String {
        let answer = gateway.framed(&format!("/open?token={}", token.sealed()), &[&self.line()]);
        assert_eq!(answer.status, 303, "{answer:?}");
        self.keep(&answer.all("set-cookie"));
        let name = self.0.last().expect("a cookie").0.clone();
        name.rsplit_once('.').expect("a context").1.to_owned()
    }

    fn ask(&mut self, gateway: &Gateway, method: &str, path: &str, context: Option<&str>) -> (u16, String) {
        let selector = context.map(|context| format!("X-Vestibule-Context: {context}"));
        let mut lines = vec!["Sec-Fetch-Site: same-origin".to_owned(), self.line()];
        lines.extend(selector);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let answer = gateway.ask(method, path, &lines);
        self.keep(&answer.all("set-cookie"));
        (answer.status, answer.code().to_owned())
    }
}

fn person(number: u8) -> Token {
    Token::of(&[
        ("workspaceId", TENANT),
        ("clientId", &format!("aaaaaaaa-bbbb-4ccc-8ddd-0000000000{number:02}")),
        ("companyId", COMPANY),
    ])
}

/// Everybody is known to the platform, because nobody is asked.
fn offline(upstream: &Upstream) -> Gateway {
    Setup::new(upstream).with("platform = \"assembly\"", "platform = \"assembly\"\nconfirm = \"offline\"").start()
}

fn no_code(status: u16) -> (u16, String) {
    (status, String::new())
}

fn ambiguous() -> (u16, String) {
    (409, "context_ambiguous".to_owned())
}

#[test]
fn logging_out_in_one_frame_leaves_the_other_signed_in_and_guesses_nothing_for_the_first() {
    let upstream = Upstream::start();
    let gateway = offline(&upstream);
    let mut browser = Browser::default();
    let (ann, ben) = (browser.open(&gateway, &person(1)), browser.open(&gateway, &person(2)));
    assert_eq!(browser.ask(&gateway, "GET", "/open", None), ambiguous());
    let line = browser.line();
    let selector = format!("X-Vestibule-Context: {ann}");
    let left = gateway.ask("POST", "/.vestibule/logout", &["Sec-Fetch-Site: same-origin", &line, &selector]);
    let cookies = left.all("set-cookie");
    let attributes = "; Path=/; Secure; HttpOnly; SameSite=None; Partitioned; Max-Age=";
    assert_eq!(cookies[0], format!("__Host-vestibule.{ann}={attributes}0"));
    assert!(cookies[1].starts_with(&format!("__Host-vestibule-ended.{ann}=")) && cookies[1].contains(attributes));
    browser.keep(&cookies);

    assert_eq!(browser.ask(&gateway, "GET", "/open", Some(&ben)), no_code(200));
    assert_eq!(browser.ask(&gateway, "GET", "/open", Some(&ann)), (401, "session_expired".to_owned()));
    assert_eq!(browser.ask(&gateway, "GET", "/open", None), ambiguous(), "it may be Ann's frame that asks");

    assert_eq!(browser.open(&gateway, &person(1)), ann);
    assert!(!browser.names().iter().any(|name| name.contains("-ended")), "{:?}", browser.names());
    assert_eq!(browser.ask(&gateway, "GET", "/open", Some(&ann)), no_code(200));
}

#[test]
fn a_mark_of_a_logout_is_ours_alone_and_signs_nobody_in() {
    let upstream = Upstream::start();
    let gateway = offline(&upstream);
    let mut browser = Browser::default();
    let ann = browser.open(&gateway, &person(1));
    browser.ask(&gateway, "POST", "/.vestibule/logout", None);
    assert_eq!(browser.names(), [format!("__Host-vestibule-ended.{ann}")]);
    assert_eq!(browser.ask(&gateway, "GET", "/open", None), (401, "session_expired".to_owned()));
    // Under the name of a session it is nothing, nor is a made-up one a mark.
    let value = browser.0[0].1.clone();
    assert_eq!(gateway.own("GET", "/open", &format!("__Host-vestibule.{ann}={value}")).code(), "session_missing");
    let mut other = Browser::default();
    other.open(&gateway, &person(2));
    other.0.push((format!("__Host-vestibule-ended.{ann}"), "made-up".to_owned()));
    assert_eq!(other.ask(&gateway, "GET", "/open", None), no_code(200));
    let public = gateway.ask("GET", "/public/x", &[&browser.line()]);
    assert_eq!((public.status, upstream.last().values("cookie").len()), (200, 0));
}

#[test]
fn a_session_that_idled_out_beside_another_is_still_a_context() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream)
        .with("platform = \"assembly\"", "platform = \"assembly\"\nconfirm = \"offline\"")
        .with("[session]\n", "[session]\nidle = \"1s\"\n")
        .start();
    let mut browser = Browser::default();
    browser.open(&gateway, &person(1));
    std::thread::sleep(std::time::Duration::from_millis(1200));
    let second = gateway.framed(&format!("/open?token={}", person(2).sealed()), &[&browser.line()]);
    assert!(second.header("location").starts_with("/open?_vestibule_ctx="), "{second:?}");
    browser.keep(&second.all("set-cookie"));
    assert_eq!(browser.ask(&gateway, "GET", "/open", None), ambiguous());
}

#[test]
fn a_fifth_context_takes_the_place_of_the_oldest() {
    let upstream = Upstream::start();
    let gateway = offline(&upstream);
    let mut browser = Browser::default();
    let first = browser.open(&gateway, &person(1));
    let kept = browser.line();
    let others: Vec<String> = (2..=5).map(|number| browser.open(&gateway, &person(number))).collect();
    assert_eq!(browser.names().len(), 4, "{:?}", browser.names());
    assert!(!browser.names().iter().any(|name| name.ends_with(&first)));
    for context in &others {
        assert_eq!(browser.ask(&gateway, "GET", "/open", Some(context)), no_code(200));
    }
    assert_eq!(gateway.ask("GET", "/open", &[&kept]).code(), "session_expired", "it is over, not only forgotten");
}

#[test]
fn what_the_app_hides_from_scripts_is_kept_apart_for_each_context() {
    let upstream = Upstream::scripted(|seen, stream| {
        let set = match seen.line() {
            line if line.contains("/set ") => "Set-Cookie: sid=hidden; HttpOnly\r\nSet-Cookie: theme=dark\r\n",
            line if line.contains("/drop ") => "Set-Cookie: sid=; Max-Age=0\r\n",
            _ => "",
        };
        answer_with(stream, &format!("HTTP/1.1 200 OK\r\n{set}Content-Length: 0\r\n\r\n"))
    });
    let gateway = offline(&upstream);
    let mut browser = Browser::default();
    let (ann, ben) = (browser.open(&gateway, &person(1)), browser.open(&gateway, &person(2)));
    assert_eq!(browser.ask(&gateway, "GET", "/open/set", Some(&ann)), no_code(200));
    browser.ask(&gateway, "GET", "/open/see", Some(&ann));
    assert_eq!(upstream.last().value("cookie"), "sid=hidden; theme=dark");
    browser.ask(&gateway, "GET", "/open/see", Some(&ben));
    assert_eq!(upstream.last().value("cookie"), "theme=dark");
    browser.ask(&gateway, "GET", "/open/drop", Some(&ben));
    browser.ask(&gateway, "GET", "/open/see", Some(&ann));
    assert_eq!(upstream.last().value("cookie"), "sid=hidden; theme=dark", "Ben's removal is Ben's");
    browser.ask(&gateway, "GET", "/open/drop", Some(&ann));
    browser.ask(&gateway, "GET", "/open/see", Some(&ann));
    assert_eq!(upstream.last().value("cookie"), "theme=dark");
}
