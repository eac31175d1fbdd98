//! The embedded app: pages, a form, fetch, upload, WebSocket and SSE. It knows nothing of tokens or sessions; all it
//! does about access is read the `X-Vestibule-…` headers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Form, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, Sse};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::Stream;
use http_body_util::BodyExt as _;
use ring::digest;
use serde::Deserialize;
use serde_json::{Value, json};

use super::people::{AppRecord, PROJECTS, Stage};

/// What `Range` requests are answered from.
const FILE: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

pub(super) fn router(stage: Arc<Stage>) -> Router {
    Router::new()
        .route("/", get(async || Redirect::to("/projects")))
        .route("/projects", get(list))
        .route("/projects/{project}", get(page))
        .route("/projects/{project}/notes", post(note))
        .route("/projects/{project}/whoami", get(whoami))
        .route("/projects/{project}/file", get(file).put(upload))
        .route("/projects/{project}/events", get(events))
        .route("/projects/{project}/live", get(live))
        .route(
            "/assets/app.js",
            get(async || ([(header::CONTENT_TYPE, "text/javascript")], include_str!("assets/app.js"))),
        )
        .route("/assets/app.css", get(async || ([(header::CONTENT_TYPE, "text/css")], include_str!("assets/app.css"))))
        .layer(middleware::from_fn_with_state(stage, remember))
}

/// On a port of its own: what the app was asked.
pub(super) fn records(stage: Arc<Stage>) -> Router {
    Router::new().route("/", get(async |State(stage): State<Arc<Stage>>| Json(stage.records()))).with_state(stage)
}

async fn remember(State(stage): State<Arc<Stage>>, request: Request, next: Next) -> Response {
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = request.headers();
    stage.record(AppRecord {
        request_id: headers.get("x-request-id").map(text).unwrap_or_default(),
        method: request.method().to_string(),
        target: request.uri().to_string(),
        headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        trailers: headers.contains_key(header::TRAILER),
    });
    next.run(request).await
}

fn said<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn html(headers: &HeaderMap, title: &str, body: &str) -> Html<String> {
    let name = decoded(said(headers, "x-vestibule-name"));
    Html(format!(include_str!("assets/app.html"), title = title, name = escaped(&name), body = body))
}

/// Everything that a caller could have chosen is escaped; ids are plain, but a page should not have to know that.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Names come percent-encoded, because a header is ASCII.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(b'%'));
        bytes.extend_from_slice(&part.as_bytes()[if byte.is_some() { 2 } else { 0 }..]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn list(headers: HeaderMap) -> Html<String> {
    let item = |(key, title): &(&str, &str)| format!("<li><a href=\"/projects/{key}\">{title}</a></li>");
    let items: String = PROJECTS.iter().map(item).collect();
    let kind = escaped(said(&headers, "x-vestibule-user-kind"));
    html(&headers, "Projects", &format!(include_str!("assets/projects.html"), kind = kind, items = items))
}

/// What the address of a project's page may say beside the project.
#[derive(Deserialize)]
struct View {
    /// Characters of the note that was just saved.
    noted: Option<usize>,
}

async fn page(Path(project): Path<String>, Query(view): Query<View>, headers: HeaderMap) -> Response {
    let Some((key, title)) = PROJECTS.iter().find(|(key, _)| *key == project) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let permissions = said(&headers, "x-vestibule-permissions");
    let is_preview = headers.contains_key("x-vestibule-actor");
    let holds_write = permissions.split(',').any(|held| held == "*" || held == "projects:write");
    let writes = holds_write && !is_preview;
    let body = format!(
        include_str!("assets/project.html"),
        key = key,
        title = title,
        who = escaped(said(&headers, "x-vestibule-user")),
        preview = if is_preview { " (preview)" } else { "" },
        roles = escaped(said(&headers, "x-vestibule-roles")),
        permissions = escaped(permissions),
        disabled = if writes { "" } else { "disabled" },
        said = match view.noted {
            Some(length) => format!("Saved a note of {length} characters."),
            None if is_preview => "You are looking through somebody else's eyes: changes are refused.".into(),
            None if writes => "You may read and write here.".into(),
            None => "You may only read here.".into(),
        },
    );
    html(&headers, title, &body).into_response()
}

#[derive(Deserialize)]
struct Note {
    text: String,
}

/// A form post, answered with a redirect as forms are; the cookie is the app's own.
async fn note(Path(project): Path<String>, Form(note): Form<Note>) -> Response {
    let cookie = format!("last-note={}; Path=/; SameSite=Lax; HttpOnly", note.text.len());
    ([(header::SET_COOKIE, cookie)], Redirect::to(&format!("/projects/{project}?noted={}", note.text.len())))
        .into_response()
}

async fn whoami(headers: HeaderMap) -> Json<Value> {
    let ours = headers.iter().filter(|(name, _)| name.as_str().starts_with("x-vestibule-"));
    let members = ours.map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes()))));
    Json(Value::Object(members.collect()))
}

/// A text with `Range`, first-last only (RFC 9110 §14.1.2), which is all that a demo needs.
async fn file(headers: HeaderMap) -> Response {
    let range = said(&headers, "range").strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let bounds = range.and_then(|(first, last)| Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?)));
    match bounds.and_then(|(first, last)| FILE.get(first..=last).map(|part| (first, last, part))) {
        Some((first, last, part)) => {
            let content_range = format!("bytes {first}-{last}/{}", FILE.len());
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, content_range)], part).into_response()
        }
        None => FILE.into_response(),
    }
}

/// Counts and hashes what comes, without keeping it.
async fn upload(mut body: Body) -> Response {
    let (mut bytes, mut hash) = (0_usize, digest::Context::new(&digest::SHA256));
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return StatusCode::BAD_REQUEST.into_response() };
        if let Some(data) = frame.data_ref() {
            bytes += data.len();
            hash.update(data);
        }
    }
    Json(json!({ "bytes": bytes, "sha256": faster_hex::hex_string(hash.finish().as_ref()) })).into_response()
}

/// One event at once and one every second.
async fn events() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stream = futures_util::stream::unfold(0_u32, async |count| {
        if count > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Some((Ok(Event::default().data(count.to_string())), count + 1))
    });
    Sse::new(stream)
}

async fn live(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(echo)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else { continue };
        if socket.send(Message::Text(format!("echo: {text}").into())).await.is_err() {
            return;
        }
    }
}
