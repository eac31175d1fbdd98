//! Verifies an assertion (a JWT, RFC 7519, with ES256, RFC 7518 §3.4) against the published keys (RFC 7517).

use std::error::Error;
use std::sync::Mutex;
use std::time::{Duration, Instant, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde::Deserialize;

/// How long keys are kept, and how soon after a look an unknown key id makes us look again.
const KEEP: Duration = Duration::from_mins(5);
const COOL_DOWN: Duration = Duration::from_secs(10);

/// What an assertion says. There is more: see "What the app sees" in the documentation.
#[derive(Deserialize)]
pub(crate) struct Claims {
    pub(crate) host: String,
    pub(crate) tenant: String,
    pub(crate) sub: String,
    pub(crate) kind: String,
    pub(crate) permissions: Vec<String>,
    iss: String,
    aud: String,
    exp: u64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

#[derive(Clone, Deserialize)]
struct Key {
    kty: String,
    crv: String,
    kid: String,
    x: String,
    y: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Key>,
}

/// Whom we believe, and the keys that are known.
pub(crate) struct Verifier {
    issuer: String,
    audience: String,
    jwks: String,
    known: Mutex<Option<(Instant, Vec<Key>)>>,
}

impl Verifier {
    pub(crate) fn new(issuer: String, audience: String, jwks: String) -> Self {
        Self { issuer, audience, jwks, known: Mutex::new(None) }
    }

    /// Who is calling, or nobody.
    pub(crate) async fn caller(&self, assertion: &[u8]) -> Option<Claims> {
        let text = std::str::from_utf8(assertion).ok()?;
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
        // The token does not choose how it is verified: one algorithm, whatever the header would like.
        if header.alg != "ES256" {
            return None;
        }
        let key = self.key(&header.kid).await?;
        let point = [vec![4], decode(&key.x)?, decode(&key.y)?].concat();
        let verifying = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        verifying.verify(signed.as_bytes(), &decode(signature)?).ok()?;
        let claims: Claims = serde_json::from_slice(&decode(payload)?).ok()?;
        let now = UNIX_EPOCH.elapsed().ok()?.as_secs();
        (claims.iss == self.issuer && claims.aud == self.audience && now < claims.exp).then_some(claims)
    }

    async fn key(&self, kid: &str) -> Option<Key> {
        let (looked, keys) = self.known.lock().ok()?.clone().unzip();
        let age = looked.map_or(Duration::MAX, |at| at.elapsed());
        let found = keys.unwrap_or_default().into_iter().find(|key| key.kid == kid);
        if found.as_ref().map_or(age < COOL_DOWN, |_| age < KEEP) {
            return found;
        }
        match self.fetch().await {
            Ok(keys) => {
                *self.known.lock().ok()? = Some((Instant::now(), keys.clone()));
                keys.into_iter().find(|key| key.kid == kid)
            }
            Err(error) => {
                tracing::warn!(error, "the keys cannot be fetched");
                None
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, Box<dyn Error + Send + Sync>> {
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_http1()
            .build();
        let client: Client<_, Empty<&[u8]>> = Client::builder(TokioExecutor::new()).build(tls);
        let answer = tokio::time::timeout(Duration::from_secs(5), client.get(self.jwks.parse()?)).await??;
        if answer.status() != 200 {
            return Err(format!("status {}", answer.status()).into());
        }
        let body = Limited::new(answer.into_body(), 64 * 1024).collect().await?.to_bytes();
        let KeySet { mut keys } = serde_json::from_slice(&body)?;
        keys.retain(|key| key.kty == "EC" && key.crv == "P-256");
        Ok(keys)
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
