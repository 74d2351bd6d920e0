//! Decides for one entry: keep or delete, and why.
//!
//! Knows the committed rules and what is to be looked at; not how entries come or go.

use std::fmt;

use crate::dirty::Look;
use crate::flow::{Entry, Flow, Protocol, Zone};
use crate::snapshot::Snapshot;

/// What is to become of an entry, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It stays.
    Keep(Keep),
    /// It contradicts the rules and goes.
    Delete(Delete),
}

/// Why an entry stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keep {
    /// TCP and SCTP end by themselves, others have nothing to do with Services.
    NotUdp,
    /// Something is missing, or it belongs to the other family.
    Incomplete,
    /// Switch datapaths hold a healthy untranslated copy per zone.
    ZoneCopy,
    /// Not sent to a front end.
    NoFrontEnd,
    /// Its front end did not change.
    NotDirty,
    /// It goes where the rules would send it.
    Serving,
    /// Nobody serves the front end, but somebody else answers.
    AnsweredElsewhere,
}

/// Why an entry goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Delete {
    /// The front end is gone, and the entry still leads to a backend that it had.
    Retired,
    /// It leads to a backend that is not serving.
    NotServing,
    /// Made before there was a rule: it bypasses a front end that has backends.
    Bypassing,
    /// As [`Delete::Bypassing`], for a front end without backends; refused packets would keep it alive until one comes.
    Unanswered,
}

/// Decides about one entry: the first row of the table that fits.
pub fn judge(entry: &Entry, snapshot: &Snapshot, look: &Look) -> Verdict {
    use self::Delete::{Bypassing, NotServing, Unanswered};
    use self::Keep::{AnsweredElsewhere, Incomplete, NotDirty, NotUdp, Serving, ZoneCopy};
    use Verdict::{Delete, Keep};

    if entry.protocol().is_some_and(|protocol| protocol != Protocol::UDP) {
        return Keep(NotUdp); // row 1
    }
    let Some(flow) = entry.flow().filter(|flow| flow.orig.family() == snapshot.family()) else {
        return Keep(Incomplete); // row 2
    };
    if flow.zone != Zone::Default && !flow.is_dnated() {
        return Keep(ZoneCopy); // row 3
    }
    // Rows 4 and 5: an exact front end, else a node port on a node address.
    let Some((front_end, claims)) = snapshot.front_end(flow.orig.destination()) else {
        return without_front_end(flow, look); // row 6
    };
    if !look.dirty.contains(front_end) {
        return Keep(NotDirty); // row 7
    }
    if claims.serves(flow.backend()) {
        return Keep(Serving); // row 8
    }
    match (flow.is_dnated(), claims.has_backends(), flow.is_replied()) {
        (true, _, _) => Delete(NotServing),              // row 9
        (false, true, _) => Delete(Bypassing),           // row 10
        (false, false, false) => Delete(Unanswered),     // row 11
        (false, false, true) => Keep(AnsweredElsewhere), // row 12
    }
}

/// Row 6. An untranslated entry stays whatever was there before: the address may be somebody else's by now.
fn without_front_end(flow: &Flow, look: &Look) -> Verdict {
    let former = look.former.get(&flow.orig.destination());
    if flow.is_dnated() && former.is_some_and(|former| former.backends.contains(&flow.backend())) {
        return Verdict::Delete(Delete::Retired);
    }
    Verdict::Keep(Keep::NoFrontEnd)
}

impl fmt::Display for Delete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Delete::Retired => "the front end is gone",
            Delete::NotServing => "the backend is not serving",
            Delete::Bypassing => "it bypasses the service",
            Delete::Unanswered => "nobody answers and the service has no backends",
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
