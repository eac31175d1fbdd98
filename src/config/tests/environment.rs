//! Variables are laid over the file, and a misspelt one is a mistake like any other.

use super::*;

#[test]
fn a_variable_overrides_text_number_flag_list_and_table() {
    let config = good(
        &whole(),
        &[
            ("VESTIBULE__SERVER__LISTEN", "127.0.0.1:0"),
            ("VESTIBULE__SERVER__TRUSTED_PROXIES", r#"["10.0.0.0/8", "::1"]"#),
            ("VESTIBULE__LIMITS__HEADERS__COUNT", "42"),
            ("VESTIBULE__IDENTITY__PROFILE", "true"),
            ("VESTIBULE__LIMITS__CONNECTIONS", "{ total = 7, per_address = 3 }"),
            ("VESTIBULE__ROUTES__0__ACCESS", "public"),
            ("VESTIBULE__GRANTS", "[]"),
        ],
    );
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:0");
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(config.limits.header_count, 42);
    assert!(config.identity.profile);
    assert_eq!((config.limits.connections_total, config.limits.connections_per_address), (7, 3));
    assert_eq!(config.routes.iter().next().map(|route| route.access.clone()), Some(crate::access::Access::Public));
    assert!(config.grants.is_empty());
}

#[test]
fn a_name_with_a_dash_or_capitals_is_reached_by_its_capitals() {
    let text = whole().replace("hosts.assembly", "hosts.Assembly-EU");
    let config = good(&text, &[("VESTIBULE__HOSTS__ASSEMBLY_EU__API_URL", "http://127.0.0.1:9")]);
    let HostSettings::Assembly(host) = &config.hosts[0] else { panic!("another host") };
    assert_eq!((host.name.as_str(), host.api_url.as_str()), ("Assembly-EU", "http://127.0.0.1:9"));
}

#[test]
fn a_misspelt_variable_is_a_problem_that_names_it_with_a_suggestion() {
    let cases = [
        ("VESTIBULE__SERVER__LISTN", "server.listn: [server] has no key `listn` / did you mean `listen`?"),
        ("VESTIBULE__SERVR__LISTEN", "servr: the configuration has no key `servr` / did you mean `server`?"),
        ("VESTIBULE__LIMITS__BODY__IDEL", "limits.body.idel: [limits.body] has no key `idel` / did you mean `idle`?"),
        (
            "VESTIBULE__HOSTS__ASEMBLY__API_URL",
            "hosts.asembly.api_url: there is no [hosts.asembly] / did you mean `assembly`?",
        ),
        ("VESTIBULE__ROLES__VIEWR__WEIGHT", "roles.viewr.weight: there is no [roles.viewr] / did you mean `viewer`?"),
        (
            "VESTIBULE__ROUTES__1__PATH",
            "routes.1.path: there is no routes[1]; routes has 1 items, counted from 0 \
             / correct the number, or give the whole list in one variable",
        ),
    ];
    for (name, expected) in cases {
        assert_eq!(bad(&whole(), &[(name, "1")]), [format!("{name} {expected}")]);
    }
}

#[test]
fn a_problem_of_a_variable_names_it_to_people_and_to_programs() {
    let problems = read_with(&whole(), &[("VESTIBULE__LIMITS__URI", "big")]).expect_err("a mistake");
    let text = problems.to_string();
    assert!(text.contains("--> environment: VESTIBULE__LIMITS__URI\n"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&problems.to_json()).expect("JSON");
    let problem = &json["problems"][0];
    assert_eq!((&problem["variable"], &problem["key"]), (&"VESTIBULE__LIMITS__URI".into(), &"limits.uri".into()));
    assert!(problem["file"].is_null() && problem["line"].is_null(), "{problem}");
}

#[test]
fn a_rule_about_two_keys_points_at_the_variable_that_breaks_it() {
    let cases = [
        ("VESTIBULE__SESSION__ABSOLUTE", "30m", "session.absolute: session.absolute ends before session.idle"),
        ("VESTIBULE__SESSION__IDLE", "13h", "session.idle: session.absolute ends before session.idle"),
        ("VESTIBULE__ADMIN__TOKEN__ENV", "SHORT", "admin.token: admin.token has fewer than 24 characters"),
        (
            "VESTIBULE__SESSION__KEYS__0__SECRET__ENV",
            "SHORT",
            "session.keys[0].secret: session.keys[0].secret: a session key",
        ),
        (
            "VESTIBULE__IDENTITY__HEADERS__USER",
            "X-Vestibule-Host",
            "identity.headers.user: `x-vestibule-host` is the header",
        ),
        ("VESTIBULE__ROUTES__0__REQUIRE", "a:b", "routes[0].require: a route has `access` or `require`, not both"),
    ];
    for (name, value, expected) in cases {
        let problems = bad(&whole(), &[("SHORT", "too-short"), (name, value)]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&format!("{name} {expected}")), "{problems:?}");
    }
}

#[test]
fn a_variable_that_is_not_ours_is_left_alone() {
    good(&whole(), &[("VESTIBULE_LOG", "x"), ("VESTIBULEX__SERVER", "x"), ("PATH", "/bin")]);
}
