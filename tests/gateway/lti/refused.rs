//! What is no launch.

use serde_json::json;

use super::{CLAIM, LMS, Login, Stage, answered, clock, form};
use crate::support::{Answer, Rsa, Setup};

/// Addresses that look like a page of ours and are none, or that no launch may end at.
fn elsewhere(stage: &Stage) -> Vec<String> {
    let host = stage.gateway.host();
    let plain = [
        "//evil.example/open",
        "https://evil.example/open",
        r"/\evil.example/open",
        "/open/launch",
        "open",
        "",
        "javascript:alert(1)",
        "data:text/html,x",
    ];
    let mixed = [
        format!("https://{host}/open"),
        format!("http://{host}.evil.example/open"),
        format!("http://{host}@evil.example/open"),
        format!("http://evil.example@{host}/open"),
        format!("http://evil.example#@{host}/open"),
        format!("http://evil.example?@{host}/open"),
        format!("http://{host}\\@evil.example/open"),
        format!(" http://{host}/open"),
        format!("javascript:http://{host}/open"),
        format!("http://{host}/open#x"),
        format!("http://{host}/\\evil.example"),
        format!("http://{host}/open/%0d%0aSet-Cookie:x"),
        format!("http://{host}/open?a=\u{e9}"),
        format!("http://{host}/open?a=1\r\nSet-Cookie: x=1"),
        format!("http://{host}/.vestibule/logout"),
        format!("http://{host}/%2evestibule/logout"),
        format!("http://{host}//.vestibule//logout"),
        format!("http://{host}/open/../.vestibule/logout"),
        format!("http://{host}/open?{}", "a".repeat(9000)),
    ];
    plain.into_iter().map(str::to_owned).chain(mixed).collect()
}

fn sets_nothing(answer: &Answer) -> bool {
    answer.header("set-cookie").is_empty() && answer.header("location").is_empty()
}

#[test]
fn a_login_for_somebody_else_or_to_elsewhere_does_not_begin() {
    let stage = Stage::new();
    let with = |name: &str, value: &str| {
        let mut fields = stage.initiation();
        fields.retain(|(own, _)| *own != name);
        let rest = form(&fields);
        format!("{rest}&{name}={}", super::encode(value))
    };
    let good = form(&stage.initiation());
    let mut queries = vec![
        String::new(),
        with("iss", "https://lms.example/"),
        with("iss", "https://lms.example.evil.example"),
        with("client_id", "client-2"),
        with("lti_deployment_id", "d3"),
        with("login_hint", ""),
        with("login_hint", &"h".repeat(4097)),
        format!("{good}&iss=x"),
        format!("{good}&%69ss={}", super::encode(LMS)),
        format!("{good}&other=1&other=2"),
        format!("{good}&x=%"),
    ];
    queries.extend(elsewhere(&stage).iter().map(|address| with("target_link_uri", address)));
    for query in &queries {
        let answer = stage.begin(query);
        assert!(answer.code() == "malformed_request" || answer.code() == "uri_too_long", "{query}: {answer:?}");
        assert!(sets_nothing(&answer), "{query}: {answer:?}");
        let lines = ["Content-Type: application/x-www-form-urlencoded"];
        let posted = stage.gateway.send("POST", "/.vestibule/login/lms", &lines, query.as_bytes());
        assert_eq!((posted.status, sets_nothing(&posted)), (400, true), "{query}: {posted:?}");
    }
    for (method, path, status) in [
        ("GET", "/.vestibule/login/assembly", 404),
        ("GET", "/.vestibule/login/nobody", 404),
        ("GET", "/.vestibule/login", 404),
        ("GET", "/.vestibule/login/lms/x", 404),
        ("PUT", "/.vestibule/login/lms", 405),
        ("GET", "/.vestibule/callback", 405),
        ("GET", "/.vestibule/callback/x", 404),
    ] {
        let answer = stage.gateway.ask(method, &format!("{path}?{good}"), &[]);
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    }
    let json = stage.gateway.send("POST", "/.vestibule/login/lms", &["Content-Type: application/json"], b"{}");
    assert_eq!(json.code(), "malformed_request");
}

#[test]
fn a_token_that_sends_people_elsewhere_begins_no_session() {
    let stage = Stage::new();
    for address in elsewhere(&stage) {
        let login = stage.login();
        let mut claims = stage.claims(&login.nonce);
        claims[format!("{CLAIM}target_link_uri")] = json!(address);
        let answer = stage.answer(&login, &stage.rsa.sign(Some("k1"), &claims));
        assert_eq!((answer.code(), sets_nothing(&answer)), ("token_invalid", true), "{address}: {answer:?}");
    }
    let login = stage.login();
    let mut claims = stage.claims(&login.nonce);
    claims[format!("{CLAIM}target_link_uri")] =
        json!(stage.page("/open/../open//x?a=1&token=t&_vestibule_ctx=c&_vestibule_ticket=k"));
    let answer = stage.answer(&login, &stage.rsa.sign(Some("k1"), &claims));
    assert_eq!(answer.header("location"), "/open/x?a=1", "one spelling, and nothing in it that is ours to say");
}

#[test]
fn an_answer_counts_once_and_in_the_browser_that_asked() {
    let stage = Stage::new();
    let login = stage.login();
    let token = stage.token(&login.nonce);
    let without = stage.post("own=1", &answered(&login.state, &token));
    assert_eq!((without.status, without.code(), sets_nothing(&without)), (401, "session_missing", true));
    assert!(without.text().contains("the browser kept no cookie of it"), "{}", without.text());
    let other = stage.login();
    let (name, value) = login.cookie.split_once('=').expect("a pair");
    let (_, foreign) = other.cookie.split_once('=').expect("a pair");
    for cookie in [
        other.cookie.clone(),
        format!("{name}={foreign}"),
        format!("{name}="),
        format!("{}; {}", login.cookie, login.cookie),
        format!("{}={value}", name.to_uppercase()),
    ] {
        let answer = stage.post(&cookie, &answered(&login.state, &token));
        assert_eq!((answer.code(), sets_nothing(&answer)), ("session_missing", true), "{cookie}");
    }
    // The nonce of one login does not end another, whichever cookies there are.
    let both = format!("{}; {}", login.cookie, other.cookie);
    let crossed = stage.post(&both, &answered(&other.state, &token));
    assert_eq!((crossed.code(), sets_nothing(&crossed)), ("token_invalid", true));
    assert_eq!(stage.answer(&login, &token).status, 303);
    let again = stage.answer(&login, &token);
    assert_eq!((again.code(), sets_nothing(&again)), ("token_invalid", true), "the same answer again");
    let fresh = stage.answer(&login, &stage.token(&login.nonce));
    assert_eq!((fresh.code(), sets_nothing(&fresh)), ("token_invalid", true), "the same login again");
}

#[test]
fn an_answer_from_elsewhere_or_in_another_form_is_refused() {
    let stage = Stage::new();
    let login = stage.login();
    let fields = answered(&login.state, &stage.token(&login.nonce));
    let cookie = format!("Cookie: {}", login.cookie);
    for lines in [
        &[][..],
        &["Origin: null"],
        &["Origin: https://evil.example"],
        &["Origin: https://portal.example"],
        &["Origin: https://lms.example.evil.example"],
        &["Origin: http://lms.example"],
        &["Origin: https://lms.example", "Origin: https://lms.example"],
    ] {
        let answer = stage.post_from(&[lines, &[&cookie]].concat(), &fields);
        assert_eq!((answer.code(), sets_nothing(&answer)), ("origin_refused", true), "{lines:?}");
    }
    let lms = "Origin: https://lms.example";
    let by_script = [lms, &cookie, "Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Mode: no-cors"];
    let answer = stage.gateway.send("POST", "/.vestibule/callback", &by_script, fields.as_bytes());
    assert_eq!(answer.code(), "origin_refused", "a request of a script is no navigation");
    let token = stage.token(&login.nonce);
    for (body, code) in [
        (String::new(), "malformed_request"),
        (form(&[("state", login.state.clone())]), "malformed_request"),
        (form(&[("id_token", token.clone())]), "malformed_request"),
        (format!("{fields}&id_token={token}"), "malformed_request"),
        (format!("{fields}&state={}", login.state), "malformed_request"),
        (format!("{fields}&x=%"), "malformed_request"),
        (answered("", &token), "session_missing"),
        (answered(&format!("{}A", login.state), &token), "session_missing"),
        (answered(&login.state, ""), "token_invalid"),
        (format!("{fields}&x={}", "x".repeat(64 * 1024)), "body_too_large"),
    ] {
        let answer = stage.post(&login.cookie, &body);
        assert_eq!((answer.code(), sets_nothing(&answer)), (code, true), "{}", body.get(..60).unwrap_or(&body));
    }
    for kind in ["application/json", "multipart/form-data; boundary=x", "text/plain"] {
        let lines = [lms, &cookie, &format!("Content-Type: {kind}")];
        let answer = stage.gateway.send("POST", "/.vestibule/callback", &lines, fields.as_bytes());
        assert_eq!(answer.code(), "malformed_request", "{kind}");
    }
    assert_eq!(stage.answer(&login, &token).status, 303, "none of it has spent the login");
}

#[test]
fn tokens_that_are_not_of_this_launch_are_refused() {
    let stage = Stage::new();
    let login = stage.login();
    let good = stage.claims(&login.nonce);
    let claim = |name: &str| format!("{CLAIM}{name}");
    let changes = [
        ("iss".to_owned(), json!("https://lms.example.evil.example")),
        ("iss".to_owned(), json!("https://lms.exampl")),
        ("aud".to_owned(), json!("client-2")),
        ("aud".to_owned(), json!(["client-1", "client-2"])),
        ("azp".to_owned(), json!("client-2")),
        ("sub".to_owned(), json!(null)),
        ("sub".to_owned(), json!("")),
        ("nonce".to_owned(), json!(null)),
        ("nonce".to_owned(), json!(login.nonce.to_uppercase())),
        ("exp".to_owned(), json!(null)),
        (claim("deployment_id"), json!("d3")),
        (claim("deployment_id"), json!(null)),
        (claim("version"), json!("1.1")),
        (claim("message_type"), json!("LtiSubmissionReviewRequest")),
        (claim("roles"), json!(null)),
        (claim("resource_link"), json!({})),
        (claim("target_link_uri"), json!(null)),
    ];
    for (name, value) in changes {
        let login = stage.login();
        let mut claims = good.clone();
        claims["nonce"] = json!(login.nonce);
        claims[&name] = value.clone();
        let answer = stage.answer(&login, &stage.rsa.sign(Some("k1"), &claims));
        assert_eq!((answer.code(), sets_nothing(&answer)), ("token_invalid", true), "{name} {value}: {answer:?}");
    }
    let mut over = good.clone();
    over["exp"] = json!(over["iat"]);
    assert_eq!(stage.answer(&login, &stage.rsa.sign(Some("k1"), &over)).code(), "token_expired");
    let signed = stage.token(&login.nonce);
    let (head, signature) = signed.rsplit_once('.').expect("three parts");
    let mut broken = signature.to_owned();
    broken.replace_range(..1, if broken.starts_with('A') { "B" } else { "A" });
    for (what, token) in [
        ("HS256 with the public key", Rsa::confused(&good)),
        ("no name of a key", stage.rsa.sign(None, &good)),
        ("another name", stage.rsa.sign(Some("k2"), &good)),
        ("another signature", format!("{head}.{broken}")),
        ("no signature", format!("{head}.")),
    ] {
        assert_eq!(stage.answer(&login, &token).code(), "token_invalid", "{what}");
    }
}

#[test]
fn a_token_counts_nowhere_but_at_the_end_of_its_login() {
    let stage = Stage::new();
    let login = stage.login();
    let token = stage.token(&login.nonce);
    let lines = [
        "Content-Type: application/x-www-form-urlencoded",
        "Origin: https://lms.example",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-Dest: iframe",
        &format!("Cookie: {}", login.cookie),
    ];
    let page = stage.gateway.send("POST", "/open/launch", &lines, answered(&login.state, &token).as_bytes());
    assert!(matches!(page.status, 401 | 403) && sets_nothing(&page), "{page:?}");
    let body = json!({"token": token, "host": "lms"}).to_string();
    let exchange = stage.gateway.send("POST", "/.vestibule/session", &["Sec-Fetch-Site: same-origin"], body.as_bytes());
    assert_eq!((exchange.code(), sets_nothing(&exchange)), ("token_invalid", true));
    assert!(stage.upstream.seen().is_empty());
}

#[test]
fn an_error_of_the_lms_is_a_page_that_repeats_nothing_of_it() {
    let stage = Stage::new();
    let login = stage.login();
    for (error, cause) in [("login_required", "login_required"), ("<script>", "an error of its own")] {
        let fields = [
            ("state", login.state.clone()),
            ("error", error.to_owned()),
            ("error_description", "<b>canary</b>".to_owned()),
        ];
        let answer = stage.post(&login.cookie, &form(&fields));
        assert_eq!((answer.status, answer.code(), sets_nothing(&answer)), (401, "session_missing", true));
        assert!(answer.header("content-type").starts_with("text/html"));
        assert!(!answer.text().contains("canary") && !answer.text().contains("<script>"), "{}", answer.text());
        assert!(stage.gateway.output().contains(cause), "the log says why");
        assert!(!stage.gateway.output().contains("canary"));
    }
}

#[test]
fn a_login_that_takes_longer_than_ten_minutes_is_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("offset");
    clock::set(&file, "+0");
    let stage = Stage::with(|setup: Setup| clock::shifted(setup, &file));
    let (soon, late): (Login, Login) = (stage.login(), stage.login());
    clock::set(&file, "+590");
    assert_eq!(stage.answer(&soon, &stage.token(&soon.nonce)).status, 303);
    clock::set(&file, "+601");
    let answer = stage.answer(&late, &stage.token(&late.nonce));
    assert_eq!((answer.code(), sets_nothing(&answer)), ("session_missing", true));
}
