//! What it costs to decide about a token, for one platform of each scheme: open, check every rule, name the person.
//!
//! `cargo bench --bench hosts`. The tokens are those of `tests/data/host-vectors.jsonl`.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use divan::Bencher;
use vestibule::hosts::vectors::{Case, Vector};

/// One accepted token of each form, by the name of its line. None of a platform whose tokens are spent by one use.
const TOKENS: &[&str] = &[
    "assembly-all-fields",
    "ecwid-ok",
    "highlevel-agency",
    "gcm-ok",
    "zoom-empty-aad",
    "intercom-sheets-ok",
    "jwe-ok",
    "paseto-v4-local-ok",
    "paseto-v4-public-ok",
    "shopify-session-ok",
    "jwt-rs256",
    "jwt-es256",
    "jwt-eddsa",
    "atlassian-connect-qsh-repeat",
    "facebook-ok",
    "wix-instance-ok",
    "telegram-hmac-ok",
    "telegram-ed25519-ok",
    "vk-with-ts",
    "shopify-hmac-ok",
    "hubspot-v3-ok",
    "contentful-ok",
    "stripe-apps-ok",
    "slack-ok",
    "discord-interaction-ok",
    "discord-proxy-ok-b64sig",
];

fn main() {
    divan::main();
}

#[divan::bench(args = TOKENS)]
fn decide(bencher: Bencher<'_, '_>, name: &str) {
    let case = case(name);
    assert!(now(case.judge()).is_ok(), "{name} is not accepted");
    bencher.bench_local(|| now(case.judge()));
}

fn case(name: &str) -> Case {
    let lines = include_str!("../tests/data/host-vectors.jsonl").lines();
    let vectors = lines.map(|line| serde_json::from_str::<Vector>(line).expect("a vector"));
    let vector = vectors.into_iter().find(|vector| vector.id == name).expect("a line of this name");
    vector.prepare().expect("a case")
}

/// The outcome of something that waits for nothing: the keys of these lines are all at hand.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => unreachable!("no token of these lines needs anything fetched"),
    }
}
