//! Log lines as JSON: the time, the level, then the fields in the order in which they are written.

use std::fmt::{self, Write as _};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::Clock;

/// One flat object a line. Lines of libraries carry their `target`; ours do not need one.
pub(super) struct Json;

struct Members(String);

impl Members {
    fn add(&mut self, name: &str, value: &Value) {
        // Writing into a String cannot fail.
        let _ = write!(self.0, ",{}:{value}", Value::from(name));
    }
}

impl Visit for Members {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), &value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), &value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), &value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), &value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), &value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), &format!("{value:?}").into());
    }
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let metadata = event.metadata();
        let mut members = Members(String::with_capacity(512));
        if !metadata.target().starts_with(env!("CARGO_PKG_NAME")) {
            members.add("target", &metadata.target().into());
        }
        event.record(&mut members);
        let time = Clock::system().now().to_rfc3339();
        writeln!(writer, "{{\"ts\":\"{time}\",\"level\":\"{}\"{}}}", metadata.level(), members.0)
    }
}
