//! `[permissions]`: who is asked what people hold.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

use super::document::{Node, Value};
use super::reader::{Reader, Table};
use super::tls::pem;
use super::values::{Fault, duration, fault, number, suggestion, text, word};
use super::{PermissionSource, Permissions};
use crate::access::Origin;
use crate::grants::{HttpSettings, OnOutage, is_free_header};
use crate::secret::Secret;
use crate::tls::Authorities;

/// The words of `source`.
const SOURCES: [&str; 2] = ["config", "http"];

pub(super) fn read(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Permissions> {
    let before = reader.errors();
    let mut table = root.table("permissions", reader);
    let names = table.or("source", vec!["config"], reader, names);
    let url = table.optional("url", reader, url);
    if names.contains(&"http") && !table.has("url") {
        let help = "write url = \"https://platform.example.com/grants\"";
        reader.error(
            &table.place_of("source"),
            &table.key("url"),
            "permissions.url is missing: `http` asks there",
            help,
        );
    } else if url.is_some() && !names.contains(&"http") && reader.errors() == before {
        let message = "url has no effect without source = \"http\"";
        reader.warning(&table.place_of("url"), &table.key("url"), message, "write source = \"http\", or remove it");
    }
    if !names.contains(&"config") && root.has("grants") {
        let help = "write source = [\"config\", \"http\"], or remove them";
        let message = "the [[grants]] have no effect without source = \"config\"";
        reader.warning(&root.place_of("grants"), "grants", message, help);
    }
    let http = http(&mut table, reader);
    let on_outage = on_outage(&mut table, reader);
    table.finish(reader);
    let source = |name| match name {
        "http" => url.clone().map(PermissionSource::Http),
        _ => Some(PermissionSource::Config),
    };
    Some(Permissions { sources: names.into_iter().map(source).collect::<Option<_>>()?, http, on_outage })
}

/// How `http` asks. Read whatever the source is, so that mistakes do not wait for the day on which it is switched on.
fn http(table: &mut Table<'_>, reader: &mut Reader<'_>) -> HttpSettings {
    let headers = table.secrets("headers", reader).into_iter().filter_map(|(name, place, secret)| {
        let key = format!("permissions.headers.{name}");
        header(&name, secret).map_err(|fault| reader.fault(&place, &key, fault)).ok()
    });
    let headers = headers.collect();
    let (least, most) = (Duration::from_millis(10), Duration::from_secs(30));
    let timeout = table.or("timeout", Duration::from_millis(500), reader, duration(least, most));
    let ca = pem(table, "ca", reader, |text| Authorities::from_pem(text).map_err(|error| error.to_string()));
    let places = |node: &Node| number(1, 10_000)(node).map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    let concurrency = table.or("concurrency", 64, reader, places);
    HttpSettings { headers, timeout, authorities: ca.unwrap_or_default(), concurrency }
}

fn on_outage(table: &mut Table<'_>, reader: &mut Reader<'_>) -> OnOutage {
    let before = reader.errors();
    let serves_stale = table.or("on_outage", false, reader, word(&[("deny", false), ("serve_stale", true)]));
    let stale_for = table.or("stale_for", Duration::ZERO, reader, duration(Duration::ZERO, Duration::from_hours(24)));
    if serves_stale == stale_for.is_zero() && reader.errors() == before {
        let help = "write on_outage = \"serve_stale\" and a time, or leave both out";
        let (message, key) = if serves_stale {
            ("`serve_stale` serves nothing without stale_for", "on_outage")
        } else {
            ("stale_for has no effect without on_outage = \"serve_stale\"", "stale_for")
        };
        reader.warning(&table.place_of(key), &table.key(key), message, help);
    }
    if serves_stale { OnOutage::ServeStale(stale_for) } else { OnOutage::Deny }
}

/// One source, or a list of different ones.
fn names(node: &Node) -> Result<Vec<&'static str>, Fault> {
    let single = std::slice::from_ref(node);
    let items = if let Value::List(items) = &node.value { items.as_slice() } else { single };
    let mut names = Vec::new();
    for item in items {
        let name = source_name(item)?;
        if names.contains(&name) {
            return fault(format!("`{name}` is there twice"), "name each source once");
        }
        names.push(name);
    }
    let help = "write source = \"config\", or source = [\"config\", \"http\"]";
    if names.is_empty() { fault("there is no source in it", help) } else { Ok(names) }
}

fn source_name(node: &Node) -> Result<&'static str, Fault> {
    let written = text(node)?;
    if written == "directory" {
        return fault("`directory` is not available in this version", "write \"config\", \"http\", or a list of both");
    }
    let known = SOURCES.into_iter().find(|name| *name == written);
    known.map_or_else(|| fault(format!("`{written}` is no source"), suggestion(&written, &SOURCES)), Ok)
}

/// The credential is sent there: only to https, or to this machine.
fn url(node: &Node) -> Result<Uri, Fault> {
    let written = text(node)?;
    let origin = Origin::of_url(&written).ok().filter(|origin| origin.scheme() == "https" || origin.is_loopback());
    let url = origin.and_then(|_| written.parse().ok());
    let help = "write \"https://HOST/PATH\"; http only for 127.0.0.1, [::1] and localhost";
    url.map_or_else(|| fault(format!("`{written}` cannot be trusted with a credential"), help), Ok)
}

fn header(name: &str, secret: Secret) -> Result<(HeaderName, Secret), Fault> {
    let known: Option<HeaderName> = name.parse().ok();
    match known.filter(is_free_header) {
        None => fault(format!("`{name}` cannot be set for a question"), "choose another header, such as Authorization"),
        Some(_) if HeaderValue::from_bytes(secret.expose()).is_err() => {
            fault("the secret is no header value", "give it one line of visible characters")
        }
        Some(name) => Ok((name, secret)),
    }
}
