//! What is wrong is told completely: all of it, once, where it stands, and with what to do.

use super::*;

#[test]
fn ten_mistakes_are_ten_problems_each_with_place_key_and_remedy() {
    let text = r#"[server]
listen = "localhost"
public_url = "http://app.example.com"
[upstream]
url = "http://127.0.0.1:3000"
conect_timeout = "3s"
[hosts.assembly]
platform = "assembly"
api_key = "a-secret-in-the-file"
tenants = [
  "11111111-2222-4333-8444-555555555555",
  "acme",
]
revalidate = "1 hour"
[session]
keys = [{ id = "k1", secret = { env = "VESTIBULE_SESSION_KEY" } }]
bearer = "no"
[[grants]]
tenant = "11111111-2222-4333-8444-555555555555"
subject = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
role = "viewr"
[roles.viewer]
weight = 3000
[[routes]]
path = "/**"
"#;
    let expected = [
        "2:10 server.listen: server.listen: `localhost` is no address \
         / write an IP address and a port, such as \"127.0.0.1:8080\"",
        "3:14 server.public_url: server.public_url: `http://app.example.com` is not https \
         / browsers keep the session cookie only for https, or for http on localhost and 127.0.0.1",
        "6:1 upstream.conect_timeout: [upstream] has no key `conect_timeout` / did you mean `connect_timeout`?",
        "9:11 hosts.assembly.api_key: hosts.assembly.api_key: a secret is named here, not written out \
         / write { env = \"NAME\" } or { file = \"path\" }",
        "12:3 hosts.assembly.tenants[1]: hosts.assembly.tenants[1]: `acme` is no workspace id \
         / a workspace id is a UUID; Assembly shows it in the app's settings",
        "14:14 hosts.assembly.revalidate: hosts.assembly.revalidate: `1 hour` is no duration \
         / write a time from 1s to 30d, such as \"30s\"",
        "17:10 session.bearer: session.bearer: must be true or false, not a string \
         / write true or false, without quotes",
        "21:8 grants[0].role: grants[0].role: there is no role `viewr` / did you mean `viewer`?",
        "23:10 roles.viewer.weight: roles.viewer.weight: 3000 is out of range / write a number from 1 to 1000",
        "24:1 routes[0].require: the route does not say who may use it \
         / write require = \"projects:read\", or access = \"authenticated\", or access = \"public\"",
    ];
    assert_eq!(bad(text, &[]), expected);
    let told = read_with(text, &[]).expect_err("mistakes").to_string();
    assert_eq!((told.matches("error: ").count(), told.matches("  help: ").count()), (10, 10), "{told}");
    assert!(told.contains("--> v.toml:12:3\n  12 |   \"acme\",\n     |   ^^^^^^\n"), "{told}");
    assert!(told.ends_with("10 errors, 0 warnings; nothing was started"), "{told}");
}

/// Each part is added to a good file, and is exactly one mistake.
const MISTAKES: &[(&str, &str)] = &[
    (
        "[[routes]]\npath = \"/a/**\"\naccess = \"public\"\n[[routes]]\npath = \"/a/**\"\naccess = \"authenticated\"\n",
        "4:1 routes[1]: `/a/**` can never be reached: `/a/**` matches the same paths and takes every method \
         / see routes[0] in line 12; the most specific path wins, then the method",
    ),
    (
        "[[routes]]\npath = \"/{a}\"\nmethods = [\"GET\"]\naccess = \"authenticated\"\n\
         [[routes]]\npath = \"/{b}\"\nmethods = [\"HEAD\"]\naccess = \"authenticated\"\n",
        "5:1 routes[1]: `/{b}` and `/{a}` match the same paths and both take HEAD; give each method to one of them \
         / see routes[0] in line 12; the most specific path wins, then the method",
    ),
    (
        "[[routes]]\npath = \"/files/{name}/secret\"\naccess = \"authenticated\"\n\
         [[routes]]\npath = \"/files/public/**\"\naccess = \"public\"\n",
        "4:1 routes[1]: public `/files/public/**` wins over `/files/{name}/secret` on paths that both match, so they would \
         be open to everybody; make the public path narrower / see routes[0] in line 12; the most specific path wins, then \
         the method",
    ),
    (
        "[[routes]]\npath = \"/a/{project}\"\nproject = { query = \"p\" }\naccess = \"authenticated\"\n",
        "1:1 routes[0]: `/a/{project}` has a {project} segment and a project parameter; keep one \
         / correct the path or the project of the route",
    ),
    (
        "[[routes]]\npath = \"/a\"\naccess = \"public\"\nrequire = \"a:b\"\n",
        "4:11 routes[0].require: a route has `access` or `require`, not both / remove one of them",
    ),
    (
        "[[routes]]\npath = \"/a\"\nrequire = \"projects:raed\"\n[roles.x]\nweight = 1\npermissions = [\"projects:read\"]\n",
        "3:11 routes[0].require: no role names the permission `projects:raed` \
         / did you mean `projects:read`?; else list it under `permissions` of a role",
    ),
    (
        "[[routes]]\npath = \"/é/**\"\naccess = \"public\"\n",
        "1:1 routes[0].name: `/é/**` is too long, or has letters too special, to be the route's name too \
         / give the route a name, such as name = \"uploads\"",
    ),
    (
        "[[routes]]\npath = \"/a\"\nmethods = [\"GET\", \"get\"]\naccess = \"public\"\n",
        "3:19 routes[0].methods[1]: routes[0].methods[1]: `get` is no method / did you mean `GET`?",
    ),
    (
        "[roles.a]\nweight = 1\nextends = \"b\"\n[roles.b]\nweight = 1\nextends = \"missing\"\n",
        "6:11 roles.b.extends: role `b` extends `missing`, which does not exist / known are `a`, `b`",
    ),
    (
        "[roles.a]\nweight = 1\nextends = \"a\"\n",
        "3:11 roles.a.extends: role `a` extends itself, directly or through others / let one of the roles extend nothing",
    ),
    (
        "[roles.\"a,b\"]\nweight = 1\n",
        "1:8 roles.a,b: `a,b` cannot be a role: it holds a character that is not allowed here (letters, digits, `-`, `_`, \
         `.`, `:`) / choose another key",
    ),
    (
        "[[default_roles]]\nkind = \"client\"\nrole = \"a\"\nhost = \"asembly\"\n[roles.a]\nweight = 1\n",
        "4:8 default_roles[0].host: default_roles[0].host: there is no [hosts.asembly] / did you mean `assembly`?",
    ),
    (
        "[[grants]]\ntenant = \"99999999-2222-4333-8444-555555555555\"\nsubject = \"s\"\nrole = \"a\"\n[roles.a]\nweight = 1\n",
        "2:10 grants[0].tenant: grants[0].tenant: [hosts.assembly] does not serve the tenant \
         `99999999-2222-4333-8444-555555555555` / list it under `tenants` of its host, or correct it here",
    ),
    (
        "[[grants]]\ntenant = \"11111111-2222-4333-8444-555555555555\"\nsubject = \"s\"\nrole = \"a\"\nproject = \"p\"\n\
         organization = \"o\"\n[roles.a]\nweight = 1\n",
        "5:11 grants[0].project: a grant counts in a project or in an organization, not in both \
         / write two grants, or remove one of the keys",
    ),
    (
        "[identity.headers]\nuser = \"X-Person\"\nactor = \"x-person\"\n",
        "3:9 identity.headers.actor: `x-person` is the header of `user` and of `actor` / give each a name of its own",
    ),
    (
        "[identity]\nheaders.user = \"X-Forwarded-For\"\n",
        "2:16 identity.headers.user: identity.headers.user: `X-Forwarded-For` cannot be an identity header / write a name \
         that begins with `X-`, of letters, digits and `-`; not X-Request-Id or X-Forwarded-…",
    ),
    (
        "[telemetry]\nlevel = \"inf\"\n",
        "2:9 telemetry.level: telemetry.level: `inf` is no log level / did you mean `info`?",
    ),
    (
        "[admin]\nlisten = \"0.0.0.0:9901\"\ntoken = { env = \"VESTIBULE_ADMIN_TOKEN\" }\n",
        "2:10 admin.listen: admin.listen: 0.0.0.0:9901 can be reached from outside \
         / listen on 127.0.0.1 or [::1]; use [health] for probes from outside",
    ),
    ("[mail]\nfrom = \"x\"\n", "1:2 mail: [mail] is not available in this version / remove the section"),
    ("[cahce]\nttl = \"1s\"\n", "1:2 cahce: the configuration has no key `cahce` / did you mean `cache`?"),
    (
        "[limits]\nheaders = { tme = \"1s\" }\n",
        "2:13 limits.headers.tme: [limits.headers] has no key `tme` / did you mean `time`?",
    ),
    (
        "[limits]\ntoken_failures = \"0/1m\"\n",
        "2:18 limits.token_failures: limits.token_failures: `0/1m` is no rate \
         / write so many in a time, such as \"100/1m\"",
    ),
    (
        "routes = 1\n",
        "1:1 session.routes: [session] has no key `routes` / known are `absolute`, `bearer`, `idle`, `keys`",
    ),
];

#[test]
fn other_origins_are_listed_one_by_one() {
    for origin in ["*", "null", "https://*.example.com", "https://www.example.com/app"] {
        let text = MINIMAL.replace("[upstream]", &format!("cors_origins = [\"{origin}\"]\n[upstream]"));
        let problems = bad(&text, &[]).join("\n");
        assert!(problems.contains(&format!("`{origin}` is no origin")), "{problems}");
    }
}

#[test]
fn every_mistake_is_one_problem_with_a_remedy() {
    for (part, expected) in MISTAKES {
        let problems = bad_part(part);
        let errors: Vec<_> = problems.iter().filter(|problem| !problem.contains("there are no routes")).collect();
        assert_eq!(errors, [expected], "{part}");
    }
}

#[test]
fn what_depends_on_a_part_in_disorder_is_not_a_second_problem() {
    let text = whole().replace("weight = 300", "weight = 300\npermissions = [\"p:q\"]").replace(
        "access = \"authenticated\"",
        "require = \"p:q\"\n[roles.strong]\nextends = \"viewer\"\nweight = 900\n[roles.odd]\nweight = 1",
    );
    good(&text, &[]);
    let broken = [
        ("tenants = [\"", "tenants = [\"x"),
        ("api_key = { env = \"ASSEMBLY_API_KEY\" }", "api_key = { env = \"NOT_SET\" }"),
        ("permissions = [\"p:q\"]", "permissions = [\"p q\"]"),
        ("weight = 300", "weight = \"strong\""),
        ("secret = { env", "secret = { evn"),
    ];
    for (good, broken) in broken {
        assert!(text.contains(good), "{good}");
        let problems = bad(&text.replacen(good, broken, 1), &[]);
        assert_eq!(problems.len(), 1, "{broken}: {problems:?}");
    }
}

#[test]
fn several_faults_of_syntax_are_told_at_once_and_only_they() {
    let problems = bad("[server]\nlisten = 127.0.0.1:1\n[limits]\nuri = \"8KiB\nfoo = 1\nfoo = 2\n[server]\n", &[]);
    let places: Vec<_> = problems.iter().map(|problem| problem.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(places, ["2:15", "4:12", "6:1", "7:2"], "{problems:?}");
    assert!(problems.iter().all(|problem| problem.contains("this is not TOML")), "{problems:?}");
}

#[test]
fn a_configuration_that_is_not_there_is_told_without_a_place() {
    let source = Source::find(Some(Path::new("no/such.toml")), environment(&[])).expect("a path");
    let problems = source.read().0.expect_err("no file").to_string();
    assert!(problems.starts_with("error: no/such.toml: cannot be read: "), "{problems}");
    assert!(!problems.contains("-->"), "{problems}");
}

#[test]
fn the_file_that_is_given_comes_before_the_variable() {
    let variable = || environment(&[("VESTIBULE_CONFIG", "from/variable.toml")]);
    let found = |given: Option<&str>| Source::find(given.map(Path::new), variable()).map(|source| source.path);
    assert_eq!(found(Some("given.toml")), Ok(PathBuf::from("given.toml")));
    assert_eq!(found(None), Ok(PathBuf::from("from/variable.toml")));
}

#[test]
fn a_setting_without_effect_is_a_warning() {
    for (part, expected) in [
        ("[permissions]\nstale_for = \"1m\"\n", "v.toml:13:13: stale_for has no effect without on_outage"),
        (
            "[permissions]\non_outage = \"serve_stale\"\n",
            "v.toml:13:13: `serve_stale` serves nothing without stale_for",
        ),
    ] {
        let config = good(&[MINIMAL, part].concat(), &[]);
        assert!(config.warnings.iter().any(|warning| warning.starts_with(expected)), "{:?}", config.warnings);
    }
    let both = good(&[MINIMAL, "[permissions]\non_outage = \"serve_stale\"\nstale_for = \"1m\"\n"].concat(), &[]);
    assert!(!both.warnings.iter().any(|warning| warning.contains("stale")), "{:?}", both.warnings);
}

#[test]
fn a_tenant_that_another_host_serves_is_not_served_by_the_named_one() {
    let second = r#"
[hosts.second]
platform = "assembly"
api_key = { env = "ASSEMBLY_API_KEY" }
tenants = ["22222222-2222-4333-8444-555555555555"]
[roles.viewer]
weight = 1
[[default_roles]]
kind = "client"
role = "viewer"
host = "second"
tenant = "11111111-2222-4333-8444-555555555555"
[[grants]]
tenant = "11111111-2222-4333-8444-555555555555"
subject = "s"
role = "viewer"
"#;
    let problems = bad_part(second);
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].contains("default_roles[0].tenant: [hosts.second] does not serve the tenant"), "{problems:?}");
    assert!(problems[1].contains("several hosts are configured, and the grant names none"), "{problems:?}");
}

#[test]
fn every_unit_can_be_written_and_nothing_else() {
    let held = |part: &str| good(&[MINIMAL, part].concat(), &[]);
    for (written, millis) in
        [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000)].into_iter().chain([("0060s", 60_000)])
    {
        let config = held(&format!("[limits]\nkeep_alive = \"{written}\"\n"));
        assert_eq!(config.limits.keep_alive, Duration::from_millis(millis), "{written}");
    }
    assert_eq!(held("idle = \"12h\"\n").session.idle, Duration::from_hours(12));
    assert_eq!(held("absolute = \"7d\"\n").session.absolute, Duration::from_hours(7 * 24));
    for (written, bytes) in [
        ("9", 9),
        ("\"9\"", 9),
        ("\"9B\"", 9),
        ("\"9KiB\"", 9 << 10),
        ("\"9MiB\"", 9 << 20),
        ("\"9GiB\"", 9 << 30),
        ("\"9TiB\"", 9 << 40),
    ] {
        let config = held(&format!("[limits]\nrequest_body = {written}\n"));
        assert_eq!(config.limits.request_body, bytes, "{written}");
    }
    assert_eq!(held("[limits]\nsigned_body = \"16MiB\"\n").limits.signed_body, 16 << 20);
    let problems = bad_part("[limits]\nsigned_body = \"17MiB\"\n");
    assert!(problems[0].contains("more than 16MiB / write at most"), "{problems:?}");
    for written in ["\"9KB\"", "\"9kib\"", "\"1.5MiB\"", "0", "-1", "\"\"", "\"9 KiB\""] {
        let problems = bad_part(&format!("[limits]\nrequest_body = {written}\n"));
        assert!(problems[0].contains("this is no size / write a size such as"), "{written}: {problems:?}");
    }
    for written in ["30", "\"30\"", "\"30S\"", "\"1w\"", "\"-1s\"", "\"1h30m\"", "\"2h\""] {
        let problems = bad_part(&format!("[limits]\nkeep_alive = {written}\n"));
        assert!(problems[0].starts_with("2:14 limits.keep_alive: "), "{written}: {problems:?}");
    }
    assert_eq!(held("[limits]\nbody.min_rate = \"2KiB/s\"\n").limits.body_min_rate, 2048);
    let rate = held("[limits]\ntoken_failures = \"7/500ms\"\n").limits;
    assert_eq!((rate.token_failures, rate.token_failure_window), (7, Duration::from_millis(500)));
}
