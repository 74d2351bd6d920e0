//! When the next sync may run. Pure: the time is an argument.
//!
//! Knows nothing of what a sync does.

use std::time::{Duration, Instant};

/// The wait after a first failure.
const FIRST_RETRY: Duration = Duration::from_millis(200);
/// The longest wait between two failures.
const LAST_RETRY: Duration = Duration::from_secs(30);

/// The longest rest that a slow sync asks for, whether it succeeded or failed.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// What a first change waits for others is this part of what the sync before took.
const GATHERED_PART: u32 = 16;
/// The shortest and the longest such wait.
const SILENCE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(10));
/// While changes keep coming, the first one waits so many times as long.
const SILENCES: u32 = 10;

/// The pace of one family's syncs: the first change after a quiet time is not delayed, what comes close behind it
/// is gathered.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    min_interval: Duration,
    asked: Option<Instant>,
    last: Option<Sync>,
    failures: u32,
}

/// A sync that is over.
#[derive(Clone, Copy, Debug)]
struct Sync {
    begin: Instant,
    end: Instant,
}

impl Sync {
    /// For how long others are to have the xtables lock after it.
    fn rest(self) -> Duration {
        (self.end - self.begin).min(LONGEST_REST)
    }
}

/// For how long changes that come together are gathered into one sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gathering {
    /// Nothing came for so long.
    pub(crate) silence: Duration,
    /// In all.
    pub(crate) at_most: Duration,
}

impl Pace {
    /// Syncs are `min_interval` (`minSyncPeriod`) apart, counted from the end of one to the begin of the next, and
    /// after a slow one as long as it took: others need the xtables lock as well. That holds for retries, too.
    pub(crate) fn new(min_interval: Duration) -> Self {
        Self { min_interval, asked: None, last: None, failures: 0 }
    }

    /// Something happened that a sync should take into account. Tells whether nobody had asked yet.
    pub(crate) fn ask(&mut self, now: Instant) -> bool {
        let is_first = self.asked.is_none();
        self.asked.get_or_insert(now);
        is_first
    }

    /// How long to wait for what follows a change: little beside what a sync takes.
    pub(crate) fn gathering(&self) -> Gathering {
        let took = self.last.map_or(Duration::ZERO, |last| last.end - last.begin);
        let silence = (took / GATHERED_PART).clamp(SILENCE.0, SILENCE.1);
        Gathering { silence, at_most: silence * SILENCES }
    }

    /// A sync ended, and all is as it should be.
    pub(crate) fn succeeded(&mut self, begin: Instant, end: Instant) {
        *self = Self { last: Some(Sync { begin, end }), ..Self::new(self.min_interval) };
    }

    /// A sync ended, and must be tried again.
    pub(crate) fn failed(&mut self, begin: Instant, end: Instant) {
        let failures = self.failures + 1;
        *self = Self { last: Some(Sync { begin, end }), failures, ..Self::new(self.min_interval) };
    }

    /// How many syncs failed since one succeeded.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// When the next sync is due; absent if nobody asked for one.
    pub(crate) fn next(&self) -> Option<Instant> {
        let retry = self.last.filter(|_| self.failures > 0).map(|last| last.end + self.retry_after(last));
        let rested = self.last.map(|last| last.end + self.rest_after(last));
        let asked = self.asked.map(|asked| rested.map_or(asked, |rested| asked.max(rested)));
        [retry, asked].into_iter().flatten().min()
    }

    fn rest_after(&self, last: Sync) -> Duration {
        self.min_interval.max(last.rest())
    }

    fn retry_after(&self, last: Sync) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(16);
        FIRST_RETRY.saturating_mul(1 << doublings).min(LAST_RETRY).max(last.rest())
    }
}

#[cfg(test)]
mod tests;
