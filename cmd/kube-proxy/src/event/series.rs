//! Turns Events into what is to be written of them: the first of a kind as it is, those that repeat it as a count.
//!
//! Knows nothing of the API server. Time is an argument.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Event, Topic};

/// After so long without a repetition the story is over.
const QUIET: SignedDuration = SignedDuration::from_mins(6);
/// How often the count of a story that goes on is written.
const REFRESH: SignedDuration = SignedDuration::from_mins(30);
/// So many stories are remembered; what comes on top is written as it comes.
const MOST: usize = 4096;

/// Something to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// An Event that is new.
    Create(Event),
    /// How often an Event that was created before has been repeated.
    Count(Event, Series),
}

/// How often an Event happened, itself included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) count: u32,
    /// `lastObservedTime`.
    pub(super) last: Timestamp,
}

/// The stories that are not over.
#[derive(Debug, Default)]
pub(super) struct Stories {
    stories: BTreeMap<Topic, Story>,
}

#[derive(Debug)]
struct Story {
    first: Event,
    series: Series,
    /// What the API server was told last, and when.
    written: Series,
}

impl Stories {
    /// Takes in an Event; tells what is to be written at once.
    pub(super) fn add(&mut self, event: Event) -> Option<Write> {
        if let Some(story) = self.stories.get_mut(&event.topic) {
            let count = story.series.count.saturating_add(1);
            story.series = Series { count, last: event.at };
            return if story.written.count == 1 { story.write(event.at) } else { None };
        }
        if self.stories.len() < MOST {
            let series = Series { count: 1, last: event.at };
            let story = Story { first: event.clone(), series, written: series };
            self.stories.insert(event.topic.clone(), story);
        }
        Some(Write::Create(event))
    }

    /// What is to be written by `now` of stories that are over, or were not written for long.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<Write> {
        let is_over = |story: &Story| now.duration_since(story.series.last) >= QUIET;
        let over = self.stories.extract_if(.., |_, story| is_over(story));
        let mut writes: Vec<_> = over.filter_map(|(_, mut story)| story.write(now)).collect();
        let is_old = |story: &Story| now.duration_since(story.written.last) >= REFRESH;
        let old = self.stories.values_mut().filter(|story| is_old(story));
        writes.extend(old.filter_map(|story| story.write(now)));
        writes
    }
}

impl Write {
    pub(super) fn event(&self) -> &Event {
        match self {
            Self::Create(event) | Self::Count(event, _) => event,
        }
    }
}

impl Story {
    /// The count, if it has not been written.
    fn write(&mut self, now: Timestamp) -> Option<Write> {
        let is_known = self.written.count == self.series.count;
        self.written = Series { count: self.series.count, last: now };
        (!is_known).then(|| Write::Count(self.first.clone(), self.series))
    }
}
