//! What a pass tells the rest of the program: counts, what was deleted for whom and why, warnings, failure.
//!
//! Values only; metrics and logs are made of them elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::flow::{Family, Flow};
use crate::generation::{Cause, FrontEnd};
use crate::kernel::{Error, Outcome};
use crate::stale::{Delete, Verdict};

/// What one pass over one family saw and did.
#[derive(Clone, Debug)]
pub struct Report {
    /// The family.
    pub family: Family,
    /// Why it was made; the weightiest reason if there were several.
    pub occasion: Occasion,
    /// What was seen and done.
    pub findings: Findings,
    /// Front ends that still wait for a look of their own, second looks not counted.
    pub pending: usize,
    /// If it was not completed: everything it covered will be looked at again. Why is in `findings.end`.
    pub failure: Option<Failure>,
}

/// Why a pass is made, by rising weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// The full look once an hour.
    Hourly,
    /// A second or third look, for packets that were under way during the one before.
    Settle,
    /// A commit.
    Commit(Cause),
}

/// What one pass saw and did.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Entries judged, by verdict. Entries seen in several dumps count each time.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// The stale ones, with what became of them.
    pub stale: Vec<Stale>,
    /// Front ends of which entries were deleted or gone.
    pub affected: BTreeMap<FrontEnd, Affected>,
    /// Dumps it took; 1 unless one was interrupted or the table was resized.
    pub dumps: u32,
    /// Time from start to end, waiting included. Of a dump that served both families, both have the whole.
    pub duration: Duration,
    /// CPU time of the thread, the kernel's part included.
    pub cpu: Duration,
    /// How it ended.
    pub end: End,
    /// What somebody should read.
    pub warnings: Vec<Warning>,
}

/// How a pass ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Everything was looked at.
    Complete,
    /// Shutdown came first.
    #[default]
    Stopped,
    /// Rules began to be written meanwhile, and by which flows are to be judged was not known in time.
    Overtaken,
    /// The table changed under each of several dumps.
    Doubtful,
    /// Entries could not be deleted that should be tried again.
    Busy,
    /// The kernel failed.
    Failed(Error),
}

/// A stale entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The entry.
    pub flow: Flow,
    /// Why it is stale.
    pub reason: Delete,
    /// What became of the delete. None if it was not tried: newer rules made the entry right or made it doubtful, or
    /// the pass ended.
    pub outcome: Option<Outcome>,
}

/// What was deleted of one front end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affected {
    /// The service ports that have, or had, the front end.
    pub service_ports: BTreeSet<Arc<str>>,
    /// How many entries, by reason.
    pub reasons: BTreeMap<Delete, u64>,
}

/// What follows from a pass that was not completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether no family failed in this way when it was last looked at. Only these need a log line.
    pub is_news: bool,
    /// Until when it waits at least.
    pub retry_in: Duration,
}

/// Something that should not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// More than half of all UDP entries were stale, and more than 1000.
    MassDeletion {
        /// Stale entries.
        stale: usize,
        /// UDP entries seen.
        udp: u64,
        /// The front ends that had most of them, and how many.
        biggest: Vec<(FrontEnd, usize)>,
    },
    /// Every single delete was answered "no such entry": deletes are addressed wrongly.
    AllGone {
        /// How many.
        entries: usize,
    },
    /// The kernel refused a delete as malformed.
    Refused {
        /// The entry.
        flow: Flow,
        /// The kernel's answer.
        errno: i32,
    },
    /// Looks failed for so long that no more is remembered of backends that left addresses which have no front end any
    /// more. Entries that lead to others will be left alone.
    Forgetting,
    /// Stale entries keep coming: something bypasses the rules of these front ends.
    Persisting {
        /// The addresses.
        front_ends: BTreeSet<FrontEnd>,
    },
}

impl Findings {
    /// How many entries were judged.
    pub fn seen(&self) -> u64 {
        self.verdicts.values().sum()
    }

    /// How many entries were deleted.
    pub fn deleted(&self) -> usize {
        self.count(|outcome| outcome == Some(Outcome::Deleted))
    }

    /// How many stale entries were gone before they could be deleted.
    pub fn gone(&self) -> usize {
        self.count(|outcome| outcome == Some(Outcome::Gone))
    }

    /// How many deletes failed.
    pub fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Some(Outcome::Busy | Outcome::Refused(_))))
    }

    fn count(&self, matches: impl Fn(Option<Outcome>) -> bool) -> usize {
        self.stale.iter().filter(|stale| matches(stale.outcome)).count()
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Occasion::Hourly => "hourly",
            Occasion::Settle => "settle",
            Occasion::Commit(Cause::Incremental) => "change",
            Occasion::Commit(Cause::AfterFailure) => "after failure",
            Occasion::Commit(Cause::AfterFlush) => "after flush",
            Occasion::Commit(Cause::FirstSync) => "first sync",
        })
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Complete => f.write_str("complete"),
            End::Stopped => f.write_str("stopped"),
            End::Overtaken => f.write_str("rules began to be written meanwhile"),
            End::Doubtful => f.write_str("the conntrack table changed under each dump"),
            End::Busy => f.write_str("some conntrack entries could not be deleted yet"),
            End::Failed(error) => error.fmt(f),
        }
    }
}

/// The line for the log of a pass that deleted something.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings { affected, .. } = &self.findings;
        let (deleted, gone, failed) = (self.findings.deleted(), self.findings.gone(), self.findings.failed());
        write!(f, "{} {}: {deleted} stale UDP conntrack entries deleted", self.family, self.occasion)?;
        write!(f, " ({gone} gone before, {failed} failed)")?;
        for (front_end, affected) in affected.iter().take(LISTED) {
            write!(f, "; {front_end}{affected}")?;
        }
        match affected.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "; {more} more"),
        }
    }
}

/// Front ends named in one log line.
const LISTED: usize = 10;

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Some(Outcome::Deleted) => "deleted",
            Some(Outcome::Gone) => "gone before",
            Some(Outcome::Busy) => "busy",
            Some(Outcome::Refused(_)) => "refused",
            None => "spared",
        };
        write!(f, "{outcome}: {}: {}", self.flow, self.reason)
    }
}

impl fmt::Display for Affected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.service_ports.iter().try_for_each(|service_port| write!(f, " {service_port}"))?;
        self.reasons.iter().try_for_each(|(reason, count)| write!(f, ", {count}: {reason}"))
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::MassDeletion { stale, udp, biggest } => {
                write!(f, "{stale} of {udp} UDP conntrack entries were stale, most of them of")?;
                biggest.iter().try_for_each(|(front_end, count)| write!(f, " {front_end} ({count})"))
            }
            Warning::AllGone { entries } => {
                write!(
                    f,
                    "all {entries} deletes of stale conntrack entries were answered with \"no such entry\""
                )
            }
            Warning::Refused { flow, errno } => {
                let error = std::io::Error::from_raw_os_error(*errno);
                write!(f, "the kernel refused to delete a conntrack entry: {flow}: {error}")
            }
            Warning::Forgetting => f.write_str(
                "too many endpoints left while conntrack entries could not be looked at; entries of deleted addresses \
                 that lead to further ones will be left alone",
            ),
            Warning::Persisting { front_ends } => {
                f.write_str("stale conntrack entries keep coming, something bypasses the service rules of")?;
                front_ends.iter().try_for_each(|front_end| write!(f, " {front_end}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_line_says_how_many_for_whom_and_why() {
        let affected = Affected {
            service_ports: ["ns/dns:udp".into()].into(),
            reasons: [(Delete::NotServing, 3), (Delete::Bypassing, 1)].into(),
        };
        let flow = crate::sample::flow("10.0.0.1:40001>10.96.0.10:53>10.1.0.8:53");
        let stale = Stale { flow, reason: Delete::NotServing, outcome: Some(Outcome::Deleted) };
        let findings = Findings {
            stale: vec![stale; 4],
            affected: (0..11).map(|n| (FrontEnd::NodePort(30000 + n), affected.clone())).collect(),
            ..Findings::default()
        };
        let occasion = Occasion::Commit(Cause::Incremental);
        let report = Report { family: Family::V4, occasion, findings, pending: 0, failure: None };
        let line = report.to_string();
        let begin = "IPv4 change: 4 stale UDP conntrack entries deleted (0 gone before, 0 failed); node port 30000 \
                     ns/dns:udp, 3: the backend is not serving, 1: it bypasses the service; node port 30001 ";
        assert!(line.starts_with(begin), "{line}");
        assert!(line.ends_with("; 1 more"), "{line}");
        let line = "deleted: udp 10.0.0.1:40001 -> 10.96.0.10:53 [UNREPLIED] reply 10.1.0.8:53 -> 10.0.0.1:40001: \
                    the backend is not serving";
        assert_eq!(stale.to_string(), line);
    }
}
