//! Grants from the operator's own platform: what it answers, and what becomes of requests when it does not.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    API_KEY, Answer, CLIENT, COMPANY, Gateway, OTHER_TENANT, SESSION_KEY, STAFF, Seen, Setup, TENANT, Token, Upstream,
    answer_with, free_port,
};

mod outage;
mod tls;

const CREDENTIAL: &str = "Bearer canary-grants-credential-0123456789";
const EDITOR: &str = r#"{"grants":[{"role":"editor","project":"apollo"}]}"#;

/// The operator's platform, whose answer can be changed at any time.
struct Source {
    upstream: Upstream,
    answer: Arc<Mutex<String>>,
}

impl Source {
    fn start(answer: &str) -> Self {
        let answer = Arc::new(Mutex::new(answer.to_owned()));
        let current = Arc::clone(&answer);
        let upstream = Upstream::scripted(move |_, stream| {
            let bytes = current.lock().expect("no panic").clone();
            !bytes.is_empty() && answer_with(stream, &bytes)
        });
        Self { upstream, answer }
    }

    /// Runs a script for each question.
    fn scripted(script: impl Fn(&Seen, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        Self { upstream: Upstream::scripted(script), answer: Arc::default() }
    }

    fn editor() -> Self {
        Self::start(&ok(EDITOR))
    }

    fn becomes(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().expect("no panic"));
    }

    fn url(&self) -> String {
        format!("http://{}/grants", self.upstream.address)
    }

    fn questions(&self) -> usize {
        self.upstream.seen().len()
    }

    fn setup(&self, app: &Upstream) -> Setup {
        asking(app, &self.url(), "source = \"http\"")
    }
}

fn status(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn ok(body: &str) -> String {
    status(200, "", body)
}

/// A gateway that asks there, with more keys of `[permissions]`. Tests that are about no deadline have a generous one.
fn asking(app: &Upstream, url: &str, more: &str) -> Setup {
    let timeout = if more.contains("timeout") { "" } else { "timeout = \"5s\"\n" };
    let section = format!(
        "\n[permissions]\nurl = \"{url}\"\nheaders = {{ Authorization = {{ env = \"GRANTS_CREDENTIAL\" }} }}\n{timeout}{more}\n"
    );
    Setup::new(app).and(&section).env("GRANTS_CREDENTIAL", CREDENTIAL)
}

fn look(gateway: &Gateway, cookie: &str) -> Answer {
    gateway.own("GET", "/projects/apollo", cookie)
}

fn seen_at(app: &Upstream) -> usize {
    app.seen().len()
}

fn metric(gateway: &Gateway, result: &str) -> u64 {
    let text = gateway.admin("GET", "/metrics", &[], b"").text();
    let name = "vestibule_permission_requests_total{";
    let line = text.lines().find(|line| {
        line.starts_with(name) && line.contains("source=\"http\"") && line.contains(&format!("result=\"{result}\""))
    });
    line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn invalidate(gateway: &Gateway) {
    let token = format!("Authorization: Bearer {}", crate::support::ADMIN_TOKEN);
    assert_eq!(gateway.admin("POST", "/v1/invalidate", &[&token], b"").status, 204);
}

/// The command line, with the configuration of a gateway.
fn vestibule(gateway: &Gateway, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(arguments).args(["-c", "vestibule.toml"]).current_dir(gateway.folder()).env_clear();
    command.env("ASSEMBLY_API_KEY", API_KEY).env("SESSION_KEY", SESSION_KEY);
    command.env("ADMIN_TOKEN", SESSION_KEY).env("GRANTS_CREDENTIAL", CREDENTIAL);
    command.output().expect("the binary runs")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_person_is_asked_about_once_in_the_words_of_their_host() {
    let (app, source) = (Upstream::start(), Source::editor());
    let gateway = source.setup(&app).start();
    let cookie = gateway.sign_in(&Token::client());
    for (method, target, expected) in [
        ("GET", "/projects/apollo", 200),
        ("POST", "/projects/apollo/x", 200),
        ("GET", "/projects/zeus", 403),
        ("GET", "/admin/x", 403),
        ("GET", "/open", 200),
    ] {
        let answer = gateway.own(method, target, &cookie);
        assert_eq!(answer.status, expected, "{method} {target}: {answer:?}");
    }
    assert_eq!(source.questions(), 1);
    let question = source.upstream.last();
    assert!(question.line().starts_with("POST /grants HTTP/1.1"), "{}", question.head);
    assert_eq!(question.value("authorization"), CREDENTIAL);
    let body: serde_json::Value = serde_json::from_slice(&question.body).expect("JSON");
    let properties =
        serde_json::json!({ "host": "assembly", "tenant": TENANT, "kind": "client", "organization": COMPANY });
    let subject = serde_json::json!({ "type": "user", "id": CLIENT, "properties": properties });
    assert_eq!(body, serde_json::json!({ "subject": subject }));
    assert_eq!((metric(&gateway, "ok"), metric(&gateway, "unavailable")), (1, 0));
    assert!(!gateway.output().contains("canary-grants"), "the credential is in no log line");
}

#[test]
fn somebody_whom_the_platform_does_not_know_holds_nothing_and_that_is_no_outage() {
    let (app, source) = (Upstream::start(), Source::start(&status(404, "", "")));
    let gateway = source.setup(&app).start();
    let cookie = gateway.sign_in(&Token::client());
    assert_eq!((look(&gateway, &cookie).status, look(&gateway, &cookie).code().to_owned()), (403, "forbidden".into()));
    assert_eq!(gateway.own("GET", "/open", &cookie).status, 200, "a route that asks for no permission");
    assert_eq!((source.questions(), metric(&gateway, "none")), (1, 1));
}

#[test]
fn src_03_what_is_not_understood_is_an_outage_and_reaches_no_app() {
    let (app, source) = (Upstream::start(), Source::editor());
    let gateway = source.setup(&app).start();
    let cookie = gateway.sign_in(&Token::client());
    for body in [
        "",
        "null",
        "{}",
        "[]",
        "[[]]",
        "\"ok\"",
        "<html>ok</html>",
        r#"{"grants":null}"#,
        r#"{"grants":"*"}"#,
        // SRC-13, SRC-05
        r#"{"grants":[{"role":10}]}"#,
        r#"{"grants":[{"role":"editor","weight":1e308}]}"#,
        r#"{"grants":[{"role":"editor","project":null}]}"#,
        r#"{"grants":[{"role":"editor","projects":"apollo"}]}"#,
        r#"{"subject":{"id":"somebody-else"},"grants":[{"role":"editor"}]}"#,
    ] {
        source.becomes(&ok(body));
        let answer = look(&gateway, &cookie);
        assert_eq!((answer.status, answer.code()), (503, "permissions_unavailable"), "{body}");
        assert_eq!(answer.header("retry-after"), "5");
    }
    assert_eq!(seen_at(&app), 0);
    assert!(gateway.output().contains("another person"), "a mixed up answer is in the log");
    assert!(!gateway.output().contains("somebody-else"), "but nothing of what it says");
    source.becomes(&ok(EDITOR));
    assert_eq!(look(&gateway, &cookie).status, 200, "the next good answer is used at once");
}

#[test]
fn src_05_names_that_nobody_configured_and_a_bare_star_give_nothing() {
    let (app, source) = (Upstream::start(), Source::editor());
    let gateway =
        source.setup(&app).with("[telemetry]", "[cache]\nnegative_ttl = \"1ms\"\nttl = \"1ms\"\n[telemetry]").start();
    let cookie = gateway.sign_in(&Token::client());
    for grant in [
        r#"{"role":"*"}"#,
        r#"{"role":"Admin"}"#,
        r#"{"role":" admin "}"#,
        r#"{"role":"Editor","project":"apollo"}"#,
        r#"{"role":"unknown"}"#,
        r#"{"permissions":["*"]}"#,
        r#"{"permissions":["Projects:Read"," projects:read "]}"#,
    ] {
        source.becomes(&ok(&format!("{{\"grants\":[{grant}]}}")));
        assert_eq!(
            (look(&gateway, &cookie).code(), gateway.own("GET", "/admin/x", &cookie).code()),
            ("forbidden", "forbidden"),
            "{grant}"
        );
        thread::sleep(Duration::from_millis(5));
    }
    source.becomes(&ok(r#"{"grants":[{"role":"staff","project":"apollo"}]}"#));
    assert_eq!(look(&gateway, &cookie).status, 200, "a role whose content is a star");
}

#[test]
fn src_08_a_redirect_is_not_followed_and_its_target_gets_no_credential() {
    let (app, elsewhere) = (Upstream::start(), Source::editor());
    let source = Source::start(&status(302, &format!("Location: {}\r\n", elsewhere.url()), ""));
    let gateway = source.setup(&app).start();
    let cookie = gateway.sign_in(&Token::client());
    assert_eq!(look(&gateway, &cookie).code(), "permissions_unavailable");
    assert_eq!((source.questions(), elsewhere.questions(), seen_at(&app)), (1, 0, 0));
}

#[test]
fn src_09_a_hundred_megabytes_are_not_taken_into_memory() {
    let resident = |gateway: &Gateway| {
        let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line").to_owned();
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    };
    let source = Source::scripted(|_, stream| {
        let chunk = vec![b' '; 64 * 1024];
        answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
            && (0..1600).all(|_| stream.write_all(&chunk).is_ok())
    });
    let app = Upstream::start();
    let gateway = source.setup(&app).start();
    let cookie = gateway.sign_in(&Token::client());
    let before = resident(&gateway);
    for _ in 0..3 {
        assert_eq!(look(&gateway, &cookie).code(), "permissions_unavailable");
    }
    let grown = resident(&gateway) - before;
    assert!(grown < 16 * 1024, "{grown} KiB more");
}

#[test]
fn a_grant_ends_at_its_own_time_and_an_answer_when_it_says() {
    let (app, source) = (Upstream::start(), Source::editor());
    let gateway = source.setup(&app).with("[telemetry]", "[cache]\nttl = \"1h\"\n[telemetry]").start();
    let cookie = gateway.sign_in(&Token::client());
    let end = (vestibule::clock::Clock::system().now() + Duration::from_secs(3)).to_rfc3339();
    let lasting = r#"{"role":"viewer","project":"zeus"}"#;
    let short =
        format!("{{\"grants\":[{lasting},{{\"role\":\"editor\",\"project\":\"apollo\",\"valid_until\":\"{end}\"}}]}}");
    source.becomes(&ok(&short));
    assert_eq!(look(&gateway, &cookie).status, 200);
    source.becomes("");
    thread::sleep(Duration::from_millis(3100));
    assert_eq!(look(&gateway, &cookie).code(), "permissions_unavailable", "the answer ended with its first grant");
    source.becomes(&ok(&short));
    assert_eq!(
        (look(&gateway, &cookie).code(), gateway.own("GET", "/projects/zeus", &cookie).status),
        ("forbidden", 200)
    );

    source.becomes(&status(200, "Cache-Control: private, max-age=1\r\n", EDITOR));
    invalidate(&gateway);
    assert_eq!(look(&gateway, &cookie).status, 200);
    source.becomes(&status(404, "", ""));
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(look(&gateway, &cookie).code(), "forbidden", "an hour is not what the platform said");
}

#[test]
fn an_answer_with_a_tag_is_renewed_without_its_body() {
    let source = Source::scripted(|seen, stream| {
        let known = seen.value("if-none-match") == "\"v1\"";
        let renewed = "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n".to_owned();
        answer_with(stream, &if known { renewed } else { status(200, "ETag: \"v1\"\r\n", EDITOR) })
    });
    let app = Upstream::start();
    let gateway = source.setup(&app).start();
    let cookie = gateway.sign_in(&Token::client());
    for questions in 1..=3 {
        assert_eq!(look(&gateway, &cookie).status, 200);
        assert_eq!(source.questions(), questions);
        invalidate(&gateway);
    }
    let token = format!("Authorization: Bearer {}", crate::support::ADMIN_TOKEN);
    assert_eq!(gateway.admin("POST", "/v1/reload", &[&token], b"").status, 200);
    assert_eq!(look(&gateway, &cookie).status, 200);
    let tags: Vec<String> = source.upstream.seen().iter().map(|seen| seen.value("if-none-match").to_owned()).collect();
    assert_eq!(tags, ["", "\"v1\"", "\"v1\"", "\"v1\""], "a reload asks anew, and forgets nothing about the platform");
}

#[test]
fn cch_01_cch_09_a_change_counts_at_once_when_it_is_told_and_soon_when_it_is_not() {
    let (app, source) = (Upstream::start(), Source::editor());
    let gateway =
        source.setup(&app).with("[telemetry]", "[cache]\nttl = \"1s\"\nnegative_ttl = \"500ms\"\n[telemetry]").start();
    let cookie = gateway.sign_in(&Token::client());
    for _ in 0..50 {
        source.becomes(&ok(EDITOR));
        invalidate(&gateway);
        assert_eq!(look(&gateway, &cookie).status, 200);
        source.becomes(&ok(r#"{"grants":[]}"#));
        invalidate(&gateway);
        assert_eq!(look(&gateway, &cookie).code(), "forbidden");
    }
    source.becomes(&ok(EDITOR));
    thread::sleep(Duration::from_millis(600));
    assert_eq!(look(&gateway, &cookie).status, 200, "a first grant is felt after negative_ttl");
    source.becomes(&ok(r#"{"grants":[]}"#));
    thread::sleep(Duration::from_millis(1150));
    assert_eq!(look(&gateway, &cookie).code(), "forbidden", "and a revocation after ttl");
}

#[test]
fn cch_05_a_crowd_of_one_person_is_one_question_whatever_comes_of_it() {
    let count = AtomicUsize::new(0);
    let source = Source::scripted(move |_, stream| {
        thread::sleep(Duration::from_millis(500));
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        answer_with(stream, &if first { status(500, "", "") } else { ok(EDITOR) })
    });
    let app = Upstream::start();
    let gateway = source.setup(&app).start();
    let cookie = gateway.sign_in(&Token::client());
    for (questions, expected) in [(1, 503), (2, 200), (2, 200)] {
        thread::scope(|scope| {
            let crowd: Vec<_> = (0..50).map(|_| scope.spawn(|| look(&gateway, &cookie).status)).collect();
            for one in crowd {
                assert_eq!(one.join().expect("no panic"), expected);
            }
        });
        assert_eq!(source.questions(), questions);
    }
}

#[test]
fn cch_07_cch_16_the_question_is_about_the_proven_person_and_not_about_the_request() {
    let (app, source) = (Upstream::start(), Source::editor());
    let gateway = source.setup(&app).start();
    let forged = ["X-Vestibule-User: somebody", "X-Vestibule-Tenant: other", "X-Vestibule-Project: other"];
    for n in 0..20 {
        assert_eq!(gateway.ask("GET", &format!("/projects/p{n}"), &forged).code(), "session_missing");
        assert_eq!(gateway.ask("GET", &format!("/public/p{n}"), &forged).status, 200);
    }
    assert_eq!(source.questions(), 0, "nobody is asked about strangers");
    let cookie = format!("Cookie: {}", gateway.sign_in(&Token::client()));
    let lines = [&[cookie.as_str(), "Sec-Fetch-Site: same-origin"], &forged[..]].concat();
    for n in 0..50 {
        assert_eq!(gateway.ask("GET", &format!("/projects/p{n}"), &lines).code(), "forbidden");
    }
    assert_eq!(gateway.ask("GET", "/projects/apollo", &lines).status, 200);
    assert_eq!(source.questions(), 1);
    assert!(!String::from_utf8_lossy(&source.upstream.last().body).contains("other"));
}

#[test]
fn a_list_of_sources_is_their_union_and_an_outage_if_one_of_them_is_out() {
    let (app, source) = (Upstream::start(), Source::start(&ok(r#"{"grants":[{"role":"editor","project":"hermes"}]}"#)));
    let gateway = asking(&app, &source.url(), "source = [\"config\", \"http\"]").start();
    let cookie = gateway.sign_in(&Token::client());
    for project in ["apollo", "hermes"] {
        assert_eq!(gateway.own("POST", &format!("/projects/{project}"), &cookie).status, 200, "{project}");
    }
    let explained =
        vestibule(&gateway, &["explain", "POST", "/projects/hermes", "--tenant", TENANT, "--subject", CLIENT]);
    for line in [
        "role editor on project apollo (from config)",
        "role editor on project hermes (from http)",
        "decision    allow",
    ] {
        assert!(text(&explained).contains(line), "{line}: {}", text(&explained));
    }
    source.becomes("");
    invalidate(&gateway);
    let answer = gateway.own("GET", "/projects/apollo", &cookie);
    assert_eq!(
        (answer.status, answer.code()),
        (503, "permissions_unavailable"),
        "what config says is not all there is"
    );
    let explained =
        vestibule(&gateway, &["explain", "POST", "/projects/hermes", "--tenant", TENANT, "--subject", CLIENT]);
    assert_eq!(explained.status.code(), Some(1), "{}", text(&explained));
    assert!(text(&explained).contains("permission source `http`: "), "{}", text(&explained));
}

#[test]
fn check_online_asks_about_somebody_made_up_and_names_a_refused_credential() {
    let (app, source) = (Upstream::start(), Source::start(&status(404, "", "")));
    let gateway = source.setup(&app).start();
    for (answer, code, says) in [
        (status(404, "", ""), 0, "permissions ok: answers; somebody made up holds nothing"),
        (ok(r#"{"grants":[{"role":"viewer"}]}"#), 0, "permissions ok: answers; somebody made up holds 1 grants"),
        (status(401, "", ""), 69, "permissions NOT OK: it does not accept our credential (401)"),
        (status(403, "", ""), 69, "permissions NOT OK: it does not accept our credential (403)"),
        (status(500, "", ""), 69, "permissions NOT OK: it answers 500"),
        (ok("<html>"), 69, "permissions NOT OK: the answer is no JSON"),
    ] {
        source.becomes(&answer);
        let checked = vestibule(&gateway, &["check", "--online"]);
        assert!(text(&checked).contains(says), "{says}: {}", text(&checked));
        assert_eq!(checked.status.code(), Some(code), "{}", text(&checked));
    }
    let asked = String::from_utf8_lossy(&source.upstream.last().body).into_owned();
    assert!(asked.contains(TENANT) && ![CLIENT, STAFF, OTHER_TENANT].iter().any(|id| asked.contains(id)), "{asked}");
}
