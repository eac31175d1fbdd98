//! Assembly tokens: what makes a session, and that all that does not looks the same.

use super::gateway;
use crate::support::{API_KEY, CLIENT, COMPANY, OTHER_TENANT, STAFF, Setup, TENANT, Token, Upstream};

#[test]
fn a_good_token_becomes_a_cookie_and_leaves_the_address() {
    let (gateway, upstream) = gateway();
    let token = Token::client().sealed();
    let answer = gateway.framed(&format!("/open/x?a=%20&token={token}&b=2"), &[]);
    assert_eq!((answer.status, answer.header("location")), (303, "/open/x?a=%20&b=2"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "strict-origin-when-cross-origin");
    // SES-01, DOS-17
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-vestibule.") && cookie.len() < 1024, "{cookie}");
    for attribute in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=None", "; Partitioned", "; Max-Age="] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.to_ascii_lowercase().contains("domain"));
    assert!(upstream.seen().is_empty(), "the app hears nothing of a bootstrap");
    let upper = gateway.framed(&format!("/open?token={}", token.to_uppercase()), &[]);
    assert_eq!(upper.status, 303, "hex in either case");
}

// TOK-01 to 23: a token that is refused looks like every other token that is refused.
#[test]
fn refused_tokens_all_look_the_same() {
    let (gateway, upstream) = gateway();
    let good = Token::client().sealed();
    let flip = |at: usize| {
        let other = if &good[at..=at] == "0" { "1" } else { "0" };
        format!("{}{other}{}", &good[..at], &good[at + 1..])
    };
    let text = |text: &str| Token::seal(API_KEY, text.as_bytes());
    let client = format!(r#""clientId":"{CLIENT}","workspaceId":"{TENANT}""#);
    let cases = [
        ("empty", String::new()),
        ("not hex", "not-a-hex-token".into()),
        ("odd length", good[1..].into()),
        ("one byte less", good[2..].into()),
        ("last block gone", good[..good.len() - 32].into()),
        ("only the IV", good[..32].into()),
        ("trailing text", format!("{good}zz")),
        ("trailing newline", format!("{good}%0a")),
        ("IV flipped", flip(3)),
        ("middle flipped", flip(100)),
        ("padding flipped", flip(good.len() - 33)),
        ("last byte flipped", flip(good.len() - 1)),
        ("another key", Token::seal("another-key", format!("{{{client}}}").as_bytes())),
        ("bad UTF-8", Token::seal(API_KEY, &[b"{\"a\":\"\xff\",".as_slice(), client.as_bytes(), b"}"].concat())),
        ("bad JSON", text("{hello world, hello world, hello}")),
        ("a number", text(&format!("{{{client},\"n\":1}}"))),
        ("null", text(&format!("{{{client},\"n\":null}}"))),
        ("nested", text(&format!("{{{client},\"n\":{{}}}}"))),
        ("a key twice", text(&format!("{{{client},\"clientId\":\"{CLIENT}\"}}"))),
        ("a key twice, escaped", text(&format!("{{{client},\"client\\u0049d\":\"{CLIENT}\"}}"))),
        ("white space", text(&format!("{{ {client}}}"))),
        ("two documents", text(&format!("{{{client}}}{{}}"))),
        ("BOM", text(&format!("\u{feff}{{{client}}}"))),
        ("odd unknown key", text(&format!("{{{client},\"role\":\"admin please\"}}"))),
        ("nobody", Token::of(&[("workspaceId", TENANT)]).sealed()),
        ("a company only", Token::of(&[("workspaceId", TENANT), ("companyId", COMPANY)]).sealed()),
        ("no workspace", Token::of(&[("clientId", CLIENT), ("companyId", COMPANY)]).sealed()),
        ("no UUID", Token::client().with("clientId", "me").sealed()),
        // TOK-15
        ("another workspace", Token::client().with("workspaceId", OTHER_TENANT).sealed()),
        // TOK-17
        ("expired", Token::client().with("expiresAt", "2020-01-01T00:00:00Z").sealed()),
        ("unreadable end", Token::client().with("expiresAt", "soon").sealed()),
        ("dead token id", Token::client().with("tokenId", "dead").sealed()),
        ("unknown person", Token::client().with("clientId", STAFF).with("tokenId", "t-2").sealed()),
        ("another company", Token::client().with("companyId", TENANT).with("tokenId", "t-3").sealed()),
        ("unknown actor", Token::preview().with("internalUserId", CLIENT).with("tokenId", "t-4").sealed()),
    ];
    let answers: Vec<_> = cases.iter().map(|(name, token)| (name, gateway.present(token))).collect();
    let (_, first) = &answers[0];
    assert_eq!((first.status, first.code()), (401, "token_invalid"));
    for (name, answer) in &answers {
        assert_eq!(answer.without_volatile(), first.without_volatile(), "{name}");
        assert!(answer.cookie().is_empty(), "{name}");
    }
    assert!(upstream.seen().is_empty());
    assert_eq!(gateway.present(&good).status, 303, "the good one is still good");
}

// TOK-07: the official SDK accepts about one in ten of these.
#[test]
fn no_token_with_a_garbled_block_is_read() {
    let key = vestibule::secret::Secret::from(API_KEY);
    let good = Token::client().sealed();
    let mut state = 0x9e37_79b9_u32;
    for round in 0..20_000 {
        let mut bytes = good.clone().into_bytes();
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Any byte of a ciphertext block that is not the last: it garbles its own block and flips a bit in the next.
        let at = 32 + (state as usize >> 8) % (good.len() - 96);
        bytes[at] = b"0123456789abcdef"[(state as usize >> 4) % 16];
        let token = String::from_utf8(bytes).expect("hex");
        if token != good {
            assert!(!vestibule::hosts::assembly::inspect(&key, &token).1, "round {round}: {token}");
        }
    }
}

#[test]
fn two_tokens_in_one_address_are_a_malformed_request() {
    let (gateway, _upstream) = gateway();
    let token = Token::client().sealed();
    // TOK-20
    for second in [token.as_str(), "", "x"] {
        let answer = gateway.framed(&format!("/open?token={token}&token={second}"), &[]);
        assert_eq!((answer.status, answer.code()), (400, "malformed_request"), "{second}");
    }
    let hidden = gateway.framed(&format!("/open?token={token}&%74oken={token}"), &[]);
    assert_eq!(hidden.code(), "malformed_request");
}

#[test]
fn a_token_counts_only_on_a_framed_navigation_from_an_allowed_page() {
    let (gateway, upstream) = gateway();
    let target = format!("/open?token={}", Token::client().sealed());
    let (site, mode, dest) = ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe");
    let portal = "Referer: https://portal.example/x";
    let refused = [
        (vec![site, mode, dest], "origin_refused"),
        (vec![site, mode, dest, "Referer: https://evil.example/"], "origin_refused"),
        (vec![site, mode, dest, "Referer: https://portal.example.evil.example/"], "origin_refused"),
        (vec![site, mode, dest, "Referer: https://portal.example@evil.example/"], "origin_refused"),
        (vec![site, mode, "Sec-Fetch-Dest: document", portal], "session_missing"),
        (vec!["Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"], "session_missing"),
        // Another workspace's portal matches the pattern, but it is not this workspace's.
        (vec![site, mode, dest, "Referer: https://other.portal.example/"], "token_invalid"),
    ];
    for (lines, code) in refused {
        let answer = gateway.ask("GET", &target, &lines);
        assert_eq!(answer.code(), code, "{lines:?}");
        assert!(answer.cookie().is_empty(), "{lines:?}");
    }
    assert_eq!(gateway.ask("GET", &target, &[portal]).status, 303, "a browser without fetch metadata");
    // The parameter is taken away even where it counts for nothing.
    let cookie = gateway.sign_in(&Token::client());
    let answer = gateway.own("GET", &format!("{target}&x=1"), &cookie);
    assert_eq!(answer.status, 200);
    assert_eq!(upstream.last().line(), "GET /open?x=1 HTTP/1.1");
}

#[test]
fn a_route_may_keep_the_parameter_for_the_app() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream)
        .and("\n[[routes]]\npath = \"/own-token\"\naccess = \"authenticated\"\nhost_token = \"ignore\"\n")
        .start();
    let cookie = gateway.sign_in(&Token::client());
    gateway.own("GET", "/own-token?token=mine", &cookie);
    assert_eq!(upstream.last().line(), "GET /own-token?token=mine HTTP/1.1");
}

#[test]
fn a_bad_token_leaves_a_good_session_alone() {
    let (gateway, _upstream) = gateway();
    let cookie = gateway.sign_in(&Token::client());
    // TOK-28
    let answer = gateway.framed("/open?token=garbage", &[&format!("Cookie: {cookie}")]);
    assert_eq!((answer.code(), answer.all("set-cookie").len()), ("token_invalid", 0));
    assert_eq!(gateway.own("GET", "/open", &cookie).status, 200);
}

#[test]
fn a_token_id_belongs_to_whom_it_was_first_seen_with() {
    let (gateway, _upstream) = gateway();
    gateway.sign_in(&Token::client());
    let rebound = Token::staff().with("tokenId", "t-client").sealed();
    assert_eq!(gateway.present(&rebound).code(), "token_invalid");
    let without = Token::of(&[("internalUserId", STAFF), ("workspaceId", TENANT)]).sealed();
    assert_eq!(gateway.present(&without).code(), "token_invalid", "this workspace's tokens have ids");
    assert_eq!(gateway.present(&Token::staff().sealed()).status, 303);
}

#[test]
fn a_new_session_asks_whether_its_token_lives_and_a_renewal_does_not() {
    let (gateway, _upstream) = gateway();
    let cookie = gateway.sign_in(&Token::client());
    let calls = |path: &str| gateway.platform.calls(path);
    let person = format!("/v1/clients/{CLIENT}");
    assert_eq!((calls("/v1/workspaces"), calls(&person)), (1, 1));
    let dead = Token::client().with("tokenId", "dead").sealed();
    assert_eq!(gateway.present(&dead).code(), "token_invalid", "although the person is known");
    assert_eq!((calls("/v1/workspaces"), calls(&person)), (2, 1));
    assert_eq!(gateway.present(&Token::client().with("tokenId", "t-other").sealed()).status, 303);
    assert_eq!((calls("/v1/workspaces"), calls(&person)), (3, 1), "the person was confirmed a moment ago");
    let fresh = Token::client().with("tokenId", "t-fresh").sealed();
    let renewed = gateway.framed(&format!("/open?token={fresh}"), &[&format!("Cookie: {cookie}")]);
    assert_eq!((renewed.status, renewed.header("location")), (303, "/open"));
    assert_eq!((calls("/v1/workspaces"), calls(&person)), (3, 1), "a live session of the same ids is renewed");
    gateway.platform.fail_with(500);
    let late = Token::client().with("tokenId", "t-late").sealed();
    assert_eq!(gateway.present(&late).code(), "host_unavailable", "a new session needs an answer");
    assert_eq!(gateway.framed(&format!("/open?token={late}"), &[&format!("Cookie: {cookie}")]).status, 303);
}

#[test]
fn a_company_in_the_token_of_staff_exists_and_is_one_of_theirs() {
    let (gateway, upstream) = gateway();
    let staff = |company: &str, id: &str| Token::staff().with("companyId", company).with("tokenId", id);
    let cookie = gateway.sign_in(&staff(COMPANY, "t-1"));
    gateway.own("GET", "/open", &cookie);
    assert_eq!(upstream.last().value("x-vestibule-organization"), COMPANY);
    assert_eq!(gateway.present(&staff(TENANT, "t-2").sealed()).code(), "token_invalid", "no such company");

    let (limited, _upstream) = self::gateway();
    limited.platform.limit_staff_to(&[TENANT]);
    assert_eq!(limited.present(&staff(COMPANY, "t-1").sealed()).code(), "token_invalid", "not one of theirs");
    assert_eq!(limited.present(&staff(TENANT, "t-2").sealed()).status, 303);
    let preview = Token::preview();
    assert_eq!(limited.present(&preview.sealed()).code(), "token_invalid", "a client of another company");
    let anywhere = Token::of(&[("internalUserId", STAFF), ("clientId", CLIENT), ("workspaceId", TENANT)]);
    assert_eq!(limited.present(&anywhere.with("tokenId", "t-3").sealed()).code(), "token_invalid");
    limited.platform.limit_staff_to(&[COMPANY]);
    assert_eq!(limited.present(&preview.with("tokenId", "t-4").sealed()).status, 303);
}

#[test]
fn a_token_is_accepted_for_a_while_after_its_first_sight() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).with("[session]", "max_token_age = \"1s\"\n\n[session]").start();
    let token = Token::client().sealed();
    assert_eq!(gateway.present(&token).status, 303);
    assert_eq!(gateway.present(&token).status, 303, "a frame may be loaded again");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(gateway.present(&token).code(), "token_invalid");
    assert_eq!(gateway.present(&token.to_uppercase()).code(), "token_invalid", "another spelling is the same token");
}

#[test]
fn a_token_with_a_changed_iv_is_as_old_as_the_token_it_came_from() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).with("[session]", "max_token_age = \"1s\"\n\n[session]").start();
    let token = Token::client().sealed();
    assert_eq!(gateway.present(&token).status, 303);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    // Byte 13 of `{"clientId":"aaa` in upper case: the same person, by another token that needs no key.
    let byte = u8::from_str_radix(&token[26..28], 16).expect("hex") ^ 0x20;
    let changed = format!("{}{byte:02x}{}", &token[..26], &token[28..]);
    assert_eq!(gateway.present(&changed).code(), "token_invalid");
}

// TOK-19
#[test]
fn an_address_in_a_token_is_never_followed() {
    let (gateway, _upstream) = gateway();
    let trap = Upstream::start();
    let token = Token::client().with("baseUrl", &format!("http://{}", trap.address));
    gateway.sign_in(&token);
    assert!(trap.seen().is_empty());
}

// TOK-04
#[test]
fn an_address_that_guesses_is_slowed_down_and_sessions_go_on() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).and("\n[limits]\ntoken_failures = \"3/1m\"\n").start();
    let cookie = gateway.sign_in(&Token::client());
    let codes: Vec<String> = (0..5).map(|_| gateway.present("00").code().to_owned()).collect();
    assert_eq!(codes, ["token_invalid", "token_invalid", "token_invalid", "rate_limited", "rate_limited"]);
    assert_eq!(gateway.present(&Token::client().sealed()).status, 429, "a good token has to wait too");
    assert_eq!(gateway.own("GET", "/open", &cookie).status, 200);
}

#[test]
fn offline_confirmation_knows_clients_only() {
    let upstream = Upstream::start();
    let gateway = Setup::new(&upstream).with("[session]", "confirm = \"offline\"\n\n[session]").start();
    assert_eq!(gateway.present(&Token::client().sealed()).status, 303);
    assert_eq!(gateway.present(&Token::staff().sealed()).code(), "token_invalid");
    assert_eq!(gateway.present(&Token::preview().sealed()).code(), "token_invalid");
    assert_eq!(gateway.platform.calls("/v1/workspaces"), 0);
}
