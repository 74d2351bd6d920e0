//! The kernel's tables, as far as a proxier has to do with them.
//!
//! Knows nothing of what is written and why.

pub mod fake;

use std::io;
use std::time::Duration;

use crate::chain::Table;
use crate::jump::Jump;
use crate::plan::{Attempt, Found, Layout, Unreadable};

/// The tables of one family.
pub trait Tables {
    /// Reads back the rules that are there.
    fn look(&mut self) -> Result<Found, TablesError>;

    /// A look follows soon, and may tell what is there from here on. Tables that take no time to read ignore it.
    fn look_ahead(&mut self) {}

    /// The next look tells what is there at that time, whatever was announced: somebody may have changed it.
    fn look_anew(&mut self) {}

    /// Hangs chains of ours on built-in ones, where a look found that they are not. An existing chain is left as it
    /// is; the jump is put first in its chain unless it is there.
    fn ensure_jumps(&mut self, jumps: &[Jump], found: &Found) -> Result<(), TablesError>;

    /// The form in which iptables-restore likes its input.
    fn layout(&self) -> Layout;

    /// Has iptables-restore read a text without applying it. What only the kernel refuses passes.
    fn test(&mut self, input: &[u8]) -> Result<(), TablesError>;

    /// Feeds a text to iptables-restore. Each table of it is applied as a whole or not at all;
    /// after an error some tables may have been applied.
    fn restore(&mut self, input: &[u8]) -> Result<(), TablesError>;

    /// Something was refused: looks whether the tools could be the reason, before others are blamed. Tables without
    /// tools have nothing to look at.
    fn examine(&mut self) -> Result<(), TablesError> {
        Ok(())
    }

    /// A restore comes next, unless its input is found wanting before. Who keeps no count of them need not listen.
    fn attempt(&mut self, _attempt: &Attempt) {}

    /// Whether a restore of these tables was done by the process of this id, in the sync that is under way or the one
    /// before. Tables that no process restores keep to the answer no.
    fn wrote(&self, _process: u32) -> bool {
        false
    }

    /// A sync is over: who wrote in it can be forgotten soon.
    fn rest(&mut self) {}

    /// Whether the tools know `--random-fully`, if they told at the last look. Tables that are always the same do not.
    fn random_fully(&self) -> Option<bool> {
        None
    }

    /// How long the tools have waited for their lock so far. Tables without a lock keep to the answer zero.
    fn lock_wait(&self) -> Duration {
        Duration::ZERO
    }

    /// Makes sure that the canary chain exists in each of [`CANARY_TABLES`].
    fn ensure_canary(&mut self) -> Result<(), TablesError>;

    /// Whether the canary chain is still in each of [`CANARY_TABLES`].
    fn has_canary(&mut self) -> Result<bool, TablesError>;
}

/// Whoever flushes one of these is noticed.
pub const CANARY_TABLES: [Table; 3] = [Table::Mangle, Table::Nat, Table::Filter];

/// Why a tool could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum TablesError {
    /// The lock is held by another program, or the kernel is short of memory: the input may be right; try again.
    #[error("{command}: not possible at the moment: {text}")]
    Busy {
        /// What was run.
        command: String,
        /// What the tool said.
        text: String,
    },
    /// The tool does not accept the input; the same input will fail again.
    #[error("{command}: {text}{context}")]
    Refused {
        /// What was run.
        command: String,
        /// What the tool said.
        text: String,
        /// The line of the input that it named first, counted from 1.
        line: Option<usize>,
        /// The lines of the input around the one it named, with their numbers; empty if it named none.
        context: String,
    },
    /// The tool was killed, by somebody or because it took too long; try again.
    #[error("{command}: {text}")]
    Interrupted {
        /// What was run.
        command: String,
        /// By whom, and what the tool had said.
        text: String,
    },
    /// The tool cannot be run.
    #[error("cannot run {command}: {source}")]
    Missing {
        /// What was run.
        command: String,
        /// Why it cannot.
        source: io::Error,
    },
    /// The tool does as if it worked, but not on these tables: it does nothing, or writes to others; try again.
    #[error("{command}: {text}")]
    Astray {
        /// What was run.
        command: String,
        /// What it does.
        text: String,
    },
    /// What iptables-save printed is no save, or was cut short.
    #[error("{command}: {source}")]
    Unreadable {
        /// What was run.
        command: String,
        /// What is wrong with it.
        source: Unreadable,
    },
}
