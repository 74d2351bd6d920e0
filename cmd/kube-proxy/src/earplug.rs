//! Turns a large write into one that nobody listens to, and the number of transactions meanwhile into whether somebody
//! else may have changed rules.
//!
//! Knows nothing of what is written.

use std::ops::ControlFlow;
use std::sync::Arc;

use proxier::drift::watch::{self, Heard};
use tracing::{info, warn};

/// Tells all families what was heard; breaks when none is left.
pub(crate) type Tell = Arc<dyn Fn(Heard) -> ControlFlow<()> + Send + Sync>;

/// From this size on, in bytes, it takes the kernel longer to tell of a write than to look at the rules once more, which
/// is what follows if somebody else wrote at the same time: some 40,000 rules.
const LARGE: usize = 4 << 20;

/// Closes the ear for foreign changes.
pub(crate) struct Earplug {
    ear: watch::Earplug,
    tell: Tell,
}

impl Earplug {
    /// Whoever may have missed something is told so.
    pub(crate) fn new(ear: watch::Earplug, tell: Tell) -> Self {
        Self { ear, tell }
    }

    /// Does the work, which feeds so many bytes in so many transactions to iptables-restore.
    pub(crate) fn during<R>(&self, bytes: usize, transactions: usize, work: impl FnOnce() -> R) -> R {
        let Some(Ok(closed)) = (bytes >= LARGE).then(|| self.ear.close()) else { return work() };
        let result = work();
        let heard = match closed.open(transactions) {
            Ok(false) => return result,
            Ok(true) => {
                info!("Somebody else may have changed rules while many were written; looking at them");
                Heard::Overrun
            }
            Err(error) => {
                warn!(err = %error, "The kernel does not tell of foreign changes to the rules any more");
                Heard::Deaf
            }
        };
        // Nobody needs to know who is about to end.
        let _told = (self.tell)(heard);
        result
    }
}
