//! Guessing.

use super::{Stage, bearer};
use crate::support::Upstream;

#[test]
fn an_address_that_guesses_waits_and_known_tokens_go_on() {
    let stage = Stage::with(Upstream::start(), |setup| setup.and("\n[limits]\ntoken_failures = \"3/1m\"\n"));
    let (known, new) = (bearer(), super::bearer_of(|claims| claims["jti"] = "new".into()));
    assert_eq!(stage.ask("GET", "/open", &known).status, 200);
    let guess = || stage.ask("GET", "/open", "Authorization: Bearer garbage");
    let codes: Vec<String> = (0..5).map(|_| guess().code().to_owned()).collect();
    assert_eq!(codes, ["token_invalid", "token_invalid", "token_invalid", "rate_limited", "rate_limited"]);
    assert_eq!(stage.ask("GET", "/open", &new).status, 429, "a good token has to wait too");
    assert_eq!(stage.ask("GET", "/open", &known).status, 200, "it was proven a moment ago");
}
