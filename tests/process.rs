//! The life of the process: reloading, stopping, restarting, and the clock of the machine.

pub(crate) mod clock;
mod defaults;
mod reload;
mod restart;
mod stop;

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{ADMIN_TOKEN, Answer, Gateway};

/// Waits until it is so, for as long as a busy machine may need.
fn until(what: &str, gateway: &Gateway, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}:\n{}", gateway.output());
        sleep(Duration::from_millis(20));
    }
}

fn ready(gateway: &Gateway) -> Value {
    gateway.admin("GET", "/readyz", &[], b"").json()
}

fn generation(gateway: &Gateway) -> u64 {
    ready(gateway)["generation"].as_u64().expect("a number")
}

fn is_behind(gateway: &Gateway) -> bool {
    let reasons = ready(gateway)["reasons"].as_array().expect("a list").clone();
    reasons.iter().any(|reason| reason == "reload: refused, see the log")
}

fn metric(gateway: &Gateway, line: &str) -> u64 {
    let text = gateway.admin("GET", "/metrics", &[], b"").text();
    let value = text.lines().find_map(|own| own.strip_prefix(line)?.strip_prefix(' '));
    value.expect("the metric is there").parse().expect("a number")
}

fn reload_with(gateway: &Gateway, token: &str) -> Answer {
    gateway.admin("POST", "/v1/reload", &[&format!("Authorization: Bearer {token}")], b"")
}

pub(crate) fn reload(gateway: &Gateway) -> Answer {
    reload_with(gateway, ADMIN_TOKEN)
}
