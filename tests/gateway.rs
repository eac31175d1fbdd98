//! The path of a request, from outside.

mod answers;
mod bootstrap;
mod connect;
mod contexts;
mod cors;
mod credentials;
mod embed;
pub(crate) mod forward;
mod framing;
mod hangs;
mod http2;
mod http2_attacks;
mod identity;
mod idle;
mod leaving;
mod limits;
mod lti;
mod outage;
mod paths;
mod sessions;
mod sites;
mod source;
mod streams;
mod telemetry;
mod tickets;
mod tls;
mod tokens;
pub(crate) mod upgrade;
mod upstream;

use crate::support::{Gateway, Upstream};

/// The usual gateway, and the app behind it.
fn gateway() -> (Gateway, Upstream) {
    let upstream = Upstream::start();
    (Gateway::new(&upstream), upstream)
}
