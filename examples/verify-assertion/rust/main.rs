//! An app that answers only to requests that passed Vestibule, and says who is calling.
//!
//! `verify.rs` is what you copy: it needs ring for the signature, base64, serde and `serde_json` for the token, hyper-util,
//! http-body-util, hyper-rustls and rustls to fetch the keys, and nothing of Vestibule itself.

mod verify;

use std::env;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use serde_json::json;

use verify::Verifier;

#[tokio::main]
async fn main() {
    tracing_subscriber::fmt::init();
    let issuer = env::var("ISSUER").expect("ISSUER is the public address of the app");
    let audience = env::var("AUDIENCE").unwrap_or_else(|_| issuer.clone());
    let jwks = env::var("JWKS").unwrap_or_else(|_| format!("{issuer}/.vestibule/jwks.json"));
    let port = env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let verifier = Arc::new(Verifier::new(issuer, audience, jwks));
    let app = Router::new().fallback(answer).with_state(verifier);
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.expect("the port is free");
    axum::serve(listener, app).await.expect("serving does not end");
}

async fn answer(State(verifier): State<Arc<Verifier>>, headers: HeaderMap) -> Response {
    let mut sent = headers.get_all("x-vestibule-assertion").iter();
    // Absent or sent twice, it is no assertion either.
    let (Some(assertion), None) = (sent.next(), sent.next()) else { return StatusCode::UNAUTHORIZED.into_response() };
    match verifier.caller(assertion.as_bytes()).await {
        Some(caller) => {
            let verify::Claims { host, tenant, sub, kind, permissions, .. } = caller;
            Json(json!({ "host": host, "tenant": tenant, "sub": sub, "kind": kind, "permissions": permissions }))
                .into_response()
        }
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}
