//! The admin and health listeners: health, readiness, metrics, dropping cached grants, and reloading.
//!
//! Never on the public listener, with credentials of its own. Knows the rest of the process only through the closures
//! that `app` hands it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::access::{Origin, TenantId};
use crate::secret::Secret;

/// Time for the head of a request; an operator's tools are not slow.
const HEADER_TIME: Duration = Duration::from_secs(5);

/// Time for a connection in all, whatever its caller sends or does not read; both listeners give short answers.
const CONNECTION_TIME: Duration = Duration::from_secs(10);

/// Connections at a time, so that whoever reaches a listener for probes cannot use up the file descriptors.
const MAX_CONNECTIONS: usize = 256;

/// Bytes of a request's body: a workspace fits many times.
const MAX_BODY: usize = 16 * 1024;

/// The body of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadyReport {
    /// `ok`, `degraded` or `draining`.
    pub status: &'static str,
    /// What does not work or is weaker than it could be.
    pub reasons: Vec<String>,
    /// How many configurations have been in force, this one included.
    pub generation: u64,
    /// Of this program.
    pub version: &'static str,
}

/// A reload on its way.
pub type Reload = Pin<Box<dyn Future<Output = Result<u64, Vec<String>>> + Send>>;

/// What probes and scrapers are told.
#[derive(Clone)]
pub struct Probes {
    /// For `/readyz`.
    pub readiness: Arc<dyn Fn() -> ReadyReport + Send + Sync>,
    /// For `/metrics`, in Prometheus' text form.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// What the API works with.
pub struct Api {
    /// Drops cached grants: of one tenant, or of all.
    pub invalidate: Box<dyn Fn(Option<TenantId>) + Send + Sync>,
    /// Reads the configuration again: the generation that is in force then, or all that is wrong with it.
    pub reload: Box<dyn Fn() -> Reload + Send + Sync>,
    /// What `/v1` asks for; nobody gets in without one.
    pub token: Box<dyn Fn() -> Option<Secret> + Send + Sync>,
    /// The address that is listened on.
    pub listen: SocketAddr,
}

impl ReadyReport {
    /// Trouble behind us is a reason and no refusal: the process still serves what it can.
    pub fn new(draining: bool, reasons: Vec<String>, generation: u64) -> Self {
        let status = match (draining, reasons.is_empty()) {
            (true, _) => "draining",
            (false, true) => "ok",
            (false, false) => "degraded",
        };
        Self { status, reasons, generation, version: env!("CARGO_PKG_VERSION") }
    }
}

/// Health, readiness, metrics and the API.
pub fn router(probes: Probes, api: Api) -> Router {
    let api = Arc::new(api);
    let guarded = Router::new()
        .route("/v1/invalidate", post(invalidate))
        .route("/v1/reload", post(reload))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(&api), require_token))
        .with_state(Arc::clone(&api));
    health_router(probes).merge(guarded).layer(middleware::from_fn_with_state(api, check_host))
}

/// Health, readiness and metrics alone, for probes that come from elsewhere.
pub fn health_router(probes: Probes) -> Router {
    Router::new()
        .route("/healthz", get(async || Json(json!({ "status": "ok" }))))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(async || problem(StatusCode::NOT_FOUND, "not_routed", "There is nothing here."))
        .with_state(probes)
}

/// Serves until the task is ended. Connections over the limit are closed at once.
pub async fn serve(listener: TcpListener, router: Router) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
            let serving = builder.serve_connection(TokioIo::new(stream), service);
            if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_TIME, serving).await {
                tracing::debug!(event = "admin_connection", error = %error, "a connection ended");
            }
            drop(place);
        });
    }
}

async fn readyz(State(probes): State<Probes>) -> Response {
    let report = (probes.readiness)();
    let status = if report.status == "draining" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(report)).into_response()
}

async fn metrics(State(probes): State<Probes>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], (probes.metrics)()).into_response()
}

/// The body of `POST /v1/invalidate`; empty for all tenants.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Invalidation {
    tenant: Option<String>,
}

async fn invalidate(State(api): State<Arc<Api>>, body: Result<Bytes, BytesRejection>) -> Response {
    let asked = match &body {
        Ok(body) if body.is_empty() => Some(Invalidation::default()),
        Ok(body) => serde_json::from_slice(body).ok(),
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return problem(rejection.status(), "body_too_large", "The body is larger than the limit.");
        }
        Err(_) => None,
    };
    let tenant = asked.map(|asked| asked.tenant.map(|id| TenantId::new(&id)).transpose());
    match tenant {
        Some(Ok(tenant)) => {
            tracing::info!(
                event = "invalidate",
                tenant = tenant.as_ref().map(tracing::field::display),
                "cached grants dropped"
            );
            (api.invalidate)(tenant);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => problem(StatusCode::BAD_REQUEST, "malformed_request", "The body is empty or {\"tenant\":\"…\"}."),
    }
}

async fn reload(State(api): State<Arc<Api>>) -> Response {
    match (api.reload)().await {
        Ok(generation) => Json(json!({ "generation": generation })).into_response(),
        Err(problems) => {
            let detail = "The configuration is not taken; what was in force stays.";
            with_problems(StatusCode::UNPROCESSABLE_ENTITY, "config_refused", detail, &problems)
        }
    }
}

async fn require_token(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let given = authorization.and_then(|value| value.strip_prefix(b"Bearer "));
    match given {
        None => {
            problem(StatusCode::UNAUTHORIZED, "token_missing", "Send `Authorization: Bearer` with the admin token.")
        }
        Some(given) if (api.token)().is_some_and(|token| is_equal(given, token.expose())) => next.run(request).await,
        Some(_) => problem(StatusCode::UNAUTHORIZED, "token_invalid", "The admin token is not this one."),
    }
}

/// Compares hashes, so that neither content nor length of the secret shows in the time.
fn is_equal(given: &[u8], secret: &[u8]) -> bool {
    let hash = |bytes| ring::digest::digest(&ring::digest::SHA256, bytes);
    hash(given).as_ref() == hash(secret).as_ref()
}

/// A page in the operator's browser must not reach this listener under a name of its own (DNS rebinding).
async fn check_host(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let names = [format!("http://{}", api.listen), format!("http://localhost:{}", api.listen.port())];
    if names.iter().filter_map(|name| Origin::parse(name).ok()).any(|name| name.matches_host(host)) {
        return next.run(request).await;
    }
    problem(StatusCode::MISDIRECTED_REQUEST, "wrong_host", "This host name is not served here.")
}

fn problem(status: StatusCode, code: &'static str, detail: &'static str) -> Response {
    with_problems(status, code, detail, &[])
}

/// With a member of our own where there is more to say (RFC 9457 §3.2).
fn with_problems(status: StatusCode, code: &'static str, detail: &'static str, problems: &[String]) -> Response {
    let mut body =
        json!({ "title": status.canonical_reason(), "status": status.as_u16(), "code": code, "detail": detail });
    if !problems.is_empty() {
        body["problems"] = json!(problems);
    }
    let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
    let mut answer = (status, headers, body.to_string()).into_response();
    answer.headers_mut().insert("x-vestibule-error", HeaderValue::from_static(code));
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}
