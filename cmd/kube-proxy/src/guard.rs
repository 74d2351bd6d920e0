//! When the rules are looked at because somebody may have taken some of them away. Pure: the time is an argument.
//!
//! Knows nothing of how anybody comes to suspect it, and of what a look is.

use std::time::{Duration, Instant};

/// A flush is seldom a single step: the look waits for what follows.
const GATHER: Duration = Duration::from_millis(50);
/// Between two looks that found something, so that a fight with another program leaves the host some air.
const FIGHT: Duration = Duration::from_millis(200);
/// A look that found something is followed by so many times its duration without another, within the longest pause.
const SHARE: u32 = 4;
/// After a first look in vain.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause, `syncPeriod` by default: rules may be missing meanwhile.
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// The guard of one family's rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    /// Since when somebody is suspected.
    since: Option<Instant>,
    /// No look before.
    not_before: Option<Instant>,
    /// After the last look in vain; none if the last look found something.
    pause: Duration,
}

impl Guard {
    /// Somebody may have taken rules away.
    pub(crate) fn suspect(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// Since when somebody is suspected, unless nobody is.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// When to look.
    pub(crate) fn next(&self) -> Option<Instant> {
        let look = self.since? + GATHER;
        Some(self.not_before.map_or(look, |not_before| look.max(not_before)))
    }

    /// A look that took from `begin` to `end` found something, which was mended.
    pub(crate) fn found(&mut self, begin: Instant, end: Instant) {
        let pause = ((end - begin) * SHARE).clamp(FIGHT, LAST_PAUSE);
        *self = Self { since: None, not_before: Some(end + pause), pause: Duration::ZERO };
    }

    /// A look found nothing.
    pub(crate) fn found_nothing(&mut self, end: Instant) {
        let pause = (self.pause * 2).clamp(FIRST_PAUSE, LAST_PAUSE);
        // What was long ago counts no more.
        let is_rare = self.not_before.is_none_or(|before| before + LAST_PAUSE < end);
        let pause = if is_rare { FIRST_PAUSE } else { pause };
        *self = Self { since: None, not_before: Some(end + pause), pause };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
        Instant::now()
    }

    #[test]
    fn a_first_suspicion_is_followed_up_at_once() {
        let (mut guard, now) = (Guard::default(), now());
        assert_eq!(guard.next(), None);
        guard.suspect(now);
        guard.suspect(now + GATHER);
        assert_eq!(guard.next(), Some(now + GATHER));
        guard.found(now, now);
        assert_eq!(guard.next(), None);
    }

    #[test]
    fn a_storm_that_takes_nothing_away_costs_less_and_less() {
        let (mut guard, mut now) = (Guard::default(), now());
        let mut waits = Vec::new();
        for _ in 0..10 {
            guard.suspect(now);
            let next = guard.next().unwrap();
            waits.push((next - now).as_millis());
            now = next;
            guard.found_nothing(now);
        }
        assert_eq!(waits, [50, 250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        let later = now + 3 * LAST_PAUSE;
        guard.suspect(later);
        assert_eq!(guard.next(), Some(later + GATHER));
        guard.found_nothing(later);
        guard.suspect(later);
        assert_eq!(guard.next(), Some(later + FIRST_PAUSE));
    }

    #[test]
    fn a_fight_takes_a_fifth_of_the_time() {
        let (mut guard, now) = (Guard::default(), now());
        let second = Duration::from_secs(1);
        guard.suspect(now);
        guard.found(now, now + second);
        guard.suspect(now + second);
        assert_eq!(guard.next(), Some(now + 5 * second));
        guard.found(now, now);
        guard.suspect(now);
        assert_eq!(guard.next(), Some(now + FIGHT));
    }

    #[test]
    fn no_loss_waits_longer_than_half_a_minute_however_long_mending_takes() {
        let (mut guard, now) = (Guard::default(), now());
        let end = now + Duration::from_secs(40);
        guard.suspect(now);
        guard.found(now, end);
        guard.suspect(end);
        assert_eq!(guard.next(), Some(end + LAST_PAUSE));
    }
}
