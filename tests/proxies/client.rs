//! A browser: it speaks TLS and knows the proxy's certificate.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::NAME;
use crate::support::{Answer, connect, output_of, read_to_end, request, tool};

pub(super) type Stream = StreamOwned<ClientConnection, TcpStream>;

pub(super) struct Client {
    proxy: SocketAddr,
    certificate: PathBuf,
    roots: RootCertStore,
}

impl Client {
    /// Makes the certificate that the proxy shows, `tls.crt` and `tls.key` in this folder, and trusts no other.
    pub(super) fn new(proxy: SocketAddr, folder: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
        let certificate = folder.join("tls.crt");
        fs::write(&certificate, made.cert.pem()).expect("a file");
        fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).expect("a file");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a certificate");
        Self { proxy, certificate, roots }
    }

    /// A connection to the proxy that offers this protocol.
    pub(super) fn connect(&self, protocol: &[u8]) -> Stream {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("some");
        let mut config = config.with_root_certificates(self.roots.clone()).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let name = ServerName::try_from(NAME).expect("a name");
        let tls = ClientConnection::new(Arc::new(config), name).expect("a client");
        StreamOwned::new(tls, connect(self.proxy))
    }

    /// Sends these bytes on a connection of their own.
    pub(super) fn open(&self, bytes: &[u8]) -> Stream {
        let mut stream = self.connect(b"http/1.1");
        // It may be refused before it is sent as a whole.
        let _ = stream.write_all(bytes);
        stream
    }

    pub(super) fn get(&self, target: &str, lines: &[&str]) -> Answer {
        self.get_as(NAME, target, lines)
    }

    pub(super) fn get_as(&self, host: &str, target: &str, lines: &[&str]) -> Answer {
        Answer::read(&read_to_end(&mut self.open(&request("GET", target, host, lines, b""))))
    }

    /// A framed navigation from the portal, with a token.
    pub(super) fn present(&self, token: &str) -> Answer {
        let lines = [
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: navigate",
            "Sec-Fetch-Dest: iframe",
            "Accept: text/html",
            "Referer: https://portal.example/apps",
        ];
        self.get(&format!("/open?token={token}"), &lines)
    }

    /// What another client gets in HTTP/2: the body, the status, the version.
    pub(super) fn over_http_2(&self, target: &str, lines: &[&str]) -> String {
        let port = self.proxy.port();
        let mut curl = tool("curl");
        curl.args(["-sS", "--http2", "--max-time", "20", "-w", " %{http_code} %{http_version}"]);
        curl.arg("--cacert").arg(&self.certificate).args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")]);
        curl.args(["-H", &format!("Host: {NAME}"), "-H", "Sec-Fetch-Site: same-origin"]);
        curl.args(lines.iter().flat_map(|line| ["-H", line]));
        output_of(curl.arg(format!("https://{NAME}:{port}{target}")))
    }

    /// The settings (RFC 9113 §6.5) that the proxy begins an HTTP/2 connection with.
    pub(super) fn http_2_settings(&self) -> Vec<(u16, u32)> {
        let mut stream = self.connect(b"h2");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").expect("sent");
        let mut head = [0; 9];
        stream.read_exact(&mut head).expect("a frame");
        assert_eq!((stream.conn.alpn_protocol(), head[3]), (Some(&b"h2"[..]), 4), "no SETTINGS");
        let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
        stream.read_exact(&mut payload).expect("settings");
        let setting = |part: &[u8]| {
            (u16::from_be_bytes([part[0], part[1]]), u32::from_be_bytes([part[2], part[3], part[4], part[5]]))
        };
        payload.chunks_exact(6).map(setting).collect()
    }

    /// A proxy may listen before it knows what is behind it.
    pub(super) fn wait_for_routes(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.get("/.vestibule/jwks.json", &[]).status != 200 {
            assert!(Instant::now() < deadline, "the proxy does not find the gateway");
            thread::sleep(Duration::from_millis(20));
        }
    }
}
