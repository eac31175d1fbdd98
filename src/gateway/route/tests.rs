use http::Uri;
use proptest::prelude::*;

use super::*;
use crate::access::{Origin, Permission};

fn target(text: &str) -> Result<Target, TargetError> {
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    Target::from_parts(path, query)
}

fn spec(path: &str, methods: &[Method], access: Access) -> RouteSpec {
    let path = PathPattern::parse(path).expect("a pattern");
    let project = if path.names("project") { ProjectSource::Segment } else { ProjectSource::None };
    RouteSpec {
        name: RouteName::new(&path.to_string()).expect("a name"),
        path,
        methods: methods.to_vec(),
        access,
        project,
        ignore_host_token: false,
        request_body: None,
        header_timeout: None,
        answer_idle: None,
        body_idle: None,
        body_min_rate: None,
    }
}

fn require(permission: &str) -> Access {
    Access::Require(Permission::new(permission).expect("a permission"))
}

#[test]
fn every_spelling_of_a_path_becomes_one() {
    let cases = [
        ("/public/../admin", "/admin"),
        ("/public/%2e%2e/admin", "/admin"),
        ("/public/.%2E/admin", "/admin"),
        ("//admin/x", "/admin/x"),
        ("/public//../admin", "/admin"),
        ("///admin", "/admin"),
        ("/..", "/"),
        ("/../../admin", "/admin"),
        ("/./../admin", "/admin"),
        ("/admin/.", "/admin/"),
        ("/admin/x/..", "/admin/"),
        ("/%41dmin", "/Admin"),
        ("/a%21b+c%2bd", "/a!b%2Bc%2Bd"),
        ("/a[1]%5b2%5d", "/a%5B1%5D%5B2%5D"),
        ("/%c3%bc", "/%C3%BC"),
        ("/public/%252e%252e/admin", "/public/%252e%252e/admin"),
    ];
    for (raw, canonical) in cases {
        assert_eq!(target(raw).map(|t| t.path().to_owned()).as_deref(), Ok(canonical), "{raw}");
    }
}

#[test]
fn paths_without_a_safe_reading_are_refused() {
    let cases = [
        "/public/..%2fadmin",
        "/public%2F..%2fadmin",
        "/a%5c..%5cadmin",
        "/public\\..\\admin",
        "/public/..;/admin",
        "/admin;x=1/y",
        "/public%00/../admin",
        "/admin%0d%0aX: y",
        "/a%09",
        "/a%7f",
        "/%c0%ae%c0%ae/admin",
        "/%e0%80%af",
        "/%ed%a0%80",
        "/%ff",
        "/%zz",
        "/%2",
        "/%",
        "/a b",
        "/ü",
        "/a\"b",
        "admin",
        "*",
        "",
    ];
    for raw in cases {
        assert!(target(raw).is_err(), "{raw}");
    }
    assert_eq!(Target::from_parts("/", Some("a#b")), Err(TargetError::Query));
}

#[test]
fn only_paths_on_our_own_origin_are_targets() {
    let public = Origin::parse("https://app.example.com").expect("an origin");
    let parse = |text: &str| Target::parse(&text.parse::<Uri>().expect("a URI"), &public);
    assert_eq!(parse("https://APP.example.com:443/x?y").map(|t| t.to_path_and_query()), Ok("/x?y".into()));
    assert_eq!(parse("http://other.example/admin"), Err(TargetError::Form));
    assert_eq!(parse("gopher://app.example.com/admin"), Err(TargetError::Form));
    assert_eq!(parse("admin"), Err(TargetError::Form));
    assert_eq!(parse("*"), Err(TargetError::Form));
}

#[test]
fn a_parameter_leaves_without_touching_the_others() {
    let mut found = target("/x?a=1&token=abc&b=%20&%74oken=d&token").expect("a target");
    assert_eq!(found.take_parameter("token"), ["abc", "d", ""]);
    assert_eq!(found.to_path_and_query(), "/x?a=1&b=%20");
    let mut only = target("/x?token=abc").expect("a target");
    assert_eq!(only.take_parameter("token").len(), 1);
    assert_eq!(only.to_path_and_query(), "/x");
}

#[test]
fn the_most_specific_path_wins_and_then_the_method() {
    let routes = Routes::new(vec![
        spec("/**", &[], Access::Authenticated),
        spec("/projects/{project}/**", &[Method::GET], require("projects:read")),
        spec("/projects/{project}/**", &[Method::POST], require("projects:write")),
        spec("/projects/new", &[], require("projects:create")),
        spec("/assets/**", &[Method::GET], Access::Public),
    ])
    .expect("sound routes");
    let find = |method: Method, path: &str| {
        let target = target(path).expect("a target");
        let found = routes.find(&method, &target)?;
        Ok((found.route.path.to_string(), found.project.map(|p| p.to_string())))
    };
    let ok = |path: &str, project: Option<&str>| Ok((path.to_owned(), project.map(str::to_owned)));
    assert_eq!(find(Method::GET, "/projects/apollo"), ok("/projects/{project}/**", Some("apollo")));
    assert_eq!(find(Method::HEAD, "/projects/apollo/files/"), ok("/projects/{project}/**", Some("apollo")));
    assert_eq!(find(Method::GET, "/api/../projects/A/../B/files"), ok("/projects/{project}/**", Some("B")));
    assert_eq!(find(Method::DELETE, "/projects/apollo"), Err(NoRoute::Method));
    assert_eq!(find(Method::GET, "/projects/new"), ok("/projects/new", None));
    assert_eq!(find(Method::GET, "/projects/new/x"), ok("/projects/{project}/**", Some("new")));
    assert_eq!(find(Method::GET, "/assets"), ok("/assets/**", None));
    assert_eq!(find(Method::POST, "/assets/x"), Err(NoRoute::Method));
    assert_eq!(find(Method::GET, "/ASSETS/x"), ok("/**", None));
}

#[test]
fn a_project_parameter_must_be_there_exactly_once() {
    let mut by_query = spec("/files", &[], require("projects:read"));
    by_query.project = ProjectSource::Query("p".into());
    let routes = Routes::new(vec![by_query]).expect("sound routes");
    let find = |text: &str| {
        let target = target(text).expect("a target");
        routes.find(&Method::GET, &target).map(|found| found.project.map(|p| p.to_string()))
    };
    assert_eq!(find("/files?p=my+plan"), Ok(Some("my%20plan".into())));
    for text in ["/files", "/files?p=a&p=b", "/files?p=", "/files?p=a&%70=b", "/files?p=a%2Fb"] {
        assert_eq!(find(text), Err(NoRoute::Project), "{text}");
    }
    // No UTF-8 here, but "é" to an app that reads Latin-1: it counts as a second value all the same.
    for text in ["/files?p=a&p=%E9", "/files?p=%E9&p=a", "/files?p=a&p=%zz", "/files?p=%E9"] {
        assert_eq!(find(text), Err(NoRoute::Project), "{text}");
    }
}

#[test]
fn routes_that_contradict_each_other_are_found_at_load() {
    let problems = |specs| Routes::new(specs).expect_err("a problem");
    let overlap = problems(vec![
        spec("/a/{x}", &[Method::GET], Access::Authenticated),
        spec("/a/{y}", &[Method::HEAD, Method::POST], Access::Authenticated),
    ]);
    assert!(overlap[0].message.contains("both take HEAD"), "{overlap:?}");
    let unreachable = problems(vec![spec("/a/**", &[], Access::Authenticated), spec("/a/**", &[], Access::Public)]);
    assert!(unreachable[0].message.contains("never be reached"), "{unreachable:?}");
    let covered = problems(vec![
        spec("/files/{name}/secret", &[], require("secrets:read")),
        spec("/files/public/**", &[], Access::Public),
    ]);
    assert!(covered[0].message.contains("open to everybody"), "{covered:?}");
}

#[test]
fn patterns_that_cannot_match_are_refused() {
    let cases = [
        "a",
        "/a*",
        "/*/b",
        "/a/**/b",
        "/{}",
        "/a{b}",
        "/{x}/{x}",
        "/a//b",
        "/a/../b",
        "/a%2fb",
        "/.vestibule/x",
        "/a**",
    ];
    for text in cases {
        assert!(PathPattern::parse(text).is_err(), "{text}");
    }
    for text in ["/", "/**", "/a", "/a/", "/a/{b}/c/**"] {
        assert!(PathPattern::parse(text).is_ok(), "{text}");
    }
}

/// Texts that look like targets: much of what is special in a path, in any order.
fn path_like() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[a-c.]{0,3}",
        Just("..".to_owned()),
        Just("%2e".to_owned()),
        Just("%2F".to_owned()),
        Just("%5c".to_owned()),
        Just("%25".to_owned()),
        Just("%c3%bc".to_owned()),
        Just(";".to_owned()),
        Just("\\".to_owned()),
        Just("//".to_owned()),
        "%[0-9a-fA-F]{2}",
        "\\PC",
    ];
    prop::collection::vec(prop_oneof![part, Just("/".to_owned())], 0..12)
        .prop_map(|parts| format!("/{}", parts.concat()))
}

proptest! {
    /// What was matched is what is forwarded, whoever reads it next: a canonical path is its own canonical path, and has
    /// nothing left that another reader could take for something else.
    #[test]
    fn a_canonical_path_has_one_reading(raw in path_like()) {
        if let Ok(target) = Target::from_parts(&raw, None) {
            let path = target.path().to_owned();
            prop_assert_eq!(Target::from_parts(&path, None).map(|again| again.path().to_owned()), Ok(path.clone()));
            prop_assert!(path.starts_with('/') && path.is_ascii() && !path.contains("//"));
            prop_assert!(!path.contains(['\\', ';', '#', '?', '+', ' ']));
            prop_assert!(path.split('/').all(|segment| segment != "." && segment != ".."));
            let lower = path.to_ascii_lowercase();
            for odd in ["%2f", "%5c", "%00", "%2e", "%0a", "%0d", "%7f"] {
                prop_assert!(!lower.contains(odd), "{} in {}", odd, path);
            }
        }
    }

    /// Taking a parameter out leaves the others byte for byte, in their order, and none of its own.
    #[test]
    fn a_parameter_that_was_taken_is_gone_and_the_others_are_not(
        names in prop::collection::vec("(token|%74oken|to%6ben|tok|x|token2)", 0..6),
        value in "[a-z%0-9=+]{0,6}",
    ) {
        let query = names.iter().map(|name| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let mut target = Target::from_parts("/", Some(&query)).expect("a query of plain characters");
        let taken = target.take_parameter("token");
        let others: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !is_token(pair)).collect();
        prop_assert_eq!(taken.len(), names.iter().filter(|name| is_token(name)).count());
        prop_assert_eq!(target.query().unwrap_or_default(), others.join("&"));
    }
}

fn is_token(pair: &str) -> bool {
    matches!(pair.split('=').next(), Some("token" | "%74oken" | "to%6ben"))
}
