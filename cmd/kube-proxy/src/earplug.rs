//! Turns large writes into some that nobody listens to, and the number of transactions meanwhile into whether somebody
//! else may have changed rules.
//!
//! Knows nothing of what is written.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proxier::drift::watch::{self, Closed, Heard};
use tracing::info;

/// Tells all families what was heard; breaks when none is left.
pub(crate) type Tell = Arc<dyn Fn(Heard) -> ControlFlow<()> + Send + Sync>;

/// From this size on, in bytes, the ear is closed: some 40,000 rules. To look at the rules once more takes about three
/// times as long as the kernel takes to tell of them, but has to be done only if somebody else writes in just these
/// seconds, which is rare. With less to write there is little to gain.
const LARGE: usize = 4 << 20;

/// Closes the ear for foreign changes, which all families share.
pub(crate) struct Earplug {
    ear: watch::Earplug,
    tell: Tell,
    under_way: Mutex<UnderWay>,
}

/// What is being written, for whichever family.
#[derive(Default)]
struct UnderWay {
    writes: usize,
    /// Absent while the ear is open.
    closed: Option<Closed>,
    /// How many transactions of ours have ended since it was closed. Those of single calls, for a jump or a canary, are
    /// not among them, because only the tool knows whether it had anything to do: they pass for somebody else's.
    transactions: usize,
    /// Whether that number is known.
    is_counted: bool,
}

impl Earplug {
    /// Whoever may have missed something is told so.
    pub(crate) fn new(ear: watch::Earplug, tell: Tell) -> Self {
        Self { ear, tell, under_way: Mutex::default() }
    }

    /// Does the work, which feeds so many bytes in so many transactions to iptables-restore.
    pub(crate) fn during<R, E>(
        &self,
        bytes: usize,
        transactions: usize,
        work: impl FnOnce() -> Result<R, E>,
    ) -> Result<R, E> {
        self.begin(bytes);
        let result = work();
        if let Some(heard) = self.end(transactions, result.is_ok()) {
            // Nobody needs to know who is about to end.
            let _told = (self.tell)(heard);
        }
        result
    }

    fn begin(&self, bytes: usize) {
        let mut under_way = self.under_way();
        let is_to_close = bytes >= LARGE && under_way.closed.is_none();
        if let Some(Ok(closed)) = is_to_close.then(|| self.ear.close()) {
            info!(v = 4, bytes, "Not listening while many rules are written");
            under_way.closed = Some(closed);
            under_way.transactions = 0;
            // Of a write that is under way, nobody knows what it has done before.
            under_way.is_counted = under_way.writes == 0;
        }
        under_way.writes += 1;
    }

    /// The ear opens when nothing is written any more. Tells what it may have missed.
    fn end(&self, transactions: usize, is_done: bool) -> Option<Heard> {
        let mut under_way = self.under_way();
        under_way.writes -= 1;
        under_way.transactions += transactions;
        under_way.is_counted &= is_done;
        let closed = if under_way.writes == 0 { under_way.closed.take() } else { None };
        let transactions = under_way.transactions;
        let is_missed = closed?.open(transactions).inspect(|_| info!(v = 4, transactions, "Listening again"));
        match is_missed {
            Err(_) => Some(Heard::Deaf),
            // Of a write that failed, nobody knows what it has done; and that is no news.
            Ok(_) if !under_way.is_counted => Some(Heard::Overrun),
            Ok(false) => None,
            Ok(true) => {
                info!(
                    "Rules were changed while many were written, by others or by a single call of ours; looking at them"
                );
                Some(Heard::Overrun)
            }
        }
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
