use super::Stored::{No, Yes};
use super::*;
use crate::access::{HostName, Kind, SubjectId, TenantId};

fn ann() -> Principal {
    let (tenant, subject) = (TenantId::new("t").expect("id"), SubjectId::new("ann").expect("id"));
    Principal::proven(HostName::new("assembly").expect("a name"), tenant, subject, Kind::Client)
        .in_organization(OrganizationId::new("acme").ok())
}

/// As the routes do it, as far as this matters here.
fn spelling(project: &str) -> Option<ProjectKey> {
    let project = project.replace(' ', "%20");
    ProjectKey::new(&project).ok().filter(|_| !project.contains('/'))
}

fn facts(body: &str) -> Result<Vec<Fact>, Unread> {
    read(body.as_bytes(), &ann(), spelling, "http")
}

/// The one grant of an answer, in words; `-` for none.
fn one(entry: &str) -> String {
    let list = facts(&format!("{{\"grants\":[{entry}]}}")).unwrap_or_else(|unread| panic!("{entry}: {unread:?}"));
    assert!(list.len() <= 1, "{entry}");
    list.first().map_or("-".into(), |fact| {
        let grant = &fact.grant;
        format!("{:?} {:?} {:?}", grant.holding, grant.scope, fact.until.map(Timestamp::to_rfc3339))
    })
}

#[test]
fn roles_and_permissions_are_read_with_their_scope_and_end() {
    for (entry, expected) in [
        (r#"{"role":"editor"}"#, "Role(RoleKey(editor)) Tenant None"),
        (r#"{"role":"editor","project":"a b"}"#, "Role(RoleKey(editor)) Project(ProjectKey(a%20b)) None"),
        (r#"{"role":"editor","organization":"acme"}"#, "Role(RoleKey(editor)) Organization(OrganizationId(acme)) None"),
        (
            r#"{"permissions":["a:r","a:w"],"valid_until":"2030-01-02T03:04:05+01:00"}"#,
            r#"Permissions([Permission(a:r), Permission(a:w)]) Tenant Some("2030-01-02T02:04:05.000Z")"#,
        ),
        (r#"{"permissions":[]}"#, "Permissions([]) Tenant None"),
    ] {
        assert_eq!(one(entry), expected);
    }
    assert_eq!(facts(r#"{"grants":[]}"#), Ok(Vec::new()), "nothing held is an answer");
    assert_eq!(facts(r#" {"next":null,"grants":[]} "#), Ok(Vec::new()), "what stands beside is not looked at");
}

#[test]
fn src_03_what_is_not_of_the_agreed_form_is_no_answer_and_never_a_yes() {
    let bodies = [
        "",
        " ",
        "<html>ok</html>",
        "ok",
        "\"ok\"",
        "null",
        "true",
        "{}",
        "[]",
        "[[]]",
        r#"[[{"role":"editor"}]]"#,
        r#"{"grants":null}"#,
        r#"{"grants":{}}"#,
        r#"{"grants":"*"}"#,
        r#"{"grants":[null]}"#,
        r#"{"grants":["editor"]}"#,
        r#"{"grants":[["editor"]]}"#,
        r#"{"Grants":[{"role":"editor"}]}"#,
        r#"{"grants":[{"role":"editor"}]} x"#,
        r#"{"grants":[{"role":"editor"}],"grants":[]}"#,
        "\u{feff}{\"grants\":[]}",
    ];
    for body in bodies {
        assert!(matches!(facts(body), Err(Unread::Form(_))), "{body}: {:?}", facts(body));
    }
    assert!(read(b"{\"grants\":[{\"role\":\"\xff\"}]}", &ann(), spelling, "http").is_err());
}

#[test]
fn src_04_an_answer_that_is_cut_anywhere_is_no_answer() {
    let body = r#"{"subject":{"id":"ann"},"grants":[{"role":"editor","project":"apollo"}]}"#;
    assert_eq!(facts(body).map(|list| list.len()), Ok(1));
    for end in 0..body.len() {
        assert!(facts(&body[..end]).is_err(), "{}", &body[..end]);
    }
}

#[test]
fn src_05_a_name_that_nobody_configured_gives_nothing_and_a_star_comes_from_a_role_only() {
    for entry in [
        r#"{"role":""}"#,
        r#"{"role":"*"}"#,
        r#"{"role":" admin "}"#,
        r#"{"role":"admin,owner"}"#,
        r#"{"role":"editor","project":"a/b"}"#,
        r#"{"role":"editor","project":""}"#,
        r#"{"role":"editor","organization":"two words"}"#,
    ] {
        assert_eq!(one(entry), "-", "{entry}");
    }
    let listed = r#"{"permissions":["*","a:r"," a:w ","", "a *"]}"#;
    assert_eq!(one(listed), "Permissions([Permission(a:r)]) Tenant None");
    assert_eq!(one(r#"{"role":"Admin"}"#), "Role(RoleKey(Admin)) Tenant None", "another role than admin");
}

#[test]
fn src_13_a_grant_that_says_too_much_too_little_or_the_wrong_thing_spoils_the_answer() {
    let entries = [
        "{}",
        r#"{"project":"apollo"}"#,
        r#"{"role":"editor","permissions":["a:r"]}"#,
        r#"{"role":"editor","project":"apollo","organization":"acme"}"#,
        r#"{"role":null}"#,
        r#"{"role":1}"#,
        r#"{"role":["editor"]}"#,
        r#"{"role":"editor","project":null}"#,
        r#"{"role":"editor","project":7}"#,
        r#"{"role":"editor","organization":null}"#,
        r#"{"role":"editor","projct":"apollo"}"#,
        r#"{"role":"editor","role":"viewer"}"#,
        r#"{"permissions":"a:r"}"#,
        r#"{"permissions":["a:r",null]}"#,
        r#"{"permissions":{"a:r":true}}"#,
        r#"{"role":"editor","weight":1e308}"#,
        r#"{"role":"editor","weight":NaN}"#,
        r#"{"role":"editor","weight":-1}"#,
        r#"{"role":"editor","weight":"10"}"#,
        r#"{"role":"editor","weight":9223372036854775808}"#,
        r#"{"role":"editor","valid_until":null}"#,
        r#"{"role":"editor","valid_until":1924988399}"#,
        r#"{"role":"editor","valid_until":""}"#,
        r#"{"role":"editor","valid_until":"2030-01-02"}"#,
        r#"{"role":"editor","valid_until":"never"}"#,
    ];
    for entry in entries {
        let body = format!(r#"{{"grants":[{{"role":"viewer"}},{entry}]}}"#);
        assert!(matches!(facts(&body), Err(Unread::Form(_))), "{entry}: {:?}", facts(&body));
    }
}

#[test]
fn an_answer_about_another_person_is_told_apart_from_one_that_cannot_be_read() {
    let body = |subject: &str| format!(r#"{{"subject":{subject},"grants":[{{"role":"editor"}}]}}"#);
    assert_eq!(facts(&body(r#"{"id":"ann","properties":{"tenant":"t"}}"#)).map(|list| list.len()), Ok(1));
    for other in [r#"{"id":"bob"}"#, r#"{"id":"ann","properties":{"tenant":"T"}}"#, "\"ann\""] {
        assert_eq!(facts(&body(other)), Err(Unread::Echo), "{other}");
    }
}

#[test]
fn src_09_more_than_a_person_can_hold_is_no_answer() {
    let with = |count: usize| {
        let list = vec!["\"a\""; count].join(",");
        facts(&format!("{{\"grants\":[{{\"role\":\"editor\"}},{{\"permissions\":[{list}]}}]}}")).map(|list| list.len())
    };
    assert_eq!(with(MOST_HELD - 1), Ok(2));
    assert_eq!(with(MOST_HELD), Err(Unread::Form("more than 10000 roles and permissions")));
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    }
    headers
}

#[test]
fn cache_control_shortens_and_what_cannot_be_read_is_not_kept() {
    let kept = |lines: &[&str]| {
        let (keep, stored) = keep(&headers(&lines.iter().map(|line| ("cache-control", *line)).collect::<Vec<_>>()));
        (keep.fresh.map(|fresh| fresh.as_secs()), keep.stale, stored)
    };
    assert_eq!(kept(&[]), (None, true, Yes));
    assert_eq!(kept(&["private"]), (None, true, Yes));
    assert_eq!(kept(&["private, Max-Age=7"]), (Some(7), true, Yes));
    assert_eq!(kept(&["max-age=\"7\""]), (Some(7), true, Yes));
    assert_eq!(kept(&["max-age=9", "max-age=7, must-revalidate"]), (Some(7), false, Yes));
    assert_eq!(kept(&["max-age=99999999999999999999"]), (Some(u64::from(u32::MAX)), true, Yes));
    for unreadable in ["max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age=soon"] {
        assert_eq!(kept(&[unreadable]), (Some(0), true, Yes), "{unreadable}");
    }
    assert_eq!(kept(&["no-cache"]), (Some(0), false, Yes));
    assert_eq!(kept(&["max-age=60, NO-STORE"]), (Some(0), false, No));
    assert_eq!(kept(&["max-age=60\u{e9}"]), (Some(0), false, No), "no text at all");
}

#[test]
fn src_12_retry_after_is_seconds_or_a_date() {
    let clock = Clock::manual(Timestamp::from_rfc3339("2026-11-24T10:00:00Z").expect("a time"));
    let after = |value: &str| retry_after(&headers(&[("retry-after", value)]), &clock).map(|span| span.as_secs());
    assert_eq!(after("30"), Some(30));
    assert_eq!(after("Tue, 24 Nov 2026 10:01:30 GMT"), Some(90));
    assert_eq!(after("Tue, 24 Nov 2026 09:00:00 GMT"), Some(0));
    assert_eq!(after("soon"), None);
    assert_eq!(after("-5"), None);
    assert_eq!(retry_after(&HeaderMap::new(), &clock), None);
}

#[test]
fn a_tag_is_used_if_it_is_the_only_one_and_looks_like_one() {
    let tag = |lines: &[(&'static str, &str)]| etag(&headers(lines)).map(|tag| tag.as_bytes().to_vec());
    assert_eq!(tag(&[("etag", "\"v1\"")]), Some(b"\"v1\"".to_vec()));
    assert_eq!(tag(&[("etag", "W/\"v1\"")]), Some(b"W/\"v1\"".to_vec()));
    assert_eq!(tag(&[("etag", "\"\"")]), Some(b"\"\"".to_vec()));
    for unfit in ["v1", "\"", "*", &format!("\"{}\"", "x".repeat(300))] {
        assert_eq!(tag(&[("etag", unfit)]), None, "{unfit}");
    }
    assert_eq!(tag(&[("etag", "\"v1\""), ("etag", "\"v2\"")]), None);
}
