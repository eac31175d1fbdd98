//! Certificates and keys, from the files that the configuration names.

use super::reader::{Reader, Table};
use super::values::{fault, text};
use crate::access::Origin;
use crate::tls::{Identity, TlsError};

/// Both or neither: a certificate without its key proves nothing.
pub(super) fn identity(table: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Identity> {
    let before = reader.errors();
    let chain = pem(table, "certificate", reader, |text| Ok(text.to_vec()));
    let (has_chain, has_key) = (table.has("certificate"), table.node("key").is_some());
    let key = if has_key { table.secret("key", "TLS_KEY", reader) } else { None };
    if has_chain != has_key && reader.errors() == before {
        let (missing, there) = if has_key { ("certificate", "key") } else { ("key", "certificate") };
        let (message, help) = (
            format!("{}: a {there} without its {missing}", table.key(there)),
            format!("add {missing}, or remove {there}"),
        );
        reader.error(&table.place_of(there), &table.key(there), message, help);
    }
    match Identity::from_pem(&chain?, key?) {
        Ok(identity) => Some(identity),
        Err(error) => {
            let name = if matches!(error, TlsError::NoKey) { "key" } else { "certificate" };
            let key = table.key(name);
            reader.error(&table.place_of(name), &key, format!("{key}: {error}"), "give a pair of PEM files");
            None
        }
    }
}

/// A file of certificates, understood.
pub(super) fn pem<T>(
    table: &mut Table<'_>,
    key: &'static str,
    reader: &mut Reader<'_>,
    understand: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Option<T> {
    let node = table.node(key)?;
    let read = text(node).and_then(|name| {
        let (path, bytes) = reader.file(&name)?;
        understand(bytes.expose()).or_else(|error| fault(format!("{}: {error}", path.display()), "give a PEM file"))
    });
    read.map_err(|fault| reader.fault(&node.place, &table.key(key), fault)).ok()
}

/// `[server] tls`, seen together with the address that browsers use.
pub(super) fn server(table: &mut Table<'_>, public_url: Option<&Origin>, reader: &mut Reader<'_>) -> Option<Identity> {
    let place = table.place_of("tls");
    let mut table = table.table("tls", reader);
    let identity = identity(&mut table, reader);
    table.finish(reader);
    let identity = identity?;
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
