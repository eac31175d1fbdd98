//! Tokens in the address that a frame is opened with.

use serde_json::json;

use super::{FRAMED, Stage, page, shop, site, site_with, store};
use crate::support::free_port;
use crate::support::jwt::{hs256, now};

const ADMIN: &str = "https://admin.shopify.com";
const ATLASSIAN: &str = "https://acme.atlassian.net";
const PORTAL: &str = "https://portal.example";

#[test]
fn each_host_reads_its_own_parameter_and_the_app_keeps_the_others() {
    let stage = Stage::new();
    let token = shop(|_| {});
    let target = format!("/open/x?shop=demo.myshopify.com&id_token={token}&host=aG9zdA%3D%3D&embedded=1");
    let lands = stage.lands(&stage.framed(ADMIN, &target), ADMIN);
    let line = "GET /open/x?shop=demo.myshopify.com&host=aG9zdA%3D%3D&embedded=1 HTTP/1.1";
    assert_eq!(lands, [line, "shop", "demo.myshopify.com", "42", "internal"]);

    let token = page(|_| {});
    let lands = stage.lands(&stage.framed(PORTAL, &format!("/projects/apollo?token={token}")), PORTAL);
    assert_eq!(lands, ["GET /projects/apollo HTTP/1.1", "page", "acme", "ann", "client"]);
    assert_eq!(stage.upstream.last().value("x-vestibule-roles"), "viewer", "by the role at the host");
    assert!(stage.has_kept(&token));
}

#[test]
fn a_token_that_is_bound_to_an_address_counts_for_that_address_only() {
    let stage = Stage::new();
    let token = site("GET", "/open/x", "a=1&b=%20x");
    // The hash is of the address as the site called it: order, encoding, a slash at the end, and without the token.
    for (target, line) in [
        (format!("/open/x?b=%20x&a=1&jwt={token}"), "GET /open/x?b=%20x&a=1 HTTP/1.1"),
        (format!("/open/x/?jwt={token}&a=1&b=+x"), "GET /open/x/?a=1&b=+x HTTP/1.1"),
    ] {
        let lands = stage.lands(&stage.framed(ATLASSIAN, &target), ATLASSIAN);
        assert_eq!(lands, [line, "site", "site-1", "557058:ann", "internal"], "{target}");
    }
    for target in ["/open/y?a=1&b=%20x", "/open/x?a=2&b=%20x", "/open/x?a=1", "/open/x?a=1&b=%20x&c=3", "/open/x"] {
        let separator = if target.contains('?') { '&' } else { '?' };
        let answer = stage.framed(ATLASSIAN, &format!("{target}{separator}jwt={token}"));
        assert_eq!((answer.status, answer.code()), (401, "token_invalid"), "{target}");
    }
    let context = stage.framed(ATLASSIAN, &format!("/open?jwt={}", site_with("context-qsh")));
    assert_eq!(context.code(), "token_invalid", "a token for scripts opens no page");
    assert_eq!(stage.framed(ATLASSIAN, &format!("/open?jwt={}", site("POST", "/open", ""))).code(), "token_invalid");
}

#[test]
fn a_token_that_counts_once_is_not_taken_again() {
    let stage = Stage::new();
    let (admin, token) = ("https://store-abc.mybigcommerce.com", store("jti-1"));
    let target = format!("/open?signed_payload_jwt={token}");
    let lands = stage.lands(&stage.framed(admin, &target), admin);
    assert_eq!(lands, ["GET /open HTTP/1.1", "store", "abc123", "7", "internal"]);
    let again = stage.framed(admin, &target);
    assert_eq!((again.status, again.code(), again.cookie().as_str()), (401, "token_invalid", ""));
    assert_eq!(stage.framed(admin, &format!("/open?signed_payload_jwt={}", store("jti-2"))).status, 303);
}

#[test]
fn a_token_of_another_page_tenant_app_or_time_opens_nothing() {
    let stage = Stage::new();
    let open = |page: &str, parameter: &str, token: &str| {
        let answer = stage.framed(page, &format!("/open?{parameter}={token}"));
        assert_eq!(answer.cookie(), "");
        answer.code().to_owned()
    };
    // One host's page does not open another host's session.
    assert_eq!(open(PORTAL, "id_token", &shop(|_| {})), "origin_refused");
    assert_eq!(open(ADMIN, "token", &page(|_| {})), "origin_refused");
    assert_eq!(open("https://page.example", "token", &page(|_| {})), "origin_refused", "only names below it");
    assert_eq!(open("https://a.page.example", "id_token", &page(|_| {})), "origin_refused");
    assert_eq!(open(PORTAL, "token", &shop(|_| {})), "token_invalid", "another host's token");
    let other = |shop_: &str| {
        shop(|claims| {
            claims["dest"] = format!("https://{shop_}").into();
            claims["iss"] = format!("https://{shop_}/admin").into();
        })
    };
    assert_eq!(open(ADMIN, "id_token", &other("other.myshopify.com")), "token_invalid", "a tenant not served");
    assert_eq!(open(PORTAL, "token", &page(|claims| claims["tenant"] = "globex".into())), "token_invalid");
    assert_eq!(open(PORTAL, "token", &page(|claims| claims["aud"] = "another".into())), "token_invalid");
    assert_eq!(open(PORTAL, "token", &page(|claims| claims["exp"] = (now() - 1).into())), "token_expired");
    assert_eq!(open(PORTAL, "token", &hs256("another-secret", &json!({}))), "token_invalid");
    // A parameter that only forms have is the app's own.
    assert_eq!(open("https://program.example", "assertion", &page(|_| {})), "session_missing");
    assert!(stage.upstream.seen().is_empty());
}

#[test]
fn two_tokens_in_one_request_are_a_malformed_one() {
    let stage = Stage::new();
    let (token, other) = (page(|_| {}), shop(|_| {}));
    for query in [
        format!("token={token}&token={token}"),
        format!("token={token}&%74oken="),
        format!("token={token}&id_token={other}"),
        format!("id_token={other}&token="),
        "token=%".to_owned(),
        "token=%ff".to_owned(),
    ] {
        let answer = stage.framed(PORTAL, &format!("/open?{query}"));
        assert_eq!((answer.status, answer.code()), (400, "malformed_request"), "{query}");
    }
}

#[test]
fn no_token_goes_to_the_app_or_into_its_referer() {
    let stage = Stage::new();
    let (token, other) = (page(|_| {}), shop(|_| {}));
    let cookie = format!("Cookie: {}", stage.framed(PORTAL, &format!("/open?token={token}")).cookie());
    let referer = format!("Referer: http://{}/open?a=1&id_token={other}&token={token}&jwt=x", stage.gateway.host());
    let target = format!("/open?jwt=x&id_token={other}&b=2&token={token}&signed_payload_jwt=y");
    let answer = stage.gateway.ask("GET", &target, &[&cookie, "Sec-Fetch-Site: same-origin", &referer]);
    assert_eq!(answer.status, 200);
    let seen = stage.upstream.last();
    assert_eq!(seen.line(), "GET /open?b=2 HTTP/1.1");
    assert_eq!(seen.value("referer"), format!("http://{}/open?a=1", stage.gateway.host()));
    assert!(stage.has_kept(&token) && stage.has_kept(&other));
}

#[test]
fn headers_that_only_a_host_may_set_never_come_from_the_caller() {
    let stage = Stage::new();
    let cookie = format!("Cookie: {}", stage.framed(PORTAL, &format!("/open?token={}", page(|_| {}))).cookie());
    let planted = ["X-Whop-User-Token: planted", "X_Whop_User_Token: planted", "x.whop.user-token: planted"];
    let lines = [&planted[1..], &[&cookie, "Sec-Fetch-Site: same-origin", "X-App: kept"]].concat();
    assert_eq!(stage.gateway.ask("GET", "/open", &lines).status, 200);
    assert_eq!(stage.gateway.ask("GET", "/public", &planted).status, 200);
    let seen = stage.upstream.wait_for(2);
    assert!(seen.iter().all(|seen| !seen.head.contains("planted")), "{seen:?}");
    assert_eq!(seen[0].value("x-app"), "kept");
}

#[test]
fn a_rank_that_only_a_token_says_outlives_the_process_and_not_its_session() {
    let (public, admin) = (free_port(), free_port());
    let first = Stage::at(public, admin, |setup| setup);
    let open = |stage: &Stage, role: &str| {
        let token = page(|claims| claims["role"] = role.into());
        stage.framed(PORTAL, &format!("/open?token={token}")).cookie()
    };
    let (owner, guest) = (open(&first, "owner"), open(&first, "guest"));
    // The token of the one says nothing of the other session of the same person.
    let status = |stage: &Stage, cookie: &str| stage.gateway.own("GET", "/projects/apollo", cookie).status;
    assert_eq!((status(&first, &owner), status(&first, &guest)), (200, 403));
    drop(first);
    let second = Stage::at(public, admin, |setup| setup);
    assert_eq!((status(&second, &owner), status(&second, &guest)), (200, 403), "{}", second.gateway.output());
}

#[test]
fn a_framed_page_of_a_public_route_opens_a_session_too() {
    let stage = Stage::new();
    let answer = stage.framed(PORTAL, &format!("/public/app?token={}", page(|_| {})));
    assert_eq!((answer.status, answer.header("location")), (303, "/public/app"));
    assert!(!answer.cookie().is_empty());
    let own = stage.gateway.ask("GET", "/own-form?token=mine", &FRAMED);
    assert_eq!(own.code(), "session_missing", "a route that keeps the parameter");
}
