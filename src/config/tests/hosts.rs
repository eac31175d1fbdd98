//! What a host section has to say depends on its platform, and what it lacks is told with what to write.

use super::*;
use crate::hosts::{Algorithm, KeyMaterial, Tenants};

/// A file with this one host.
fn with_host(lines: &str) -> String {
    let before = MINIMAL.split("[hosts.assembly]").next().expect("something before it");
    let session = MINIMAL.find("[session]").map(|start| &MINIMAL[start..]).expect("something behind it");
    format!("{before}[hosts.h]\n{lines}\n{session}[[routes]]\npath = \"/**\"\naccess = \"authenticated\"\n")
}

/// What is wrong with the host, as `message / help`, without its name.
fn problems(lines: &str) -> Vec<String> {
    let told = bad(&with_host(lines), &[("SHORT", "short"), ("PEM", "-----BEGIN PUBLIC KEY-----")]);
    let message = |problem: String| problem.split_once(": ").map(|(_, message)| message.replace("hosts.h.", ""));
    told.into_iter().map(|problem| message(problem).expect("a place and a key")).collect()
}

fn hosted(lines: &str) -> HostedSettings {
    match good(&with_host(lines), &[]).hosts.remove(0) {
        HostSettings::Hosted(host) => *host,
        HostSettings::Assembly(_) => panic!("another platform"),
    }
}

fn warnings(lines: &str) -> Vec<String> {
    good(&with_host(lines), &[("SHORT", "short"), ("BRIEF", "sixteen-bytes-ok")]).warnings
}

#[test]
fn a_host_that_says_only_its_platform_is_told_everything_that_it_lacks() {
    let cases: &[(&str, &[&str])] = &[
        (
            "shopify",
            &[
                "audience is missing / write audience = \"…\": the client id",
                "secret is missing / write secret = { env = \"SHOPIFY_SECRET\" }",
                "tenants is missing / write tenants = [\"…\"], or [\"*\"] for every workspace that the platform vouches for",
            ],
        ),
        ("zoom", &["audience is missing / write audience = \"…\": the client id", "secret is missing / "]),
        ("canva", &["audience is missing / write audience = \"…\": the app id", "tenants is missing / "]),
        ("discord-interaction", &["public_key is missing / write public_key = { file = ", "tenants is missing / "]),
        (
            "slack",
            &[
                "secret is missing / ",
                "tenants is missing / write tenants = [\"…\"]: a name for the one workspace, because",
            ],
        ),
        (
            "atlassian-connect",
            &[
                "secrets is missing / write secrets.\"CLIENT-KEY\" = { env = \"NAME\" } for each site, or installs",
                "tenants is missing",
            ],
        ),
        (
            "generic-jwt",
            &[
                "algorithms is missing / write algorithms = [\"RS256\"], with what the host signs with",
                "audience is missing / write audience = \"…\": the app's id, as `aud` has it",
                "jwks_url is missing / write jwks_url = \"https://…\", or public_key = { file = \"host.pem\" }, or for HS256",
                "issuer is missing / write issuer = \"…\": what `iss` says",
                "tenants is missing / write tenants = [\"…\"]: the workspaces, and claims.tenant = \"…\", the claim that",
                "kind is missing / write kind = \"client\", or \"internal\" for staff",
            ],
        ),
        (
            "lti13",
            &[
                "audience is missing / ",
                "jwks_url is missing / write jwks_url = \"https://…\", the host's JWK Set; or public_key = ",
                "issuer is missing / ",
                "deployments is missing / write deployments = [\"…\"], as the LMS shows them",
                "origins is missing / write origins = [\"https://lms.example\"], the pages that frame the app",
                "login_url is missing / write login_url = \"https://…\", the authorization endpoint that",
            ],
        ),
    ];
    for (platform, expected) in cases {
        let told = problems(&format!("platform = \"{platform}\""));
        for problem in *expected {
            assert!(told.iter().any(|told| told.starts_with(problem)), "{platform}: {problem}: {told:#?}");
        }
        assert_eq!(told.len(), expected.len(), "{platform}: {told:#?}");
    }
}

#[test]
fn every_platform_needs_something_and_says_so() {
    for platform in crate::hosts::platforms::all().filter(|platform| platform.name != "assembly") {
        let told = problems(&format!("platform = \"{}\"\nnot_a_key = 1", platform.name));
        assert!(told.iter().all(|problem| problem.contains(" is missing / write ") || problem.contains("`not_a_key`")));
        assert!(told.len() > 1, "{}: needs nothing", platform.name);
    }
}

#[test]
fn the_address_of_an_atlassian_app_may_be_written_and_need_not_be() {
    let rest = "platform = \"atlassian-connect\"\ntenants = [\"*\"]\nsecrets.key-1 = { env = \"PORTAL_SECRET\" }\n";
    assert_eq!(hosted(rest).audience, None);
    let address = "https://app.example.com/jira";
    assert_eq!(hosted(&format!("{rest}audience = \"{address}\"")).audience.as_deref(), Some(address));
    assert!(problems(&format!("{rest}audience = 1")).iter().any(|problem| problem.starts_with("audience: ")));
}

const PORTAL: &str = "platform = \"generic-jwt\"\naudience = \"a\"\nissuer = \"i\"\nkind = \"client\"\ntenants = [\"acme\"]\norigins = [\"https://p.example\"]\n";
const ED25519: &str = "public_key = \"e7bf03a2fa4602af4580703d88dda5bb59f32ed8b02a56c187fe7d34caed242d\"\n";
const SLACK: &str = "platform = \"slack\"\ntenants = [\"acme\"]\n";

#[test]
fn what_contradicts_the_platform_is_refused_with_a_remedy() {
    let portal = |lines: &str| format!("{PORTAL}{lines}");
    let secret = "secret = { env = \"PORTAL_SECRET\" }\n";
    let cases = [
        (
            portal("algorithms = [\"hs256\"]"),
            "algorithms[0]: `hs256` is no algorithm of this version / did you mean `HS256`?",
        ),
        (portal("algorithms = [\"none\"]\n"), "algorithms[0]: `none` is no algorithm of this version / "),
        (
            portal(&format!("algorithms = [\"HS256\", \"RS256\"]\n{secret}")),
            "algorithms: HS256 has a secret, and the others public keys; not both / ",
        ),
        (
            portal(&format!("algorithms = [\"RS256\"]\n{ED25519}")),
            "public_key: a key of this kind cannot verify RS256 / ",
        ),
        (
            portal(&format!("algorithms = [\"EdDSA\"]\n{ED25519}jwks_url = \"https://h.example/keys\"")),
            "jwks_url and public_key are both there / keep jwks_url, or public_key, and remove the other",
        ),
        (
            portal("algorithms = [\"HS256\"]\nsecret = { env = \"PEM\" }"),
            "secret: this is a PEM key, and the platform has a secret / write the secret that the platform shows",
        ),
        (
            portal("algorithms = [\"RS256\"]\njwks_url = \"http://h.example/keys\""),
            "jwks_url: `http://h.example/keys` is no address that can be trusted / write \"https://HOST/PATH\", without a query",
        ),
        (
            portal(&format!("algorithms = [\"HS256\"]\n{secret}claims.tenant = []")),
            "claims.tenant: names no claim / write \"org_id\", or [\"org\", \"id\"] for one inside of another",
        ),
        (
            portal(&format!("algorithms = [\"HS256\"]\n{secret}token.header = \"X Token\"")),
            "token.header: `X Token` names no header / write \"Authorization: Bearer\" or \"X-Host-Token\"",
        ),
        (
            portal(&format!("algorithms = [\"HS256\"]\n{secret}leeway = \"2m\"")),
            "leeway: `2m` is out of range / write a time from 0ms to 1m, such as \"30s\"",
        ),
        (
            PORTAL.replace("[\"acme\"]", "[\"*\"]") + "algorithms = [\"HS256\"]\n" + secret,
            "tenants does not say which workspaces / write exactly one name, or which claim names the workspace: claims.tenant",
        ),
        (
            format!("{SLACK}api_key = {{ env = \"PORTAL_SECRET\" }}\nsecret = {{ env = \"PORTAL_SECRET\" }}"),
            "[hosts.h] has no key `api_key` / known are `max_token_age`, `nameless`, `origins`, `platform`, `secret`, `tenants`",
        ),
        (
            format!("{SLACK}secrets = {{ env = \"PORTAL_SECRET\" }}"),
            "[hosts.h] has no key `secrets` / did you mean `secret`?",
        ),
        (
            format!("{SLACK}secret = {{ env = \"PORTAL_SECRET\" }}\nleeway = \"5s\""),
            "[hosts.h] has no key `leeway` / known are ",
        ),
        (
            "platform = \"shopfy\"".to_owned(),
            "platform: `shopfy` is not a platform of this version / did you mean `shopify`?",
        ),
        (
            "platform = \"contentful\"\ntenants = [\"*\"]\nsecret = { env = \"SHORT\" }".to_owned(),
            "secret: the signing secret has 64 characters / check that the secret is the whole one",
        ),
        (
            "platform = \"telegram\"\nsecret = { env = \"SHORT\" }".to_owned(),
            "secret: a bot's token is its id, a colon, and more / ",
        ),
        (format!("{SLACK}secret = []"), "secret is missing / write secret = { env = \"NAME\" }"),
    ];
    for (lines, expected) in cases {
        let told = problems(&lines);
        assert!(told.iter().any(|problem| problem.starts_with(expected)), "{lines}\n{expected}\n{told:#?}");
    }
}

#[test]
fn what_is_half_written_is_refused_with_a_remedy() {
    let cases = [
        (PORTAL.replace("\"a\"", "\"\""), "audience: is empty / write what it is"),
        (PORTAL.replace("\"i\"", "\"\""), "issuer: is empty / "),
        (format!("{PORTAL}claims.user = [\"a\", \"\"]"), "claims.user: is empty / "),
        (
            PORTAL.replace("tenants = [\"acme\"]\n", ""),
            "tenants is missing / write tenants = [\"…\"]: the workspaces, and claims.tenant",
        ),
        (
            "platform = \"intercom\"".to_owned(),
            "platform: `intercom` is not a platform of this version / did you mean `intercom-sheets` or `intercom-canvas`?",
        ),
    ];
    for (lines, expected) in cases {
        let told = problems(&lines);
        assert!(told.iter().any(|problem| problem.starts_with(expected)), "{lines}\n{expected}\n{told:#?}");
    }
}

#[test]
fn secrets_and_public_keys_can_be_several_while_one_is_replaced() {
    let host = hosted(&format!("{SLACK}secret = [{{ env = \"PORTAL_SECRET\" }}, {{ env = \"JIRA_SITE_1_SECRET\" }}]"));
    assert!(matches!(&host.keys, KeyMaterial::Secrets(secrets) if secrets.len() == 2));
    let two = ED25519.replace("= \"", "= [\"").replace("\"\n", "\", \"");
    let host = hosted(&format!(
        "{PORTAL}algorithms = [\"EdDSA\"]\n{two}{}\"]",
        "40055058a4ee38156a06562e52eece92a771bcd8346a8c4615cb7376eddf72ec"
    ));
    assert!(matches!(&host.keys, KeyMaterial::Pinned(keys) if keys.len() == 2));
    assert_eq!(host.algorithms, [Algorithm::EdDsa]);
}

#[test]
fn a_host_of_ones_own_has_one_workspace_or_a_claim_that_names_it() {
    let signed = format!("{PORTAL}algorithms = [\"EdDSA\"]\n{ED25519}");
    assert_eq!(hosted(&signed).claims.tenant, None);
    let host = hosted(&format!("{}claims.tenant = [\"org\", \"id\"]\n", signed.replace("[\"acme\"]", "[\"*\"]")));
    assert_eq!(host.claims.tenant, Some(vec!["org".to_owned(), "id".to_owned()]));
    assert_eq!(host.tenants, Tenants::Any);
}

#[test]
fn weak_choices_are_warnings() {
    let secret = |name: &str| format!("secret = {{ env = \"{name}\" }}\n");
    let slack = format!("{SLACK}{}", secret("PORTAL_SECRET"));
    assert_eq!(warnings(&slack), Vec::<String>::new());
    let cases = [
        (format!("{SLACK}{}", secret("SHORT")), "hosts.h.secret: a secret of less than 16 bytes"),
        (
            format!("{PORTAL}algorithms = [\"HS256\"]\n{}", secret("BRIEF")),
            "hosts.h.secret: a secret of less than 32 bytes",
        ),
        (
            "platform = \"highlevel\"\ntenants = [\"acme\"]\n".to_owned() + &secret("PORTAL_SECRET"),
            "hosts.h.origins: no page may frame the app",
        ),
        (format!("{slack}nameless = \"service\""), "hosts.h.nameless: a token that names nobody is let in"),
        (slack.replace("slack", "front"), "hosts.h.platform: what Front plugin sends never ends"),
        (
            format!("platform = \"pipedrive\"\ntenants = [\"*\"]\n{}", secret("PORTAL_SECRET")),
            "hosts.h.tenants: every workspace of the platform is served",
        ),
    ];
    for (lines, expected) in cases {
        let told = warnings(&lines);
        assert!(told.len() == 1 && told[0].contains(expected), "{lines}: {told:?}");
    }
}
