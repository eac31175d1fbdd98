//! `platform = "assembly"`

use std::time::Duration;

use super::{MOST, origins};
use crate::access::{HostName, Origin, PreviewRule, TenantId};
use crate::config::document::Node;
use crate::config::reader::{Reader, Table};
use crate::config::values::{Fault, duration, fault, number, only, text, word};
use crate::hosts::Platform;
use crate::hosts::assembly::{ApiBudget, AssemblySettings, ConfirmMode, is_uuid};

pub(super) fn read(
    name: HostName,
    platform: &Platform,
    table: &mut Table<'_>,
    reader: &mut Reader<'_>,
) -> Option<AssemblySettings> {
    let api_key = table.secret("api_key", "ASSEMBLY_API_KEY", reader);
    let tenants = tenants(table, reader);
    let least = Duration::from_secs(1);
    let (hour, ten_minutes) = (Duration::from_hours(1), Duration::from_mins(10));
    let confirm = word(&[("online", ConfirmMode::Online), ("offline", ConfirmMode::Offline)]);
    let preview =
        word(&[("read_only", PreviewRule::ReadOnly), ("full", PreviewRule::Full), ("deny", PreviewRule::Deny)]);
    let confirm = table.or("confirm", ConfirmMode::Online, reader, confirm);
    let revalidate = table.or("revalidate", hour, reader, duration(least, MOST));
    let outage_grace = table.or("outage_grace", hour, reader, duration(Duration::ZERO, MOST));
    let api_budget = budget(table.table("api_budget", reader), reader);
    let api_url = table.or("api_url", "https://api.assembly.com".to_owned(), reader, api_url);
    let origins = origins(table, platform, reader);
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
