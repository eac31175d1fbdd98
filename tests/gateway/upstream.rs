//! The app's side: what it speaks, how it is trusted, and what it may take.

mod bounds;
mod faults;
mod grpc;
mod http2;
mod tls;

use std::net::SocketAddr;

use crate::support::Setup;

/// The usual gateway in front of an app of HTTP/2 without TLS.
pub(super) fn before_http2(address: SocketAddr) -> Setup {
    speaking("h2c", &format!("http://{address}"))
}

fn speaking(protocol: &str, url: &str) -> Setup {
    Setup::before(url).with("[hosts.assembly]", &format!("protocol = \"{protocol}\"\n\n[hosts.assembly]"))
}

/// Adds keys to `[upstream]`.
fn with_upstream(setup: Setup, keys: &str) -> Setup {
    setup.with("[hosts.assembly]", &format!("{keys}\n\n[hosts.assembly]"))
}
