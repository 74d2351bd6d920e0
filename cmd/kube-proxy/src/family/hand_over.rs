//! What the thread that looks after flows is told of a family: of commits, of attempts, and of the node's addresses.
//!
//! Does not know which flows are stale.

use std::time::Instant;

use conntrack::generation::Cause;
use proxier::proxier::Report;
use proxier::tables::Tables;
use tracing::info;

use super::FamilySync;
use crate::flows;
use crate::frontends::Frontends;
use crate::phase::Phases;

impl<T: Tables + Send> FamilySync<T> {
    /// Conntrack entries are looked at after the rules are there, by a thread of its own.
    pub(super) fn look_after_flows(&mut self, report: &Report, phases: Phases, clock: fn() -> Instant) {
        // Rules that are refused may have been in place in part, until those before them were there again.
        if !report.refused.is_empty() {
            self.look_after_attempt(phases);
        }
        // The rules of a service port that is left out are not what the world says, until it is accepted.
        if !report.refused.is_empty() || !report.accepted.is_empty() {
            self.remember(Cause::AfterFailure);
        }
        let cause = std::mem::replace(&mut self.cause, Cause::Incremental);
        let Some(flows) = &self.flows else { return };
        let begin = clock();
        let family = flows::family(self.family());
        let differs = self.frontends.take_in(&self.proxier, &report.changed, &self.host);
        if differs || cause != Cause::Incremental {
            flows.committed(family, self.frontends.generation(), cause);
            info!(v = 3, ipFamily = %self.family(), took = ?(clock() - begin), "Handed over to the conntrack thread");
        } else if phases.restores > 0 {
            flows.unchanged(family);
        }
    }

    /// What was given to a restore may have been in place in part, and have let in flows.
    pub(super) fn look_after_attempt(&self, phases: Phases) {
        if let (Some(flows), 1..) = (&self.flows, phases.restores) {
            let attempted = Frontends::attempted(&self.proxier, &self.host);
            flows.failed(flows::family(self.family()), attempted);
        }
    }

    /// The first commit looks at everything anyway, whatever happens before it.
    pub(super) fn remember(&mut self, cause: Cause) {
        if self.cause != Cause::FirstSync {
            self.cause = cause;
        }
    }

    /// Rules for node ports follow the addresses of the node without a sync; flows do not. While it is unknown what
    /// the rules are, there is a sync to come.
    pub(super) fn look_at_addresses(&mut self) {
        let is_known = self.cause == Cause::Incremental && self.pace.failures() == 0;
        if let (Some(flows), true) = (self.flows.clone(), is_known) {
            self.list_addresses();
            if self.frontends.move_to(&self.proxier, &self.host) {
                flows.committed(flows::family(self.family()), self.frontends.generation(), self.cause);
            }
        }
    }
}
