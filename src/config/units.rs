//! Durations, sizes and rates as operators write them.

use std::time::Duration;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_mins(1);
pub(super) const HOUR: Duration = Duration::from_hours(1);
pub(super) const DAY: Duration = Duration::from_hours(24);

/// `500ms`, `30s`, `5m`, `12h`, `7d`; `0s` is allowed.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).filter(|total| *total <= 366 * 86_400_000).map(Duration::from_millis)
}

/// `512`, `512B`, `32KiB`, `10MiB`, `1GiB`.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let bytes = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(bytes)
}

/// `100/1m`: so many in that time.
pub(super) fn rate(text: &str) -> Option<(u32, Duration)> {
    let (count, span) = text.split_once('/')?;
    Some((count.parse().ok()?, duration(span)?)).filter(|(count, span)| *count > 0 && !span.is_zero())
}

/// `1KiB/s`: bytes per second.
pub(super) fn pace(text: &str) -> Option<u64> {
    size(text.strip_suffix("/s")?)
}

/// As [`duration`] would be read again, in the largest unit that is exact.
pub(super) fn show(span: Duration) -> String {
    let millis = span.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let fitting = units.iter().find(|(size, _)| millis > 0 && millis.is_multiple_of(*size));
    fitting.map_or_else(|| format!("{millis}ms"), |(size, unit)| format!("{}{unit}", millis / size))
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_strictly() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("12h").map(show).as_deref(), Some("12h"));
        assert_eq!(duration("90s").map(show).as_deref(), Some("90s"));
        for text in ["", "30", "s", "-1s", "1.5s", "1 s", "1w", "99999999999d", "30S"] {
            assert_eq!(duration(text), None, "{text}");
        }
        assert_eq!(size("32KiB"), Some(32768));
        assert_eq!(size("512"), Some(512));
        for text in ["", "KiB", "1kb", "1KB", "-1", "99999999999999TiB"] {
            assert_eq!(size(text), None, "{text}");
        }
        assert_eq!(rate("100/1m"), Some((100, Duration::from_secs(60))));
        assert_eq!(rate("0/1m"), None);
        assert_eq!(pace("1KiB/s"), Some(1024));
        assert_eq!(pace("1KiB"), None);
    }
}
