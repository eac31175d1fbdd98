//! What a platform's tokens are proven with: secrets, public keys, or where those are fetched.

use std::collections::BTreeMap;

use super::missing;
use crate::access::Origin;
use crate::config::document::{Node, Value};
use crate::config::reader::{Reader, Table};
use crate::config::values::{Fault, fault, suggestion, text};
use crate::hosts::{Algorithm, KeyMaterial, KeySource, Platform, PublicKey};
use crate::secret::Secret;

pub(super) fn keys(
    platform: &Platform,
    algorithms: Option<&[Algorithm]>,
    audience: Option<&str>,
    table: &mut Table<'_>,
    reader: &mut Reader<'_>,
) -> Option<KeyMaterial> {
    let Some(algorithms) = algorithms else { return unknown(table, reader) };
    match platform.keys {
        KeySource::Secret => secrets(platform, table, reader).map(KeyMaterial::Secrets),
        KeySource::SecretOfTenant => of_tenants(table, reader),
        KeySource::PublicKey => public_keys(algorithms, table, reader).map(KeyMaterial::Pinned),
        KeySource::Jwks(address) => jwks(address, audience, table, reader),
        KeySource::KeyById(address) => {
            let url = table.or("jwks_url", address.to_owned(), reader, url);
            Some(KeyMaterial::KeyById(url))
        }
        KeySource::Published(known) => published(known, algorithms, table, reader),
        KeySource::Chosen if algorithms == [Algorithm::Hs256] => {
            secrets(platform, table, reader).map(KeyMaterial::Secrets)
        }
        KeySource::Chosen => chosen(algorithms, table, reader),
    }
}

/// Of a host of whom it is not known how it signs: whatever is there may be right.
fn unknown(table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<KeyMaterial> {
    let written = ["secret", "public_key", "jwks_url"].map(|key| table.node(key).is_some());
    if written.contains(&true) {
        return None;
    }
    let help = "write jwks_url = \"https://…\", or public_key = { file = \"host.pem\" }, or for HS256 secret = { env = \"NAME\" }";
    missing(table, "jwks_url", help, reader)
}

/// Keys that are written, or the address where they are; of both, nobody knows which counts.
fn chosen(algorithms: &[Algorithm], table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<KeyMaterial> {
    if table.has("public_key") && table.has("jwks_url") {
        let (key, help) = (table.key("jwks_url"), "keep jwks_url, or public_key, and remove the other");
        reader.error(&table.place_of("jwks_url"), &key, format!("{key} and public_key are both there"), help);
    }
    if table.has("public_key") {
        table.node("jwks_url");
        return public_keys(algorithms, table, reader).map(KeyMaterial::Pinned);
    }
    table.node("public_key");
    let help = "\"https://…\", the host's JWK Set; or public_key = { file = \"host.pem\" }";
    table.required("jwks_url", help, reader, url).map(KeyMaterial::Jwks)
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
pub(super) fn url(node: &Node) -> Result<String, Fault> {
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
    algorithms: &[Algorithm],
    table: &mut Table<'_>,
    reader: &mut Reader<'_>,
) -> Option<KeyMaterial> {
    if table.has("public_key") {
        return public_keys(algorithms, table, reader).map(KeyMaterial::Pinned);
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
    let secrets = secrets.into_iter().map(|secret| in_form(platform, &secret)).collect::<Result<Vec<_>, Fault>>();
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
fn in_form(platform: &Platform, secret: &Secret) -> Result<Secret, Fault> {
    // A public key is known to everybody: whoever has it could sign with it as a secret.
    if secret.expose().starts_with(b"-----BEGIN ") {
        return fault("this is a PEM key, and the platform has a secret", "write the secret that the platform shows");
    }
    platform.fit_secret(secret).map_or_else(|problem| fault(problem, "check that the secret is the whole one"), Ok)
}

fn of_tenants(table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<KeyMaterial> {
    let before = reader.errors();
    let mut secrets: BTreeMap<String, Vec<Secret>> = BTreeMap::new();
    for (tenant, _, secret) in table.secrets("secrets", reader) {
        secrets.entry(tenant).or_default().push(secret);
    }
    if reader.errors() > before {
        return None;
    }
    if secrets.is_empty() && !table.has("installs") {
        return missing(
            table,
            "secrets",
            "write secrets.\"CLIENT-KEY\" = { env = \"NAME\" } for each site, or installs = \"installs.json\"",
            reader,
        );
    }
    Some(KeyMaterial::OfTenants(secrets))
}

/// One public key, or several while they are being replaced. Not secret, so they can be written out.
fn public_keys(algorithms: &[Algorithm], table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Vec<PublicKey>> {
    let Some(node) = table.node("public_key") else {
        return missing(table, "public_key", "write public_key = { file = \"key.pem\" }, or the key itself", reader);
    };
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let mut keys = Vec::new();
    for item in items {
        match public_key(algorithms, item, reader) {
            Ok(key) => keys.push(key),
            Err(fault) => reader.fault(&item.place, &table.key("public_key"), fault),
        }
    }
    if items.is_empty() {
        return missing(table, "public_key", "write the platform's public key", reader);
    }
    (keys.len() == items.len()).then_some(keys)
}

/// PEM, or an Ed25519 key as 64 hex digits or in base64, of a kind that can verify what the platform signs.
fn public_key(algorithms: &[Algorithm], node: &Node, reader: &mut Reader<'_>) -> Result<PublicKey, Fault> {
    let written = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Table(_) => reader.secret(node)?.expose_str().unwrap_or_default().to_owned(),
        other => {
            return fault(
                format!("must be a string, not {}", other.kind()),
                "write the key, or { file = \"key.pem\" }",
            );
        }
    };
    let key =
        PublicKey::parse(&written).or_else(|error| fault(error.to_string(), "write the platform's public key"))?;
    // Schemes of their own have Ed25519.
    let algorithms = if algorithms.is_empty() { &[Algorithm::EdDsa] } else { algorithms };
    if algorithms.iter().any(|algorithm| key.fits(*algorithm)) {
        return Ok(key);
    }
    let names: Vec<&str> = algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
    fault(format!("a key of this kind cannot verify {}", names.join(" or ")), "write the platform's public key")
}

/// A name for the variable that could hold the secret.
fn variable(platform: &Platform) -> String {
    format!("{}_SECRET", platform.name.replace('-', "_").to_uppercase())
}
