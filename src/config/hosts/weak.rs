//! What is allowed and weaker than it could be.

use crate::config::reader::{Reader, Table};
use crate::hosts::{Carrier, Comes, HostedSettings, KeyMaterial, KeySource, Life, Tenants};

/// Shorter secrets can be guessed from one token.
const LEAST: usize = 16;

/// Of an operator's own choice, HS256 takes as much as it can use (RFC 7518 §3.2).
const LEAST_CHOSEN: usize = 32;

pub(super) fn warn(host: &HostedSettings, table: &Table<'_>, reader: &mut Reader<'_>) {
    if host.tenants == Tenants::Any && table.has("tenants") {
        let message = "every workspace of the platform is served, also one that somebody makes for the purpose";
        say(table, "tenants", message, "list the workspaces, if you know them", reader);
    }
    if host.nameless {
        let message = "a token that names nobody is let in as a program of its workspace";
        say(table, "nameless", message, "give `service` no more than everybody of the workspace may have", reader);
    }
    if host.platform.life == Life::Never {
        let message = format!("what {} sends never ends: whoever has seen it can send it again", host.platform.title);
        say(
            table,
            "platform",
            &message,
            "keep its address out of logs, and change the secret from time to time",
            reader,
        );
    }
    // A client that is no page sends its token in a header of the first navigation.
    let first = |carrier: &Carrier| matches!(carrier, Carrier::Header { comes: Comes::First, .. });
    if host.platform.opens_session && host.origins.is_empty() && !host.carriers.iter().any(first) {
        let message = "no page may frame the app, so no frame opens a session";
        say(table, "origins", message, "write origins = [\"https://…\"], the pages of the host", reader);
    }
    let least = if host.platform.keys == KeySource::Chosen { LEAST_CHOSEN } else { LEAST };
    if shortest(&host.keys).is_some_and(|length| length < least) {
        let message = format!("a secret of less than {least} bytes can be guessed by whoever has one token");
        say(table, "secret", &message, "make a longer one at the platform", reader);
    }
}

fn say(table: &Table<'_>, key: &str, message: &str, help: &str, reader: &mut Reader<'_>) {
    let path = table.key(key);
    reader.warning(&table.place_of(key), &path, format!("{path}: {message}"), help);
}

fn shortest(keys: &KeyMaterial) -> Option<usize> {
    let lengths = |secrets: &[crate::secret::Secret]| secrets.iter().map(|secret| secret.expose().len()).min();
    match keys {
        KeyMaterial::Secrets(secrets) => lengths(secrets),
        KeyMaterial::OfTenants(tenants) => tenants.values().filter_map(|secrets| lengths(secrets)).min(),
        _ => None,
    }
}
