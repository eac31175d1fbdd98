//! Logs and metrics: one line and a few numbers per request.

use std::io::IsTerminal as _;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::DefaultFields;
use tracing_subscriber::fmt::{FormatEvent, SubscriberBuilder};
use tracing_subscriber::{EnvFilter, Registry};

use crate::audit::RequestRecord;
use crate::clock::Timestamp;

mod clock;
mod json;

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Changes what is logged.
pub struct LogLevel(Box<dyn Fn(EnvFilter) -> Result<(), LogError> + Send + Sync>);

/// Why logging cannot begin, or go on otherwise.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be understood.
    #[error("[telemetry] level: {0}")]
    Level(#[from] ParseError),
    /// Somebody else was first.
    #[error("logging was already set up in this process")]
    Taken,
    /// Nobody logs any more.
    #[error("the log's level cannot be changed")]
    Gone,
}

impl LogLevel {
    /// From now on; `level` is written as for [`init_logging`].
    pub fn set(&self, level: &str) -> Result<(), LogError> {
        self.0(EnvFilter::try_new(level)?)
    }
}

/// Sends log lines to standard output. `level` is `error`, `warn`, `info`, `debug`, `trace`, or a filter such as
/// `info,vestibule=debug`. That the level can change costs each line a read lock, beside the one of standard output.
pub fn init_logging(format: LogFormat, level: &str) -> Result<LogLevel, LogError> {
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::try_new(level)?);
    match format {
        LogFormat::Json => begin(builder.event_format(json::Json)),
        LogFormat::Text => begin(builder.with_timer(clock::Rfc3339).with_ansi(std::io::stdout().is_terminal())),
    }
}

fn begin<E>(builder: SubscriberBuilder<DefaultFields, E, EnvFilter>) -> Result<LogLevel, LogError>
where
    E: FormatEvent<Registry, DefaultFields> + Send + Sync + 'static,
{
    let builder = builder.with_filter_reloading();
    let handle = builder.reload_handle();
    builder.try_init().map_err(|_| LogError::Taken)?;
    Ok(LogLevel(Box::new(move |filter| handle.reload(filter).map_err(|_| LogError::Gone))))
}

/// Seconds, from what a loopback hop costs to what a person gives up on.
const BUCKETS: [f64; 14] = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// How often the measurements of single requests are summed up.
const SUM_UP: Duration = Duration::from_secs(1);

/// The process's metrics in Prometheus' text form.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Collects the metrics of this process from now on; a second call gives the same collection.
    pub fn install() -> Result<Self, BuildError> {
        static INSTALLED: std::sync::Mutex<Option<Metrics>> = std::sync::Mutex::new(None);
        let mut installed = INSTALLED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(metrics) = installed.as_ref() {
            return Ok(metrics.clone());
        }
        let seconds = Matcher::Suffix("_seconds".into());
        let handle = PrometheusBuilder::new().set_buckets_for_metric(seconds, &BUCKETS)?.install_recorder()?;
        describe();
        gauge!("vestibule_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(installed.insert(Self(handle)).clone())
    }

    /// Everything, as `/metrics` shows it.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }

    /// Sums up what was measured, again and again. Nobody may ever scrape, and until then each request would be kept.
    pub async fn keep_small(self) {
        loop {
            tokio::time::sleep(SUM_UP).await;
            self.0.run_upkeep();
        }
    }
}

fn describe() {
    describe_gauge!("vestibule_tls_not_after_seconds", "End of the certificate, in seconds of Unix time.");
    describe_counter!("vestibule_http_requests_total", "Requests by route, method, status and outcome.");
    describe_histogram!("vestibule_http_request_duration_seconds", "Time from a request's head to its answer's head.");
    describe_histogram!("vestibule_overhead_seconds", "The part of that time which the gateway spent itself.");
    describe_counter!("vestibule_decisions_total", "Decisions by route and reason.");
    describe_counter!("vestibule_cache_requests_total", "Cache look-ups by result.");
    describe_counter!("vestibule_permission_requests_total", "Questions to permission sources by result.");
    describe_counter!("vestibule_sessions_total", "What happened to sessions.");
    describe_counter!("vestibule_host_requests_total", "Calls of host APIs by result.");
    describe_counter!("vestibule_host_keys_total", "Fetches of hosts' public keys by result.");
    describe_counter!("vestibule_host_tokens_total", "Host tokens by result.");
    describe_counter!("vestibule_config_reloads_total", "Reloads of the configuration by result.");
    describe_gauge!("vestibule_config_generation", "How many configurations have been in force.");
}

/// When the certificate that callers are shown ends. Seconds of Unix time are exact in a float for longer than any certificate.
pub fn certificate_ends(at: Timestamp) {
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    gauge!("vestibule_tls_not_after_seconds").set(at.as_secs() as f64);
}

/// Counts one request. Labels are names of routes and codes, never of people.
pub fn measure(record: &RequestRecord) {
    let route: String = record.route.as_ref().map_or_else(|| "none".into(), ToString::to_string);
    let outcome = match (record.code, record.upstream_duration) {
        (Some(code), _) => code,
        (None, Some(_)) => "forwarded",
        (None, None) => "answered",
    };
    counter!(
        "vestibule_http_requests_total",
        "route" => route.clone(),
        "method" => method(&record.method),
        "code" => record.status.to_string(),
        "outcome" => outcome,
    )
    .increment(1);
    histogram!("vestibule_http_request_duration_seconds", "route" => route.clone())
        .record(record.duration.as_secs_f64());
    histogram!("vestibule_overhead_seconds", "route" => route.clone()).record(record.overhead.as_secs_f64());
    if record.decision != "none" {
        let reason = record.reason.unwrap_or("allowed");
        counter!("vestibule_decisions_total", "route" => route, "decision" => record.decision, "reason" => reason)
            .increment(1);
    }
    if record.event != "request" {
        let reason = record.code.unwrap_or("ok");
        counter!("vestibule_sessions_total", "event" => record.event, "reason" => reason).increment(1);
    }
}

/// A caller may invent methods; labels may not be invented.
fn method(method: &str) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}

/// Writes the one line of a request. The fields are described in `docs/operate.md`.
pub fn log(record: &RequestRecord) {
    let principal = record.principal.as_ref();
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                event = record.event,
                request_id = record.request_id,
                trace_id = record.trace_id,
                peer = %record.peer,
                method = method(&record.method),
                path = record.path,
                route = record.route.as_ref().map(tracing::field::display),
                status = record.status,
                duration_ms = millis(record.duration),
                upstream_ms = record.upstream_duration.map(millis),
                decision = record.decision,
                reason = record.reason,
                code = record.code,
                cause = record.cause,
                permission = record.permission.as_ref().map(tracing::field::display),
                project = record.project.as_ref().map(tracing::field::display),
                host = principal.map(|p| tracing::field::display(p.host())),
                tenant = principal.map(|p| tracing::field::display(p.tenant())),
                user = principal.map(|p| tracing::field::display(p.subject())),
                actor = principal.and_then(|p| p.actor()).map(tracing::field::display),
                kind = principal.map(|p| p.kind().as_str()),
                session = record.session,
                context = record.context,
            )
        };
    }
    if record.status >= 500 && record.code.is_some() { line!(warn) } else { line!(info) }
}

fn millis(span: Duration) -> f64 {
    // Microseconds are as fine as anybody reads.
    (span.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
