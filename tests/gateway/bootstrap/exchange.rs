//! Tokens that the app's page exchanges for a session.

use serde_json::{Value, json};

use super::{Stage, page, site, site_with, store};
use crate::support::Answer;

impl Stage {
    fn exchange(&self, body: &Value) -> Answer {
        let lines = ["Sec-Fetch-Site: same-origin", "Content-Type: application/json"];
        self.gateway.send("POST", "/.vestibule/session", &lines, body.to_string().as_bytes())
    }
}

#[test]
fn a_page_exchanges_the_token_that_it_was_given() {
    let stage = Stage::new();
    let answer = stage.exchange(&json!({"token": page(|_| {}), "host": "page"}));
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = answer.json();
    assert_eq!((&said["host"], &said["tenant"], &said["user"]), (&json!("page"), &json!("acme"), &json!("ann")));
    assert_eq!(stage.gateway.own("GET", "/open", &answer.cookie()).status, 200);
    assert_eq!(stage.exchange(&json!({"token": page(|_| {})})).status, 200, "whoever can read it");
    // A token of a site that is for its page's scripts, which an exchange is.
    let context = stage.exchange(&json!({"token": site_with("context-qsh"), "host": "site"}));
    assert_eq!((context.status, &context.json()["user"]), (200, &json!("557058:ann")));
}

#[test]
fn a_token_that_is_not_for_an_exchange_opens_nothing() {
    let stage = Stage::new();
    let once = store("jti-x");
    assert_eq!(stage.exchange(&json!({"token": once})).status, 200);
    for (what, body) in [
        ("another host's", json!({"token": page(|_| {}), "host": "shop"})),
        ("a host that is not there", json!({"token": page(|_| {}), "host": "nobody"})),
        ("a host whose tokens come with each request", json!({"token": page(|_| {}), "host": "whop"})),
        ("bound to a request", json!({"token": site("POST", "/.vestibule/session", ""), "host": "site"})),
        ("used already", json!({"token": once})),
    ] {
        let answer = stage.exchange(&body);
        assert_eq!((answer.status, answer.code(), answer.cookie().as_str()), (401, "token_invalid", ""), "{what}");
    }
}
