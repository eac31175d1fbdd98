//! `docs/operate.md` names every metric, every event and every field of the request line, and none that does not exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::root;
use crate::support::{Gateway, Issued, Setup, Token, Upstream, answer_with, free_port};

type Names = BTreeSet<String>;

fn page() -> String {
    fs::read_to_string(root().join("docs/operate.md")).expect("readable")
}

/// All sources below a folder, as one text.
fn sources(folder: &Path) -> String {
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let text = |path: &Path| if path.is_dir() { sources(path) } else { fs::read_to_string(path).unwrap_or_default() };
    paths.iter().map(|path| text(path)).collect()
}

fn is_name(character: char) -> bool {
    character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_'
}

/// The names that stand behind each of the places where `start` does.
fn names_after(text: &str, start: &str) -> Names {
    let rest = text.split(start).skip(1);
    rest.map(|rest| rest.split(|c| !is_name(c)).next().unwrap_or_default().to_owned()).collect()
}

/// The rows of all tables below a heading, down to the next one, as cells. The first two rows of a table are its head.
fn rows<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let section = text.split(&format!("\n{heading}\n")).nth(1).expect("the heading");
    let section = section.split("\n#").next().unwrap_or_default();
    let tables = section.split("\n\n").map(str::trim).filter(|part| part.starts_with('|'));
    let lines = tables.flat_map(|table| table.lines().skip(2));
    lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// The words in backticks.
fn quoted(cell: &str) -> Names {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn first_column(text: &str, heading: &str) -> Names {
    rows(text, heading).iter().flat_map(|row| quoted(row[0])).collect()
}

/// The fields that the macro of the request line writes.
fn logged_fields(telemetry: &str) -> Names {
    let line = telemetry.split("tracing::$level!(").nth(1).expect("the request line");
    let line = line.split("\n            )").next().unwrap_or_default();
    let field = |line: &str| line.trim_start().split_once(" = ").map(|(name, _)| name.to_owned());
    line.lines().filter_map(field).collect()
}

/// What the JSON format adds.
fn added_fields() -> Names {
    ["ts", "level"].map(str::to_owned).into()
}

/// Metrics and their labels as `/metrics` shows them, without what histograms add.
fn exposed(metrics: &str) -> BTreeMap<String, Names> {
    let mut found: BTreeMap<String, Names> = BTreeMap::new();
    for line in metrics.lines().filter(|line| line.starts_with("vestibule_")) {
        let (name, labels) = line.split_once(['{', ' ']).expect("a value");
        let name = ["_bucket", "_sum", "_count"].iter().fold(name, |name, end| name.strip_suffix(end).unwrap_or(name));
        // What stands before each value, the last of which is followed by no label.
        let before: Vec<&str> = labels.split("=\"").collect();
        let labels =
            before[..before.len() - 1].iter().map(|part| part.rsplit(|c| !is_name(c)).next().unwrap_or_default());
        let labels = labels.filter(|label| *label != "le").map(str::to_owned);
        found.entry(name.to_owned()).or_default().extend(labels);
    }
    found
}

/// A gateway that has seen each kind of request, and what it counted and wrote.
fn busy_gateway() -> (String, String) {
    let upstream = Upstream::scripted(|seen, stream| {
        if !seen.line().contains("/stream") {
            return answer_with(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        answer_with(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
        thread::sleep(Duration::from_millis(600));
        answer_with(stream, "0\r\n\r\n")
    });
    let gateway = Gateway::new(&upstream);
    let cookie = gateway.sign_in(&Token::preview());
    gateway.own("GET", "/projects/apollo/x", &cookie);
    gateway.own("POST", "/projects/apollo/x", &cookie);
    gateway.own("GET", "/admin/x", &cookie);
    gateway.ask("GET", "/public/x", &["Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]);
    gateway.ask("INVENTED", "/x%2f", &[]);
    gateway.ask("GET", "/x%2f", &[]);
    gateway.present("00");
    gateway.own("POST", "/.vestibule/session", &cookie);
    gateway.own("GET", "/projects/apollo/stream", &cookie);
    gateway.own("POST", "/.vestibule/logout", &cookie);
    let metrics = gateway.admin("GET", "/metrics", &[], b"").text();
    gateway.terminate();
    let secure = Setup::new(&upstream).tls(&Issued::self_signed("127.0.0.1")).start();
    let more = secure.admin("GET", "/metrics", &[], b"").text();
    ([metrics, more, metrics_of_a_host_with_keys(&upstream)].concat(), gateway.output())
}

/// What a gateway counted of a host whose keys it cannot fetch.
fn metrics_of_a_host_with_keys(upstream: &Upstream) -> String {
    let nobody = free_port();
    let host = format!(
        "\n[hosts.acme]\nplatform = \"generic-jwt\"\nalgorithms = [\"ES256\"]\njwks_url = \"http://{nobody}/keys\"\n\
         audience = \"app\"\nissuer = \"acme\"\ntenants = [\"one\"]\nclaims = {{ tenant = \"team\" }}\nkind = \"client\"\n\
         origins = [\"https://acme.example\"]\n"
    );
    let gateway = Setup::new(upstream).without_rules().and(&host).start();
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"a"}"#);
    let body = format!(r#"{{"token":"{header}.e30.AA","host":"acme"}}"#);
    let lines = ["Sec-Fetch-Site: same-origin", "Content-Type: application/json"];
    let answer = gateway.send("POST", "/.vestibule/session", &lines, body.as_bytes());
    assert_eq!(answer.status, 503, "{answer:?}\n{}", gateway.output());
    let reason = "acme: the platform's keys cannot be fetched";
    assert!(gateway.admin("GET", "/readyz", &[], b"").text().contains(reason), "{}", gateway.output());
    assert!(page().contains(&reason.replace("acme", "NAME")));
    gateway.admin("GET", "/metrics", &[], b"").text()
}

#[test]
fn every_metric_is_described_and_none_is_invented() {
    let (text, in_source) = (page(), names_after(&sources(&root().join("src")), "\"vestibule_"));
    let in_source: Names = in_source.iter().map(|name| format!("vestibule_{name}")).collect();
    assert_eq!(
        first_column(&text, "## Metrics").into_iter().filter(|name| name.starts_with("vest")).collect::<Names>(),
        in_source
    );
    let mentioned = names_after(&text, "vestibule_").into_iter().map(|name| format!("vestibule_{name}"));
    let unknown = mentioned.filter(|name| !in_source.contains(name.strip_suffix("_bucket").unwrap_or(name)));
    assert_eq!(unknown.collect::<Names>(), Names::new());
}

#[test]
fn every_label_is_the_one_that_is_exposed() {
    let text = page();
    let described = rows(&text, "## Metrics").into_iter().filter(|row| row.len() == 3);
    let described: BTreeMap<_, _> =
        described.map(|row| (row[0].trim_matches('`').to_owned(), quoted(row[1]))).collect();
    assert_eq!(exposed(&busy_gateway().0), described);
}

#[test]
fn every_field_of_the_request_line_is_described_and_comes_as_described() {
    let text = page();
    let in_source = logged_fields(&fs::read_to_string(root().join("src/telemetry.rs")).expect("readable"));
    let described = first_column(&text, "### The request line");
    assert_eq!(described, &in_source | &added_fields());
    let always: Names = rows(&text, "### The request line")
        .iter()
        .filter(|row| row[2] == "never")
        .flat_map(|row| quoted(row[0]))
        .collect();
    assert!(always.len() > 8);
    let output = busy_gateway().1;
    let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let requests = lines.filter(|line| line["request_id"].is_string());
    let mut seen = Names::new();
    for line in requests {
        let fields: Names = line.as_object().expect("an object").keys().cloned().collect();
        assert!(fields.is_superset(&always), "{line}");
        let empty = |name: &&String| name.as_str() != "path" && line[name.as_str()].as_str() == Some("");
        assert_eq!(fields.iter().find(empty), None, "{line}");
        seen.extend(fields);
    }
    assert_eq!(seen, described);
}

#[test]
fn every_event_is_described_and_none_is_invented() {
    let (text, source) = (page(), sources(&root().join("src")));
    let in_source = &names_after(&source, "event = \"") | &names_after(&source, "event: \"");
    let row = rows(&text, "### The request line").into_iter().find(|row| row[0] == "`event`").expect("a row");
    assert_eq!(&quoted(row[1]) | &first_column(&text, "### Other lines"), in_source);
}

#[test]
fn what_is_missing_or_too_much_would_be_seen() {
    assert_eq!(
        names_after("counter!(\"vestibule_a_total\", 1); x(\"vestibule_b\")", "\"vestibule_"),
        quoted("`a_total` `b`")
    );
    let text = "\n## A\n\n| x | y |\n|---|---|\n| `a`, `b` | 1 |\n\nprose\n\n| x | y |\n|---|---|\n| `c` | 2 |\n\n## B\n| `d` | 3 |\n";
    assert_eq!(first_column(text, "## A"), quoted("`a` `b` `c`"));
    let telemetry = "tracing::$level!(\n                event = record.event,\n                kind = p.map(|p| p),\n            )\n    other = 1";
    assert_eq!(logged_fields(telemetry), quoted("`event` `kind`"));
    let metrics = "# TYPE vestibule_a counter\nvestibule_a{route=\"/{x}\",code=\"2\"} 1\nvestibule_b_bucket{route=\"r\",le=\"1\"} 2\nvestibule_c 1\n";
    let expected = [("vestibule_a", "`route` `code`"), ("vestibule_b", "`route`"), ("vestibule_c", "")];
    assert_eq!(exposed(metrics), expected.map(|(name, labels)| (name.to_owned(), quoted(labels))).into());
}
