//! `[session]` and `[identity]`: how a proven caller is remembered, and what the app is told.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderName;

use super::document::{Node, Value};
use super::reader::{Reader, Table};
use super::units::{self, DAY, HOUR, SECOND};
use super::values::{Fault, boolean, duration, fault, text};
use super::{Identity, Session};
use crate::access::Origin;
use crate::assertion::{MAX_TTL, is_signing_key};
use crate::gateway::IdentityHeaders;
use crate::secret::Secret;

pub(super) fn session(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Session> {
    let mut table = root.table("session", reader);
    let keys = session_keys(&mut table, reader);
    let before = reader.errors();
    let idle = table.or("idle", HOUR, reader, duration(SECOND, 30 * DAY));
    let absolute = table.or("absolute", 12 * HOUR, reader, duration(SECOND, 30 * DAY));
    if absolute < idle && reader.errors() == before {
        let key = if table.has("absolute") { "absolute" } else { "idle" };
        reader.error(
            &table.place_of(key),
            &table.key(key),
            "session.absolute ends before session.idle",
            format!("write an absolute time of at least {}", units::show(idle)),
        );
    }
    let bearer = table.or("bearer", false, reader, boolean);
    table.finish(reader);
    (!keys.is_empty()).then_some(Session { keys, idle, absolute, bearer })
}

fn key_id(node: &Node) -> Result<String, Fault> {
    let id = text(node)?;
    let fits =
        (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if fits { Ok(id) } else { fault("this is no key id", "write 1 to 32 letters, digits, `-`, `_`") }
}

fn session_keys(table: &mut Table<'_>, reader: &mut Reader<'_>) -> Vec<(String, Secret)> {
    let before = reader.errors();
    let entries = table.tables("keys", reader);
    if entries.is_empty() && reader.errors() == before {
        let help = "write keys = [{ id = \"k1\", secret = { env = \"VESTIBULE_SESSION_KEY\" } }]; `vestibule keys generate session` makes one";
        let message = if table.has("keys") { "session.keys holds no key" } else { "session.keys is missing" };
        reader.error(&table.place_of("keys"), "session.keys", message, help);
    }
    let mut ids: Vec<String> = Vec::new();
    let mut keys = Vec::new();
    for mut entry in entries {
        let id = entry.required("id", "\"k1\"", reader, key_id);
        let secret = entry.secret("secret", "VESTIBULE_SESSION_KEY", reader);
        let secret = secret.and_then(|secret| session_key(&secret, &entry, reader));
        let (place, path) = (entry.place_of("id"), entry.key("id"));
        entry.finish(reader);
        let Some(id) = id else { continue };
        if ids.contains(&id) {
            reader.error(&place, &path, format!("two keys have the id `{id}`"), "give each key an id of its own");
        }
        ids.push(id.clone());
        keys.extend(secret.map(|secret| (id, secret)));
    }
    keys
}

/// 64 hex digits or base64url of 32 bytes.
fn session_key(secret: &Secret, entry: &Table<'_>, reader: &mut Reader<'_>) -> Option<Secret> {
    let (place, key) = (&entry.place_of("secret"), &entry.key("secret"));
    let text = secret.expose();
    let mut bytes = vec![0; 32];
    let decoded = match text.len() {
        64 => faster_hex::hex_decode(text, &mut bytes).is_ok().then_some(bytes),
        _ => URL_SAFE_NO_PAD.decode(text.strip_suffix(b"=").unwrap_or(text)).ok(),
    };
    let help = "make one with `vestibule keys generate session`";
    match decoded {
        Some(bytes) if bytes.len() == 32 && bytes.iter().any(|byte| *byte != bytes[0]) => Some(Secret::new(bytes)),
        Some(bytes) if bytes.len() == 32 => {
            reader.error(place, key, format!("{key}: every byte is the same; this is an example and no key"), help);
            None
        }
        _ => {
            reader.error(
                place,
                key,
                format!("{key}: a session key is 32 bytes, as 64 hex digits or as base64url"),
                help,
            );
            None
        }
    }
}

pub(super) fn identity(root: &mut Table<'_>, public_url: Option<&Origin>, reader: &mut Reader<'_>) -> Option<Identity> {
    let mut table = root.table("identity", reader);
    let headers = headers(table.table("headers", reader), reader);
    let mut assertion = table.table("assertion", reader);
    let mut assertion_keys = Vec::new();
    if let Some(node) = assertion.node("keys") {
        let items: &[Node] = if let Value::List(items) = &node.value { items } else { std::slice::from_ref(node) };
        for item in items {
            match reader.secret(item) {
                Ok(key) if is_signing_key(&key) => assertion_keys.push(key),
                Ok(_) => reader.error(
                    &item.place,
                    "identity.assertion.keys",
                    "identity.assertion.keys: this is not a PKCS#8 PEM P-256 private key",
                    "make one with `vestibule keys generate assertion --out FILE`",
                ),
                Err(fault) => reader.fault(&item.place, "identity.assertion.keys", fault),
            }
        }
    }
    let assertion_ttl = assertion.or("ttl", MAX_TTL, reader, duration(2 * SECOND, MAX_TTL));
    assertion.finish(reader);
    let audience = table.optional("audience", reader, text).or_else(|| public_url.map(ToString::to_string));
    let profile = table.or("profile", false, reader, boolean);
    table.finish(reader);
    Some(Identity { headers, assertion_keys, assertion_ttl, audience: audience?, profile })
}

fn headers(mut table: Table<'_>, reader: &mut Reader<'_>) -> IdentityHeaders {
    let mut names = IdentityHeaders::default();
    let slots: [(&'static str, &mut HeaderName); 13] = [
        ("host", &mut names.host),
        ("tenant", &mut names.tenant),
        ("user", &mut names.user),
        ("user_kind", &mut names.user_kind),
        ("organization", &mut names.organization),
        ("actor", &mut names.actor),
        ("project", &mut names.project),
        ("roles", &mut names.roles),
        ("permissions", &mut names.permissions),
        ("directory_user", &mut names.directory_user),
        ("assertion", &mut names.assertion),
        ("name", &mut names.name),
        ("email", &mut names.email),
    ];
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    for (key, slot) in slots {
        if let Some(name) = table.optional(key, reader, header_name) {
            *slot = name;
        }
        if let Some(other) = taken.insert(slot.to_string(), key) {
            let given = if table.has(key) { key } else { other };
            let message = format!("`{slot}` is the header of `{other}` and of `{key}`");
            reader.error(&table.place_of(given), &table.key(given), message, "give each a name of its own");
        }
    }
    table.finish(reader);
    names
}

/// A header of our own choice must not be one that HTTP or the app already has, or that says where a request came from.
fn header_name(node: &Node) -> Result<HeaderName, Fault> {
    let written = text(node)?;
    let name = HeaderName::from_bytes(written.as_bytes()).ok();
    let fits = |name: &HeaderName| {
        let name = name.as_str();
        let ours = name.starts_with("x-forwarded-") || name == "x-request-id";
        !ours && name.starts_with("x-") && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let help = "write a name that begins with `X-`, of letters, digits and `-`; not X-Request-Id or X-Forwarded-…";
    name.filter(fits).map_or_else(|| fault(format!("`{written}` cannot be an identity header"), help), Ok)
}
