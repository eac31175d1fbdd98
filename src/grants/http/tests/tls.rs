//! SRC-10: a platform that cannot prove who it is gets no question, and so no credential.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::tls::Identity;

/// An authority, as its PEM text, and what it signs.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

fn certificate(issuer: &CertifiedIssuer<'static, KeyPair>, name: &str, last_year: i32) -> Identity {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
    let signed = params.signed_by(&key, issuer).expect("a certificate");
    Identity::from_pem(signed.pem().as_bytes(), Secret::new(key.serialize_pem())).expect("an identity")
}

/// A platform behind TLS; also counts connections.
async fn start(identity: &Identity) -> (Uri, Arc<Mutex<Vec<String>>>, Arc<AtomicUsize>) {
    let acceptor = TlsAcceptor::from(crate::tls::server(identity, &[]).expect("settings"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://localhost:{}/grants", listener.local_addr().expect("an address").port());
    let (seen, connections) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
    let (log, count) = (Arc::clone(&seen), Arc::clone(&connections));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let (acceptor, log) = (acceptor.clone(), Arc::clone(&log));
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer_all(stream, log, Arc::new(|_: usize, _: &str| answer(200, "", GOOD))).await;
                }
            });
        }
    });
    (url.parse().expect("an address"), seen, connections)
}

async fn ask(url: Uri, authorities: Authorities) -> Result<Told, SourceError> {
    grants(url, HttpSettings { authorities, ..settings() }).grants(&person("ann")).await
}

#[tokio::test]
async fn src_10_a_platform_with_a_bad_certificate_gets_no_question() {
    let (own, other) = (authority(), authority());
    let trusted = Authorities::from_pem(own.pem().as_bytes()).expect("authorities");
    let good = certificate(&own, "localhost", 2090);
    let (url, seen, _) = start(&good).await;
    assert_eq!(roles(&ask(url.clone(), trusted.clone()).await.expect("an answer")), ["editor"]);
    assert_eq!(seen.lock().expect("no panic").len(), 1);
    assert!(ask(url, Authorities::Public).await.is_err(), "nobody but our own authority knows it");
    for (what, identity) in [
        ("expired", certificate(&own, "localhost", 2021)),
        ("another name", certificate(&own, "other.example", 2090)),
        ("another authority", certificate(&other, "localhost", 2090)),
    ] {
        let (url, seen, connections) = start(&identity).await;
        let error = ask(url, trusted.clone()).await.expect_err(what);
        assert_eq!(error.outage, Outage::Unavailable, "{what}");
        assert!(error.cause.contains("certificate"), "{what}: {error}");
        assert_eq!(connections.load(Ordering::SeqCst), 2, "{what}: a connection that is not made is tried once more");
        assert!(seen.lock().expect("no panic").is_empty(), "{what}");
    }
}

#[tokio::test]
async fn src_10_a_self_signed_certificate_counts_only_where_it_is_the_authority() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
    let key = Secret::new(made.signing_key.serialize_pem());
    let identity = Identity::from_pem(made.cert.pem().as_bytes(), key).expect("an identity");
    let (url, seen, _) = start(&identity).await;
    let other = Authorities::from_pem(authority().pem().as_bytes()).expect("authorities");
    for authorities in [Authorities::Public, other] {
        assert!(ask(url.clone(), authorities).await.is_err());
    }
    assert!(seen.lock().expect("no panic").is_empty());
    let own = Authorities::from_pem(made.cert.pem().as_bytes()).expect("authorities");
    assert!(ask(url, own).await.is_ok());
}

#[tokio::test]
async fn src_10_a_platform_that_speaks_an_old_version_gets_no_question() {
    // A ServerHello of TLS 1.0 (0x0301) or 1.1: 32 random bytes, no session, AES-128-CBC with SHA-1, no compression.
    for version in [1, 2] {
        let mut hello = vec![22, 3, version, 0, 42, 2, 0, 0, 38, 3, version];
        hello.extend([7; 32]);
        hello.extend([0, 0, 0x2f, 0]);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://localhost:{}/", listener.local_addr().expect("an address").port());
        let heard = tokio::spawn(async move {
            let mut heard = Vec::new();
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut first = [0; 4096];
                let count = stream.read(&mut first).await.expect("a ClientHello");
                assert_eq!(first[0], 22, "a handshake");
                stream.write_all(&hello).await.expect("written");
                stream.read_to_end(&mut heard).await.expect("the end");
                heard.extend_from_slice(&first[..count]);
            }
            heard
        });
        let error = ask(url.parse().expect("an address"), Authorities::Public).await.expect_err("an outage");
        assert!(error.cause.contains("peer"), "{error}");
        let heard = heard.await.expect("no panic");
        assert!(!String::from_utf8_lossy(&heard).contains("canary"));
    }
}
