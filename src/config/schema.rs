//! Every key in one table: for the JSON schema, the reference in `docs/configuration.md`, and the tests that keep
//! `config/vestibule.toml` complete. The gateway itself knows its keys from the code that reads them.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

mod hosts;

/// One key: path (`*` is a name of the operator's choice, `[]` an item), kind, default as written, one sentence. The kind
/// is a JSON type, or `size` (a string or a number), `strings`, `words` (a string or strings), `secret`, `secrets`, `key` (a
/// secret or several), `public` (text or a secret, or several), `query` (`{ query = "name" }`).
#[derive(Clone)]
pub(super) struct Key {
    pub(super) path: &'static str,
    /// Its table is in disorder without it.
    pub(super) required: bool,
    pub(super) kind: &'static str,
    pub(super) default: &'static str,
    pub(super) says: &'static str,
}

const fn key(path: &'static str, kind: &'static str, default: &'static str, says: &'static str) -> Key {
    Key { path, required: false, kind, default, says }
}

const fn required(path: &'static str, kind: &'static str, says: &'static str) -> Key {
    Key { path, required: true, kind, default: "", says }
}

/// All of them, in the order of the documentation.
pub(super) static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| [BEFORE_HOSTS, hosts::KEYS, AFTER_HOSTS].concat());

const BEFORE_HOSTS: &[Key] = &[
    key("server.listen", "string", "\"127.0.0.1:8080\"", "Address of the public listener; port 0 picks a free one."),
    required(
        "server.public_url",
        "string",
        "Exact origin that the host puts in its iframe; other Host values are 421.",
    ),
    key("server.trusted_proxies", "strings", "[]", "CIDRs whose X-Forwarded-For and X-Request-Id are believed."),
    key(
        "server.cors_origins",
        "strings",
        "[]",
        "Exact origins whose pages may call routes that are not public, with a token that they send themselves.",
    ),
    key("server.drain", "string", "\"20s\"", "After SIGTERM, open connections get this long to finish."),
    key(
        "server.drain_delay",
        "string",
        "\"5s\"",
        "Before that, readyz is 503 for this long while connections are still accepted.",
    ),
    key(
        "server.reuse_port",
        "boolean",
        "false",
        "Lets the next process listen on the same address before this one has stopped (SO_REUSEPORT).",
    ),
    key(
        "server.tls.certificate",
        "string",
        "",
        "PEM file with the server's certificate and its chain; no tls, no TLS.",
    ),
    key("server.tls.key", "secret", "", "PEM key of the certificate."),
    required(
        "upstream.url",
        "string",
        "Where the app listens: http://HOST:PORT or https://HOST:PORT, a path prefix allowed, or unix:/path.",
    ),
    key("upstream.protocol", "string", "\"http1\"", "http1, h2 (HTTP/2 over TLS) or h2c (HTTP/2 without TLS)."),
    key("upstream.tls.ca", "string", "", "PEM file of the authorities that the app's certificate has to come from."),
    key("upstream.tls.certificate", "string", "", "PEM file of our own certificate, for an app that asks for one."),
    key("upstream.tls.key", "secret", "", "The key to that certificate."),
    key("upstream.tls.server_name", "string", "", "The name in the app's certificate; the url's host by default."),
    key(
        "upstream.inject_helper",
        "boolean",
        "false",
        "Adds the helper script to framed HTML answers; not available in this version.",
    ),
    key("upstream.connect_timeout", "string", "\"3s\"", "Time for a connection to the app to be made."),
    key(
        "upstream.header_timeout",
        "string",
        "\"1m\"",
        "Time from the end of a request to the head of the app's answer; 504 after it.",
    ),
];

const AFTER_HOSTS: &[Key] = &[
    required("session.keys[].id", "string", "Name of a key; stands in front of what it sealed."),
    required(
        "session.keys[].secret",
        "secret",
        "32 bytes as 64 hex digits or base64url; the first key seals, all open.",
    ),
    key("session.idle", "string", "\"1h\"", "A session ends after this time without a request."),
    key("session.absolute", "string", "\"12h\"", "A session ends this long after its token was first seen."),
    key(
        "session.bearer",
        "boolean",
        "false",
        "A bearer in the memory of pages whose browser keeps no cookie, five minutes at most.",
    ),
    key("identity.headers.host", "string", "\"X-Vestibule-Host\"", "Header with the host's name in this file."),
    key("identity.headers.tenant", "string", "\"X-Vestibule-Tenant\"", "Header with the workspace id."),
    key("identity.headers.user", "string", "\"X-Vestibule-User\"", "Header with the host's id of the person."),
    key(
        "identity.headers.user_kind",
        "string",
        "\"X-Vestibule-User-Kind\"",
        "Header with client, internal, external or service.",
    ),
    key("identity.headers.organization", "string", "\"X-Vestibule-Organization\"", "Header with the company id."),
    key("identity.headers.actor", "string", "\"X-Vestibule-Actor\"", "Header with the member of staff who previews."),
    key("identity.headers.project", "string", "\"X-Vestibule-Project\"", "Header with the project of the route."),
    key("identity.headers.roles", "string", "\"X-Vestibule-Roles\"", "Header with the roles as granted."),
    key(
        "identity.headers.permissions",
        "string",
        "\"X-Vestibule-Permissions\"",
        "Header with the expanded permissions.",
    ),
    key(
        "identity.headers.directory_user",
        "string",
        "\"X-Vestibule-Directory-User\"",
        "Header with the id in the directory.",
    ),
    key("identity.headers.assertion", "string", "\"X-Vestibule-Assertion\"", "Header with the signed assertion."),
    key("identity.headers.name", "string", "\"X-Vestibule-Name\"", "Header with the display name, percent-encoded."),
    key("identity.headers.email", "string", "\"X-Vestibule-Email\"", "Header with the address, percent-encoded."),
    key(
        "identity.assertion.keys",
        "secrets",
        "[]",
        "PKCS#8 PEM keys; the first signs, all are published; without one a key is made at start.",
    ),
    key("identity.assertion.ttl", "string", "\"60s\"", "Life of an assertion, at most a minute."),
    key("identity.audience", "string", "", "`aud` of assertions; the public URL by default."),
    key("identity.profile", "boolean", "false", "Adds name and address headers where the host gave them."),
    key("roles.*.name", "string", "", "Name shown to people; the key by default."),
    required("roles.*.weight", "integer", "1 to 1000; higher is stronger."),
    key("roles.*.extends", "string", "", "A role whose permissions this one includes."),
    key("roles.*.permissions", "strings", "[]", "Permissions such as projects:read; * is every permission."),
    required("default_roles[].kind", "string", "internal or client: whom the role goes to."),
    required("default_roles[].role", "string", "The role that everyone of the kind holds."),
    key("default_roles[].host", "string", "", "Only people of this host."),
    key("default_roles[].tenant", "string", "", "Only people of this workspace."),
    key("default_roles[].host_role", "string", "", "Only those whom the host gives this rank, such as admin."),
    required("routes[].path", "string", "/literal, {name} for one segment, /** for this path and everything below."),
    key("routes[].methods", "strings", "[]", "Methods, upper case; GET includes HEAD; empty takes every method."),
    key("routes[].access", "string", "", "public or authenticated; or use require."),
    key(
        "routes[].require",
        "string",
        "",
        "The permission that the caller must hold, on the project where the route has one.",
    ),
    key(
        "routes[].project",
        "query",
        "",
        "{ query = \"name\" }: takes the project from a query parameter instead of {project}.",
    ),
    key("routes[].host_token", "string", "\"consume\"", "ignore leaves the host's token parameter to the app."),
    key("routes[].request_body", "size", "", "Body limit of this route instead of limits.request_body."),
    key("routes[].body.idle", "string", "", "Time limit of this route instead of limits.body.idle."),
    key("routes[].body.min_rate", "string", "", "Pace of this route instead of limits.body.min_rate."),
    key("routes[].header_timeout", "string", "", "Time limit of this route instead of upstream.header_timeout."),
    key("routes[].answer_idle", "string", "", "Time limit of this route instead of limits.answer_idle."),
    key("routes[].name", "string", "", "Metric label and assertion claim; the path by default."),
    key(
        "permissions.source",
        "words",
        "\"config\"",
        "Where grants come from: config, http, or a list of both; directory is not available in this version.",
    ),
    key("permissions.url", "string", "", "Where http asks: https, or http on this machine."),
    key("permissions.headers.*", "secret", "", "Goes along with every question of http, such as Authorization."),
    key(
        "permissions.timeout",
        "string",
        "\"500ms\"",
        "Time for a question of http, from first byte out to last byte in.",
    ),
    key("permissions.ca", "string", "", "PEM file of the authorities that http believes instead of the public ones."),
    key("permissions.concurrency", "integer", "64", "Questions of http at a time; 16 times as many may wait."),
    key("permissions.on_outage", "string", "\"deny\"", "deny, or serve_stale for stale_for at most."),
    key("permissions.stale_for", "string", "\"0s\"", "How long the last answer serves while a source cannot answer."),
    required("grants[].tenant", "string", "Workspace of the person."),
    required("grants[].subject", "string", "The host's id of the person."),
    required("grants[].role", "string", "The role they hold."),
    key("grants[].project", "string", "", "In this project only."),
    key("grants[].organization", "string", "", "When they act in this company only."),
    key("grants[].host", "string", "", "Host that names the person; may be left out when there is one."),
    key(
        "cache.ttl",
        "string",
        "\"30s\"",
        "No revocation takes longer; answers are kept for two thirds to four fifths of it.",
    ),
    key("cache.negative_ttl", "string", "\"5s\"", "Life of a cached answer that holds nothing."),
    key("cache.capacity", "integer", "100000", "Cached answers."),
    key(
        "admin.listen",
        "string",
        "\"127.0.0.1:9901\"",
        "Loopback address of the admin listener; no [admin], no listener.",
    ),
    required("admin.token", "secret", "At least 24 characters; what /v1 asks for."),
    required(
        "health.listen",
        "string",
        "Probes and metrics only, for a kubelet and Prometheus; no [health], no listener.",
    ),
    key(
        "limits.first_byte",
        "string",
        "\"10s\"",
        "From accept to the first byte: a browser that connects early still has time.",
    ),
    key(
        "limits.headers.time",
        "string",
        "\"10s\"",
        "From a head's first byte to its end: slow senders hold a connection, not a request.",
    ),
    key("limits.headers.size", "size", "\"32KiB\"", "A request head: four full cookies and a token fit."),
    key("limits.headers.count", "integer", "100", "Fields of a request head: browsers send about 30."),
    key("limits.uri", "size", "\"8KiB\"", "A request target: the longest that servers commonly take."),
    key("limits.request_body", "size", "\"1GiB\"", "A request body; streamed, so memory does not depend on it."),
    key("limits.signed_body", "size", "\"1MiB\"", "A body that a host has signed: read as a whole; at most 16MiB."),
    key("limits.body.idle", "string", "\"30s\"", "Longest silence inside a request body."),
    key("limits.body.min_rate", "string", "\"1KiB/s\"", "Slowest pace of a request body while we wait for it."),
    key("limits.send_idle", "string", "\"60s\"", "Longest time that a caller may take nothing of an answer."),
    key("limits.answer_idle", "string", "\"15m\"", "Longest silence inside an answer of the app; per route too."),
    key(
        "limits.upstream_requests.total",
        "integer",
        "10000",
        "Requests that the app has at a time, event streams included; 503 beyond.",
    ),
    key(
        "limits.upstream_requests.per_address",
        "integer",
        "1000",
        "The same of one address, so that nobody takes all; trusted proxies are not counted.",
    ),
    key("limits.keep_alive", "string", "\"60s\"", "Idle time of a connection between two requests."),
    key(
        "limits.connection_age",
        "string",
        "\"1h\"",
        "How long a connection takes new requests, plus or minus 10 %; what is running goes on.",
    ),
    key("limits.http2.streams", "integer", "100", "Requests at a time on an HTTP/2 connection."),
    key(
        "limits.http2.resets",
        "integer",
        "1000",
        "Requests that an HTTP/2 caller may break off or spoil before its connection ends.",
    ),
    key(
        "limits.http2.ping.interval",
        "string",
        "\"30s\"",
        "How often a silent HTTP/2 caller is asked whether it is there.",
    ),
    key("limits.http2.ping.timeout", "string", "\"20s\"", "Longest time until it says so."),
    key(
        "limits.connections.total",
        "integer",
        "20000",
        "Open connections in all: stay below half of the file descriptors.",
    ),
    key(
        "limits.connections.per_address",
        "integer",
        "200",
        "Open connections of one address; trusted proxies are not counted.",
    ),
    key(
        "limits.websockets_per_session",
        "integer",
        "20",
        "Open WebSockets of one session: tabs of one person fit, and no script holds hundreds.",
    ),
    key(
        "limits.token_failures",
        "string",
        "\"100/1m\"",
        "Refused tokens of one address before token exchange is 429; sessions go on.",
    ),
    key("telemetry.format", "string", "\"json\"", "json or text."),
    key("telemetry.level", "string", "\"info\"", "error, warn, info, debug or trace."),
];

/// JSON Schema (2020-12) of the configuration, for editors.
pub(super) fn json_schema() -> String {
    let mut root = object();
    for key in KEYS.iter() {
        let mut at = &mut root;
        let parts: Vec<&str> = key.path.split('.').collect();
        for (index, part) in parts.iter().enumerate() {
            let leaf = index + 1 == parts.len();
            at = child(at, part, leaf.then_some(key));
        }
    }
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("Vestibule configuration");
    let mut text = serde_json::to_string_pretty(&root).unwrap_or_default();
    text.push('\n');
    text
}

fn object() -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": {} })
}

/// Steps into a member, making it where it is new.
fn child<'a>(at: &'a mut Value, part: &str, leaf: Option<&Key>) -> &'a mut Value {
    let fresh = || leaf.map_or_else(object, leaf_schema);
    if part == "*" {
        let slot = &mut at["additionalProperties"];
        if !slot.is_object() {
            *slot = fresh();
        }
        return slot;
    }
    let (name, is_list) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
    let empty = || Value::Object(Map::new());
    if !at["properties"].is_object() {
        at["properties"] = empty();
    }
    let slot = &mut at["properties"][name];
    if slot.is_null() {
        *slot = if is_list { json!({ "type": "array", "items": fresh() }) } else { fresh() };
    }
    if is_list { &mut slot["items"] } else { slot }
}

fn leaf_schema(key: &Key) -> Value {
    let mut schema = shape(key.kind);
    // Only said, not demanded: an environment variable may hold it.
    schema["description"] = json!(if key.required { format!("Required. {}", key.says) } else { key.says.to_owned() });
    let default = toml::from_str::<toml::Table>(&format!("value = {}", key.default)).ok();
    if let Some(default) = default.and_then(|table| serde_json::to_value(table.get("value")?).ok()) {
        schema["default"] = default;
    }
    schema
}

fn one_or_several(item: &Value) -> Value {
    json!({ "anyOf": [item, { "type": "array", "items": item }] })
}

fn shape(kind: &str) -> Value {
    let exactly_one_of = |names: &[&str]| {
        let members: Map<_, _> = names.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
        json!({
            "type": "object", "properties": members, "additionalProperties": false,
            "minProperties": 1, "maxProperties": 1,
        })
    };
    match kind {
        "size" => json!({ "type": ["string", "integer"] }),
        "words" => json!({ "type": ["string", "array"], "items": { "type": "string" } }),
        "strings" => json!({ "type": "array", "items": { "type": "string" } }),
        "secret" => exactly_one_of(&["env", "file"]),
        "secrets" => json!({ "type": "array", "items": exactly_one_of(&["env", "file"]) }),
        "key" => one_or_several(&exactly_one_of(&["env", "file"])),
        "public" => one_or_several(&json!({ "anyOf": [{ "type": "string" }, exactly_one_of(&["env", "file"])] })),
        "query" => exactly_one_of(&["query"]),
        plain => json!({ "type": plain }),
    }
}
