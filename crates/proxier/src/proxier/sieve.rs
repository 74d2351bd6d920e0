//! What is known between two transactions of a sync in which something is refused: who waits, and who is tried next.
//!
//! Knows nothing of how transactions are made and fed.

use std::collections::BTreeSet;
use std::time::Instant;

use informer::object::NamespacedName;

use crate::chain::ChainName;
use crate::plan::{Applied, Blame, Installed, Suspect, Transaction};
use crate::service::ServicePortName;
use crate::tables::TablesError;
use crate::world::Dirty;

use super::alike::Alike;
use super::decided::Decided;
use super::sift::Sifted;

/// A sync between two transactions.
pub(super) struct Sieve {
    pub(super) now: Instant,
    /// Absent if it has to be looked up.
    pub(super) applied: Option<Applied>,
    /// What was there before the first transaction that left traces.
    pub(super) before: Option<Applied>,
    /// What has to be there after a refused transaction that left traces, if nobody else changed the tables.
    pub(super) untouched: Option<Installed>,
    pub(super) dirty: Dirty,
    /// Left out for now; each group may hold culprits.
    pub(super) waiting: Vec<BTreeSet<Suspect>>,
    /// What the current transaction adds to what is applied already; absent for all.
    pub(super) group: Option<BTreeSet<Suspect>>,
    /// Whether everything was looked up in this sync. If not, a refusal may mean no more than that somebody else changed
    /// the tables.
    pub(super) is_verified: bool,
    /// Whether the tool refused a transaction without naming a line.
    pub(super) is_speechless: bool,
    pub(super) refusals: usize,
    /// How often others changed the tables meanwhile.
    pub(super) changes: usize,
    /// Whether nearly all are refused for the same reason.
    pub(super) alike: Alike,
    pub(super) decided: Decided,
    pub(super) result: Sifted,
}

/// A transaction that was refused.
pub(super) struct Refused {
    pub(super) blame: Blame,
    pub(super) words: String,
    /// A line of the culprit, if there is only one suspect.
    pub(super) rule: String,
    /// All who have lines in the transaction, if somebody will ask.
    pub(super) suspects: BTreeSet<Suspect>,
    pub(super) error: TablesError,
}

impl Sieve {
    pub(super) fn new(applied: Applied, dirty: Dirty, now: Instant) -> Self {
        Self {
            now,
            is_verified: matches!(applied, Applied::Found(_)),
            applied: Some(applied),
            before: None,
            untouched: None,
            dirty,
            waiting: Vec::new(),
            group: None,
            is_speechless: false,
            refusals: 0,
            changes: 0,
            alike: Alike::default(),
            decided: Decided::default(),
            result: Sifted::default(),
        }
    }

    /// Takes the next group, if there is one. All that is not waiting is applied.
    pub(super) fn next_group(&mut self) -> bool {
        self.group = self.waiting.pop();
        self.dirty = Dirty::Services(self.group.iter().flatten().filter_map(service).collect());
        self.group.is_some()
    }

    /// The next transaction is to show that without the suspects all goes well.
    pub(super) fn set_aside(&mut self, refused: Refused) -> Result<(), TablesError> {
        let Blame::AnyOf(suspects) = refused.blame else { return Err(refused.error) };
        let news: BTreeSet<_> = suspects.into_iter().filter(|suspect| !self.is_waiting(suspect)).collect();
        if news.is_empty() {
            return Err(refused.error);
        }
        self.waiting.push(news);
        self.group = Some(BTreeSet::new());
        Ok(())
    }

    /// If many have been refused for the same reason, the next transaction has only a few of the others, to learn
    /// whether they are refused as well. `suspects` have lines in the last one, of `all` service ports.
    pub(super) fn try_others(&mut self, suspects: BTreeSet<Suspect>, all: usize) {
        let is_decided =
            |suspect: &Suspect| self.decided.refused.iter().any(|refusal| refusal.suspect == *suspect);
        let mut rest = self.group.clone().unwrap_or(suspects);
        rest.retain(|suspect| !is_decided(suspect));
        let undecided = self.waiting.iter().flatten().chain(&rest).filter_map(port).cloned().collect();
        let Some(sample) = self.alike.ask(&undecided, all) else { return };
        let sample: BTreeSet<_> = sample.into_iter().map(Suspect::Port).collect();
        self.waiting.push(rest);
        self.waiting.iter_mut().for_each(|group| group.retain(|suspect| !sample.contains(suspect)));
        self.waiting.retain(|group| !group.is_empty());
        sample.iter().filter_map(service).for_each(|service| self.dirty.add(service));
        self.group = Some(sample);
    }

    /// A transaction against this was refused.
    pub(super) fn refused_on(&mut self, applied: Applied, transaction: &Transaction, is_changed: bool) {
        if is_changed {
            self.untouched = match &applied {
                Applied::Known(installed) => Some(installed.untouched_by(transaction)),
                Applied::Found(_) => None,
            };
            self.before.get_or_insert(applied);
        } else {
            self.applied = Some(applied);
        }
    }

    /// What the transaction that was refused last took for granted, as far as it has to be there all the same.
    pub(super) fn assumed(&self) -> Option<&Installed> {
        match &self.applied {
            Some(Applied::Known(installed)) => Some(installed),
            Some(Applied::Found(_)) => None,
            None => self.untouched.as_ref(),
        }
    }

    pub(super) fn only_suspect(&self) -> Option<&Suspect> {
        self.group.as_ref().filter(|group| group.len() == 1).and_then(BTreeSet::first)
    }

    pub(super) fn is_waiting(&self, suspect: &Suspect) -> bool {
        self.waiting.iter().any(|group| group.contains(suspect))
    }

    pub(super) fn waiting_chains(&self) -> impl Iterator<Item = &ChainName> {
        self.waiting.iter().flatten().filter_map(|suspect| match suspect {
            Suspect::Chain(chain) => Some(chain),
            Suspect::Port(_) => None,
        })
    }
}

fn port(suspect: &Suspect) -> Option<&ServicePortName> {
    match suspect {
        Suspect::Port(name) => Some(name),
        Suspect::Chain(_) => None,
    }
}

fn service(suspect: &Suspect) -> Option<NamespacedName> {
    port(suspect).map(|name| name.service.clone())
}
