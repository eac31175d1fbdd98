use super::*;

mod environment;
mod files;
mod hosts;
mod keys;
mod mistakes;
mod permissions;
mod secrets;

/// A session key as an operator would write it.
const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// What must be written, and nothing else.
const MINIMAL: &str = r#"
[server]
public_url = "https://app.example.com"
[upstream]
url = "http://127.0.0.1:3000"
[hosts.assembly]
platform = "assembly"
api_key = { env = "ASSEMBLY_API_KEY" }
tenants = ["11111111-2222-4333-8444-555555555555"]
[session]
keys = [{ id = "k1", secret = { env = "VESTIBULE_SESSION_KEY" } }]
"#;

/// And one of everything that is off without its section. One role only: the roles of a policy have no order to compare.
const SECTIONS: &str = r#"
[roles.viewer]
weight = 300
[[default_roles]]
kind = "internal"
role = "viewer"
[[routes]]
path = "/**"
access = "authenticated"
[[grants]]
tenant = "11111111-2222-4333-8444-555555555555"
subject = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
role = "viewer"
[admin]
token = { env = "VESTIBULE_ADMIN_TOKEN" }
[health]
listen = "0.0.0.0:9902"
"#;

/// Hosts that together have every key which Assembly has not.
const HOSTED: &str = r#"
[hosts.portal]
platform = "generic-jwt"
tenants = ["acme"]
secret = { env = "PORTAL_SECRET" }
audience = "my-app"
issuer = "https://portal.example.com"
algorithms = ["HS256"]
kind = "client"
claims.tenant = "org_id"
origins = ["https://portal.example.com"]
[hosts.lms]
platform = "lti13"
tenants = ["https://lms.example.com|client-1|1"]
jwks_url = "https://lms.example.com/jwks"
audience = "client-1"
issuer = "https://lms.example.com"
deployments = ["1"]
login_url = "https://lms.example.com/auth"
origins = ["https://lms.example.com"]
[hosts.jira]
platform = "atlassian-connect"
tenants = ["site-1"]
secrets.site-1 = { env = "JIRA_SITE_1_SECRET" }
installs = "installs.json"
[hosts.jira-installs]
platform = "atlassian-connect-install"
tenants = ["site-1"]
audience = "https://app.example.com"
installs = "installs.json"
[hosts.discord]
platform = "discord-interaction"
tenants = ["my-server"]
public_key = "e7bf03a2fa4602af4580703d88dda5bb59f32ed8b02a56c187fe7d34caed242d"
[hosts.telegram]
platform = "telegram-ed25519"
audience = "1234567890"
[[routes]]
path = "/**"
access = "authenticated"
"#;

const SECRETS: [(&str, &str); 6] = [
    ("ASSEMBLY_API_KEY", "an-api-key"),
    ("PORTAL_SECRET", HEX),
    ("JIRA_SITE_1_SECRET", "a-secret-of-a-site"),
    ("VESTIBULE_SESSION_KEY", HEX),
    ("VESTIBULE_ADMIN_TOKEN", HEX),
    ("VESTIBULE_GRANTS_CREDENTIAL", "Bearer a-credential"),
];

fn whole() -> String {
    [MINIMAL, SECTIONS].concat()
}

/// What must be written, and a host of each of several platforms.
fn hosted() -> String {
    [MINIMAL, HOSTED].concat()
}

/// The variables that every test needs, and some of its own.
fn environment(more: &[(&str, &str)]) -> Environment {
    let mut environment = Environment::from(SECRETS);
    let signing = crate::assertion::generate_pem().expect("a key");
    environment.0.insert("SIGNING_KEY".into(), signing.expose_str().expect("PEM").into());
    environment.0.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    environment
}

fn read_with(text: &str, more: &[(&str, &str)]) -> Result<Config, Problems> {
    parse(text, Path::new("v.toml"), &environment(more))
}

fn good(text: &str, more: &[(&str, &str)]) -> Config {
    read_with(text, more).unwrap_or_else(|problems| panic!("{more:?}: {problems}"))
}

/// Every problem as `line:column key: message / help`, or with the variable instead of line and column.
fn bad(text: &str, more: &[(&str, &str)]) -> Vec<String> {
    let problems = read_with(text, more).expect_err("a mistake");
    let json: serde_json::Value = serde_json::from_str(&problems.to_json()).expect("JSON");
    let told = |problem: &serde_json::Value| {
        let word = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        let place = match (problem["line"].as_u64(), problem["column"].as_u64()) {
            (Some(line), Some(column)) => format!("{line}:{column}"),
            _ => word("variable"),
        };
        format!("{place} {}: {} / {}", word("key"), word("message"), word("help"))
    };
    json["problems"].as_array().expect("a list").iter().map(told).collect()
}

/// What a mistake in one part of an otherwise good file is told as.
fn bad_part(part: &str) -> Vec<String> {
    let lines = MINIMAL.lines().count();
    let problems = bad(&[MINIMAL, part].concat(), &[]);
    let from_here = |problem: String| match problem.split_once(':') {
        Some((line, rest)) if line.parse::<usize>().is_ok() => {
            format!("{}:{rest}", line.parse::<usize>().expect("a number").saturating_sub(lines))
        }
        _ => problem,
    };
    problems.into_iter().map(from_here).collect()
}
