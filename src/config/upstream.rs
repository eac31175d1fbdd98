//! `[upstream]`

use std::time::Duration;

use rustls_pki_types::ServerName;

use super::document::Node;
use super::reader::{Reader, Table};
use super::tls::{identity, pem};
use super::units::{HOUR, MINUTE, SECOND};
use super::values::{Fault, boolean, duration, fault, only, text, word};
use crate::access::Origin;
use crate::gateway::{UpstreamAddress, UpstreamProtocol, UpstreamSettings, UpstreamTls};
use crate::tls::Authorities;

/// What `url` says.
struct Url {
    address: UpstreamAddress,
    /// The name in it, if it is `https`.
    tls_name: Option<String>,
    path_prefix: String,
}

/// What `protocol` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    H2,
    H2c,
}

pub(super) fn read(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<UpstreamSettings> {
    const PROTOCOLS: &[(&str, Protocol)] = &[("http1", Protocol::Http1), ("h2", Protocol::H2), ("h2c", Protocol::H2c)];
    let mut table = root.table("upstream", reader);
    let url = table.required("url", "\"http://127.0.0.1:3000\"", reader, url);
    let protocol = table.or("protocol", Protocol::Http1, reader, word(PROTOCOLS));
    let _ = table.optional("inject_helper", reader, only(boolean, false, "false"));
    let connect_timeout = table.or("connect_timeout", 3 * SECOND, reader, duration(Duration::from_millis(10), MINUTE));
    let header_timeout = table.or("header_timeout", MINUTE, reader, duration(Duration::from_millis(10), HOUR));
    let tls = tls(&mut table, url.as_ref(), reader);
    if let Some(url) = &url {
        check_protocol(protocol, url, &table, reader);
    }
    table.finish(reader);
    let Url { address, path_prefix, .. } = url?;
    let protocol = if protocol == Protocol::Http1 { UpstreamProtocol::Http1 } else { UpstreamProtocol::Http2 };
    Some(UpstreamSettings { address, protocol, tls: tls.ok()?, path_prefix, connect_timeout, header_timeout })
}

/// `h2` is agreed upon in the TLS handshake, `h2c` is what there is without one.
fn check_protocol(protocol: Protocol, url: &Url, table: &Table<'_>, reader: &mut Reader<'_>) {
    let (message, help) = match (protocol, url.tls_name.is_some()) {
        (Protocol::H2, false) => ("h2 is HTTP/2 over TLS, and the app is not at https://", "write \"h2c\""),
        (Protocol::H2c, true) => ("h2c is HTTP/2 without TLS, and the app is at https://", "write \"h2\""),
        _ => return,
    };
    reader.error(&table.place_of("protocol"), &table.key("protocol"), message, help);
}

/// `None` without TLS. What is in disorder has been told.
fn tls(upstream: &mut Table<'_>, url: Option<&Url>, reader: &mut Reader<'_>) -> Result<Option<UpstreamTls>, ()> {
    let (configured, before) = (upstream.has("tls"), reader.errors());
    let mut table = upstream.table("tls", reader);
    let authorities = pem(&mut table, "ca", reader, |text| Authorities::from_pem(text).map_err(|e| e.to_string()));
    let identity = identity(&mut table, reader);
    let name = table.optional("server_name", reader, server_name);
    let (place, key) = (table.place.clone(), table.path.clone());
    table.finish(reader);
    let url = url.ok_or(())?;
    let Some(host) = &url.tls_name else {
        if configured && reader.errors() == before {
            reader.error(&place, &key, "the app is not at https://", "write url = \"https://…\", or leave tls out");
        }
        return Ok(None);
    };
    if reader.errors() > before {
        return Err(());
    }
    let made = name.map_or_else(|| ServerName::try_from(host.clone()).map_err(|e| e.to_string()), Ok);
    let made = made.and_then(|name| {
        UpstreamTls::new(authorities.unwrap_or_default(), identity, name).map_err(|error| error.to_string())
    });
    made.map(Some).map_err(|error| reader.error(&place, &key, format!("{key}: {error}"), "see the certificate"))
}

fn server_name(node: &Node) -> Result<ServerName<'static>, Fault> {
    let written = text(node)?;
    ServerName::try_from(written.clone()).or_else(|_| {
        fault(format!("`{written}` is no name of a server"), "write a host name, such as \"app.internal\"")
    })
}

fn url(node: &Node) -> Result<Url, Fault> {
    let written = text(node)?;
    if let Some(path) = written.strip_prefix("unix:") {
        if path.starts_with('/') {
            return Ok(Url { address: UpstreamAddress::Unix(path.into()), tls_name: None, path_prefix: String::new() });
        }
        return fault("a unix socket needs a whole path", "write \"unix:/run/app.sock\"");
    }
    let no_address = || {
        let help = "write \"http://HOST:PORT\" or \"https://HOST:PORT\", with a path prefix if the app has one, or \"unix:/path\"";
        fault(format!("`{written}` is no address of an app"), help)
    };
    let Some((scheme, rest)) = written.split_once("://") else { return no_address() };
    let (port, is_tls) = match scheme {
        "http" => (80, false),
        "https" => (443, true),
        _ => return no_address(),
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let prefix = path.trim_end_matches('/');
    let plain = prefix.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'.' | b'~'));
    let origin = Origin::parse(&format!("{scheme}://{authority}")).ok().filter(|_| plain);
    let Some(origin) = origin else { return no_address() };
    let (host, address) = match origin.authority().rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, _)) => (host, origin.authority().to_owned()),
        None => (origin.authority(), format!("{}:{port}", origin.authority())),
    };
    let tls_name = is_tls.then(|| host.trim_matches(['[', ']']).to_owned());
    Ok(Url { address: UpstreamAddress::Tcp(address), tls_name, path_prefix: prefix.to_owned() })
}
