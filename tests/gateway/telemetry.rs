//! What the process says about itself, and what it never says.

use std::io::{Read as _, Write as _};
use std::thread::sleep;
use std::time::Duration;

use crate::support::{
    ADMIN_TOKEN, API_KEY, CLIENT, Gateway, SESSION_KEY, STAFF, Setup, Token, Upstream, connect, read_until, request,
};

// LOG-02
#[test]
fn no_token_cookie_or_key_is_ever_written_down() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let token = Token::client().sealed();
    let mut canaries = vec![
        API_KEY.to_owned(),
        SESSION_KEY.to_owned(),
        ADMIN_TOKEN.to_owned(),
        token.clone(),
        "canary-bearer".into(),
        "canary-app-cookie".into(),
        "canary-query".into(),
    ];
    let mut emitted = Vec::new();
    let cookie = gateway.sign_in(&Token::client());
    canaries.push(cookie.split_once('=').expect("a pair").1.to_owned());
    let lines = [
        "Authorization: Bearer canary-bearer",
        &format!("Cookie: {cookie}; app=canary-app-cookie"),
        "Sec-Fetch-Site: same-origin",
    ];
    emitted.push(gateway.ask("GET", "/open?secret=canary-query", &lines).text());
    emitted.push(gateway.ask("GET", "/admin?secret=canary-query", &lines).text());
    emitted.push(gateway.ask("GET", &format!("/open?token={token}"), &lines).text());
    emitted.push(gateway.framed(&format!("/open?token={token}00"), &lines).text());
    emitted.push(gateway.framed(&format!("/nowhere?token={token}"), &lines).text());
    emitted.push(
        gateway.send("POST", "/.vestibule/session", &lines, format!("{{\"token\":\"{token}\"}}").as_bytes()).text(),
    );
    emitted.push(gateway.send("POST", "/.vestibule/session", &lines, b"{\"token\":\"canary-query\"}").text());
    emitted.push(gateway.own("POST", "/.vestibule/logout", &cookie).text());
    emitted.push(gateway.own("GET", "/open", &cookie).text());
    gateway.platform.fail_with(500);
    emitted.push(gateway.present(&Token::staff().sealed()).text());
    emitted
        .push(gateway.admin("POST", "/v1/invalidate", &[&format!("Authorization: Bearer {ADMIN_TOKEN}")], b"").text());
    emitted.push(gateway.admin("GET", "/metrics", &[], b"").text());
    emitted.push(gateway.admin("GET", "/readyz", &[], b"").text());
    gateway.terminate();
    let output = gateway.output();
    assert!(output.contains("\"level\":\"TRACE\""), "the test looks at everything");
    assert!(output.contains("\"event\":\"bootstrap\"") && output.contains("/open"), "requests are logged");
    emitted.push(output);
    for canary in &canaries {
        for text in &emitted {
            if let Some(at) = text.find(canary.as_str()) {
                let from = text[..at].char_indices().rev().nth(200).map_or(0, |(at, _)| at);
                panic!("{canary:?} was written down: {}", &text[from..at + canary.len()]);
            }
        }
    }
}

// LOG-01, LOG-05
#[test]
fn a_log_line_is_one_line_and_says_who_and_why() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::client());
    gateway.own("GET", "/projects/none/a%1bb", &cookie);
    gateway.own("GET", "/projects/none/%E2%80%A8x", &cookie);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let lines = [
        &format!("Cookie: {cookie}") as &str,
        "Sec-Fetch-Site: same-origin",
        &format!("Traceparent: 00-{trace}-b7ad6b7169203331-01"),
    ];
    let answer = gateway.ask("DELETE", "/projects/zeus", &lines);
    assert_eq!(answer.code(), "forbidden");
    for odd in ["00-0-0-0", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "x", "00-\"-x-01"] {
        gateway.ask("GET", "/public/x", &[&format!("Traceparent: {odd}")]);
    }
    gateway.terminate();
    let output = gateway.output();
    let lines: Vec<serde_json::Value> =
        output.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect();
    let line = lines
        .iter()
        .find(|line| line["request_id"] == answer.header("x-request-id") && line["event"] == "request")
        .expect("a line");
    for (name, value) in [
        ("level", "INFO"),
        ("trace_id", trace),
        ("method", "DELETE"),
        ("path", "/projects/zeus"),
        ("route", "/projects/{project}/**"),
        ("decision", "deny"),
        ("code", "forbidden"),
        ("cause", "missing_permission"),
        ("permission", "projects:write"),
        ("project", "zeus"),
        ("host", "assembly"),
        ("user", CLIENT),
        ("kind", "client"),
    ] {
        assert_eq!(line[name], value, "{name}: {line}");
    }
    assert_eq!(lines.iter().filter(|line| line["trace_id"].is_string()).count(), 1, "odd trace ids are left out");
    assert!(line["ts"].as_str().is_some_and(|time| time.len() == 24 && time.ends_with('Z')), "{line}");
    assert_eq!(line["status"], 403);
    assert!(line["duration_ms"].is_number() && line["session"].as_str().is_some_and(|id| id.len() == 8));
}

// LOG-08, CCH-16
#[test]
fn metrics_count_by_route_and_never_by_person() {
    let upstream = Upstream::start();
    let gateway = Gateway::new(&upstream);
    let (client, staff) = (gateway.sign_in(&Token::client()), gateway.sign_in(&Token::staff()));
    for _ in 0..3 {
        gateway.own("GET", "/projects/apollo/secret-path", &client);
    }
    gateway.own("POST", "/projects/none", &client);
    gateway.own("GET", "/projects/apollo", &staff);
    gateway.ask("INVENTED", "/x", &[]);
    let metrics = gateway.admin("GET", "/metrics", &[], b"").text();
    let line = |start: &str, parts: &[&str]| {
        let found =
            metrics.lines().find(|line| line.starts_with(start) && parts.iter().all(|part| line.contains(part)));
        found
            .and_then(|line| line.rsplit(' ').next())
            .and_then(|value| value.parse::<f64>().ok())
            .unwrap_or_else(|| panic!("{start} {parts:?} in {metrics}"))
    };
    assert!(
        (line(
            "vestibule_http_requests_total",
            &["route=\"/projects/{project}/**\"", "method=\"GET\"", "code=\"200\"", "outcome=\"forwarded\""]
        ) - 4.0)
            .abs()
            < 0.1
    );
    assert!(line("vestibule_decisions_total", &["decision=\"deny\"", "reason=\"forbidden\""]) > 0.0);
    assert!(line("vestibule_cache_requests_total", &["cache=\"grants\"", "result=\"hit\""]) > 0.0);
    assert!(line("vestibule_permission_requests_total", &["source=\"config\"", "result=\"ok\""]) > 0.0);
    assert!(line("vestibule_sessions_total", &["event=\"bootstrap\"", "reason=\"ok\""]) > 0.0);
    assert!(line("vestibule_http_request_duration_seconds_count", &[]) > 0.0);
    assert!(line("vestibule_overhead_seconds_count", &[]) > 0.0);
    assert!(line("vestibule_build_info", &["version="]) > 0.0);
    for private in [CLIENT, STAFF, "secret-path", "INVENTED"] {
        assert!(!metrics.contains(private), "{private}");
    }
}

// PRC-17
#[test]
fn what_nobody_scrapes_does_not_pile_up() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).with("level = \"trace\"", "level = \"error\"").start();
    let one = request("GET", "/nowhere", &gateway.host(), &["Connection: keep-alive"], b"");
    let mut stream = connect(gateway.address);
    stream.write_all(&one).expect("sent");
    let length = read_until(&mut stream, b"\"Not Found\"}").len();
    let (many, mut answers) = (one.repeat(50), vec![0; length * 50]);
    let mut ask_and_rest = || {
        for _ in 0..400 {
            stream.write_all(&many).expect("sent");
            stream.read_exact(&mut answers).expect("as many answers of the same length");
        }
        sleep(Duration::from_millis(1300));
    };
    ask_and_rest();
    let before = gateway.memory();
    (0..4).for_each(|_| ask_and_rest());
    let grown = gateway.memory().saturating_sub(before);
    assert!(grown < 1024, "{grown} KiB in 80,000 requests");
}
