//! `[hosts.*]`

use std::time::Duration;

use super::HostSettings;
use super::document::Node;
use super::problem::Place;
use super::reader::{Reader, Table};
use super::values::{Fault, fault, suggestion, text};
use crate::access::{HostName, OriginPattern};
use crate::hosts::{CbcForm, HostedSettings, KeyMaterial, Platform, Scheme, platforms};

mod assembly;
mod hosted;
mod keys;
mod weak;

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
            "write [hosts.NAME] with platform = \"…\"; `vestibule hosts list` shows the platforms",
        );
    }
    let written = tables.iter().map(|(name, _)| (*name).to_owned()).collect();
    let ready: Vec<_> = tables.into_iter().filter_map(|(name, table)| host(name, table, reader)).collect();
    check_installs(&ready, reader);
    Hosts { ready, written }
}

/// Secrets that a host waits for have to come from another one, which hears the platform's calls.
fn check_installs(hosts: &[HostSettings], reader: &mut Reader<'_>) {
    let named: Vec<_> = hosts
        .iter()
        .filter_map(|host| match host {
            HostSettings::Hosted(host) => Some((host, host.installs.as_ref()?.file())),
            HostSettings::Assembly(_) => None,
        })
        .collect();
    let learns = |host: &HostedSettings| matches!(host.keys, KeyMaterial::KeyById(_));
    for (host, file) in named.iter().filter(|(host, _)| !learns(host)) {
        if !named.iter().any(|(other, same)| learns(other) && same == file) {
            let key = format!("hosts.{}.installs", host.name);
            let help = "add a host with platform = \"atlassian-connect-install\" and the same `installs`";
            reader.error(&Place::Nowhere, &key, format!("{key}: no other host writes this file"), help);
        }
    }
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
    let written = table.required("platform", "\"…\"; `vestibule hosts list` shows the platforms", reader, platform);
    // Which keys there are depends on the platform. Where it is missing, the section's own name may say which was meant, so
    // that the other problems are seen too.
    let meant = written.or_else(|| platforms::find(name).filter(|_| !table.has("platform")));
    let (host, platform) = (host.ok()?, meant?);
    let settings = match platform.scheme {
        Scheme::SealedCbc(CbcForm::Assembly) => {
            assembly::read(host, platform, &mut table, reader).map(HostSettings::Assembly)
        }
        _ => hosted::read(host, platform, &mut table, reader).map(Box::new).map(HostSettings::Hosted),
    };
    table.finish(reader);
    settings.filter(|_| written.is_some())
}

fn platform(node: &Node) -> Result<&'static Platform, Fault> {
    let name = text(node)?;
    let names: Vec<&str> = platforms::all().map(|platform| platform.name).collect();
    platforms::find(&name)
        .map_or_else(|| fault(format!("`{name}` is not a platform of this version"), suggestion(&name, &names)), Ok)
}

fn missing<T>(table: &Table<'_>, key: &str, help: &str, reader: &mut Reader<'_>) -> Option<T> {
    let path = table.key(key);
    reader.error(&table.place_of(key), &path, format!("{path} is missing"), help);
    None
}

/// Origins that are written, or those of the platform's row.
fn origins(table: &mut Table<'_>, platform: &Platform, reader: &mut Reader<'_>) -> Vec<OriginPattern> {
    let default = || platform.origins.iter().filter_map(|text| OriginPattern::parse(text).ok()).collect();
    table.list("origins", reader, pattern).unwrap_or_else(default)
}

fn pattern(node: &Node) -> Result<OriginPattern, Fault> {
    let written = text(node)?;
    OriginPattern::parse(&written).or_else(|_| {
        fault(format!("`{written}` is no origin"), "write \"https://portal.example.com\" or \"https://*.example.com\"")
    })
}
