//! Certificates of one test, and callers that trust them.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::wire::connect;

/// A certificate that signs itself, and its key.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

pub(crate) type Stream = StreamOwned<ClientConnection, std::net::TcpStream>;

impl Pair {
    pub(crate) fn of(names: &[&str]) -> Self {
        Self::until(names, 2099)
    }

    /// One that ends at the beginning of a year.
    pub(crate) fn until(names: &[&str], year: i32) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).expect("names");
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Self { certificate, key: key.serialize_pem() }
    }

    /// A caller that trusts it, and offers these protocols.
    pub(crate) fn trusting(&self, protocols: &[&str]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate");
        roots.add(certificate).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    pub(crate) fn connect(&self, to: SocketAddr, name: &str, protocols: &[&str]) -> Stream {
        let name = rustls::pki_types::ServerName::try_from(name.to_owned()).expect("a name");
        let connection = ClientConnection::new(Arc::new(self.trusting(protocols)), name).expect("a connection");
        StreamOwned::new(connection, connect(to))
    }
}
