//! What is known between two transactions of a sync in which something is refused: who waits, and who is tried next.
//!
//! Knows nothing of how transactions are made and fed.

use std::collections::BTreeSet;
use std::time::Instant;

use informer::object::NamespacedName;

use crate::chain::ChainName;
use crate::loss::Loss;
use crate::plan::{Applied, Blame, Found, Suspect, Transaction};
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
    pub(super) untouched: Option<Applied>,
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

    /// These are added when all else is applied.
    pub(super) fn wait(&mut self, group: BTreeSet<Suspect>) {
        if !group.is_empty() {
            self.waiting.push(group);
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
            self.untouched = Some(applied.untouched_by(transaction));
            self.before.get_or_insert(applied);
        } else {
            self.applied = Some(applied);
        }
    }

    /// This is what is there now.
    pub(super) fn looked_up(&mut self, found: Found) {
        match self.applied.replace(Applied::Found(found)) {
            Some(known @ Applied::Known(_)) => drop(self.before.get_or_insert(known)),
            Some(Applied::Found(_)) | None => {}
        }
    }

    /// What is missing at a look of what the transaction that was refused last took for granted. None if nobody else
    /// can have changed anything.
    pub(super) fn missing_at(&self, found: &Found) -> Option<Loss> {
        match (&self.applied, &self.untouched) {
            (Some(Applied::Known(expected)), _) | (None, Some(Applied::Known(expected))) => {
                Some(Loss::between(expected, found)).filter(|loss| !loss.is_empty())
            }
            (Some(Applied::Found(before)), _) => {
                (before.digest() != found.digest()).then(|| Loss::since(before, found))
            }
            (None, Some(Applied::Found(before))) => {
                Some(Loss::since(before, found)).filter(|loss| !loss.is_empty())
            }
            (None, None) => None,
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
