//! The simulated host: the page that embeds the app, and the API that the gateway asks.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::Stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::people::{OTHER_TENANT, PEOPLE, Person, Stage, TENANT, person};
use crate::access::SubjectId;
use crate::app::RequestRecord;

/// The page with the person switcher, the frame and the inspector.
pub(super) fn page(stage: Arc<Stage>) -> Router {
    Router::new()
        .route("/", get(async || Html(include_str!("assets/host.html"))))
        .route("/host.js", get(async || asset("text/javascript", include_str!("assets/host.js"))))
        .route("/inspector.js", get(async || asset("text/javascript", include_str!("assets/inspector.js"))))
        .route("/host.css", get(async || asset("text/css", include_str!("assets/host.css"))))
        .route("/api/people", get(people))
        .route("/api/token", get(token))
        .route("/api/grants", post(grants))
        .route("/api/events", get(events))
        .with_state(stage)
}

/// The API, as far as the gateway uses it.
pub(super) fn api(stage: Arc<Stage>) -> Router {
    Router::new()
        .route("/v1/workspaces", get(workspace))
        .route("/v1/clients/{id}", get(client))
        .route("/v1/companies/{id}", get(company))
        .route("/v1/internal-users/{id}", get(internal_user))
        .with_state(stage)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

async fn people(State(stage): State<Arc<Stage>>) -> Json<Value> {
    let one = |person: &Person| {
        json!({
            "key": person.key,
            "name": name(person),
            "says": person.says,
            "home": person.home,
            "revocable": person.client.is_some(),
            "revoked": person.client.is_some_and(|client| stage.is_revoked(client)),
        })
    };
    Json(json!({ "gateway": stage.gateway_origin(), "people": PEOPLE.iter().map(one).collect::<Vec<_>>() }))
}

fn name(person: &Person) -> String {
    format!("{} {}", person.given_name, person.family_name)
}

/// Which token the page wants for its frame.
#[derive(Deserialize)]
struct Wanted {
    person: String,
    #[serde(default)]
    kind: String,
}

async fn token(State(stage): State<Arc<Stage>>, Query(wanted): Query<Wanted>) -> Response {
    let Some(person) = person(&wanted.person) else { return StatusCode::NOT_FOUND.into_response() };
    let good = || stage.token(person, TENANT);
    let token = match wanted.kind.as_str() {
        "" | "good" => good(),
        "expired" => stage.expired_token(person),
        "tampered" => tampered(&good()),
        "elsewhere" => stage.token(person, OTHER_TENANT),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    Json(json!({ "token": token })).into_response()
}

/// One bit in the middle of the ciphertext.
fn tampered(token: &str) -> String {
    let at = token.len() / 2;
    let other = if &token[at..=at] == "0" { "1" } else { "0" };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}

#[derive(Deserialize)]
struct Revocation {
    person: String,
    revoked: bool,
}

async fn grants(State(stage): State<Arc<Stage>>, Json(asked): Json<Revocation>) -> StatusCode {
    // What staff hold comes with their kind and cannot be taken from one of them.
    let Some(client) = person(&asked.person).and_then(|person| person.client) else { return StatusCode::NOT_FOUND };
    stage.revoke(client, asked.revoked);
    StatusCode::NO_CONTENT
}

/// Every request through the gateway, as it told its audit, with what the app got for it.
async fn events(State(stage): State<Arc<Stage>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let watching = stage.watch();
    let stream = futures_util::stream::unfold((stage, watching), async |(stage, watching)| {
        let mut watching = watching?;
        loop {
            match watching.recv().await {
                Ok(record) => {
                    let event = Event::default().data(describe(&record, &stage).to_string());
                    return Some((Ok(event), (stage, Some(watching))));
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

fn describe(record: &RequestRecord, stage: &Stage) -> Value {
    let app = stage.record_of(&record.request_id);
    let identity = record.principal.as_ref().map(|principal| {
        let (subject, actor) = (principal.subject().as_str(), principal.actor().map(SubjectId::as_str));
        let is_them = |person: &&Person| match person.client {
            Some(client) => client == subject && person.internal == actor,
            None => person.internal == Some(subject),
        };
        json!({
            "name": PEOPLE.iter().find(is_them).map(name),
            "host": principal.host().as_str(),
            "tenant": principal.tenant().as_str(),
            "user": principal.subject().as_str(),
            "kind": principal.kind().as_str(),
            "organization": principal.organization().map(ToString::to_string),
            "actor": principal.actor().map(ToString::to_string),
        })
    });
    json!({
        "id": record.request_id,
        "event": record.event,
        "method": record.method,
        "path": record.path,
        "route": record.route.as_ref().map(ToString::to_string),
        "status": record.status,
        "code": record.code,
        "decision": record.decision,
        "identity": identity,
        "permission": record.permission.as_ref().map(ToString::to_string),
        "project": record.project.as_ref().map(ToString::to_string),
        "grants_from": record.grants_from,
        "session": record.session,
        "milliseconds": record.duration.as_secs_f64() * 1000.0,
        "headers": app.map(|app| app.headers.into_iter().filter(|(name, _)| name.starts_with("x-vestibule-")).collect::<Vec<_>>()),
    })
}

/// `workspace/key` or `workspace/key/token id`, as the platform's SDK sends it.
fn is_authorized(stage: &Stage, headers: &HeaderMap) -> bool {
    let key = headers.get("x-api-key").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = key.split('/');
    let tenant = matches!(parts.next(), Some(TENANT));
    let known = parts.next() == Some(stage.api_key());
    tenant && known && parts.next().is_none_or(|id| stage.token_is_alive(id))
}

async fn workspace(State(stage): State<Arc<Stage>>, headers: HeaderMap) -> Response {
    if !is_authorized(&stage, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(json!({ "id": TENANT, "brandName": "Harbor", "portalUrl": stage.host_origin() })).into_response()
}

async fn client(State(stage): State<Arc<Stage>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if !is_authorized(&stage, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Some(person) = PEOPLE.iter().find(|person| person.client == Some(&id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let body = json!({
        "id": id,
        "object": "client",
        "givenName": person.given_name,
        "familyName": person.family_name,
        "email": format!("{}@example.com", person.key),
        "companyId": person.company,
        "companyIds": person.company.into_iter().collect::<Vec<_>>(),
        "status": "active",
    });
    Json(body).into_response()
}

async fn company(State(stage): State<Arc<Stage>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if !is_authorized(&stage, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if PEOPLE.iter().any(|person| person.company == Some(&id)) {
        Json(json!({ "id": id, "object": "company" })).into_response()
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}

async fn internal_user(State(stage): State<Arc<Stage>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if !is_authorized(&stage, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Some(person) = PEOPLE.iter().find(|person| person.internal == Some(&id)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let body = json!({
        "id": id,
        "object": "internalUser",
        "givenName": person.given_name,
        "familyName": person.family_name,
        "email": format!("{}@example.com", person.key),
        "role": if person.limited_to.is_some() { "staff" } else { "admin" },
        "isClientAccessLimited": person.limited_to.is_some(),
        "companyAccessList": person.limited_to.unwrap_or_default(),
    });
    Json(body).into_response()
}
