//! The current time, as an argument: nothing else in the crate asks the system for it.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in wall-clock time, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From seconds since the Unix epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// Time from `earlier` to `self`; zero when the clock went backwards.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// From an RFC 3339 time and nothing else: no week dates, no names of zones, no time without a date or an offset.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let plain = text.len() <= 40
            && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'T' | b'Z' | b':' | b'.' | b'+' | b'-'));
        let time: jiff::Timestamp = text.parse().ok().filter(|_| plain && text.len() >= 20)?;
        u64::try_from(time.as_millisecond()).ok().map(Self)
    }

    /// `self` as `YYYY-MM-DDTHH:MM:SS.mmmZ` (RFC 3339, UTC).
    pub fn to_rfc3339(self) -> String {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        jiff::Timestamp::from_millisecond(millis).map_or_else(|_| String::from("invalid"), |t| format!("{t:.3}"))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Where the current time comes from: the system, or a hand-moved value in tests.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<AtomicU64>>);

impl Clock {
    /// The machine's wall clock.
    pub const fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicU64::new(start.0))))
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Some(millis) => Timestamp(millis.load(Ordering::Relaxed)),
            None => system_now(),
        }
    }

    /// Moves a manual clock forward; does nothing to the system's.
    pub fn advance(&self, span: Duration) {
        if let Some(millis) = &self.0 {
            millis.fetch_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Clock(manual)" } else { "Clock(system)" })
    }
}

/// `span`, give or take `share` of it: always the same for one key and different between keys, so that what began
/// together does not end together.
pub fn jittered(span: Duration, share: f64, key: &impl Hash) -> Duration {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let [one, other, ..] = hasher.finish().to_ne_bytes();
    let place = f64::from(u16::from_ne_bytes([one, other])) / f64::from(u16::MAX);
    span.mul_f64(1.0 - share + 2.0 * share * place)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn system_now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let clock = Clock::manual(Timestamp::from_secs(100));
        assert_eq!(clock.now().as_secs(), 100);
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now().as_secs(), 105);
    }

    #[test]
    fn times_are_written_and_read_as_rfc3339() {
        let time = Timestamp::from_secs(1_790_000_000);
        assert_eq!(time.to_rfc3339(), "2026-09-21T14:13:20.000Z");
        for text in ["2026-09-21T14:13:20Z", "2026-09-21T16:13:20+02:00", "2026-09-21T14:13:20.000000Z"] {
            assert_eq!(Timestamp::from_rfc3339(text), Some(time), "{text}");
        }
        for text in
            ["", "2026-09-21", "2026-09-21T14:13:20", "2026-W39-1T14:13:20Z", "2026-09-21T14:13:20Z[UTC]", "soon"]
        {
            assert_eq!(Timestamp::from_rfc3339(text), None, "{text}");
        }
    }
}
