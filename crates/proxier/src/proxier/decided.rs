//! What syncs decided and found out, kept until a report tells of it.
//!
//! Knows nothing of why a sync failed meanwhile.

use crate::loss::Loss;
use crate::service::ServicePortName;

use super::Refusal;

/// What is to be told by the next sync that succeeds.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// What was left out, one by one as it was found.
    pub(super) refused: Vec<Refusal>,
    /// What had been left out before.
    pub(super) accepted: Vec<ServicePortName>,
    /// What was missing when the rules were looked at because somebody was suspected.
    pub(super) loss: Option<Loss>,
    /// Whether the cluster changed too: then nobody can tell which rules were written for what.
    pub(super) is_mixed: bool,
}

impl Decided {
    /// Adds what a later sync decided: of what was refused twice, the later words count.
    pub(super) fn add(&mut self, later: Self) {
        let is_told_later =
            |refusal: &Refusal| later.refused.iter().any(|again| again.suspect == refusal.suspect);
        self.refused.retain(|refusal| !is_told_later(refusal));
        self.refused.extend(later.refused);
        self.accepted.retain(|name| !later.accepted.contains(name));
        self.accepted.extend(later.accepted);
        later.loss.into_iter().for_each(|loss| self.lost(loss));
        self.is_mixed |= later.is_mixed;
    }

    /// A look found this missing.
    pub(super) fn lost(&mut self, loss: Loss) {
        self.loss = Some(self.loss.take().unwrap_or_default().and(loss));
    }

    /// The sync failed: what differs at the next one may be what this one did.
    pub(super) fn failed(&mut self) {
        let is_mixed = self.is_mixed;
        self.loss = self.loss.take().filter(|loss| !is_mixed || !loss.is_empty());
    }

    /// What somebody took away, if so many rules were written in the end.
    pub(super) fn told(&mut self, written: usize) -> Option<Loss> {
        let loss = self.loss.take()?;
        let rules = if self.is_mixed { loss.rules } else { loss.rules.max(written) };
        Some(Loss { rules, ..loss })
    }
}
