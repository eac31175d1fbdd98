//! The connection to the platform: what is sent, what is read of an answer, and no more.

use std::future::{Ready, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Legacy, Error as LegacyError};
use hyper_util::rt::TokioExecutor;
use tower::retry::{Policy, Retry};
use tower::{ServiceBuilder, ServiceExt as _};

use crate::secret::Secret;
use crate::tls::{self, Authorities, TlsError};

/// The largest answer that is read.
const MAX_ANSWER: usize = 1024 * 1024;
/// The largest head of an answer.
const MAX_HEAD: usize = 32 * 1024;
/// Shorter than common servers keep an idle connection (5 s is usual), so that none is used that is about to be closed.
const IDLE: Duration = Duration::from_secs(3);

/// Headers of a question that are not the operator's to set: they are ours, or of one connection.
const OURS: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether the operator may set this header of a question.
pub fn is_free_header(name: &HeaderName) -> bool {
    !OURS.contains(&name.as_str())
}

/// Asks one address.
pub(super) struct Client {
    http: Retry<OnceMore, Legacy<HttpsConnector<HttpConnector>, Full<Bytes>>>,
    url: Uri,
    headers: HeaderMap,
}

/// An answer whose body has come to its end.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A connection that could not be made is tried once more: nothing was asked yet.
#[derive(Clone)]
struct OnceMore {
    left: bool,
}

impl Client {
    pub(super) fn new(url: Uri, headers: &[(HeaderName, Secret)], authorities: &Authorities) -> Result<Self, TlsError> {
        let tls = tls::client(authorities, None, &[])?;
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls.as_ref().clone());
        // Plain http is for a platform on loopback; the configuration refuses it elsewhere.
        let connector = builder.https_or_http().enable_http1().wrap_connector(connector);
        let mut builder = Legacy::builder(TokioExecutor::new());
        let client = builder.pool_idle_timeout(IDLE).http1_max_buf_size(MAX_HEAD).build(connector);
        let http = ServiceBuilder::new().retry(OnceMore { left: true }).service(client);
        Ok(Self { http, url, headers: prepared(headers) })
    }

    /// Asks, and reads the answer to its end. An error is a sentence for the log, without a word of the answer.
    pub(super) async fn ask(&self, question: Bytes, known: Option<&HeaderValue>) -> Result<Reply, String> {
        let mut request =
            Request::post(self.url.clone()).body(Full::new(question)).map_err(|error| error.to_string())?;
        *request.headers_mut() = self.headers.clone();
        if let Some(tag) = known {
            request.headers_mut().insert(header::IF_NONE_MATCH, tag.clone());
        }
        let answer = self.http.clone().oneshot(request).await.map_err(|error| with_causes(&error))?;
        let (head, body) = answer.into_parts();
        if is_encoded(&head.headers) {
            return Err("the answer is compressed, which nobody asked for".into());
        }
        Ok(Reply { status: head.status, headers: head.headers, body: whole(body).await? })
    }
}

async fn whole(body: Incoming) -> Result<Bytes, String> {
    let read = Limited::new(body, MAX_ANSWER).collect().await;
    read.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            "the answer is larger than 1 MiB".into()
        } else {
            format!("the answer does not come to its end: {}", with_causes(error.as_ref()))
        }
    })
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// What is the same in every question. A value that no header can have is refused when the configuration is read.
fn prepared(own: &[(HeaderName, Secret)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, secret) in own.iter().filter(|(name, _)| is_free_header(name)) {
        if let Ok(mut value) = HeaderValue::from_bytes(secret.expose()) {
            value.set_sensitive(true);
            headers.append(name.clone(), value);
        }
    }
    headers
}

/// An error and what it came of: the outermost says little more than that there was one.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl<T> Policy<Request<Full<Bytes>>, T, LegacyError> for OnceMore {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Full<Bytes>>, result: &mut Result<T, LegacyError>) -> Option<Ready<()>> {
        let again = self.left && result.as_ref().is_err_and(LegacyError::is_connect);
        self.left = false;
        again.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}
