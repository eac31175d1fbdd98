//! The few calls of Assembly's API that confirm a person, within a budget.

use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as LegacyError};
use hyper_util::rt::TokioExecutor;
use metrics::counter;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tower::limit::ConcurrencyLimit;
use tower::retry::{Policy, Retry};
use tower::{ServiceBuilder, ServiceExt as _};

use super::{ApiBudget, AssemblySettings};
use crate::access::HostName;
use crate::secret::Secret;

/// One call, from first byte out to last byte in.
const CALL_TIME: Duration = Duration::from_secs(5);
/// Calls at a time.
const CONCURRENCY: usize = 8;
/// The largest answer that is read.
const MAX_ANSWER: usize = 256 * 1024;
/// How long a call waits for its turn in the budget.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// What the month of the budget is taken to be.
const MONTH: Duration = Duration::from_hours(30 * 24);

/// Calls in a row that may come to nothing. After that, one at a time finds out whether the platform answers again: an outage
/// with people who keep trying must not use up the month.
const MAX_IN_VAIN: u32 = 20;
/// The time between two of those.
const BETWEEN_TRIES: Duration = Duration::from_secs(30);

/// Why there is no answer to work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ApiError {
    /// 404 or 410: there is no such person.
    Gone,
    /// 401 or 403: this key, or this token id, may not ask.
    Denied,
    /// Anything else: no route, 429, 5xx, an answer that cannot be read, the budget used up.
    Unavailable,
}

/// `GET /v1/workspaces`, as far as it is used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Workspace {
    pub(super) id: String,
    pub(super) portal_url: Option<String>,
}

/// `GET /v1/clients/{id}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClientUser {
    pub(super) id: String,
    pub(super) given_name: Option<String>,
    pub(super) family_name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) company_id: Option<String>,
    pub(super) company_ids: Option<Vec<String>>,
    pub(super) status: Option<String>,
}

/// `GET /v1/internal-users/{id}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InternalUser {
    pub(super) id: String,
    pub(super) given_name: Option<String>,
    pub(super) family_name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) role: Option<String>,
    pub(super) is_client_access_limited: Option<bool>,
    pub(super) company_access_list: Option<Vec<String>>,
}

/// `GET /v1/companies/{id}`.
#[derive(Debug, Deserialize)]
pub(super) struct Company {
    pub(super) id: String,
}

type Http = ConcurrencyLimit<Retry<OnceMore, Client<HttpsConnector<HttpConnector>, Empty<Bytes>>>>;

/// A connection that could not be made is tried once more: nothing was asked yet. Anything else could count twice in the
/// platform's quota.
#[derive(Clone)]
struct OnceMore {
    left: bool,
}

/// A caller of the API with one key.
pub(super) struct Api {
    http: Http,
    base: String,
    key: Secret,
    host: HostName,
    limits: ApiBudget,
    budget: Arc<Mutex<Budget>>,
}

/// A bucket that refills by the second, and a count that starts anew every month.
struct Budget {
    /// When the next call may start, if calls are spread evenly; it may lie up to one second in the past.
    next: Instant,
    month_began: Instant,
    this_month: u32,
    /// Calls since the last answer.
    in_vain: u32,
    last_try: Instant,
}

impl Api {
    /// Goes on with the count of calls that another one began.
    pub(super) fn new(settings: &AssemblySettings, before: Option<&Self>) -> Result<Self, crate::hosts::StartError> {
        let AssemblySettings { name, api_key, api_url, api_budget, .. } = settings.clone();
        let builder = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(|_| crate::hosts::StartError::Tls)?;
        // Plain http is for a platform on loopback; the configuration refuses it elsewhere.
        let connector = builder.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(30)).build(connector);
        let fresh = || Arc::new(Mutex::new(Budget::new(Instant::now())));
        let budget = before.map_or_else(fresh, |before| Arc::clone(&before.budget));
        let base = api_url.trim_end_matches('/').to_owned();
        let http = ServiceBuilder::new().concurrency_limit(CONCURRENCY).retry(OnceMore { left: true }).service(client);
        Ok(Self { http, base, key: api_key, host: name, limits: api_budget, budget })
    }

    #[cfg(test)]
    pub(super) fn shares_its_count_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.budget, &other.budget)
    }

    /// Proves that the key speaks for the workspace and, with a token id, that the token is alive.
    pub(super) async fn workspace(&self, tenant: &str, token_id: Option<&str>) -> Result<Workspace, ApiError> {
        self.get("workspace", "/v1/workspaces", tenant, token_id).await
    }

    pub(super) async fn client(&self, tenant: &str, id: &str) -> Result<ClientUser, ApiError> {
        self.get("client", &format!("/v1/clients/{id}"), tenant, None).await
    }

    pub(super) async fn internal_user(&self, tenant: &str, id: &str) -> Result<InternalUser, ApiError> {
        self.get("internal_user", &format!("/v1/internal-users/{id}"), tenant, None).await
    }

    pub(super) async fn company(&self, tenant: &str, id: &str) -> Result<Company, ApiError> {
        self.get("company", &format!("/v1/companies/{id}"), tenant, None).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        path: &str,
        tenant: &str,
        token_id: Option<&str>,
    ) -> Result<T, ApiError> {
        let result = match self.turn().await {
            Ok(()) => {
                let call = tokio::time::timeout(CALL_TIME, self.call(path, tenant, token_id)).await;
                let result = call.unwrap_or(Err(ApiError::Unavailable));
                self.budget().note(!matches!(result, Err(ApiError::Unavailable)));
                result
            }
            Err(exhausted) => Err(exhausted),
        };
        let word = match &result {
            Ok(_) => "ok",
            Err(ApiError::Gone) => "gone",
            Err(ApiError::Denied) => "denied",
            Err(ApiError::Unavailable) => "unavailable",
        };
        counter!("vestibule_host_requests_total", "host" => self.host.to_string(), "operation" => operation, "result" => word).increment(1);
        serde_json::from_slice(&result?).map_err(|_| ApiError::Unavailable)
    }

    async fn call(&self, path: &str, tenant: &str, token_id: Option<&str>) -> Result<Bytes, ApiError> {
        let request = self.request(path, tenant, token_id).ok_or(ApiError::Unavailable)?;
        let answer = self.http.clone().oneshot(request).await.map_err(|error| {
            tracing::warn!(event = "host_request", host = %self.host, path, error = %error, "the host's API cannot be reached");
            ApiError::Unavailable
        })?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(ApiError::Gone),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(ApiError::Denied),
            status => {
                tracing::warn!(event = "host_request", host = %self.host, path, status = status.as_u16(), "the host's API does not answer the question");
                return Err(ApiError::Unavailable);
            }
        }
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await.map_err(|_| ApiError::Unavailable)?;
        Ok(body.to_bytes())
    }

    /// The key in the form of the platform's SDK: `workspace/key`, and `/token id` where there is one.
    fn request(&self, path: &str, tenant: &str, token_id: Option<&str>) -> Option<Request<Empty<Bytes>>> {
        let mut key = [tenant.as_bytes(), b"/", self.key.expose()].concat();
        if let Some(id) = token_id {
            key.extend_from_slice(&[b"/", id.as_bytes()].concat());
        }
        let mut key = http::HeaderValue::from_bytes(&key).ok()?;
        key.set_sensitive(true);
        let uri: Uri = format!("{}{path}", self.base).parse().ok()?;
        Request::get(uri).header("x-api-key", key).header("accept", "application/json").body(Empty::new()).ok()
    }

    /// Waits for a place in the budget; an exhausted one is an outage and never a no.
    async fn turn(&self) -> Result<(), ApiError> {
        let wait = self.budget().take(self.limits, Instant::now()).ok_or(ApiError::Unavailable)?;
        tokio::time::sleep(wait).await;
        Ok(())
    }

    fn budget(&self) -> std::sync::MutexGuard<'_, Budget> {
        // Counts are whole between any two statements that hold the lock.
        self.budget.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<T> Policy<Request<Empty<Bytes>>, T, LegacyError> for OnceMore {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Empty<Bytes>>, result: &mut Result<T, LegacyError>) -> Option<Ready<()>> {
        let again = self.left && result.as_ref().is_err_and(LegacyError::is_connect);
        self.left = false;
        again.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Empty<Bytes>>) -> Option<Request<Empty<Bytes>>> {
        Some(request.clone())
    }
}

impl Budget {
    const fn new(now: Instant) -> Self {
        Self { next: now, month_began: now, this_month: 0, in_vain: 0, last_try: now }
    }

    /// Whether a call was answered, be it with a no.
    const fn note(&mut self, answered: bool) {
        self.in_vain = if answered { 0 } else { self.in_vain.saturating_add(1) };
    }

    /// How long to wait before the call, or `None` if it cannot be made.
    fn take(&mut self, limits: ApiBudget, now: Instant) -> Option<Duration> {
        if now.duration_since(self.month_began) >= MONTH {
            (self.month_began, self.this_month) = (now, 0);
        }
        let interval = Duration::from_secs(1) / limits.per_second.max(1);
        // Up to a second's worth of calls may be made at once after a quiet time.
        let burst = Duration::from_secs(1).checked_sub(interval).unwrap_or_default();
        let earliest = now.checked_sub(burst).unwrap_or(now);
        let turn = self.next.max(earliest);
        let wait = turn.saturating_duration_since(now);
        let rests = self.in_vain >= MAX_IN_VAIN && now.duration_since(self.last_try) < BETWEEN_TRIES;
        if self.this_month >= limits.per_month || wait > MAX_WAIT || rests {
            return None;
        }
        self.last_try = now;
        self.this_month += 1;
        self.next = turn + interval;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_allows_a_burst_then_spreads_then_stops() {
        let now = Instant::now();
        let limits = ApiBudget { per_second: 5, per_month: 17 };
        let mut budget = Budget::new(now);
        let later = now + Duration::from_secs(10);
        let waits: Vec<_> = (0..17).map(|_| budget.take(limits, later).map(|wait| wait.as_millis())).collect();
        assert_eq!(waits[..6], [Some(0), Some(0), Some(0), Some(0), Some(0), Some(200)]);
        assert_eq!(waits[14], Some(2000), "the longest wait");
        assert_eq!(waits[15..], [None, None]);
        assert_eq!(budget.take(limits, later + Duration::from_secs(60)), Some(Duration::ZERO));
        assert!(budget.take(limits, later + Duration::from_secs(70)).is_some());
        assert_eq!(budget.take(limits, later + Duration::from_secs(80)), None, "the month's calls are used up");
        assert!(budget.take(limits, now + MONTH).is_some());
    }

    #[test]
    fn calls_that_come_to_nothing_become_few_until_one_is_answered() {
        let mut now = Instant::now();
        let mut budget = Budget::new(now);
        let mut ask = |budget: &mut Budget, answered| {
            now += Duration::from_secs(1);
            let asked = budget.take(ApiBudget { per_second: 5, per_month: 8000 }, now).is_some();
            if asked {
                budget.note(answered);
            }
            asked
        };
        let asked = (0..3600).filter(|_| ask(&mut budget, false)).count();
        assert!((130..=150).contains(&asked), "{asked} in an hour");
        assert!((0..30).any(|_| ask(&mut budget, true)), "it is found out that the platform answers again");
        assert!((0..100).all(|_| ask(&mut budget, true)));
    }
}
