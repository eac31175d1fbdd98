//! The helper script, and the page that connects a frame.

use super::gateway;
use crate::support::{Answer, Setup, TENANT, Token, Upstream};

const IS_FRAMED: [&str; 4] =
    ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", "Accept: text/html"];

#[test]
fn the_helper_is_served_to_anybody_and_not_twice_to_who_has_it() {
    let (gateway, _upstream) = gateway();
    let answer = gateway.ask("GET", "/.vestibule/embed.js", &[]);
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/javascript; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    assert!(answer.body.len() < 4096 && answer.text().contains("\"https://*.portal.example\""), "{}", answer.text());
    let has_it = format!("If-None-Match: {}", answer.header("etag"));
    let again = gateway.ask("GET", "/.vestibule/embed.js", &[&has_it]);
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(gateway.ask("POST", "/.vestibule/embed.js", &[]).code(), "method_not_allowed");
}

fn connects(answer: &Answer) -> bool {
    answer.text().contains("/.vestibule/embed.js")
}

#[test]
fn a_frame_without_a_session_gets_the_page_that_connects_it() {
    let (gateway, _upstream) = gateway();
    let page = gateway.framed("/open/deep?x=1", &[]);
    assert_eq!((page.status, page.code()), (401, "session_missing"));
    assert!(connects(&page) && page.text().contains("You are not signed in here."), "{}", page.text());
    assert!(!page.text().contains("data-left"));
    assert_eq!((page.header("cache-control"), page.header("www-authenticate")), ("no-store", "Vestibule"));
    let policies = page.all("content-security-policy").join(", ");
    assert!(policies.starts_with("default-src 'none'; script-src 'self' 'sha256-"), "{policies}");
    assert!(policies.contains("connect-src 'self'") && policies.contains("frame-ancestors "), "{policies}");
}

#[test]
fn everything_that_is_no_navigation_of_a_frame_is_refused_as_before() {
    let (gateway, _upstream) = gateway();
    let top = ["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Accept: text/html"];
    let fetch = ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty"];
    for (method, lines) in [("GET", &top[..]), ("GET", &fetch), ("POST", &IS_FRAMED), ("GET", &[])] {
        let answer = gateway.ask(method, "/open", lines);
        assert!(!connects(&answer) && answer.status >= 400, "{method} {lines:?}: {answer:?}");
    }
    let nothing_helps = gateway.framed("/nowhere", &[]);
    assert_eq!((nothing_helps.code(), connects(&nothing_helps)), ("not_routed", false));
}

#[test]
fn neither_script_nor_page_holds_a_token() {
    let (gateway, _upstream) = gateway();
    let token = Token::client().sealed();
    let cookie = gateway.sign_in(&Token::client());
    let damaged = format!("{}x", &cookie[..cookie.len() - 1]);
    let page = gateway.framed(&format!("/open?other={token}"), &[&format!("Cookie: {damaged}")]);
    assert!(connects(&page) && !page.text().contains(&token) && !page.text().contains(&damaged));
    assert!(!gateway.ask("GET", "/.vestibule/embed.js", &[]).text().contains(&token));
}

#[test]
fn a_page_for_who_signed_out_waits_for_them() {
    let (gateway, _upstream) = gateway();
    let waits = |target: &str, cookies: &str| {
        let page = gateway.framed(target, &[&format!("Cookie: {cookies}")]);
        assert!(connects(&page), "{page:?}");
        page.text().contains("data-left=\"yes\"")
    };
    let (left, other) = ("__Host-vestibule-ended.abcdefghij=x", "__Host-vestibule.zzzzzzzzzz=x");
    assert!(waits("/open", left) && waits("/open?_vestibule_ctx=abcdefghij", &format!("{other}; {left}")));
    assert!(!waits("/open", &format!("{other}; {left}")) && !waits("/open?_vestibule_ctx=zzzzzzzzzz", left));
}

#[test]
fn a_platform_that_has_a_script_of_its_own_has_it_loaded_and_no_other() {
    let upstream = Upstream::start();
    let shop = "[hosts.shop]\nplatform = \"shopify\"\naudience = \"id<1>\"\nsecret = { env = \"SESSION_KEY\" }\n\
        tenants = [\"demo.myshopify.com\"]\n\n[session]";
    let gateway = Setup::new(&upstream).with("[session]", shop);
    let named = "\nhost = \"assembly\"\n";
    let gateway = gateway
        .with("[[grants]]\n", &format!("[[grants]]{named}"))
        .with("[[default_roles]]\n", &format!("[[default_roles]]{named}tenant = \"{TENANT}\"\n"))
        .start();
    let page = gateway.framed("/open", &[]);
    assert!(page.text().contains("<meta name=\"shopify-api-key\" content=\"id&lt;1&gt;\">"), "{}", page.text());
    assert!(page.text().contains("<script src=\"https://cdn.shopify.com/shopifycloud/app-bridge.js\"></script>"));
    let policy = page.all("content-security-policy").join(", ");
    assert!(policy.contains(" https://cdn.shopify.com/shopifycloud/app-bridge.js;"), "{policy}");
}

#[test]
fn the_session_tells_what_may_be_done_on_a_project() {
    let (gateway, _upstream) = gateway();
    let cookie = gateway.sign_in(&Token::client());
    let held = |query: &str| {
        let answer = gateway.own("GET", &format!("/.vestibule/session{query}"), &cookie);
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        answer.json()["permissions"].to_string()
    };
    assert_eq!(held(""), "[]");
    assert_eq!(held("?project=apollo"), "[\"projects:read\",\"projects:write\"]");
    assert_eq!(held("?project=%61pollo"), held("?project=apollo"));
    assert_eq!(held("?project=zeus"), "[\"projects:read\"]");
    assert_eq!(held("?project=unknown"), "[]");
    for odd in ["?project=apollo&project=zeus", "?project=", "?project=a%2Fb"] {
        let answer = gateway.own("GET", &format!("/.vestibule/session{odd}"), &cookie);
        assert_eq!(answer.code(), "malformed_request", "{odd}");
    }
}
