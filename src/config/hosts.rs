//! `[hosts.*]`

use std::time::Duration;

use super::HostSettings;
use super::document::Node;
use super::problem::Place;
use super::reader::{Reader, Table};
use super::values::{Fault, duration, fault, number, only, suggestion, text, word};
use crate::access::{HostName, Origin, OriginPattern, PreviewRule, TenantId};
use crate::hosts::assembly::{ApiBudget, AssemblySettings, ConfirmMode, is_uuid};

/// The platforms that can be configured.
const PLATFORMS: [&str; 1] = ["assembly"];

/// Where Assembly embeds apps.
const ASSEMBLY_ORIGINS: [&str; 3] =
    ["https://dashboard.assembly.com", "https://*.myassembly.com", "https://*.copilot.app"];

/// The longest time that makes sense for any of these.
const MOST: Duration = Duration::from_hours(24 * 30);

/// The hosts that are in order, and the names of all. One that is in disorder is not unknown to those who name it.
pub(super) struct Hosts {
    pub(super) ready: Vec<HostSettings>,
    pub(super) written: Vec<String>,
}

pub(super) fn read(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Hosts {
    let before = reader.errors();
    let tables = root.named_tables("hosts", reader);
    if tables.is_empty() && reader.errors() == before {
        reader.error(
            &Place::Nowhere,
            "hosts",
            "no host is configured",
            "write [hosts.assembly] with platform = \"assembly\"",
        );
    }
    let written = tables.iter().map(|(name, _)| (*name).to_owned()).collect();
    let ready = tables.into_iter().filter_map(|(name, table)| host(name, table, reader)).collect();
    Hosts { ready, written }
}

fn host(name: &str, mut table: Table<'_>, reader: &mut Reader<'_>) -> Option<HostSettings> {
    let host = HostName::new(name);
    if let Err(error) = &host {
        reader.error(
            &table.place,
            &table.path,
            format!("`{name}` cannot name a host: it {error}"),
            "choose another name",
        );
    }
    let known = |node: &Node| {
        let platform = text(node)?;
        if PLATFORMS.contains(&platform.as_str()) {
            Ok(())
        } else {
            fault(format!("`{platform}` is not a platform of this version"), suggestion(&platform, &PLATFORMS))
        }
    };
    let platform = table.required("platform", "\"assembly\"", reader, known);
    // Where the platform is missing, the only one there is lets the other problems be seen too.
    if platform.is_none() && table.has("platform") {
        return None;
    }
    let settings = assembly(host.ok()?, &mut table, reader);
    table.finish(reader);
    platform.and(settings).map(HostSettings::Assembly)
}

fn assembly(name: HostName, table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<AssemblySettings> {
    let api_key = table.secret("api_key", "ASSEMBLY_API_KEY", reader);
    let tenants = tenants(table, reader);
    let least = Duration::from_secs(1);
    let default_origins = || ASSEMBLY_ORIGINS.iter().filter_map(|text| OriginPattern::parse(text).ok()).collect();
    let (hour, ten_minutes) = (Duration::from_hours(1), Duration::from_mins(10));
    let confirm = word(&[("online", ConfirmMode::Online), ("offline", ConfirmMode::Offline)]);
    let preview =
        word(&[("read_only", PreviewRule::ReadOnly), ("full", PreviewRule::Full), ("deny", PreviewRule::Deny)]);
    let confirm = table.or("confirm", ConfirmMode::Online, reader, confirm);
    let revalidate = table.or("revalidate", hour, reader, duration(least, MOST));
    let outage_grace = table.or("outage_grace", hour, reader, duration(Duration::ZERO, MOST));
    let api_budget = budget(table.table("api_budget", reader), reader);
    let api_url = table.or("api_url", "https://api.assembly.com".to_owned(), reader, api_url);
    let origins = table.list("origins", reader, pattern).unwrap_or_else(default_origins);
    let max_token_age = table.or("max_token_age", ten_minutes, reader, duration(least, MOST));
    let preview = table.or("preview", PreviewRule::ReadOnly, reader, preview);
    let _ = table.optional("forward_token", reader, only(text, "off".to_owned(), "\"off\""));
    Some(AssemblySettings {
        name,
        api_key: api_key?,
        tenants: tenants?,
        confirm,
        revalidate,
        outage_grace,
        api_budget,
        api_url,
        origins,
        max_token_age,
        preview,
    })
}

fn budget(mut table: Table<'_>, reader: &mut Reader<'_>) -> ApiBudget {
    let count =
        |most: u32| move |node: &Node| number(1, most.into())(node).map(|count| u32::try_from(count).unwrap_or(most));
    let per_second = table.or("per_second", 5, reader, count(1000));
    let per_month = table.or("per_month", 8000, reader, count(u32::MAX));
    table.finish(reader);
    ApiBudget { per_second, per_month }
}

fn tenants(table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Vec<TenantId>> {
    let tenants = table.list("tenants", reader, tenant);
    if table.has("tenants") && tenants.as_ref().is_none_or(|tenants| !tenants.is_empty()) {
        return tenants;
    }
    let key = table.key("tenants");
    reader.error(
        &table.place_of("tenants"),
        &key,
        format!("{key} names no workspace"),
        "write tenants = [\"workspace id\"]; all others are refused",
    );
    None
}

fn tenant(node: &Node) -> Result<TenantId, Fault> {
    let written = text(node)?;
    match TenantId::new(&written.to_ascii_lowercase()) {
        Ok(id) if is_uuid(&written) => Ok(id),
        _ => fault(
            format!("`{written}` is no workspace id"),
            "a workspace id is a UUID; Assembly shows it in the app's settings",
        ),
    }
}

/// The API key is sent there: only to https, or to a simulated platform on this machine.
fn api_url(node: &Node) -> Result<String, Fault> {
    let written = text(node)?;
    let origin = Origin::parse(&written).ok();
    let is_safe = |origin: &Origin| origin.scheme() == "https" || origin.is_loopback();
    let help = "write \"https://HOST\", without a path";
    origin.filter(is_safe).map_or_else(
        || fault(format!("`{written}` cannot be trusted with the API key"), help),
        |origin| Ok(origin.to_string()),
    )
}

fn pattern(node: &Node) -> Result<OriginPattern, Fault> {
    let written = text(node)?;
    OriginPattern::parse(&written).or_else(|_| {
        fault(format!("`{written}` is no origin"), "write \"https://portal.example.com\" or \"https://*.example.com\"")
    })
}
