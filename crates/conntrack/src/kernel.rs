//! What this crate needs of the kernel's connection tracking table: three operations and how they may fail.
//!
//! The real one is `netlink`; `fake` keeps a table in memory.

use std::io;
use std::num::NonZeroU32;
use std::ops::ControlFlow;

use crate::flow::{Entry, Family, Flow};

/// The connection tracking table of one network namespace.
pub trait Kernel {
    /// How big the table is.
    fn count(&mut self) -> Result<Count, Error>;

    /// Hands every entry in scope to `each`, which may end the dump early. More than the scope may come: a kernel
    /// that does not know the filter ignores it.
    fn dump(
        &mut self,
        scope: Scope,
        each: &mut dyn FnMut(&Entry) -> ControlFlow<()>,
    ) -> Result<Dumped, Error>;

    /// Deletes exactly these entries, in one batch; an outcome for each, in order.
    fn delete(&mut self, flows: &[Flow]) -> Result<Vec<Outcome>, Error>;
}

/// The size of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Entries of this network namespace, of all families and protocols.
    pub entries: u32,
    /// Hash buckets, if the kernel tells. A change during a dump means that entries were missed or came twice.
    pub buckets: Option<NonZeroU32>,
}

/// What to dump. Deliberately without addresses, ports or status: a dump that matches little keeps its CPU from
/// receiving packets for the whole walk, and kernels up to 6.18 invert IPv6 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The UDP entries of one family.
    Udp(Family),
    /// All entries of all families.
    Everything,
}

/// How a dump ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dumped {
    /// The kernel said it is complete and consistent.
    Whole,
    /// Every entry was real, but some may be missing or have come twice.
    Doubtful,
    /// The caller ended it.
    Abandoned,
}

/// What became of one delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Deleted.
    Deleted,
    /// It was gone already, or its id or zone differ.
    Gone,
    /// Offloaded to a flow table, where some kernels cannot delete it; worth another try.
    Busy,
    /// Refused with this errno: our mistake, another try would not help.
    Refused(i32),
}

/// Why the table could not be read or changed, by what can be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Connection tracking cannot be reached at all. Report it once, look again each minute.
    #[error("conntrack is not available: {what}: {}", io::Error::from_raw_os_error(*errno))]
    Unavailable {
        /// What was asked for.
        what: &'static str,
        /// The kernel's answer.
        errno: i32,
    },
    /// The kernel does not understand the restriction of a dump. Dump everything.
    #[error("the kernel refuses to restrict a dump to UDP: {}", io::Error::from_raw_os_error(*errno))]
    FilterRefused {
        /// The kernel's answer.
        errno: i32,
    },
    /// Pressure, an unexpected answer, or none in time. Try again later.
    #[error("conntrack: {what}: {}", io::Error::from_raw_os_error(*errno))]
    TryAgain {
        /// What was asked for.
        what: &'static str,
        /// The kernel's answer.
        errno: i32,
    },
}
