//! Turns the processes that write for us into the answer to: was it one of them, whose process id the kernel tells?
//!
//! Pure: the time is an argument. Knows nothing of how the kernel tells.

use std::time::{Duration, Instant};

/// What the kernel told of a sync has been read so long after its end. A process id that comes back later is
/// somebody else's.
const MEMORY: Duration = Duration::from_secs(10);

/// The processes of one family.
#[derive(Debug, Default)]
pub(super) struct Writers {
    /// Those of the sync that is under way.
    now: Vec<u32>,
    /// Those of earlier syncs, and when these ended.
    before: Vec<(Instant, u32)>,
}

impl Writers {
    /// A process that writes.
    pub(super) fn add(&mut self, process: u32) {
        self.now.push(process);
    }

    /// A sync is over.
    pub(super) fn rest(&mut self, now: Instant) {
        self.before.retain(|(end, _)| now.duration_since(*end) < MEMORY);
        self.before.extend(self.now.drain(..).map(|process| (now, process)));
    }

    /// Whether a process of ours with this id wrote not long ago.
    pub(super) fn wrote(&self, process: u32, now: Instant) -> bool {
        let mut before = self.before.iter().filter(|(end, _)| now.duration_since(*end) < MEMORY);
        self.now.contains(&process) || before.any(|(_, of_ours)| *of_ours == process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    #[test]
    fn all_of_a_sync_are_known_for_a_short_time_after_it() {
        let (mut writers, begin) = (Writers::default(), Instant::now());
        (1..=1000).for_each(|process| writers.add(process));
        let end = begin + Duration::from_secs(600);
        let is_known = |writers: &Writers, at| [1, 500, 1000].map(|process| writers.wrote(process, at));
        assert_eq!(is_known(&writers, end), [true; 3], "however long it takes, and however many there are");
        writers.rest(end);
        assert_eq!(is_known(&writers, end + MEMORY / 2), [true; 3]);
        assert!(!writers.wrote(1001, end));
        assert_eq!(is_known(&writers, end + MEMORY), [false; 3], "the ids may be others' by now");
        writers.rest(end + MEMORY);
        assert_eq!(writers.before, []);
    }
}
