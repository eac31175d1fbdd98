//! Public keys that a platform publishes at an address: fetched seldom, kept in memory, never asked for by a token.
//!
//! A request finds its key in memory. Only the first use of an address waits for it, and a token whose key is not known, as
//! often as once a minute. An address comes from the configuration and a redirect is not followed; `jku` and `x5u` of
//! tokens are nobody's business here (RFC 8725 §3.10).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use metrics::counter;

use self::apart::KeysApart;
use self::whole::WholeSet;
use super::StartError;
use super::fetch::{Fetcher, Reply};
use super::keys::{Algorithm, PublicKey};
use crate::access::HostName;
use crate::clock::Clock;

mod apart;
#[cfg(test)]
mod tests;
mod whole;

/// The key, if there is one, cannot be had now. Never the same as a key that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the platform's keys cannot be fetched now")]
pub(super) struct Unavailable;

/// The keys at one address.
pub(super) struct RemoteKeys {
    url: String,
    form: Form,
}

enum Form {
    /// A JWK set (RFC 7517 §5).
    Whole(Arc<WholeSet>),
    /// One PEM text below the address for each key.
    Apart(Arc<KeysApart>),
}

impl RemoteKeys {
    /// Fetches nothing yet. `by_id`: the address is followed by `/` and the key's id, and gives one key in PEM; else it gives a
    /// JWK set.
    pub(super) fn new(host: HostName, url: &str, by_id: bool, clock: Clock) -> Result<Self, StartError> {
        let source = Source { host, fetcher: Fetcher::new()?, clock, failing: AtomicBool::new(false) };
        let form = if by_id {
            Form::Apart(Arc::new(KeysApart::new(url, source)))
        } else {
            Form::Whole(Arc::new(WholeSet::new(url, source)))
        };
        Ok(Self { url: url.to_owned(), form })
    }

    /// Whether it has the keys of this address, so that a reload can go on with them.
    pub(super) fn is_like(&self, url: &str, by_id: bool) -> bool {
        self.url == url && by_id == matches!(self.form, Form::Apart(_))
    }

    /// The key of this id for this algorithm; of a set also the only one for it, where no id is given. From memory, for the price
    /// of a look-up, but for the first time and for ids that are not known.
    pub(super) async fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Option<Arc<PublicKey>>, Unavailable> {
        match &self.form {
            Form::Whole(set) => set.find(kid, algorithm).await,
            Form::Apart(keys) => keys.find(kid, algorithm).await,
        }
    }

    /// Fetches a set before the first token asks for it; false if that is not possible. Of keys with an address each nobody knows
    /// which there are.
    pub(super) async fn probe(&self) -> bool {
        match &self.form {
            // Without a set there is no answer to any question.
            Form::Whole(set) => set.find(None, Algorithm::EdDsa).await.is_ok(),
            Form::Apart(_) => true,
        }
    }

    /// What does not work, as sentences for `/readyz`.
    pub(super) fn troubles(&self) -> Vec<String> {
        let source = match &self.form {
            Form::Whole(set) => set.source(),
            Form::Apart(keys) => keys.source(),
        };
        let failing = source.failing.load(Ordering::Relaxed);
        failing.then(|| "the platform's keys cannot be fetched".to_owned()).into_iter().collect()
    }
}

/// Where keys come from, and how that went the last time.
struct Source {
    host: HostName,
    fetcher: Fetcher,
    clock: Clock,
    /// Whether the last fetch came to nothing.
    failing: AtomicBool,
}

impl Source {
    async fn get(&self, url: &str, accept: &'static str) -> Result<Reply, String> {
        let request = Request::get(url).header(header::ACCEPT, HeaderValue::from_static(accept));
        let request = request.body(Full::<Bytes>::default()).map_err(|_| "the address is none".to_owned())?;
        self.fetcher.send(request).await
    }

    /// Counts a fetch, and says when keys cannot be had and when they can be had again.
    fn note(&self, result: Result<Fetched, &str>) {
        let word = match result {
            Ok(Fetched::Keys) => "ok",
            Ok(Fetched::Nothing) => "unknown",
            Err(_) => "failed",
        };
        counter!("vestibule_host_keys_total", "host" => self.host.to_string(), "result" => word).increment(1);
        let was_failing = self.failing.swap(result.is_err(), Ordering::Relaxed);
        if let Err(cause) = result {
            tracing::warn!(event = "host_keys", host = %self.host, cause, "the host's keys cannot be fetched");
        } else if was_failing {
            tracing::info!(event = "host_keys", host = %self.host, "the host's keys can be fetched again");
        }
    }
}

/// What came of a fetch.
#[derive(Clone, Copy)]
enum Fetched {
    Keys,
    /// The platform has no such key.
    Nothing,
}

/// Why an answer with this status has no keys in it.
fn no_keys(status: StatusCode) -> String {
    let code = status.as_u16();
    if status.is_redirection() {
        format!("it answers {code}; redirects are not followed")
    } else {
        format!("it answers {code}")
    }
}
