//! Counts refused tokens per address: whoever guesses is slowed down, whoever has a session goes on.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use moka::sync::Cache;

/// Addresses that are remembered at a time.
const CAPACITY: u64 = 100_000;

/// A count per address that starts anew when its window has passed.
pub(super) struct FailureLimiter {
    failures: Cache<IpAddr, Arc<AtomicU32>>,
    limit: u32,
    window: Duration,
}

impl FailureLimiter {
    pub(super) fn new(limit: u32, window: Duration) -> Self {
        Self { failures: Cache::builder().max_capacity(CAPACITY).time_to_live(window).build(), limit, window }
    }

    /// Whether it counts as the other one does.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.limit, self.window) == (other.limit, other.window)
    }

    /// Whether the address has used up its failures.
    pub(super) fn is_exhausted(&self, address: IpAddr) -> bool {
        self.failures.get(&network(address)).is_some_and(|count| count.load(Ordering::Relaxed) >= self.limit)
    }

    pub(super) fn count(&self, address: IpAddr) {
        self.failures.get_with(network(address), Arc::default).fetch_add(1, Ordering::Relaxed);
    }
}

/// One subscriber has a whole /64 of IPv6 addresses.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_is_stopped_after_its_failures_and_others_are_not() {
        let limiter = FailureLimiter::new(2, Duration::from_secs(60));
        for _ in 0..2 {
            assert!(!limiter.is_exhausted(address("2001:db8::1")));
            limiter.count(address("2001:db8::2"));
        }
        assert!(limiter.is_exhausted(address("2001:db8::ffff:1")));
        assert!(!limiter.is_exhausted(address("2001:db8:0:1::1")));
        assert!(!limiter.is_exhausted(address("192.0.2.1")));
    }
}
