//! Certificates and keys, from the files that the configuration names.

use super::reader::{Reader, Table};
use crate::access::Origin;
use crate::tls::Identity;

/// `{ certificate = "…", key = { file = "…" } }`; `None` if it is not written, or in disorder.
pub(super) fn identity(table: &mut Table<'_>, key: &'static str, reader: &mut Reader<'_>) -> Option<Identity> {
    let mut table = table.table(key, reader);
    let chain = table.file("certificate", reader);
    let secret = table.optional_secret("key", reader);
    let (place, path) = (table.place_of("certificate"), table.key("certificate"));
    let missing = ["certificate", "key"].into_iter().find(|key| !table.has(key)).map(|key| table.key(key));
    table.finish(reader);
    let error = match (chain, secret, missing) {
        (Some(chain), Some(secret), _) => match Identity::from_pem(chain.expose(), secret) {
            Ok(identity) => return Some(identity),
            Err(error) => format!("{path}: {error}"),
        },
        (Some(_), None, Some(missing)) | (None, Some(_), Some(missing)) => format!("{missing} is missing"),
        _ => return None,
    };
    let help = "name a PEM file with the certificate and its chain, and the PEM key that belongs to it";
    reader.error(&place, &path, error, help);
    None
}

/// `[server] tls`, seen together with the address that browsers use.
pub(super) fn server(table: &mut Table<'_>, public_url: Option<&Origin>, reader: &mut Reader<'_>) -> Option<Identity> {
    let place = table.place_of("tls");
    let identity = identity(table, "tls", reader)?;
    let public_url = public_url?;
    if public_url.scheme() != "https" {
        let message = format!("browsers find `{public_url}` without TLS, and [server] tls answers only with it");
        reader.warning(&place, "server.tls", message, "begin server.public_url with https://");
    }
    if !identity.covers(public_url.host()) {
        let message = format!("the certificate of [server] tls does not name `{}`", public_url.host());
        reader.warning(&place, "server.tls", message, "get a certificate for the host of server.public_url");
    }
    Some(identity)
}
