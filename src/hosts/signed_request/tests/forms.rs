use ::base64::Engine as _;
use ::base64::prelude::BASE64_STANDARD;

use super::super::hubspot::decoded;
use super::*;

fn mac(message: &str) -> Vec<u8> {
    crate::hosts::material::mac(&Secret::from(SECRET), message.as_bytes()).as_ref().to_vec()
}

/// A call of HubSpot to an address, with what was signed for it.
fn hubspot(url: &str, signed: &str) -> Result<Principal, Refusal> {
    let call = Call { url: url.to_owned(), body: "{}".into(), ..plain("hubspot-v3") };
    let call = with(&call, "x-hubspot-request-timestamp", "1790000000000");
    judge("hubspot-v3", &BASE64_STANDARD.encode(mac(signed)), &call)
}

#[test]
fn hubspots_signature_covers_method_address_body_and_time() {
    let mut call = plain("hubspot-v3");
    let token = signed("hubspot-v3", &mut call);
    let url = |url: &str| Call { url: url.to_owned(), ..call.clone() };
    for other in [
        url("http://app.example.test/card?userId=123&portalId=456"),
        url("https://app.example.test:443/card?userId=123&portalId=456"),
        url("https://evil.example.test/card?userId=123&portalId=456"),
        url("https://app.example.test/card?userId=1&portalId=456"),
        url("https://app.example.test/card/?userId=123&portalId=456"),
        url("https://app.example.test/card?portalId=456&userId=123"),
        Call { method: Method::PUT, ..call.clone() },
    ] {
        assert_eq!(judge("hubspot-v3", &token, &other), Err(Refusal::BadSignature), "{other:?}");
    }
}

#[test]
fn hubspots_signature_is_over_the_address_as_it_is_or_as_the_documentation_decodes_it() {
    let raw = "https://app.example.test/c%40d?userId=1&portalId=2&userEmail=a%40b.c&x=%2F%3f%2c%26%3D%20%25";
    let plain = "https://app.example.test/c@d?userId=1&portalId=2&userEmail=a@b.c&x=/?,%26%3D%20%25";
    let all = "https://app.example.test/c@d?userId=1&portalId=2&userEmail=a@b.c&x=/?,&= %";
    let over = |url: &str| hubspot(raw, &format!("POST{url}{{}}1790000000000"));
    assert!(over(raw).is_ok() && over(plain).is_ok());
    assert_eq!(over(all), Err(Refusal::BadSignature), "what is not in the documentation's list stays as it is");
    assert_eq!(
        decoded("https://a.test/?x=%21%24%27%28%29%2A%2C%2F%3A%3B%3F%40").as_deref(),
        Some("https://a.test/?x=!$'()*,/:;?@")
    );
    assert_eq!(decoded("https://a.test/?x=%2540%"), None, "what is decoded is not decoded again");
}

#[test]
fn a_decoded_address_has_the_same_path_and_the_same_pairs() {
    let signed = "POSThttps://app.example.test/a/b?c?userId=1&portalId=2{}1790000000000";
    // What was signed for another path, or with the ids in another place, is presented for these.
    for url in [
        "https://app.example.test/a%2Fb?c?userId=1&portalId=2",
        "https://app.example.test/a/b%3Fc?userId=1&portalId=2",
        "https://app.example.test/a/b%3fc%3fuserId=1&portalId=2",
    ] {
        assert!(hubspot(url, signed).is_err(), "{url}");
    }
    for url in
        ["https://app.example.test/c?userId=1&userId=2&portalId=3", "https://app.example.test/c?userId=%&portalId=3"]
    {
        assert!(hubspot(url, &format!("POST{url}{{}}1790000000000")).is_err(), "{url}: no reading");
    }
}

#[test]
fn hubspots_people_stand_in_the_query_and_never_in_the_body() {
    let url = "https://app.example.test/card";
    let body = r#"{"userId":"1","portalId":"2"}"#;
    let call = Call { url: url.to_owned(), body: body.into(), ..plain("hubspot-v3") };
    let call = with(&call, "x-hubspot-request-timestamp", "1790000000000");
    let token = BASE64_STANDARD.encode(mac(&format!("POST{url}{body}1790000000000")));
    assert_eq!(judge("hubspot-v3", &token, &call), Err(Refusal::MissingClaim));
    // Plain hashes with the secret in front, as versions 1 and 2 had them, have no row and pass for no version 3.
    let hash = crate::hosts::sha256(format!("{SECRET}{body}").as_bytes());
    for token in [faster_hex::hex_string(&hash), BASE64_STANDARD.encode(hash)] {
        assert!(judge("hubspot-v3", &token, &call).is_err());
    }
    assert!(platforms::find("hubspot-v1").is_none() && platforms::find("hubspot-v2").is_none());
}

/// A call of Contentful with these headers and this list, signed over the headers that are given as a line.
fn contentful(
    target: &str,
    headers: &[(&'static str, &str)],
    list: &str,
    path: &str,
    line: &str,
) -> Result<Principal, Refusal> {
    let url = format!("https://app.example.test{target}");
    let mut call = Call { url, headers: HeaderMap::new(), ..plain("contentful") };
    for (name, value) in headers {
        call = with(&call, name, value);
    }
    call = with(&call, "x-contentful-timestamp", "1790000000000");
    call = with(&call, "x-contentful-signed-headers", list);
    let token = faster_hex::hex_string(&mac(&format!("POST\n{path}\n{line}\n{{}}")));
    judge("contentful", &token, &call)
}

const USER: &[(&str, &str)] = &[("x-contentful-user-id", "u"), ("x-contentful-space-id", "s")];
const LIST: &str = "x-contentful-signed-headers,x-contentful-space-id,x-contentful-timestamp,x-contentful-user-id";

fn line(list: &str) -> String {
    format!(
        "x-contentful-signed-headers:{list};x-contentful-space-id:s;x-contentful-timestamp:1790000000000;x-contentful-user-id:u"
    )
}

#[test]
fn contentfuls_canonical_request_is_that_of_its_package() {
    // Paths as `@contentful/node-apps-toolkit` 3.16.1 makes them canonical.
    for (target, path) in [
        ("/api/act", "/api/act"),
        ("/api/act?", "/api/act"),
        ("/a%20b/~!*'()?x=1", "/a%2520b/~!*'()?x%253D1"),
        ("/p?a=%20b&c=d+e", "/p?a%253D%252520b%2526c%253Dd%252Be"),
        ("/p?q=~!*'()-_./:@,;$", "/p?q%253D~!*'()-_.%252F%253A%2540%252C%253B%2524"),
    ] {
        assert!(contentful(target, USER, LIST, path, &line(LIST)).is_ok(), "{target}");
    }
    assert_eq!(contentful("/p?a=b", USER, LIST, "/p?a=b", &line(LIST)), Err(Refusal::BadSignature));
    assert_eq!(
        contentful("/p?a?b", USER, LIST, "/p?a", &line(LIST)),
        Err(Refusal::Malformed),
        "what stands behind a second mark is not signed"
    );
}

#[test]
fn contentfuls_headers_count_if_they_are_listed() {
    let bare = "x-contentful-signed-headers,x-contentful-timestamp";
    let bare_line = format!("x-contentful-signed-headers:{bare};x-contentful-timestamp:1790000000000");
    assert!(contentful("/p", USER, bare, "/p", &bare_line).is_err(), "somebody else put the user there");
    assert_eq!(contentful("/p", &[], bare, "/p", &bare_line), Err(Refusal::MissingClaim), "nobody did");
    // A header that is no context may be there unsigned, and a list may come in any order: signed is the order of names.
    let more = [USER, &[("accept", "*/*")]].concat();
    assert!(contentful("/p", &more, LIST, "/p", &line(LIST)).is_ok());
    let turned = "x-contentful-user-id,x-contentful-timestamp,x-contentful-space-id,x-contentful-signed-headers";
    assert!(contentful("/p", USER, turned, "/p", &line(LIST)).is_ok());
    // A change of a listed header is noticed; space around its value is not part of it.
    assert!(contentful("/p", &[USER[0], ("x-contentful-space-id", " s ")], LIST, "/p", &line(LIST)).is_ok());
    assert!(contentful("/p", &[USER[0], ("x-contentful-space-id", "t")], LIST, "/p", &line(LIST)).is_err());
}

#[test]
fn contentfuls_list_names_itself_and_the_time_and_each_header_once() {
    let without = |name: &str| {
        let list: Vec<&str> = LIST.split(',').filter(|one| *one != name).collect();
        let full = line(&list.join(","));
        let line: Vec<&str> = full.split(';').filter(|one| !one.starts_with(&format!("{name}:"))).collect();
        contentful("/p", USER, &list.join(","), "/p", &line.join(";"))
    };
    assert!(without("x-contentful-timestamp").is_err() && without("x-contentful-signed-headers").is_err());
    for list in [
        format!("{LIST},x-contentful-user-id"),
        format!("{LIST},accept"),
        LIST.replace(',', ", "),
        LIST.to_uppercase(),
        format!("{LIST},"),
        format!("{LIST},a b"),
        String::new(),
    ] {
        assert!(contentful("/p", USER, &list, "/p", &line(LIST)).is_err(), "{list}");
        assert!(contentful("/p", USER, &list, "/p", &line(&list)).is_err(), "{list}");
    }
}

/// A call of a Stripe app with this body and header.
fn stripe(body: &str, token: &str) -> Result<Principal, Refusal> {
    judge("stripe-apps", token, &Call { body: body.to_owned().into(), ..plain("stripe-apps") })
}

#[test]
fn stripes_signature_is_of_version_1_and_any_of_several_counts() {
    let body = r#"{"user_id":"u","account_id":"a"}"#;
    let v1 = faster_hex::hex_string(&mac(&format!("1790000000.{body}")));
    let other = "0".repeat(64);
    for token in [
        format!("t=1790000000,v1={v1}"),
        format!("v1={v1},t=1790000000"),
        format!("t=1790000000,v1={other},v1={v1}"),
        format!("t=1790000000,v1={v1},v1={other},v0={other},x="),
    ] {
        assert!(stripe(body, &token).is_ok(), "{token}");
    }
    for token in [
        format!("t=1790000000,v0={v1}"),
        format!("v1={v1}"),
        "t=1790000000".to_owned(),
        format!("t=1790000000,t=1790000000,v1={v1}"),
        format!("t=1790000000, v1={v1}"),
        format!("t=1790000000,v1={v1},"),
        format!("t=1790000000,v1={v1},v1=x"),
        format!("t=1790000000,v1={other}"),
        format!("t=1790000001,v1={v1}"),
        format!("t=1790000000{}", format!(",v1={v1}").repeat(9)),
    ] {
        assert!(stripe(body, &token).is_err(), "{token}");
    }
}

#[test]
fn stripes_ids_are_rebuilt_from_the_body_in_the_order_in_which_they_are_signed() {
    let token =
        |signed: &str| format!("t=1790000000,v1={}", faster_hex::hex_string(&mac(&format!("1790000000.{signed}"))));
    let genuine = token(r#"{"user_id":"u","account_id":"a"}"#);
    for body in [
        r#"{"user_id":"u","account_id":"a"}"#,
        r#"{ "more": {"account_id":"x"}, "user_id": "u", "other": 1, "account_id": "a" }"#,
        r#"{"user_id":"\u0075","account_id":"a"}"#,
    ] {
        assert!(stripe(body, &genuine).is_ok(), "{body}");
    }
    for body in [
        r#"{"account_id":"a","user_id":"u"}"#,
        r#"{"user_id":"v","account_id":"a"}"#,
        r#"{"user_id":"u","account_id":"b"}"#,
        r#"{"user_id":"u"}"#,
        r#"{"user_id":"u","account_id":1}"#,
        r#"{"user_id":"u","account_id":"a","user_id":"v"}"#,
        r#"[{"user_id":"u","account_id":"a"}]"#,
        "user_id=u&account_id=a",
        "",
    ] {
        assert!(stripe(body, &genuine).is_err(), "{body}");
    }
    // Neither another order nor other fields are signed by Stripe; as JavaScript writes it, letters stay and controls go.
    assert!(stripe(r#"{"account_id":"a","user_id":"u"}"#, &token(r#"{"account_id":"a","user_id":"u"}"#)).is_err());
    let odd = "{\"user_id\":\"ż\\\"/\\n\",\"account_id\":\"a\"}";
    assert!(stripe(odd, &token(odd)).is_err_and(|refusal| refusal != Refusal::BadSignature), "no id, but a signature");
}

#[test]
fn slacks_signature_is_of_version_0() {
    let mut call = plain("slack");
    let token = signed("slack", &mut call);
    let mac = token.strip_prefix("v0=").expect("a version");
    for other in [mac.to_owned(), format!("v1={mac}"), format!("V0={mac}"), format!("v0=v0={mac}")] {
        assert_eq!(judge("slack", &other, &call), Err(Refusal::Malformed), "{other}");
    }
}

#[test]
fn a_signed_body_that_is_no_json_names_nobody() {
    for platform in ["intercom-canvas", "highlevel-webhook"] {
        for body in
            ["workspace_id=ws1&companyId=c1", "[]", "", r#"{"workspace_id":"a","workspace_id":"b","companyId":1.5}"#]
        {
            let mut call = Call { body: body.into(), ..plain(platform) };
            let token = signed(platform, &mut call);
            assert!(
                matches!(judge(platform, &token, &call), Err(Refusal::MissingClaim | Refusal::WrongClaim)),
                "{body}"
            );
        }
    }
}

#[test]
fn a_signature_of_discords_proxy_is_hex_or_base64_and_its_length_says_which() {
    let platform = "discord-activity-proxy";
    let mut call = plain(platform);
    let token = signed(platform, &mut call);
    let hex = call.headers["x-signature-ed25519"].to_str().expect("ASCII").to_owned();
    let mut bytes = [0; 64];
    faster_hex::hex_decode(hex.as_bytes(), &mut bytes).expect("hex");
    let base64 = BASE64_STANDARD.encode(bytes);
    let with_signature = |signature: &str| judge(platform, &token, &with(&call, "x-signature-ed25519", signature));
    assert!(with_signature(&hex).is_ok() && with_signature(&base64).is_ok());
    let unpadded = base64.trim_end_matches('=').to_owned();
    for other in [hex.to_uppercase(), unpadded, base64.replace('+', "-").replace('/', "_") + "x", hex[2..].to_owned()] {
        assert!(with_signature(&other).is_err(), "{other}");
    }
    // The payload is padded base64, and what it says is what is signed.
    let payload = BASE64_STANDARD.encode(&call.body[..call.body.len() - 1]);
    assert_eq!(judge(platform, &payload, &call), Err(Refusal::BadSignature));
    assert!(judge(platform, token.trim_end_matches('='), &call).is_err() || !token.ends_with('='));
}
