//! When the next sync may run. Pure: the time is an argument.
//!
//! Knows nothing of what a sync does.

use std::time::{Duration, Instant};

/// The wait after a first failure.
const FIRST_RETRY: Duration = Duration::from_millis(200);
/// The longest wait between two failures.
const LAST_RETRY: Duration = Duration::from_secs(30);

/// The pace of one family's syncs.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    min_interval: Duration,
    asked: Option<Instant>,
    last_end: Option<Instant>,
    failures: u32,
}

impl Pace {
    /// Syncs are `min_interval` (`minSyncPeriod`) apart, counted from the end of one to the begin of the next.
    pub(crate) fn new(min_interval: Duration) -> Self {
        Self { min_interval, asked: None, last_end: None, failures: 0 }
    }

    /// Something happened that a sync should take into account. Tells whether nobody had asked yet.
    pub(crate) fn ask(&mut self, now: Instant) -> bool {
        let is_first = self.asked.is_none();
        self.asked.get_or_insert(now);
        is_first
    }

    /// A sync ended, and all is as it should be.
    pub(crate) fn succeeded(&mut self, now: Instant) {
        *self = Self { last_end: Some(now), ..Self::new(self.min_interval) };
    }

    /// A sync ended, and must be tried again.
    pub(crate) fn failed(&mut self, now: Instant) {
        *self = Self { last_end: Some(now), failures: self.failures + 1, ..Self::new(self.min_interval) };
    }

    /// How many syncs failed since one succeeded.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// When the next sync is due; absent if nobody asked for one.
    pub(crate) fn next(&self) -> Option<Instant> {
        let retry = self.last_end.filter(|_| self.failures > 0).map(|end| end + self.retry_after());
        let asked =
            self.asked.map(|asked| self.last_end.map_or(asked, |end| asked.max(end + self.min_interval)));
        [retry, asked].into_iter().flatten().min()
    }

    fn retry_after(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(16);
        FIRST_RETRY.saturating_mul(1 << doublings).min(LAST_RETRY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace() -> (Pace, Instant) {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
        let now = Instant::now();
        (Pace::new(SECOND), now)
    }

    #[test]
    fn a_lone_change_is_not_delayed() {
        let (mut pace, now) = pace();
        assert_eq!(pace.next(), None);
        pace.ask(now);
        assert_eq!(pace.next(), Some(now));
        pace.succeeded(now);
        assert_eq!(pace.next(), None);
        pace.ask(now + 5 * SECOND);
        assert_eq!(pace.next(), Some(now + 5 * SECOND));
    }

    #[test]
    fn syncs_keep_their_distance() {
        let (mut pace, now) = pace();
        pace.succeeded(now);
        pace.ask(now + SECOND / 10);
        pace.ask(now + SECOND / 2);
        assert_eq!(pace.next(), Some(now + SECOND));
    }

    #[test]
    fn retries_double_up_to_half_a_minute() {
        let (mut pace, now) = pace();
        let waits: Vec<_> = (0..10)
            .map(|_| {
                pace.failed(now);
                pace.next().unwrap() - now
            })
            .collect();
        let expected = [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000];
        assert_eq!(waits, expected.map(Duration::from_millis));
        pace.succeeded(now);
        assert_eq!(pace.next(), None);
    }

    #[test]
    fn a_change_shortens_a_long_wait() {
        let (mut pace, now) = pace();
        (0..9).for_each(|_| pace.failed(now));
        pace.ask(now);
        assert_eq!(pace.next(), Some(now + SECOND));
    }
}
