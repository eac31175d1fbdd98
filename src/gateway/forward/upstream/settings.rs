//! Where the app listens and how it is spoken to, as an operator means it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::tls::{self, Authorities, Identity, TlsError};

/// Where the app listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamAddress {
    /// `host:port`; resolved anew for each connection.
    Tcp(String),
    /// A unix socket.
    Unix(PathBuf),
}

/// How requests are put on a connection to the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1: one request at a time.
    Http1,
    /// HTTP/2: many at once; agreed upon by ALPN over TLS, known beforehand without it.
    Http2,
}

/// How the app proves itself, and we to it. Compared by what it was made of.
#[derive(Clone)]
pub struct UpstreamTls {
    authorities: Authorities,
    identity: Option<Identity>,
    pub(super) name: ServerName<'static>,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

/// How to reach the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// Where it listens.
    pub address: UpstreamAddress,
    /// What it speaks.
    pub protocol: UpstreamProtocol,
    /// TLS, if it speaks that.
    pub tls: Option<UpstreamTls>,
    /// Put before every path; empty, or `/x` without a slash at the end.
    pub path_prefix: String,
    /// Time for a connection to be made, the TLS handshake included.
    pub connect_timeout: Duration,
    /// Time from the end of the request to the head of the answer.
    pub header_timeout: Duration,
}

impl UpstreamTls {
    /// The app's certificate has to be for `name` and to come from `authorities`; `identity` is shown if the app asks for one.
    pub fn new(
        authorities: Authorities,
        identity: Option<Identity>,
        name: ServerName<'static>,
    ) -> Result<Self, TlsError> {
        let http1 = tls::client(&authorities, identity.as_ref(), &[tls::HTTP_11])?;
        let http2 = tls::client(&authorities, identity.as_ref(), &[tls::H2])?;
        Ok(Self { authorities, identity, name, http1, http2 })
    }

    /// Whether we have a certificate of our own to show.
    pub const fn has_identity(&self) -> bool {
        self.identity.is_some()
    }

    /// The same, as it is for somebody without our certificate.
    pub fn without_identity(&self) -> Result<Self, TlsError> {
        Self::new(self.authorities.clone(), None, self.name.clone())
    }

    /// For one protocol, and no other is offered: an app that does not speak it is refused and not spoken to in another.
    pub(super) fn offering(&self, protocol: UpstreamProtocol) -> &Arc<ClientConfig> {
        match protocol {
            UpstreamProtocol::Http1 => &self.http1,
            UpstreamProtocol::Http2 => &self.http2,
        }
    }
}

impl PartialEq for UpstreamTls {
    fn eq(&self, other: &Self) -> bool {
        (&self.authorities, &self.identity, &self.name) == (&other.authorities, &other.identity, &other.name)
    }
}

impl Eq for UpstreamTls {}

impl fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authorities, identity, name, .. } = self;
        f.debug_struct("UpstreamTls")
            .field("authorities", authorities)
            .field("identity", identity)
            .field("name", name)
            .finish_non_exhaustive()
    }
}

/// As an operator writes the address, without the path prefix.
impl fmt::Display for UpstreamSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.address, &self.tls) {
            (UpstreamAddress::Tcp(authority), None) => write!(f, "http://{authority}"),
            (UpstreamAddress::Tcp(authority), Some(_)) => write!(f, "https://{authority}"),
            (UpstreamAddress::Unix(path), _) => write!(f, "unix:{}", path.display()),
        }
    }
}
