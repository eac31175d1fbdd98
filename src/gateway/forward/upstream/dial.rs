//! A new connection to the app.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::settings::{UpstreamAddress, UpstreamProtocol, UpstreamSettings};
use crate::tls;

/// A connection of any kind. One type for all costs an indirect call where there is a system call anyway, and spares the
/// HTTP library's code from being there three times.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

impl UpstreamSettings {
    /// Connects within the time for it, and agrees upon the protocol where there is TLS.
    pub async fn connect(&self, protocol: UpstreamProtocol) -> io::Result<Box<dyn Socket>> {
        let timed_out = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "it took longer than connect_timeout"));
        tokio::time::timeout(self.connect_timeout, self.dial(protocol)).await.unwrap_or_else(timed_out)
    }

    async fn dial(&self, protocol: UpstreamProtocol) -> io::Result<Box<dyn Socket>> {
        match (&self.address, &self.tls) {
            (UpstreamAddress::Unix(path), _) => Ok(Box::new(UnixStream::connect(path).await?)),
            (UpstreamAddress::Tcp(authority), None) => Ok(Box::new(tcp(authority).await?)),
            (UpstreamAddress::Tcp(authority), Some(tls)) => {
                let connector = TlsConnector::from(Arc::clone(tls.offering(protocol)));
                let stream = connector.connect(tls.name.clone(), tcp(authority).await?).await?;
                let agreed = stream.get_ref().1.alpn_protocol();
                if protocol == UpstreamProtocol::Http2 && agreed != Some(tls::H2) {
                    return Err(io::Error::other("it does not offer HTTP/2 (no h2 in ALPN)"));
                }
                Ok(Box::new(stream))
            }
        }
    }
}

/// Small requests do not wait for a full segment. An app's machine that vanished without a word is noticed after two minutes,
/// also where an answer is silent.
async fn tcp(authority: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(authority).await?;
    stream.set_nodelay(true)?;
    let probes = TcpKeepalive::new().with_time(Duration::from_mins(1)).with_interval(Duration::from_secs(15));
    SockRef::from(&stream).set_tcp_keepalive(&probes.with_retries(4))?;
    Ok(stream)
}
