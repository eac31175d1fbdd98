//! TLS: what we show to those who connect, and whom we trust when we connect.
//!
//! rustls with ring, TLS 1.2 and 1.3, and nothing that could be switched off: a peer whose certificate does not hold is not
//! spoken to. PEM texts come in, rustls' settings come out; sockets are somebody else's.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::clock::Timestamp;
use crate::secret::Secret;

/// HTTP/2 in ALPN (RFC 9113 §3.2).
pub const H2: &[u8] = b"h2";
/// HTTP/1.1 in ALPN (RFC 7301 §6).
pub const HTTP_11: &[u8] = b"http/1.1";

/// A certificate with its chain, and the key to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Secret,
}

/// The certificate authorities that a peer's certificate has to come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authorities {
    /// Those that the public web trusts (Mozilla's list).
    #[default]
    Public,
    /// These, and no others.
    Own(Vec<CertificateDer<'static>>),
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate in the text.
    #[error("there is no certificate in it; a PEM file with `BEGIN CERTIFICATE` is needed")]
    NoCertificate,
    /// No private key in the text.
    #[error("there is no private key in it; a PEM file with `BEGIN PRIVATE KEY` is needed")]
    NoKey,
    /// A certificate that cannot be read.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// Each is well, but they are not a pair.
    #[error("the key does not belong to the certificate")]
    Mismatch,
    /// Rustls does not take it.
    #[error("{0}")]
    Refused(#[from] rustls::Error),
}

impl Identity {
    /// Reads a PEM chain, the leaf first, and its PEM key (PKCS#8, PKCS#1 or SEC1), and sees that they belong together.
    pub fn from_pem(chain: &[u8], key: Secret) -> Result<Self, TlsError> {
        let identity = Self { chain: certificates(chain)?, key };
        match server(&identity, &[]) {
            Ok(_) => Ok(identity),
            Err(TlsError::Refused(rustls::Error::InconsistentKeys(_))) => Err(TlsError::Mismatch),
            Err(error) => Err(error),
        }
    }

    /// When the first certificate of the chain to end ends.
    pub fn not_after(&self) -> Result<Timestamp, TlsError> {
        let ends = self.chain.iter().map(|der| {
            let certificate = Certificate::from_der(der).map_err(|_| TlsError::Unreadable)?;
            let end: Duration = certificate.tbs_certificate().validity().not_after.to_unix_duration();
            Ok(Timestamp::from_secs(end.as_secs()))
        });
        let ends = ends.collect::<Result<Vec<_>, TlsError>>()?;
        ends.into_iter().min().ok_or(TlsError::NoCertificate)
    }

    /// Whether the server's own certificate names this host, or address without brackets.
    pub fn covers(&self, host: &str) -> bool {
        let (Some(leaf), Ok(name)) = (self.chain.first(), ServerName::try_from(host)) else { return false };
        ParsedCertificate::try_from(leaf).is_ok_and(|leaf| verify_server_name(&leaf, &name).is_ok())
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(self.key.expose()).map_err(|_| TlsError::NoKey)
    }
}

impl Authorities {
    /// Those in a PEM text, and no others.
    pub fn from_pem(text: &[u8]) -> Result<Self, TlsError> {
        let own = Self::Own(certificates(text)?);
        own.roots()?;
        Ok(own)
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        match self {
            Self::Public => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Self::Own(list) => list.iter().try_for_each(|one| roots.add(one.clone()))?,
        }
        Ok(roots)
    }
}

/// For those who connect to us: `protocols` are ALPN names, the preferred first. Sessions are resumed by tickets, and nothing
/// is taken before the handshake is done (no 0-RTT: it could be repeated by anybody who saw it).
pub fn server(identity: &Identity, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_single_cert(identity.chain.clone(), identity.key()?)?;
    config.ticketer = ring::Ticketer::new()?;
    config.alpn_protocols = owned(protocols);
    Ok(Arc::new(config))
}

/// For those we connect to, with our own certificate if they ask for one.
pub fn client(
    authorities: &Authorities,
    identity: Option<&Identity>,
    protocols: &[&[u8]],
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(authorities.roots()?);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder.with_client_auth_cert(identity.chain.clone(), identity.key()?)?,
    };
    config.alpn_protocols = owned(protocols);
    Ok(Arc::new(config))
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let list = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>().map_err(|_| TlsError::Unreadable)?;
    if list.is_empty() { Err(TlsError::NoCertificate) } else { Ok(list) }
}

fn owned(protocols: &[&[u8]]) -> Vec<Vec<u8>> {
    protocols.iter().map(|name| name.to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, Secret) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
        (made.cert.pem(), Secret::new(made.signing_key.serialize_pem()))
    }

    #[test]
    fn a_chain_and_its_key_are_an_identity_and_others_are_not() {
        let ((chain, key), (_, other)) = (pair(), pair());
        assert!(Identity::from_pem(chain.as_bytes(), key.clone()).is_ok());
        let refused = |chain: &str, key: Secret| Identity::from_pem(chain.as_bytes(), key).expect_err("refused");
        assert!(matches!(refused(&chain, other), TlsError::Mismatch));
        assert!(matches!(refused("", key.clone()), TlsError::NoCertificate));
        assert!(matches!(refused(&chain, Secret::from("no key")), TlsError::NoKey));
        assert!(!format!("{:?}", Identity::from_pem(chain.as_bytes(), key)).contains("PRIVATE"));
    }

    #[test]
    fn an_identity_ends_with_its_first_certificate() {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).expect("parameters");
        params.not_after = rcgen::date_time_ymd(2031, 5, 6);
        let key = rcgen::KeyPair::generate().expect("a key");
        let soon = params.self_signed(&key).expect("a certificate").pem();
        let (later, _) = pair();
        let identity = Identity::from_pem((soon + &later).as_bytes(), Secret::new(key.serialize_pem()));
        let end = identity.and_then(|identity| identity.not_after()).expect("an end");
        assert_eq!(end.to_rfc3339(), "2031-05-06T00:00:00.000Z");
    }

    #[test]
    fn an_identity_covers_the_hosts_of_its_certificate() {
        let names = ["app.example.com", "*.apps.example.com", "127.0.0.1", "::1"].map(String::from);
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let key = Secret::new(made.signing_key.serialize_pem());
        let identity = Identity::from_pem(made.cert.pem().as_bytes(), key).expect("an identity");
        for host in ["app.example.com", "APP.example.com", "one.apps.example.com", "127.0.0.1", "::1"] {
            assert!(identity.covers(host), "{host}");
        }
        for host in ["example.com", "a.b.apps.example.com", "127.0.0.2", "", "[::1]"] {
            assert!(!identity.covers(host), "{host}");
        }
    }

    #[test]
    fn own_authorities_take_the_place_of_the_public_ones() {
        let (chain, _) = pair();
        let own = Authorities::from_pem(chain.as_bytes()).expect("authorities");
        assert_eq!(own.roots().expect("roots").len(), 1);
        assert!(Authorities::Public.roots().expect("roots").len() > 50);
        assert!(matches!(Authorities::from_pem(b"x"), Err(TlsError::NoCertificate)));
    }
}
