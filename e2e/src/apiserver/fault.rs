//! What goes wrong, for which requests and how often.
//!
//! Knows nothing of how it is done.

use std::time::Duration;

use super::kind::Kind;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A list, or a page of one.
    List,
    /// A watch from a version on.
    Watch,
    /// A watch that begins with everything there is.
    Stream,
    /// One object.
    Get,
    /// A change.
    Write,
}

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The answer is a `Status` with an HTTP status of the same code.
    Refuse {
        /// HTTP status.
        code: u16,
        /// `reason`.
        reason: &'static str,
        /// `message`.
        message: &'static str,
        /// Header `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// HTTP 200, and the first event of the watch is an `ERROR`.
    Tell {
        /// `code`.
        code: u16,
        /// `reason`.
        reason: &'static str,
        /// `message`.
        message: &'static str,
    },
    /// The connection, or its stream, breaks after so many bytes of the answer.
    CutAfter(usize),
    /// Nothing comes after so many bytes of the answer, but the connection and its stream stay.
    StallAfter(usize),
    /// The answer comes in pieces of so many bytes with pauses between them.
    Slow {
        /// Bytes.
        piece: usize,
        /// Pause after each.
        pause: Duration,
    },
    /// There is no answer, but the connection stays.
    Hang,
    /// The initial events of a stream do not end before `ApiServer::end_initial_events` is called.
    LateBookmark,
}

/// A fault and the requests that it happens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The kind that is asked for.
    pub kind: Kind,
    /// What is asked.
    pub verb: Verb,
    /// How often it happens; `u32::MAX` is for ever.
    pub times: u32,
    /// What happens.
    pub fault: Fault,
}

/// Rules in force; the first that fits counts.
#[derive(Debug, Default)]
pub(super) struct Script {
    rules: Vec<Rule>,
}

impl Script {
    pub(super) fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    /// What happens to this request.
    pub(super) fn next(&mut self, kind: Kind, verb: Verb) -> Option<Fault> {
        let fits = |rule: &&mut Rule| rule.kind == kind && rule.verb == verb && rule.times > 0;
        let rule = self.rules.iter_mut().find(fits)?;
        if rule.times != u32::MAX {
            rule.times -= 1;
        }
        Some(rule.fault.clone())
    }
}
