//! What is fuzzed: every scheme, with the keys and the moment of the vectors' accepted tokens.
//!
//! A target presents the input as a token, or as a signed call, to a host of each platform of its scheme. Nothing may panic, and what
//! is accepted must name the person of the line that the keys are from: with authenticated schemes, no input is somebody else.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;
use vestibule::access::Principal;
use vestibule::hosts::vectors::{Case, Expect, Vector};
use vestibule::hosts::{Call, Scheme, platforms};
use vestibule::secret::Secret;

/// One for each scheme.
pub(crate) const NAMES: [&str; 8] =
    ["sealed_cbc", "sealed_gcm", "jwe", "paseto", "jwt", "signed_payload", "signed_query", "signed_request"];

/// The hosts of one scheme, with who they may name.
pub(crate) struct Target {
    name: &'static str,
    cases: Vec<(Case, Vec<Principal>)>,
}

impl Target {
    /// The target of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let name = *NAMES.iter().find(|known| **known == name)?;
        let lines = include_str!("../tests/data/host-vectors.jsonl").lines();
        let vectors = lines.map(|line| serde_json::from_str::<Vector>(line).expect("a vector"));
        let mut accepted: BTreeMap<String, Vec<Vector>> = BTreeMap::new();
        for vector in vectors.filter(|vector| vector.expect == Expect::Accept && scheme(&vector.platform) == name) {
            accepted.entry(vector.platform.clone()).or_default().push(vector);
        }
        let case = |vectors: Vec<Vector>| {
            let judge = |vector: &Vector| now(vector.prepare().expect("a case").judge()).expect("an accepted token");
            let people = vectors.iter().map(judge).collect();
            (vectors[0].prepare().expect("a case"), people)
        };
        Some(Self { name, cases: accepted.into_values().map(case).collect() })
    }

    /// Presents the input to every host of the scheme.
    pub(crate) fn run(&self, input: &[u8]) {
        for (case, people) in &self.cases {
            let decided = match self.name {
                "signed_request" => {
                    let (signature, call) = call(input);
                    now(case.judge_call(&signature, call))
                }
                _ => now(case.judge_other(&Secret::new(input))),
            };
            // Without a MAC, parts of a text can be changed by whoever has it; then the platform is asked.
            let Ok(somebody) = decided else { continue };
            assert!(self.name == "sealed_cbc" || people.contains(&somebody), "{somebody:?} came of {input:?}");
        }
    }
}

/// A call out of lines: the signature, `METHOD URL`, headers as `name: value`, an empty line, the body.
fn call(input: &[u8]) -> (Secret, Call) {
    let mut rest = input;
    let signature = Secret::new(line(&mut rest));
    let start = line(&mut rest);
    let start = String::from_utf8_lossy(start);
    let (method, url) = start.split_once(' ').unwrap_or(("POST", "https://app.example.test/"));
    let mut headers = HeaderMap::new();
    loop {
        let header = line(&mut rest);
        let Some(colon) = header.iter().position(|byte| *byte == b':') else { break };
        let (name, value) = (&header[..colon], header[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::POST);
    (signature, Call { method, url: url.to_owned(), headers, body: rest.to_vec().into() })
}

fn line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let found = &rest[..end];
    *rest = rest.get(end + 1..).unwrap_or_default();
    found
}

/// Every token of the vectors of this scheme, good and bad, as an input.
pub(crate) fn seeds(name: &str) -> Vec<Vec<u8>> {
    let lines = include_str!("../tests/data/host-vectors.jsonl").lines();
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let own = lines.filter(|line| scheme(line["platform"].as_str().expect("a platform")) == name);
    own.map(|line| if name == "signed_request" { call_seed(&line) } else { token_seed(&line) }).collect()
}

fn token_seed(line: &Value) -> Vec<u8> {
    let query = line["request"]["query"].as_str();
    query.or(line["token"].as_str()).expect("a token").as_bytes().to_vec()
}

fn call_seed(line: &Value) -> Vec<u8> {
    let request = &line["request"];
    let text = |name: &str, other: &'static str| request[name].as_str().unwrap_or(other).to_owned();
    let (method, mut url) = (text("method", "GET"), text("url", "/"));
    if url.starts_with('/') {
        url = format!("https://app.example.test{url}");
    }
    let mut seed = format!("{}\n{method} {url}\n", line["token"].as_str().expect("a token"));
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        let value = value.as_str().expect("a text");
        seed = format!("{seed}{name}: {value}\n");
    }
    (seed + "\n" + &text("body", "")).into_bytes()
}

fn scheme(platform: &str) -> &'static str {
    match platforms::find(platform).map(|platform| platform.scheme) {
        Some(Scheme::SealedCbc(_)) => "sealed_cbc",
        Some(Scheme::SealedGcm(_)) => "sealed_gcm",
        Some(Scheme::Jwe) => "jwe",
        Some(Scheme::Paseto(_)) => "paseto",
        Some(Scheme::Jwt(_)) => "jwt",
        Some(Scheme::SignedPayload(_)) => "signed_payload",
        Some(Scheme::SignedQuery(_)) => "signed_query",
        Some(Scheme::SignedRequest(_)) => "signed_request",
        // A comparison, and a question to the platform: there is nothing to parse.
        Some(Scheme::SharedSecret | Scheme::Introspection(_)) | None => "",
    }
}

/// The outcome of something that waits for nothing: the keys of the vectors are all at hand.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => unreachable!("a vector needs something fetched"),
    }
}
