//! One question to a platform's server, and its bounded answer. Never on the path of a request that can be answered from
//! memory.
//!
//! Redirects are not followed, to wherever they lead: what is believed is what the configured address says.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::StartError;
use crate::access::Origin;
use crate::clock::{Clock, Timestamp};

/// From the first byte out to the last byte in.
const TIME: Duration = Duration::from_secs(5);
/// The largest body that is read.
const MAX_BODY: usize = 64 * 1024;
/// The largest head of an answer.
const MAX_HEAD: usize = 32 * 1024;
/// Shorter than common servers keep an idle connection (5 s is usual), so that none is used that is about to be closed.
const IDLE: Duration = Duration::from_secs(3);

/// Asks servers of platforms.
pub(super) struct Fetcher(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// An answer whose body has come to its end.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Fetcher {
    pub(super) fn new() -> Result<Self, StartError> {
        let builder = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(|_| StartError::Tls)?;
        // Plain http is for a platform on loopback, see `send`.
        let connector = builder.https_or_http().enable_http1().build();
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new());
        Ok(Self(builder.pool_idle_timeout(IDLE).http1_max_buf_size(MAX_HEAD).build(connector)))
    }

    /// Asks over https, or a simulated platform on this machine, and reads the answer to its end. An error is a sentence for the
    /// log, without a word of the answer.
    pub(super) async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Reply, String> {
        let origin = Origin::of_url(&request.uri().to_string()).ok();
        if !origin.is_some_and(|origin| origin.scheme() == "https" || origin.is_loopback()) {
            return Err("what comes from an address without https cannot be believed".into());
        }
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        tokio::time::timeout(TIME, self.ask(request)).await.unwrap_or_else(|_| Err("no answer in time".into()))
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Reply, String> {
        let answer = self.0.request(request).await.map_err(|error| with_causes(&error))?;
        let (head, body) = answer.into_parts();
        let encoded = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
        if head.headers.get_all(header::CONTENT_ENCODING).iter().any(encoded) {
            return Err("the answer is compressed, which nobody asked for".into());
        }
        let read = Limited::new(body, MAX_BODY).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                "the answer is larger than 64 KiB".into()
            } else {
                format!("the answer does not come to its end: {}", with_causes(error.as_ref()))
            }
        });
        Ok(Reply { status: head.status, headers: head.headers, body: read?.to_bytes() })
    }
}

/// An error and what it came of: the outermost says little more than that there was one.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// So many in each span of time, whoever asks.
#[derive(Debug)]
pub(super) struct Allowance {
    most: u32,
    span: Duration,
    began: Timestamp,
    used: u32,
}

impl Allowance {
    pub(super) const fn new(most: u32, span: Duration) -> Self {
        Self { most, span, began: Timestamp::from_secs(0), used: 0 }
    }

    /// Takes one, if one is left.
    pub(super) fn take(&mut self, clock: &Clock) -> bool {
        let now = clock.now();
        if has_passed(self.span, self.began, now) {
            (self.began, self.used) = (now, 0);
        }
        let left = self.used < self.most;
        self.used += u32::from(left);
        left
    }
}

/// Whether so much time went by. A clock that was set back says yes: better once too often than not for a long time.
pub(super) fn has_passed(span: Duration, since: Timestamp, now: Timestamp) -> bool {
    now < since || now.since(since) >= span
}

#[cfg(test)]
pub(super) mod tests;
