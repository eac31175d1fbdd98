use http::Uri;

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
