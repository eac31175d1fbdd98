//! What a connection or a request may take.

use std::time::Duration;

/// Bounds on what a connection or a request may take. None is unlimited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From accept to the first byte of a request.
    pub first_byte: Duration,
    /// From the first byte of a head to its end.
    pub header_time: Duration,
    /// Bytes of a request head.
    pub header_size: usize,
    /// Header fields of a request.
    pub header_count: usize,
    /// Bytes of a request target.
    pub uri: usize,
    /// Bytes of a request body.
    pub request_body: u64,
    /// Bytes of a request body that a host has signed, which is read as a whole.
    pub signed_body: usize,
    /// Longest silence inside a request body.
    pub body_idle: Duration,
    /// Slowest pace of a request body, in bytes per second, measured over `body_idle`.
    pub body_min_rate: u64,
    /// Longest time that the caller may take nothing of an answer.
    pub send_idle: Duration,
    /// Longest silence inside an answer of the app.
    pub answer_idle: Duration,
    /// Requests that the app has at a time.
    pub upstream_requests: usize,
    /// The same for one address.
    pub upstream_requests_per_address: usize,
    /// Idle time of a connection between two requests.
    pub keep_alive: Duration,
    /// How long a connection is used for new requests; give or take a tenth.
    pub connection_age: Duration,
    /// Those that only HTTP/2 has.
    pub http2: Http2Limits,
    /// Open connections in all.
    pub connections_total: usize,
    /// Open connections of one address.
    pub connections_per_address: usize,
    /// Open WebSockets of one session.
    pub websockets_per_session: usize,
    /// Refused tokens of one address: this many in `token_failure_window`.
    pub token_failures: u32,
    /// See `token_failures`.
    pub token_failure_window: Duration,
}

/// Bounds on an HTTP/2 connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http2Limits {
    /// Requests at a time.
    pub streams: u32,
    /// Requests that a caller may break off, or that may end in a fault of its own, before the connection is closed.
    pub resets: usize,
    /// A silent caller is asked whether it is still there this often.
    pub ping_interval: Duration,
    /// Longest time until it says so.
    pub ping_timeout: Duration,
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            streams: 100,
            resets: 1000,
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

/// The defaults; `config/vestibule.toml` says why each is what it is.
impl Default for Limits {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(10),
            header_time: Duration::from_secs(10),
            header_size: 32 * 1024,
            header_count: 100,
            uri: 8 * 1024,
            request_body: 1 << 30,
            signed_body: 1 << 20,
            body_idle: Duration::from_secs(30),
            body_min_rate: 1024,
            send_idle: Duration::from_secs(60),
            answer_idle: Duration::from_secs(15 * 60),
            upstream_requests: 10_000,
            upstream_requests_per_address: 1000,
            keep_alive: Duration::from_secs(60),
            connection_age: Duration::from_secs(3600),
            http2: Http2Limits::default(),
            connections_total: 20_000,
            connections_per_address: 200,
            websockets_per_session: 20,
            token_failures: 100,
            token_failure_window: Duration::from_secs(60),
        }
    }
}
