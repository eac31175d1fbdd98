//! Every platform but Assembly: which keys there are follows from the platform's row.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::keys::{keys, url};
use super::{MOST, missing, origins, weak};
use crate::access::{HostName, Kind, TenantId};
use crate::config::document::{Node, Value};
use crate::config::reader::{Reader, Table};
use crate::config::values::{Fault, duration, fault, filled, suggestion, text, word};
use crate::hosts::{
    Algorithm, App, Carrier, ClaimNames, Comes, Field, HostedSettings, Installs, Issuer, KeySource, KindOf, Life,
    Platform, Rule, Scheme, Tenants,
};

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
    let keys = keys(platform, algorithms.as_deref(), audience.as_deref(), table, reader);
    let audience = match (platform.app, &keys) {
        (App::InSecret, Some(keys)) => keys.before_colon(),
        _ => audience,
    };
    let issuer = issuer(platform, table, reader);
    let deployments = deployments(platform, table, reader);
    let login_url = login_url(platform, table, reader);
    let installs = installs(platform, table, reader);
    let claims = claims(platform, table, reader);
    let tenants = tenants(platform, claims.as_ref().unwrap_or(&ClaimNames::default()), table, reader);
    let kind = kind(platform, table, reader);
    let carriers = carriers(platform, table, reader);
    let origins = origins(table, platform, reader);
    let leeway = leeway(platform, table, reader);
    let max_token_age = max_token_age(platform, table, reader);
    let nameless = word(&[("refuse", false), ("service", true)]);
    let nameless = table.or("nameless", false, reader, nameless);
    let host = HostedSettings {
        name,
        platform,
        keys: keys?,
        algorithms: algorithms?,
        audience,
        issuer: issuer.ok()?,
        deployments: deployments?,
        login_url: login_url.ok()?,
        installs,
        tenants: tenants?,
        claims: claims?,
        kind: kind?,
        carriers,
        origins,
        leeway,
        max_token_age,
        nameless,
    };
    weak::warn(&host, table, reader);
    Some(host)
}

/// The algorithms of a JWT: the platform's, or those that are written, because a token cannot be asked.
fn algorithms(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Vec<Algorithm>> {
    if platform.scheme != Scheme::Jwt(&[]) {
        return Some(platform.algorithms().to_vec());
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
    let App::Asked(called) = platform.app else {
        // The hash of a request leaves out the path of the app's own address.
        let hashes = platform.rules.iter().any(|rule| matches!(rule, Rule::RequestHash(_)));
        return if hashes { table.optional("audience", reader, filled) } else { None };
    };
    if table.has("audience") {
        return table.optional("audience", reader, filled);
    }
    table.node("audience");
    missing(table, "audience", &format!("write audience = \"…\": the {called}"), reader)
}

fn issuer(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Result<Option<String>, ()> {
    match platform.issuer {
        Issuer::Asked => table.required("issuer", "\"…\": what `iss` says", reader, filled).map(Some).ok_or(()),
        // A host of one's own may name itself, and is then held to it.
        Issuer::Anybody if platform.tenant == Field::Asked => Ok(table.optional("issuer", reader, filled)),
        _ => Ok(None),
    }
}

fn deployments(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let asked = platform.rules.iter().any(|rule| matches!(rule, Rule::Deployment(_)));
    if !asked {
        return Some(Vec::new());
    }
    let listed = if table.has("deployments") { table.list("deployments", reader, filled)? } else { Vec::new() };
    table.node("deployments");
    if listed.is_empty() {
        return missing(table, "deployments", "write deployments = [\"…\"], as the LMS shows them", reader);
    }
    Some(listed)
}

/// Where people sign in, on platforms whose tokens are the answer to a login.
fn login_url(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Result<Option<String>, ()> {
    if !platform.rules.iter().any(|rule| matches!(rule, Rule::Nonce(_))) {
        return Ok(None);
    }
    if !table.has("origins") && platform.origins.is_empty() {
        let help = "write origins = [\"https://lms.example\"], the pages that frame the app and post the answer";
        let _: Option<()> = missing(table, "origins", help, reader);
    }
    let example = "\"https://…\", the authorization endpoint that the platform shows";
    table.required("login_url", example, reader, url).map(Some).ok_or(())
}

/// The file with the secrets that a platform sends to its apps while they run.
fn installs(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Arc<Installs>> {
    if !matches!(platform.keys, KeySource::SecretOfTenant | KeySource::KeyById(_)) {
        return None;
    }
    let name = table.optional("installs", reader, text)?;
    Some(Arc::new(Installs::at(reader.path(&name))))
}

/// Which workspaces are served. Never all of them by accident.
fn tenants(
    platform: &Platform,
    claims: &ClaimNames,
    table: &mut Table<'_>,
    reader: &mut Reader<'_>,
) -> Option<Tenants> {
    let written = table.list("tenants", reader, text);
    if !table.has("tenants") {
        // The app is the tenant, or the deployments are, and they are named already.
        let is_named = platform.rules.iter().any(|rule| matches!(rule, Rule::Deployment(_)));
        if platform.tenant == Field::App || is_named {
            return Some(Tenants::Any);
        }
        let help = match (is_alone(platform, claims), platform.tenant) {
            (true, Field::Asked) => {
                "write tenants = [\"…\"]: the workspaces, and claims.tenant = \"…\", the claim that names them; or a name for the only one"
            }
            (true, _) => "write tenants = [\"…\"]: a name for the one workspace, because tokens do not name it",
            (false, _) => "write tenants = [\"…\"], or [\"*\"] for every workspace that the platform vouches for",
        };
        return missing(table, "tenants", help, reader);
    }
    let written = written?;
    let key = table.key("tenants");
    let any = written.iter().any(|tenant| tenant == "*");
    let alone = is_alone(platform, claims);
    if written.is_empty() || (any && written.len() > 1) || (alone && (any || written.len() > 1)) {
        let help = match (alone, platform.tenant) {
            (true, Field::Asked) => "write exactly one name, or which claim names the workspace: claims.tenant = \"…\"",
            (true, _) => "write exactly one name, because tokens do not name the workspace",
            (false, _) => "write the workspaces, or [\"*\"] alone",
        };
        reader.error(&table.place_of("tenants"), &key, format!("{key} does not say which workspaces"), help);
        return None;
    }
    if any {
        return Some(Tenants::Any);
    }
    table.list("tenants", reader, tenant).map(Tenants::Listed)
}

/// Whether the configuration names the one workspace, and no token does.
const fn is_alone(platform: &Platform, claims: &ClaimNames) -> bool {
    match platform.tenant {
        Field::TheTenant => true,
        Field::Asked => claims.tenant.is_none(),
        _ => false,
    }
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
    let before = reader.errors();
    let mut names = table.table("claims", reader);
    let claims = ClaimNames {
        tenant: names.optional("tenant", reader, path),
        user: Some(names.or("user", vec!["sub".to_owned()], reader, path)),
        organization: names.optional("organization", reader, path),
        role: names.optional("role", reader, path),
        name: names.optional("name", reader, path),
        email: names.optional("email", reader, path),
    };
    names.finish(reader);
    (reader.errors() == before).then_some(claims)
}

/// A claim's name, or the names on the way to one that stands inside of others. A dot can be part of a name.
fn path(node: &Node) -> Result<Vec<String>, Fault> {
    let Value::List(items) = &node.value else { return filled(node).map(|name| vec![name]) };
    if items.is_empty() {
        return fault("names no claim", "write \"org_id\", or [\"org\", \"id\"] for one inside of another");
    }
    items.iter().map(filled).collect()
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

/// Only where the token states its own times; other ages are counted by our clock alone.
fn leeway(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Duration {
    match platform.life {
        Life::Stated(_) => table.or("leeway", platform.leeway, reader, duration(Duration::ZERO, MOST_LEEWAY)),
        _ => platform.leeway,
    }
}

fn max_token_age(platform: &Platform, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Duration {
    let age = platform.age();
    if age.is_zero() {
        return age;
    }
    table.or("max_token_age", age, reader, duration(Duration::from_secs(1), MOST))
}
