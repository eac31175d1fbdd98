//! Who may import whom, and what may stand where. The rules are the ones of `docs/architecture.md`.
//!
//! Each rule is a function from sources to problems, run once on `src/` and once on a snippet that breaks it, so that
//! every rule has been seen to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use self::scan::{Source, find, is_name, paths};

mod scan;

/// May stand in a file below `src/gateway` although it looks like a hold on the caller's request.
struct Exception {
    file: &'static str,
    pattern: &'static [&'static str],
    reason: &'static str,
}

const MUT_HEADERS: &[&str] = &["&", "mut", "HeaderMap"];
const HEADERS_MUT: &[&str] = &["headers_mut"];
const VERSION_MUT: &[&str] = &["version_mut"];
const MUT_PARTS: &[&str] = &["mut", "parts"];

/// What gives a hold on a request's head that could change it.
const HOLDS: &[&[&str]] = &[
    MUT_HEADERS,
    HEADERS_MUT,
    MUT_PARTS,
    &["&", "mut", "Parts"],
    &["&", "mut", "Request"],
    &["&", "mut", "Uri"],
    &["mut", "head"],
    &["mut", "request"],
    &["uri_mut"],
    &["method_mut"],
    VERSION_MUT,
    &["extensions_mut"],
];

/// Every one is an answer, or the app's request while it is being built.
const EXCEPTIONS: &[Exception] = &[
    Exception { file: "src/gateway.rs", pattern: HEADERS_MUT, reason: "our last headers on every answer" },
    Exception { file: "src/gateway/accept.rs", pattern: HEADERS_MUT, reason: "the last answer of a connection" },
    Exception { file: "src/gateway/body/download.rs", pattern: MUT_HEADERS, reason: "trailers of the app's answer" },
    Exception { file: "src/gateway/bootstrap.rs", pattern: HEADERS_MUT, reason: "the 303" },
    Exception { file: "src/gateway/cors.rs", pattern: HEADERS_MUT, reason: "the answer to a preflight" },
    Exception { file: "src/gateway/cors.rs", pattern: MUT_HEADERS, reason: "who may read an answer" },
    Exception { file: "src/gateway/embed.rs", pattern: HEADERS_MUT, reason: "the helper script and the connect page" },
    Exception { file: "src/gateway/endpoints.rs", pattern: HEADERS_MUT, reason: "answers of our own endpoints" },
    Exception { file: "src/gateway/enrich.rs", pattern: MUT_HEADERS, reason: "headers of the new request" },
    Exception { file: "src/gateway/enrich.rs", pattern: MUT_PARTS, reason: "head of the new request" },
    Exception { file: "src/gateway/forward/answer.rs", pattern: HEADERS_MUT, reason: "the app's answer" },
    Exception { file: "src/gateway/forward/answer.rs", pattern: MUT_HEADERS, reason: "the app's answer" },
    Exception { file: "src/gateway/forward/answer.rs", pattern: VERSION_MUT, reason: "the app's answer" },
    Exception { file: "src/gateway/forward/answer.rs", pattern: MUT_PARTS, reason: "the pieces of one cookie" },
    Exception { file: "src/gateway/respond.rs", pattern: HEADERS_MUT, reason: "refusals" },
];

/// Platforms that the gateway must not know by name.
const PLATFORMS: &[&str] = &["assembly", "copilot"];

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: &[&str] = &["core", "common", "util", "utils", "helper", "helpers", "types", "misc"];

/// The longest file, without its tests.
const MAX_LINES: usize = 400;

/// The public codes of refusals, as they were promised.
const CODES: &[&str] = &[
    "malformed_request",
    "token_missing",
    "token_invalid",
    "token_expired",
    "session_missing",
    "session_expired",
    "forbidden",
    "origin_refused",
    "cross_site_refused",
    "preview_read_only",
    "not_routed",
    "method_not_allowed",
    "request_timeout",
    "context_ambiguous",
    "context_mismatch",
    "body_too_large",
    "uri_too_long",
    "expectation_failed",
    "wrong_host",
    "rate_limited",
    "headers_too_large",
    "internal_error",
    "upstream_unavailable",
    "host_unavailable",
    "permissions_unavailable",
    "overloaded",
    "upstream_timeout",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("a file of this repository")
}

fn rust_files() -> Vec<(String, String)> {
    let entries = walkdir::WalkDir::new(root().join("src")).sort_by_file_name();
    let files = entries.into_iter().map(|entry| entry.expect("src can be read").into_path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let name = path.strip_prefix(root()).expect("below the root").to_str().expect("ASCII").to_owned();
            let text = fs::read_to_string(&path).expect("readable");
            (name, text)
        })
        .collect()
}

/// The sources that rules are about: everything under `src/` except tests.
fn sources() -> Vec<Source> {
    let all = rust_files();
    assert!(all.len() > 20, "only {} files found under src", all.len());
    all.iter().filter(|(name, _)| !is_test_file(name)).map(|(name, text)| Source::new(name, text)).collect()
}

fn is_test_file(name: &str) -> bool {
    name.ends_with("/tests.rs") || name.contains("/tests/")
}

fn snippet(name: &str, text: &str) -> Vec<Source> {
    vec![Source::new(name, text)]
}

/// Whom a module may use.
#[derive(Debug, PartialEq, Eq)]
enum MayUse {
    Everything,
    Only(BTreeSet<String>),
}

/// Reads the table with the columns `module` and `may use`.
fn dependency_table(page: &str) -> BTreeMap<String, MayUse> {
    let rows = page.lines().skip_while(|line| !line.starts_with("| module | may use |")).skip(2);
    let cells = rows.map_while(|line| line.strip_prefix('|')).map(|line| line.split('|').map(str::trim));
    cells
        .map(|mut cells| {
            let module = cells.next().unwrap_or_default().trim_matches('`').to_owned();
            let allowed = cells.next().unwrap_or_default();
            let names = allowed.split(',').map(|name| name.trim().trim_matches('`').to_owned());
            let may_use = match allowed {
                "everything" => MayUse::Everything,
                "nothing" => MayUse::Only(BTreeSet::new()),
                _ => MayUse::Only(names.collect()),
            };
            (module, may_use)
        })
        .collect()
}

fn forbidden_imports(sources: &[Source], table: &BTreeMap<String, MayUse>) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources.iter().filter(|source| source.module() != "lib") {
        let Some(may_use) = table.get(source.module()) else {
            problems.push(format!("{}: module `{}` has no row in docs/architecture.md", source.name, source.module()));
            continue;
        };
        for path in paths(source) {
            let used = path.segments[0].as_str();
            let known = used == source.module() || !table.contains_key(used);
            let allowed = known || matches!(may_use, MayUse::Everything) || is_listed(may_use, used);
            if !allowed {
                problems.push(format!("{}:{}: `{}` may not use `{used}`", source.name, path.line, source.module()));
            }
        }
    }
    problems
}

fn is_listed(may_use: &MayUse, name: &str) -> bool {
    matches!(may_use, MayUse::Only(names) if names.contains(name))
}

/// Paths that reach into a part of another module, from where only its own names should be used.
fn reaches_into_parts(sources: &[Source]) -> Vec<String> {
    const MAY: &[&str] = &["app", "config", "cli"];
    let is_part = |segment: &String| segment.starts_with(|c: char| c.is_ascii_lowercase());
    let others = sources.iter().filter(|source| !MAY.contains(&source.module()));
    let found = others.flat_map(|source| paths(source).into_iter().map(move |path| (source, path)));
    found
        .filter(|(source, path)| path.segments[0] != source.module() && path.segments.len() > 2)
        .filter(|(_, path)| is_part(&path.segments[1]))
        .map(|(source, path)| format!("{}:{}: crate::{}", source.name, path.line, path.segments.join("::")))
        .collect()
}

fn unproven_principals(sources: &[Source]) -> Vec<String> {
    let elsewhere = sources.iter().filter(|source| !matches!(source.module(), "hosts" | "session"));
    hits(elsewhere, &[&["::", "proven"]])
}

fn hits<'a>(sources: impl Iterator<Item = &'a Source>, patterns: &[&[&str]]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources {
        for pattern in patterns {
            let lines = find(source, pattern);
            problems.extend(lines.iter().map(|line| format!("{}:{line}: {}", source.name, pattern.join(" "))));
        }
    }
    problems
}

fn gateway(sources: &[Source]) -> impl Iterator<Item = &Source> {
    sources.iter().filter(|source| source.module() == "gateway")
}

fn holds_on_the_caller(sources: &[Source], exceptions: &[Exception]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in gateway(sources) {
        for pattern in HOLDS {
            let excepted = exceptions.iter().any(|e| e.file == source.name && e.pattern == *pattern);
            if !excepted {
                problems.extend(hits(std::iter::once(source), &[pattern]));
            }
        }
    }
    problems
}

fn stale_exceptions(sources: &[Source], exceptions: &[Exception]) -> Vec<String> {
    let used =
        |e: &&Exception| sources.iter().any(|source| source.name == e.file && !find(source, e.pattern).is_empty());
    exceptions.iter().filter(|e| !used(e)).map(|e| format!("{}: {}", e.file, e.reason)).collect()
}

fn badly_named(names: &[&str]) -> Vec<String> {
    let stem = |name: &str| Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    names
        .iter()
        .filter(|name| stem(name) == "mod" || EMPTY_NAMES.contains(&&*stem(name)))
        .map(ToString::to_string)
        .collect()
}

fn too_long(sources: &[Source]) -> Vec<String> {
    let long = sources.iter().filter(|source| source.lines_without_tests() > MAX_LINES);
    long.map(|source| format!("{}: {} lines", source.name, source.lines_without_tests())).collect()
}

/// Every way in which a `Permit` could come from elsewhere than the rule, or be used twice.
fn loose_permits(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    let made: Vec<String> = sources.iter().flat_map(|source| scan::literals(source, "Permit")).collect();
    if made.len() != 1 || !made[0].starts_with("src/access/policy.rs:") {
        problems.push(format!("a Permit is made in one place, src/access/policy.rs, but: {made:?}"));
    }
    for source in sources {
        if scan::derives(source, "Permit").iter().any(|name| name == "Clone" || name == "Copy" || name == "Default") {
            problems.push(format!("{}: a Permit can be copied or made from nothing", source.name));
        }
    }
    problems.extend(hits(sources.iter(), &[&["Clone", "for", "Permit"], &["Default", "for", "Permit"]]));
    let spends =
        |source: &&Source| source.name == "src/gateway/forward.rs" && !find(source, &[":", "Permit", ","]).is_empty();
    if !sources.iter().any(|source| spends(&source)) {
        problems.push("src/gateway/forward.rs does not take a Permit by value".into());
    }
    problems
}

fn named_platforms(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in gateway(sources) {
        for (index, line) in source.text_without_tests().lines().enumerate() {
            let lower = line.to_lowercase();
            if PLATFORMS.iter().any(|platform| lower.contains(platform)) {
                problems.push(format!("{}:{}: {line}", source.name, index + 1));
            }
        }
    }
    problems
}

/// The codes in the one table of refusals: the quoted words of `fn face` that look like a code.
fn codes_in_use(respond: &str) -> BTreeSet<String> {
    let table = respond.split_once("fn face(&self)").map_or("", |(_, rest)| rest);
    let table = table.split_once("\n    }\n").map_or("", |(body, _)| body);
    table.split('"').skip(1).step_by(2).filter(|text| is_name(text)).map(str::to_owned).collect()
}

fn undocumented(codes: &[&str], page: &str) -> Vec<String> {
    let has_row = |code: &str| page.lines().any(|line| line.starts_with(&format!("| `{code}` |")));
    codes.iter().filter(|code| !has_row(code)).map(ToString::to_string).collect()
}

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let table = dependency_table(&read("docs/architecture.md"));
    assert!(table.len() > 10, "the table was not found: {table:?}");
    let named = table.values().filter_map(|may_use| match may_use {
        MayUse::Only(names) => Some(names),
        MayUse::Everything => None,
    });
    let unknown: Vec<_> = named.flatten().filter(|name| !table.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "the table allows modules that have no row: {unknown:?}");
    assert_eq!(forbidden_imports(&sources(), &table), none());
}

#[test]
fn a_forbidden_import_is_seen_in_every_spelling() {
    let table = dependency_table(
        "| module | may use | x |\n|---|---|---|\n| `a` | `c` | - |\n| `b` | nothing | - |\n| `c` | everything | - |\n\n| `d` |",
    );
    assert_eq!(table.len(), 3);
    let spellings = [
        "use crate::b::X;",
        "use crate::{\n    c::{self, d},\n    b::{X, Y},\n};",
        "fn f() { crate::b::x(); }",
        "use super::b::X;",
        "mod inner { use super::super::b; }",
        "pub(crate) use crate::b as other;",
    ];
    for text in spellings {
        assert!(!forbidden_imports(&snippet("src/a.rs", text), &table).is_empty(), "{text}");
    }
    assert_eq!(forbidden_imports(&snippet("src/a/part.rs", "use super::super::b::X;"), &table).len(), 1);
    let fine = "// crate::b\n/* crate::b /* crate::b */ */ use crate::c::X; use super::c; const T: &str = \"crate::b\"; \
                const R: &str = r#\"\"crate::b\"#; const C: char = '\"'; fn f<'a>() {} use crate::a::b::Z; use std::b::Z;\n\
                #[cfg(test)]\nmod tests { use crate::b; }";
    assert_eq!(forbidden_imports(&snippet("src/a.rs", fine), &table), none());
    assert_eq!(forbidden_imports(&snippet("src/c.rs", "use crate::b;"), &table), none());
    assert_eq!(forbidden_imports(&snippet("src/unknown.rs", ""), &table).len(), 1);
    assert_eq!(
        forbidden_imports(
            &snippet("src/main.rs", "fn main() { vestibule::b::f() }"),
            &dependency_table("| module | may use |\n|---|---|\n| `main` | `c` |\n| `b` | nothing |\n")
        )
        .len(),
        1
    );
}

#[test]
fn parts_of_a_module_are_named_by_it_alone() {
    assert_eq!(reaches_into_parts(&sources()), none());
    assert_eq!(reaches_into_parts(&snippet("src/a.rs", "use crate::{b::part::X, b::Y, b::Z::new};")).len(), 1);
    assert_eq!(reaches_into_parts(&snippet("src/app.rs", "use crate::b::part::X;")), none());
}

#[test]
fn principals_are_proven_by_hosts_and_sessions_only() {
    assert_eq!(unproven_principals(&sources()), none());
    assert_eq!(unproven_principals(&snippet("src/gateway/x.rs", "let p = Principal::proven(a, b);")).len(), 1);
    assert_eq!(unproven_principals(&snippet("src/gateway/x.rs", "use Principal as P; let f = P::proven;")).len(), 1);
    assert_eq!(unproven_principals(&snippet("src/hosts/x.rs", "let p = Principal::proven(a, b);")), none());
}

#[test]
fn the_gateway_holds_no_request_of_a_caller_mutably() {
    assert_eq!(holds_on_the_caller(&sources(), EXCEPTIONS), none());
    assert_eq!(stale_exceptions(&sources(), EXCEPTIONS), none(), "exceptions that nothing needs any more");
    let holds = [
        "fn f(h: &mut HeaderMap) {}",
        "fn f<'a>(h: &'a mut http::HeaderMap<X>) {}",
        "fn f() { *r.uri_mut() = u; }",
        "fn f() { r.headers_mut().remove(X); }",
        "fn f() { let (mut parts, body) = r.into_parts(); }",
        "fn f(mut head: Parts) {}",
        "fn f(p: &mut http::request::Parts, r: &mut Request<B>) {}",
    ];
    for text in holds {
        assert!(!holds_on_the_caller(&snippet("src/gateway/x.rs", text), EXCEPTIONS).is_empty(), "{text}");
    }
    let fine = "fn f(h: &HeaderMap) { let mut own = HeaderMap::new(); }\n#[cfg(test)]\nfn t(h: &mut HeaderMap) {}";
    assert_eq!(holds_on_the_caller(&snippet("src/gateway/x.rs", fine), EXCEPTIONS), none());
    let excepted = snippet("src/gateway/respond.rs", "fn f() { a.headers_mut(); }");
    assert_eq!(holds_on_the_caller(&excepted, EXCEPTIONS), none());
    assert_eq!(stale_exceptions(&excepted, EXCEPTIONS).len(), EXCEPTIONS.len() - 1);
}

#[test]
fn files_are_named_after_what_they_hold() {
    let files = rust_files();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(badly_named(&names), none());
    assert_eq!(badly_named(&["src/a/mod.rs", "src/util.rs", "src/a/types.rs", "src/a/modes.rs"]).len(), 3);
}

#[test]
fn files_are_short_enough_to_read() {
    assert_eq!(too_long(&sources()), none());
    let long = "//\n".repeat(MAX_LINES + 1);
    assert_eq!(too_long(&snippet("src/a.rs", &long)).len(), 1);
    let tests = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    assert_eq!(too_long(&snippet("src/a.rs", &tests)), none());
}

#[test]
fn a_permit_is_made_once_and_spent_once() {
    assert_eq!(loose_permits(&sources()), none());
    let policy =
        "#[derive(Debug)]\npub struct Permit { a: u8 }\nimpl Permit {}\nfn permit() -> Permit { Permit { a: 1 } }";
    let forward = "fn forward(a: u8, permit: Permit,) {}";
    let with = |policy: &str, forward: &str| {
        let mut both = snippet("src/access/policy.rs", policy);
        both.extend(snippet("src/gateway/forward.rs", forward));
        loose_permits(&both)
    };
    assert_eq!(with(policy, forward), none());
    assert_eq!(with(&policy.replace("Debug", "Debug, Clone"), forward).len(), 1);
    assert_eq!(with(&format!("{policy}\nimpl Clone for Permit {{}}"), forward).len(), 1);
    assert_eq!(with(&format!("{policy}\nfn second() {{ Permit {{ a: 2 }} }}"), forward).len(), 1);
    assert_eq!(with(policy, "fn forward(permit: &Permit,) {}").len(), 1);
}

#[test]
fn the_gateway_names_no_platform() {
    assert_eq!(named_platforms(&sources()), none());
    assert_eq!(named_platforms(&snippet("src/gateway/x.rs", "// as Assembly does")).len(), 1);
    assert_eq!(named_platforms(&snippet("src/hosts/x.rs", "// as Assembly does")), none());
}

#[test]
fn every_refusal_has_its_page_entry() {
    let page = read("docs/errors.md");
    assert_eq!(undocumented(CODES, &page), none());
    assert_eq!(undocumented(&["no_such_code"], &page), ["no_such_code"]);
    let promised: BTreeSet<String> = CODES.iter().map(ToString::to_string).collect();
    assert_eq!(codes_in_use(&read("src/gateway/respond.rs")), promised, "code and promise differ");
}
