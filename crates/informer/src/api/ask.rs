//! The words in which list and watch of a resource and the one who asks talk to each other.
//!
//! Knows nothing of what follows from which answer, nor how long anybody waits.

use std::time::Duration;

/// How to ask for everything there is; the feature gate `WatchListClient`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// By a watch that begins with it, and by a list where the server refuses that.
    Stream,
    /// By a list.
    List,
}

/// What to ask the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A watch that begins with everything there is.
    Stream,
    /// The first page of a list that may lag behind: good enough when nothing is known.
    ListAny,
    /// The first page of a list as of this moment: never older than what was told already.
    ListLatest,
    /// The page after the one that ended with this token.
    ListContinued(String),
    /// The version of the server's data: whether it can be watched from the version reached.
    Probe,
    /// A watch from this version.
    Watch(String),
}

/// When to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// At once.
    None,
    /// After a while that grows with each failure, and not before what the server asked for.
    BackOff(Option<Duration>),
}

/// Whether a watch ended sooner than it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shortness {
    /// It lasted long enough to begin the next one at once.
    Full,
    /// Beginning the next one at once could go on like this for ever.
    Short,
}
