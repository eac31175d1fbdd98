//! Every platform but Assembly: which keys there are follows from the platform's row.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use super::{MOST, origins};
use crate::access::{HostName, Kind, Origin, TenantId};
use crate::config::document::{Node, Value};
use crate::config::reader::{Reader, Table};
use crate::config::values::{Fault, duration, fault, suggestion, text, word};
use crate::hosts::{
    Algorithm, App, Carrier, ClaimNames, Comes, Field, HostedSettings, Issuer, KeyMaterial, KeySource, KindOf, Life,
    Platform, PublicKey, Rule, Scheme, Tenants,
};
use crate::secret::Secret;

/// The most that two clocks may differ.
const MOST_LEEWAY: Duration = Duration::from_secs(60);

pub(super) fn read(
    name: HostName,
    platform: &'static Platform,
    table: &mut Table<'_>,
    reader: &mut Reader<'_>,
) -> Option<HostedSettings> {
    let algorithms = algorithms(platform, table, reader);
    let audience = audience(platform, table, reader);
    let keys = keys(platform, algorithms.as_deref().unwrap_or(&[]), audience.as_deref(), table, reader);
    let audience = match (platform.app, &keys) {
        (App::InSecret, Some(keys)) => keys.before_colon(),
        _ => audience,
    };
    let issuer = issuer(platform, table, reader);
    let deployments = deployments(platform, table, reader);
    let login_url = login_url(platform, table, reader);
    let tenants = tenants(platform, table, reader);
    let claims = claims(platform, table, reader);
    let kind = kind(platform, table, reader);
    let carriers = carriers(platform, table, reader);
    let origins = origins(table, platform, reader);
    let leeway = table.or("leeway", platform.leeway, reader, duration(Duration::ZERO, MOST_LEEWAY));
    let max_token_age = max_token_age(platform, table, reader);
    let nameless = word(&[("refuse", false), ("service", true)]);
    let nameless = table.or("nameless", false, reader, nameless);
    Some(HostedSettings {
        name,
        platform,
        keys: keys?,
        algorithms: algorithms?,
        audience,
        issuer: issuer?,
        deployments: deployments?,
        login_url: login_url?,
        tenants: tenants?,
        claims: claims?,
        kind: kind?,
        carriers,
        origins,
        leeway,
        max_token_age,
        nameless,
    })
}

fn missing<T>(table: &Table<'_>, key: &str, help: &str, reader: &mut Reader<'_>) -> Option<T> {
    let path = table.key(key);
    reader.error(&table.place_of(key), &path, format!("{path} is missing"), help);
    None
}

/// The algorithms of a JWT: the platform's, or those that are written, because a token cannot be asked.
fn algorithms(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Vec<Algorithm>> {
    let Scheme::Jwt(fixed) = platform.scheme else { return Some(Vec::new()) };
    if !fixed.is_empty() {
        return Some(fixed.to_vec());
    }
    let known = ["HS256", "RS256", "ES256", "EdDSA"];
    let one = |node: &Node| {
        let written = text(node)?;
        Algorithm::parse(&written).map_or_else(
            || fault(format!("`{written}` is no algorithm of this version"), suggestion(&written, &known)),
            Ok,
        )
    };
    let help = "write algorithms = [\"RS256\"], with what the host signs with";
    if !table.has("algorithms") {
        table.node("algorithms");
        return missing(table, "algorithms", help, reader);
    }
    let listed = table.list("algorithms", reader, one)?;
    let mixed = listed.contains(&Algorithm::Hs256) && listed.len() > 1;
    if listed.is_empty() || mixed {
        let key = table.key("algorithms");
        let message = if mixed { "HS256 has a secret, and the others public keys; not both" } else { "names none" };
        reader.error(&table.place_of("algorithms"), &key, format!("{key}: {message}"), help);
        return None;
    }
    Some(listed)
}

fn audience(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let App::Asked(called) = platform.app else { return None };
    if table.has("audience") {
        return table.optional("audience", reader, text);
    }
    table.node("audience");
    missing(table, "audience", &format!("write audience = \"…\": the {called}"), reader)
}

fn issuer(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Option<String>> {
    match platform.issuer {
        Issuer::Asked => table.required("issuer", "\"…\": what `iss` says", reader, text).map(Some),
        _ => Some(None),
    }
}

fn deployments(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let asked = platform.rules.iter().any(|rule| matches!(rule, Rule::Deployment(_)));
    if !asked {
        return Some(Vec::new());
    }
    let listed = if table.has("deployments") { table.list("deployments", reader, text)? } else { Vec::new() };
    table.node("deployments");
    if listed.is_empty() {
        return missing(table, "deployments", "write deployments = [\"…\"], as the LMS shows them", reader);
    }
    Some(listed)
}

/// Where people sign in, on platforms whose tokens are the answer to a login.
fn login_url(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Option<String>> {
    if !platform.rules.iter().any(|rule| matches!(rule, Rule::Nonce(_))) {
        return Some(None);
    }
    if !table.has("origins") && platform.origins.is_empty() {
        let help = "write origins = [\"https://lms.example\"], the pages that frame the app and post the answer";
        return missing(table, "origins", help, reader);
    }
    let example = "\"https://…\", the authorization endpoint that the platform shows";
    table.required("login_url", example, reader, url).map(Some)
}

/// Which workspaces are served. Never all of them by accident.
fn tenants(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Tenants> {
    let written = table.list("tenants", reader, text);
    if !table.has("tenants") {
        // The app is the tenant, or the deployments are, and they are named already.
        let is_named = platform.rules.iter().any(|rule| matches!(rule, Rule::Deployment(_)));
        if platform.tenant == Field::App || is_named {
            return Some(Tenants::Any);
        }
        let help = match platform.tenant {
            Field::TheTenant => "write tenants = [\"…\"]: a name for the one workspace, because tokens do not name it",
            _ => "write tenants = [\"…\"], or [\"*\"] for every workspace that the platform vouches for",
        };
        return missing(table, "tenants", help, reader);
    }
    let written = written?;
    let key = table.key("tenants");
    let any = written.iter().any(|tenant| tenant == "*");
    let alone = matches!(platform.tenant, Field::TheTenant);
    if written.is_empty() || (any && written.len() > 1) || (alone && (any || written.len() > 1)) {
        let help = if alone { "write exactly one name" } else { "write the workspaces, or [\"*\"] alone" };
        reader.error(&table.place_of("tenants"), &key, format!("{key} does not say which workspaces"), help);
        return None;
    }
    if any {
        return Some(Tenants::Any);
    }
    table.list("tenants", reader, tenant).map(Tenants::Listed)
}

fn tenant(node: &Node) -> Result<TenantId, Fault> {
    let written = text(node)?;
    TenantId::new(&written)
        .or_else(|error| fault(format!("`{written}` is no workspace: it {error}"), "write it as the platform does"))
}

fn claims(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<ClaimNames> {
    if platform.tenant != Field::Asked {
        return Some(ClaimNames::default());
    }
    let mut names = table.table("claims", reader);
    let tenant = names.required("tenant", "\"…\": the claim with the workspace", reader, text);
    let claims = ClaimNames {
        user: Some(names.or("user", "sub".to_owned(), reader, text)),
        organization: names.optional("organization", reader, text),
        role: names.optional("role", reader, text),
        name: names.optional("name", reader, text),
        email: names.optional("email", reader, text),
        tenant,
    };
    names.finish(reader);
    claims.tenant.is_some().then_some(claims)
}

fn kind(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Kind> {
    match platform.kind {
        KindOf::Asked => {
            let kinds = word(&[("client", Kind::Client), ("internal", Kind::Internal)]);
            table.required("kind", "\"client\", or \"internal\" for staff", reader, kinds)
        }
        KindOf::Always(kind) => Some(kind),
        KindOf::InternalIf(..) => Some(Kind::Client),
    }
}

/// `token = { query = "token" }` and the like, where the platform's row is not fixed.
fn carriers(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Vec<Carrier> {
    let fixed = || platform.carriers.to_vec();
    if platform.tenant != Field::Asked {
        return fixed();
    }
    let mut token = table.table("token", reader);
    let named =
        |carrier: fn(Cow<'static, str>) -> Carrier| move |node: &Node| text(node).map(|name| carrier(name.into()));
    let mut carriers: Vec<Carrier> = Vec::new();
    carriers.extend(token.optional("query", reader, named(Carrier::Query)));
    carriers.extend(token.optional("form", reader, named(Carrier::Form)));
    carriers.extend(token.optional("header", reader, header));
    token.finish(reader);
    if carriers.is_empty() { fixed() } else { carriers }
}

/// `"Authorization: Bearer"`, or the name of a header alone.
fn header(node: &Node) -> Result<Carrier, Fault> {
    let written = text(node)?;
    let (name, scheme) = match written.split_once(':') {
        Some((name, scheme)) => (name.trim(), Some(scheme.trim()).filter(|scheme| !scheme.is_empty())),
        None => (written.trim(), None),
    };
    let name = name.to_ascii_lowercase();
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return fault(format!("`{written}` names no header"), "write \"Authorization: Bearer\" or \"X-Host-Token\"");
    }
    let scheme = scheme.map(|scheme| Cow::Owned(scheme.to_owned()));
    Ok(Carrier::Header { name: name.into(), scheme, comes: Comes::FromPage })
}

fn max_token_age(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Duration {
    let (Life::Issued { age, .. } | Life::SignedAt(age) | Life::FirstSeen(age)) = platform.life else {
        return Duration::ZERO;
    };
    table.or("max_token_age", age, reader, duration(Duration::from_secs(1), MOST))
}

fn keys(
    platform: &Platform,
    algorithms: &[Algorithm],
    audience: Option<&str>,
    table: &mut Table<'_>,
    reader: &mut Reader<'_>,
) -> Option<KeyMaterial> {
    match platform.keys {
        KeySource::Secret => secrets(platform, table, reader).map(KeyMaterial::Secrets),
        KeySource::SecretOfTenant => of_tenants(table, reader),
        KeySource::PublicKey => public_keys(table, reader).map(KeyMaterial::Pinned),
        KeySource::Jwks(address) => jwks(address, audience, table, reader),
        KeySource::KeyById(address) => {
            let url = table.or("jwks_url", address.to_owned(), reader, url);
            Some(KeyMaterial::KeyById(url))
        }
        KeySource::Published(known) => published(known, table, reader),
        KeySource::Chosen if algorithms == [Algorithm::Hs256] => {
            secrets(platform, table, reader).map(KeyMaterial::Secrets)
        }
        KeySource::Chosen if table.has("public_key") => public_keys(table, reader).map(KeyMaterial::Pinned),
        KeySource::Chosen => {
            let help = "\"https://…\", the host's JWK Set; or public_key = { file = \"host.pem\" }";
            table.required("jwks_url", help, reader, url).map(KeyMaterial::Jwks)
        }
    }
}

/// The platform's address of its keys, with the app's id where that is part of it; or another one, which is written.
fn jwks(address: &str, audience: Option<&str>, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<KeyMaterial> {
    if let Some(url) = table.optional("jwks_url", reader, url) {
        return Some(KeyMaterial::Jwks(url));
    }
    let fits = |app: &str| app.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    match (address.contains("{audience}"), audience) {
        (false, _) => Some(KeyMaterial::Jwks(address.to_owned())),
        (true, Some(app)) if fits(app) => Some(KeyMaterial::Jwks(address.replace("{audience}", app))),
        (true, Some(_)) => {
            missing(table, "jwks_url", "the address of the keys cannot be made of this audience", reader)
        }
        (true, None) => None,
    }
}

/// Keys are fetched over https, and people sent there, or to a simulated platform on this machine.
fn url(node: &Node) -> Result<String, Fault> {
    let written = text(node)?;
    let origin = Origin::of_url(&written).ok();
    let is_safe = |origin: &Origin| origin.scheme() == "https" || origin.is_loopback();
    let is_plain = !written.contains(['?', '#', '@', ' ']);
    if origin.is_some_and(|origin| is_safe(&origin)) && is_plain {
        return Ok(written);
    }
    fault(format!("`{written}` is no address that can be trusted"), "write \"https://HOST/PATH\", without a query")
}

fn published(
    known: &'static [(&'static str, &'static str)],
    table: &mut Table<'_>,
    reader: &mut Reader<'_>,
) -> Option<KeyMaterial> {
    if table.has("public_key") {
        return public_keys(table, reader).map(KeyMaterial::Pinned);
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let chosen = |node: &Node| {
        let written = text(node)?;
        let found = known.iter().find(|(name, _)| *name == written);
        found.map_or_else(|| fault(format!("`{written}` is not understood"), suggestion(&written, &names)), Ok)
    };
    let (_, hex) = table.or("environment", &known[0], reader, chosen);
    PublicKey::ed25519_from_hex(hex).ok().map(|key| KeyMaterial::Pinned(vec![key]))
}

/// One secret, or several while they are being replaced.
fn secrets(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Vec<Secret>> {
    let several = table.has("secret") && table.node("secret").is_some_and(|node| matches!(node.value, Value::List(_)));
    let secrets = if several {
        secret_list(table, reader)?
    } else {
        vec![table.secret("secret", &variable(platform), reader)?]
    };
    if secrets.is_empty() {
        return missing(table, "secret", "write secret = { env = \"NAME\" }", reader);
    }
    let secrets = secrets.into_iter().map(|secret| in_form(platform, secret)).collect::<Result<Vec<_>, Fault>>();
    match secrets {
        Ok(secrets) => Some(secrets),
        Err(fault) => {
            reader.fault(&table.place_of("secret"), &table.key("secret"), fault);
            None
        }
    }
}

fn secret_list(table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Vec<Secret>> {
    let node = table.node("secret")?;
    let Value::List(items) = &node.value else { return None };
    let mut secrets = Vec::new();
    for (index, item) in items.iter().enumerate() {
        match reader.secret(item) {
            Ok(secret) => secrets.push(secret),
            Err(fault) => reader.fault(&item.place, &format!("{}[{index}]", table.key("secret")), fault),
        }
    }
    (secrets.len() == items.len()).then_some(secrets)
}

/// Keys of ciphers are written in hex or base64url; everything else is used as it is.
fn in_form(platform: &Platform, secret: Secret) -> Result<Secret, Fault> {
    platform.fit_secret(&secret).map_or_else(|problem| fault(problem, "check that the secret is the whole one"), Ok)
}

fn of_tenants(table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<KeyMaterial> {
    let mut secrets: BTreeMap<String, Vec<Secret>> = BTreeMap::new();
    for (tenant, _, secret) in table.secrets("secrets", reader) {
        secrets.entry(tenant).or_default().push(secret);
    }
    if secrets.is_empty() {
        return missing(table, "secrets", "write secrets.\"CLIENT-KEY\" = { env = \"NAME\" } for each site", reader);
    }
    Some(KeyMaterial::OfTenants(secrets))
}

/// PEM, or an Ed25519 key as 64 hex digits or in base64. Not secret, so it can be written out.
fn public_keys(table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Vec<PublicKey>> {
    let Some(node) = table.node("public_key") else {
        return missing(table, "public_key", "write public_key = { file = \"key.pem\" }, or the key itself", reader);
    };
    let written = match &node.value {
        Value::Text(text) => Ok(text.clone()),
        _ => reader.secret(node).map(|text| text.expose_str().unwrap_or_default().to_owned()),
    };
    let key = written.and_then(|text| {
        PublicKey::parse(&text).or_else(|error| fault(error.to_string(), "write the platform's public key"))
    });
    match key {
        Ok(key) => Some(vec![key]),
        Err(fault) => {
            reader.fault(&node.place, &table.key("public_key"), fault);
            None
        }
    }
}

/// A name for the variable that could hold the secret.
fn variable(platform: &Platform) -> String {
    format!("{}_SECRET", platform.name.replace('-', "_").to_uppercase())
}
