//! Turns a rate and a burst into how long a request has to wait for its turn: a token bucket.
//!
//! Knows nothing of requests. Time is an argument.

use std::time::{Duration, Instant};

/// Tokens that grow with time; each request takes one, also one that is not there yet.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// Tokens a second.
    rate: f64,
    burst: f64,
    /// Below zero: others wait already.
    tokens: f64,
    counted_at: Instant,
}

impl Bucket {
    /// A full bucket; none if the rate is not positive, which means no limit.
    pub(super) fn new(rate: f64, burst: u32, now: Instant) -> Option<Self> {
        let burst = f64::from(burst.max(1));
        (rate > 0.0).then_some(Self { rate, burst, tokens: burst, counted_at: now })
    }

    /// Takes a token and tells how long it takes until it is there.
    pub(super) fn take(&mut self, now: Instant) -> Duration {
        let grown = now.saturating_duration_since(self.counted_at).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + grown).min(self.burst) - 1.0;
        self.counted_at = self.counted_at.max(now);
        Duration::try_from_secs_f64(-self.tokens / self.rate).unwrap_or_default()
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "an Instant can be had nowhere else; it is moved by hand from here"
)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Bucket;

    #[test]
    fn a_burst_is_free_and_then_one_waits_its_turn() {
        let start = Instant::now();
        let mut bucket = Bucket::new(5.0, 10, start).unwrap();
        for _ in 0..10 {
            assert_eq!(bucket.take(start), Duration::ZERO);
        }
        assert_eq!(bucket.take(start), Duration::from_millis(200));
        assert_eq!(bucket.take(start), Duration::from_millis(400));
        assert_eq!(bucket.take(start + Duration::from_millis(400)), Duration::from_millis(200));
    }

    #[test]
    fn no_more_is_saved_than_the_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1.0, 2, start).unwrap();
        let later = start + Duration::from_secs(3600);
        assert_eq!([bucket.take(later), bucket.take(later)], [Duration::ZERO; 2]);
        assert_eq!(bucket.take(later), Duration::from_secs(1));
    }

    #[test]
    fn no_rate_is_no_limit() {
        assert!(Bucket::new(0.0, 10, Instant::now()).is_none());
        assert!(Bucket::new(-1.0, 10, Instant::now()).is_none());
    }
}
