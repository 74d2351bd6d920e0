//! Turns failures into how long to wait before the next try.
//!
//! Knows nothing of what failed. Time and chance are arguments.

use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// The longest wait that a server can ask for: an absurd `Retry-After` must not blind a node.
const LONGEST_ASKED: Duration = Duration::from_secs(120);

/// How waits grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The first wait, before chance is added.
    pub first: Duration,
    /// The longest wait, before chance is added; each wait is twice the one before until then.
    pub longest: Duration,
    /// After so long without a failure the next wait is the first again.
    pub reset_after: Duration,
}

impl Default for Growth {
    /// client-go's numbers.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(800),
            longest: Duration::from_secs(30),
            reset_after: Duration::from_secs(120),
        }
    }
}

/// The waits of one client that tries the same thing again and again.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    growth: Growth,
    next: Duration,
    last_failure: Option<Instant>,
}

impl Backoff {
    pub(super) fn new(growth: Growth) -> Self {
        Self { growth, next: growth.first, last_failure: None }
    }

    /// How long to wait after a failure at `now`, at least as long as the server `asked` for.
    ///
    /// `chance` is from 0 to 1: it adds up to as much again, so that a thousand nodes that failed
    /// together don't return together.
    pub(super) fn after_failure(&mut self, now: Instant, asked: Option<Duration>, chance: f64) -> Duration {
        let quiet = self.last_failure.map(|last| now.saturating_duration_since(last));
        if quiet.is_some_and(|quiet| quiet > self.growth.reset_after) {
            self.next = self.growth.first;
        }
        let wait = self.next;
        self.next = (wait * 2).min(self.growth.longest);
        let wait = wait.mul_f64(1.0 + chance);
        let asked = asked.map(|asked| asked.min(LONGEST_ASKED).mul_f64(1.0 + chance / 10.0));
        let wait = asked.map_or(wait, |asked| asked.max(wait));
        self.last_failure = Some(now + wait);
        wait
    }
}
