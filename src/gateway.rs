//! The path of a request.

use std::time::Duration;

mod route;

pub use route::{
    NoRoute, PathPattern, PatternError, ProjectSource, RouteMatch, RouteProblem, RouteSpec, Routes, Target, TargetError,
};

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
    /// Longest silence inside a request body.
    pub body_idle: Duration,
    /// Slowest pace of a request body, in bytes per second, measured over `body_idle`.
    pub body_min_rate: u64,
    /// Longest time that the caller may take nothing of an answer.
    pub send_idle: Duration,
    /// Idle time of a connection between two requests.
    pub keep_alive: Duration,
    /// Open connections in all.
    pub connections_total: usize,
    /// Open connections of one address.
    pub connections_per_address: usize,
    /// Refused tokens of one address: this many in `token_failure_window`.
    pub token_failures: u32,
    /// See `token_failures`.
    pub token_failure_window: Duration,
}
