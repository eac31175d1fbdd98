//! The part of `docs/hosts.md` that is made of the rows, with an example for each that a test loads.

use std::fmt::Write as _;
use std::path::Path;

use super::words;
use crate::config::{Environment, HostSettings, parse};
use crate::hosts::{Platform, QueryForm, Scheme, platforms};

/// Set to any value, it makes the test write the page.
const WRITE: &str = "VESTIBULE_WRITE_HOSTS";

/// What is below this line is made.
const MARK: &str =
    "<!-- From here on made of src/hosts/platforms: `VESTIBULE_WRITE_HOSTS=1 cargo test --lib hosts_page`. -->\n";

/// 32 bytes.
const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// What stands in the examples where it can be anything: platform, key, value.
const EXAMPLES: &[(&str, &str, &str)] = &[
    ("assembly", "tenants", "11111111-2222-4333-8444-555555555555"),
    ("atlassian-connect", "tenants", "6ab3f4e1-your-client-key"),
    ("atlassian-connect-install", "audience", "https://app.example.com"),
    ("atlassian-connect-install", "tenants", "*"),
    ("atlassian-forge", "audience", "ari:cloud:ecosystem::app/8db33309-2f4b-4a6e-9f8d-0c6a3c1b7a10"),
    ("atlassian-forge", "tenants", "installation-id"),
    ("bigcommerce", "tenants", "store-hash"),
    ("bigcommerce-legacy", "tenants", "store-hash"),
    ("canva", "audience", "AAFexampleAppId"),
    ("canva", "tenants", "brand-id"),
    ("contentful", "tenants", "space-id"),
    ("contentstack", "tenants", "organization-uid|stack-api-key"),
    ("discord-activity-proxy", "tenants", "application-id"),
    ("ecwid", "tenants", "1003"),
    ("facebook", "tenants", "page-id"),
    ("highlevel", "tenants", "agency-id"),
    ("hubspot-v3", "tenants", "62515"),
    ("lti13", "audience", "client-1"),
    ("miro", "tenants", "3074457345618265000"),
    ("monday", "tenants", "1825529"),
    ("msteams", "audience", "11111111-2222-4333-8444-555555555555"),
    ("msteams", "tenants", "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"),
    ("pipedrive", "tenants", "7337"),
    ("salesforce-canvas", "tenants", "00D000000000001EAA"),
    ("shopify", "tenants", "demo.myshopify.com"),
    ("shopify-app-proxy", "tenants", "demo.myshopify.com"),
    ("shopify-query-hmac", "tenants", "demo.myshopify.com"),
    ("stripe-apps", "tenants", "acct_1032D82eZvKYlo2C"),
    ("telegram-ed25519", "audience", "1234567890"),
    ("vk", "tenants", "6736218"),
    ("webflow", "tenants", "site-id"),
    ("wix", "tenants", "instance-id"),
    ("zendesk", "audience", "https://acme.zendesk.com/api/v2/apps/installations/123.json"),
    ("zendesk", "issuer", "acme.zendesk.com"),
    ("zendesk", "tenants", "acme.zendesk.com"),
];

fn example(platform: &Platform, key: &str, otherwise: &'static str) -> &'static str {
    let found = EXAMPLES.iter().find(|(name, of, _)| *name == platform.name && *of == key);
    found.map_or(otherwise, |(_, _, value)| value)
}

/// The variable that holds the secret.
fn variable(platform: &Platform) -> String {
    match platform.name {
        "assembly" => "ASSEMBLY_API_KEY".to_owned(),
        name => format!("{}_SECRET", name.replace('-', "_").to_uppercase()),
    }
}

/// The host's lines of a configuration.
fn host(platform: &Platform) -> String {
    let mut text = format!("[hosts.{}]\nplatform = \"{}\"\n", platform.name, platform.name);
    for key in words::needs(platform) {
        let value = |otherwise| format!("\"{}\"", example(platform, key, otherwise));
        let (key, value) = match key {
            "api_key" | "secret" => (key, format!("{{ env = \"{}\" }}", variable(platform))),
            "secrets" => {
                let tenant = example(platform, "tenants", "site-1");
                let _ = writeln!(text, "secrets.{tenant} = {{ env = \"{}\" }}", variable(platform));
                continue;
            }
            "public_key" => (key, format!("{{ file = \"{}.pem\" }}", platform.name)),
            "tenants" => (key, format!("[{}]", value("acme"))),
            "login_url" => (key, "\"https://lms.example.com/authorize\"".to_owned()),
            "origins" => (key, "[\"https://lms.example.com\"]".to_owned()),
            "deployments" => (key, "[\"1\"]".to_owned()),
            "algorithms" => (key, "[\"RS256\"]".to_owned()),
            "kind" => (key, "\"client\"".to_owned()),
            "issuer" => (key, value("https://lms.example.com")),
            "audience" => (key, value("your-client-id")),
            _ => ("jwks_url", "\"https://lms.example.com/jwks.json\"".to_owned()),
        };
        let _ = writeln!(text, "{key} = {value}");
    }
    if platform.name.starts_with("generic-") {
        text.push_str("claims.tenant = \"org_id\"\n");
    }
    if words::lacks_origins(platform) && !words::needs(platform).contains(&"origins") {
        text.push_str("origins = [\"https://lms.example.com\"]\n");
    }
    // A host of one's own is no LMS.
    if platform.name.starts_with("generic-") { text.replace("lms.", "portal.") } else { text }
}

fn configuration(platform: &Platform) -> String {
    [
        "[server]\npublic_url = \"https://app.example.com\"\n\n[upstream]\nurl = \"http://127.0.0.1:3000\"\n\n",
        &host(platform),
        "\n[session]\nkeys = [{ id = \"k1\", secret = { env = \"VESTIBULE_SESSION_KEY\" } }]\n",
        "\n[[routes]]\npath = \"/**\"\naccess = \"authenticated\"\n",
    ]
    .concat()
}

fn table() -> String {
    let mut text = String::from(
        "| platform | token | proven by | workspace | person | counts | serves |\n|---|---|---|---|---|---|---|\n",
    );
    for platform in platforms::all() {
        let cells = [
            format!("[`{}`](#{})", platform.name, platform.name),
            words::carriers(platform),
            words::scheme(platform),
            words::field(platform.tenant),
            words::field(platform.user),
            words::life(platform),
            words::serves(platform).to_owned(),
        ];
        let _ = writeln!(text, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    text
}

fn section(platform: &Platform) -> String {
    let about = &platform.about;
    let mut text = format!("\n### {}\n\n**{}.** {}\n", platform.name, platform.title, about.find);
    let mut list = |title: &str, items: &[&str]| {
        if !items.is_empty() {
            let _ = writeln!(text, "\n{title}- {}", items.join("\n- "));
        }
    };
    let app = format!("For this app: {}.", words::app(platform));
    let pages = platform.origins.iter().map(|origin| format!("`{origin}`")).collect::<Vec<_>>().join(", ");
    let pages = if pages.is_empty() {
        "Pages that may frame the app: those in `origins`.".to_owned()
    } else {
        format!("Pages that may frame the app, by default: {pages}.")
    };
    let mut notes = vec![app.as_str()];
    notes.extend(platform.opens_session.then_some(pages.as_str()));
    notes.extend(about.notes);
    list("", &notes);
    list(
        "Not verified against the service; where two readings are possible, the stricter one is built:\n\n",
        about.unverified,
    );
    if let Some(package) = about.package {
        let _ = writeln!(text, "\nThe platform's own package: {package}");
    }
    let _ = write!(text, "\n```toml\n{}```\n", configuration(platform));
    text
}

fn page() -> String {
    let sections: String = platforms::all().map(section).collect();
    [MARK, "\n## All platforms\n\n", &table(), sections.as_str()].concat()
}

#[test]
fn the_hosts_page_is_the_one_that_the_rows_give() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/hosts.md");
    let kept = std::fs::read_to_string(&path).expect("the page");
    let (by_hand, made) = kept.split_once(MARK).expect("the mark");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, [by_hand, &page()].concat()).expect("docs/ can be written");
        return;
    }
    assert!(
        page().strip_prefix(MARK) == Some(made),
        "docs/hosts.md is stale; run `{WRITE}=1 cargo test --lib hosts_page`"
    );
}

/// A secret in the platform's form.
fn secret(platform: &Platform) -> &'static str {
    if platform.scheme == Scheme::SignedQuery(QueryForm::TelegramMac) { "1234567890:a-bot-token" } else { HEX }
}

fn understood(platform: &Platform, text: &str) -> Result<crate::config::Config, crate::config::Problems> {
    let folder = tempfile::tempdir().expect("a folder");
    let rsa = include_str!("../../../tests/data/rsa-public.pem");
    let file = folder.path().join(format!("{}.pem", platform.name));
    std::fs::write(file, if platform.algorithms().is_empty() { HEX } else { rsa }).expect("a file");
    let name = variable(platform);
    let environment = Environment::from([(name.as_str(), secret(platform)), ("VESTIBULE_SESSION_KEY", HEX)]);
    parse(text, &folder.path().join("vestibule.toml"), &environment)
}

#[test]
fn every_example_of_the_hosts_page_is_a_whole_configuration_of_its_platform() {
    for platform in platforms::all() {
        let config = understood(platform, &configuration(platform));
        let config = config.unwrap_or_else(|problems| panic!("{}: {problems}", platform.name));
        match &config.hosts[..] {
            [HostSettings::Assembly(_)] => assert_eq!(platform.name, "assembly"),
            [HostSettings::Hosted(host)] => assert_eq!(host.platform.name, platform.name),
            _ => panic!("one host"),
        }
        let allowed = |warning: &&String| ["never ends", "every workspace"].iter().any(|word| warning.contains(word));
        assert_eq!(config.warnings.iter().find(|warning| !allowed(warning)), None, "{}", platform.name);
    }
}

#[test]
fn what_a_platform_is_said_to_need_is_missed_when_it_is_left_out() {
    for platform in platforms::all() {
        for key in words::needs(platform) {
            let key = if key.starts_with("jwks_url") { "jwks_url" } else { key };
            let text = configuration(platform);
            let (line, mut kept) = text.lines().partition::<Vec<_>, _>(|line| {
                line.strip_prefix(key).is_some_and(|rest| rest.starts_with([' ', '.'])) && !line.contains("id = \"k1\"")
            });
            assert_eq!(line.len(), 1, "{}: {key}", platform.name);
            kept.push("");
            let problems = understood(platform, &kept.join("\n")).expect_err("a problem").to_string();
            assert!(problems.contains(&format!("hosts.{}.{key} ", platform.name)), "{}: {problems}", platform.name);
        }
    }
}
