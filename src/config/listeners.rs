//! The sections about sockets and bounds.

use std::time::Duration;

use super::document::Node;
use super::reader::{Reader, Table};
use super::tls;
use super::units::{self, DAY, HOUR, SECOND};
use super::values::{Fault, address, boolean, duration, fault, number, origin, pace, size, suggestion, text, word};
use super::{Admin, Server, Telemetry};
use crate::access::Origin;
use crate::gateway::{Http2Limits, Limits};
use crate::telemetry::LogFormat;

/// The largest body that may be held in memory for one request.
const MOST_SIGNED: usize = 16 << 20;

/// Whole sections that are planned, so that nobody looks for a typing error.
const NOT_YET: [&str; 5] = ["directory", "provisioning", "forward_auth", "team", "mail"];

pub(super) fn refuse_what_is_not_there_yet(root: &mut Table<'_>, reader: &mut Reader<'_>) {
    for section in NOT_YET {
        if let Some(node) = root.node(section) {
            reader.error(
                &node.place,
                section,
                format!("[{section}] is not available in this version"),
                "remove the section",
            );
        }
    }
}

pub(super) fn server(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Server> {
    let mut table = root.table("server", reader);
    let listen = table.or("listen", ([127, 0, 0, 1], 8080).into(), reader, address);
    let public_url = table.required("public_url", "\"https://app.example.com\"", reader, public_url);
    let net = |node: &Node| {
        let written = text(node)?;
        let single = |_| written.parse::<std::net::IpAddr>().map(ipnet::IpNet::from);
        written
            .parse()
            .or_else(single)
            .or_else(|_| fault(format!("`{written}` is no network"), "write a CIDR such as \"10.0.0.0/8\""))
    };
    let trusted_proxies = table.list("trusted_proxies", reader, net).unwrap_or_default();
    let cors_origins = table.list("cors_origins", reader, origin).unwrap_or_default();
    let drain = table.or("drain", 20 * SECOND, reader, duration(Duration::ZERO, HOUR));
    let drain_delay = table.or("drain_delay", 5 * SECOND, reader, duration(Duration::ZERO, HOUR));
    let reuse_port = table.or("reuse_port", false, reader, boolean);
    let tls = tls::server(&mut table, public_url.as_ref(), reader);
    table.finish(reader);
    let public_url = public_url?;
    Some(Server { listen, public_url, trusted_proxies, cors_origins, drain, drain_delay, reuse_port, tls })
}

/// Browsers give a `Secure` cookie only to https, and to loopback.
fn public_url(node: &Node) -> Result<Origin, Fault> {
    let origin = origin(node)?;
    if origin.scheme() == "https" || origin.is_loopback() {
        return Ok(origin);
    }
    fault(
        format!("`{origin}` is not https"),
        "browsers keep the session cookie only for https, or for http on localhost and 127.0.0.1",
    )
}

pub(super) fn admin(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<Admin> {
    let configured = root.has("admin");
    let mut table = root.table("admin", reader);
    if !configured {
        return None;
    }
    let loopback = |node: &Node| {
        let listen = address(node)?;
        if listen.ip().is_loopback() {
            Ok(listen)
        } else {
            fault(
                format!("{listen} can be reached from outside"),
                "listen on 127.0.0.1 or [::1]; use [health] for probes from outside",
            )
        }
    };
    let listen = table.or("listen", ([127, 0, 0, 1], 9901).into(), reader, loopback);
    let token = table.secret("token", "VESTIBULE_ADMIN_TOKEN", reader);
    if token.as_ref().is_some_and(|token| token.expose().len() < 24) {
        reader.error(
            &table.place_of("token"),
            "admin.token",
            "admin.token has fewer than 24 characters",
            "make one with `vestibule keys generate session`",
        );
    }
    table.finish(reader);
    Some(Admin { listen, token: token? })
}

pub(super) fn health(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Option<std::net::SocketAddr> {
    let configured = root.has("health");
    let mut table = root.table("health", reader);
    if !configured {
        return None;
    }
    let listen = table.required("listen", "\"0.0.0.0:9902\"", reader, address);
    table.finish(reader);
    listen
}

pub(super) fn limits(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Limits {
    let mut table = root.table("limits", reader);
    let some_time = || duration(Duration::from_millis(10), HOUR);
    let count =
        |most| move |node: &Node| number(1, most)(node).map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    let bytes = |node: &Node| size(node).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let mut headers = table.table("headers", reader);
    let mut body = table.table("body", reader);
    let mut connections = table.table("connections", reader);
    let mut upstream_requests = table.table("upstream_requests", reader);
    let http2 = http2_limits(&mut table, reader);
    let rate = |node: &Node| {
        let written = text(node)?;
        units::rate(&written)
            .map_or_else(|| fault(format!("`{written}` is no rate"), "write so many in a time, such as \"100/1m\""), Ok)
    };
    let default = Limits::default();
    let failures = (default.token_failures, default.token_failure_window);
    let (token_failures, token_failure_window) = table.or("token_failures", failures, reader, rate);
    let limits = Limits {
        first_byte: table.or("first_byte", default.first_byte, reader, some_time()),
        header_time: headers.or("time", default.header_time, reader, some_time()),
        header_size: headers.or("size", default.header_size, reader, bytes),
        header_count: headers.or("count", default.header_count, reader, count(1000)),
        uri: table.or("uri", default.uri, reader, bytes),
        request_body: table.or("request_body", default.request_body, reader, size),
        signed_body: table.or("signed_body", default.signed_body, reader, signed_body),
        body_idle: body.or("idle", default.body_idle, reader, some_time()),
        body_min_rate: body.or("min_rate", default.body_min_rate, reader, pace),
        send_idle: table.or("send_idle", default.send_idle, reader, some_time()),
        answer_idle: table.or("answer_idle", default.answer_idle, reader, duration(Duration::from_millis(10), DAY)),
        upstream_requests: upstream_requests.or("total", default.upstream_requests, reader, count(10_000_000)),
        upstream_requests_per_address: upstream_requests.or(
            "per_address",
            default.upstream_requests_per_address,
            reader,
            count(10_000_000),
        ),
        keep_alive: table.or("keep_alive", default.keep_alive, reader, some_time()),
        connection_age: table.or(
            "connection_age",
            default.connection_age,
            reader,
            duration(Duration::from_millis(10), DAY),
        ),
        http2,
        connections_total: connections.or("total", default.connections_total, reader, count(10_000_000)),
        connections_per_address: connections.or(
            "per_address",
            default.connections_per_address,
            reader,
            count(10_000_000),
        ),
        websockets_per_session: table.or(
            "websockets_per_session",
            default.websockets_per_session,
            reader,
            count(10_000),
        ),
        token_failures,
        token_failure_window,
    };
    for part in [headers, body, connections, upstream_requests, table] {
        part.finish(reader);
    }
    limits
}

/// Held in memory for each call, so it has an end of its own.
fn signed_body(node: &Node) -> Result<usize, Fault> {
    let bytes = usize::try_from(size(node)?).unwrap_or(usize::MAX);
    if bytes <= MOST_SIGNED {
        return Ok(bytes);
    }
    fault("signed bodies are held in memory; this is more than 16MiB", "write at most \"16MiB\"")
}

fn http2_limits(table: &mut Table<'_>, reader: &mut Reader<'_>) -> Http2Limits {
    let mut table = table.table("http2", reader);
    let mut ping = table.table("ping", reader);
    let some_time = || duration(Duration::from_millis(10), HOUR);
    let small = |node: &Node| number(1, 10_000)(node).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let count = |node: &Node| number(1, 1_000_000)(node).map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    let default = Http2Limits::default();
    let limits = Http2Limits {
        streams: table.or("streams", default.streams, reader, small),
        resets: table.or("resets", default.resets, reader, count),
        ping_interval: ping.or("interval", default.ping_interval, reader, some_time()),
        ping_timeout: ping.or("timeout", default.ping_timeout, reader, some_time()),
    };
    ping.finish(reader);
    table.finish(reader);
    limits
}

pub(super) fn telemetry(root: &mut Table<'_>, reader: &mut Reader<'_>) -> Telemetry {
    let mut table = root.table("telemetry", reader);
    let format =
        table.or("format", LogFormat::Json, reader, word(&[("json", LogFormat::Json), ("text", LogFormat::Text)]));
    let level = table.or("level", "info".to_owned(), reader, log_filter);
    table.not_yet("otlp", reader);
    table.finish(reader);
    Telemetry { format, level }
}

/// A bare word that is no level would be the name of a module, and silence everything else.
fn log_filter(node: &Node) -> Result<String, Fault> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let written = text(node)?;
    for part in written.split(',').map(str::trim).filter(|part| !part.contains('=')) {
        if !LEVELS.contains(&part) {
            return fault(format!("`{part}` is no log level"), suggestion(part, &LEVELS));
        }
    }
    match tracing_subscriber::EnvFilter::try_new(&written) {
        Ok(_) => Ok(written),
        Err(_) => fault(format!("`{written}` is no log filter"), "write a level, or such as \"info,vestibule=debug\""),
    }
}
