//! Turns commits that failed into the flows that they may have let in rightly: those are not to be deleted as long as
//! nobody knows which rules are in the kernel.
//!
//! Decides about no flow by itself; what contradicts the committed rules is found elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::flow::Flow;
use crate::generation::FrontEnd;
use crate::snapshot::{Claims, Snapshot};

/// What may be right though it contradicts the rules committed last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doubt {
    /// Only front ends that some failed commit serves otherwise than the one that succeeded last.
    front_ends: BTreeMap<FrontEnd, Spared>,
    /// How many backends there are in all.
    backends: usize,
}

/// Which flows of a front end are spared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Spared {
    /// To these backends.
    backends: BTreeSet<SocketAddr>,
    /// Translated by nobody: some failed commit has no backend for them.
    bypassing: bool,
}

/// How many front ends and backends are remembered of commits that fail for months.
const REMEMBERED: usize = 65_536;

impl Doubt {
    /// Adds what a commit that failed may have let in, beside the one that succeeded last.
    pub fn add(&mut self, committed: &Snapshot, attempted: &Snapshot) {
        let moved = committed.node_addresses() != attempted.node_addresses();
        let all = committed.front_ends().chain(attempted.front_ends()).map(|(front_end, _)| front_end);
        for front_end in all.collect::<BTreeSet<_>>() {
            let (before, now) = (committed.claims(front_end), attempted.claims(front_end));
            let moves = moved && matches!(front_end, FrontEnd::NodePort(_));
            if moves || !serve_the_same(before, now) {
                // An exact front end may have hidden a node port of the same address.
                let uncovered = |address| attempted.front_end(address).map(|(_, claims)| claims);
                let met = match front_end {
                    FrontEnd::Exact(address) => now.or_else(|| uncovered(address)),
                    FrontEnd::NodePort(_) => now,
                };
                self.spare(front_end, met, moves);
            }
        }
    }

    fn spare(&mut self, front_end: FrontEnd, met: Option<&Claims>, moves: bool) {
        let spared = self.front_ends.entry(front_end).or_default();
        spared.bypassing |= moves || !met.is_some_and(Claims::has_backends);
        for backend in met.into_iter().flat_map(Claims::backends) {
            self.backends += usize::from(spared.backends.insert(backend));
        }
    }

    /// Whether a flow that contradicts the rules committed last may be right by those of a commit that failed.
    pub fn spares(&self, flow: &Flow) -> bool {
        let address = flow.orig.destination();
        [FrontEnd::Exact(address), FrontEnd::NodePort(address.port())].iter().any(|front_end| {
            self.front_ends.get(front_end).is_some_and(|spared| {
                spared.backends.contains(&flow.backend()) || (spared.bypassing && !flow.is_dnated())
            })
        })
    }

    /// Whether there is too much of it: then nothing can be judged.
    pub fn is_too_much(&self) -> bool {
        self.front_ends.len() + self.backends > REMEMBERED
    }
}

fn serve_the_same(before: Option<&Claims>, now: Option<&Claims>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => {
            let [before, now] = [before, now].map(|claims| claims.backends().collect::<BTreeSet<_>>());
            before == now
        }
        (before, now) => before.is_none() && now.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Family;
    use crate::sample::{flow, generation};

    fn doubt(committed: &str, attempted: &[&str]) -> Doubt {
        let snapshot = |text: &str| Snapshot::new(Family::V4, &generation(text));
        let mut doubt = Doubt::default();
        attempted.iter().for_each(|text| doubt.add(&snapshot(committed), &snapshot(text)));
        doubt
    }

    #[test]
    fn only_what_one_of_the_attempts_would_have_let_in_is_spared() {
        let doubt = doubt(
            "dns 10.96.0.10:53 = 10.1.0.7:53; web 10.96.0.11:53 = 10.1.0.7:53",
            &[
                "dns 10.96.0.10:53 = 10.1.0.8:53; web 10.96.0.11:53 = 10.1.0.7:53",
                "dns 10.96.0.10:53 = 10.1.0.9:53; web 10.96.0.11:53 = 10.1.0.7:53",
            ],
        );
        let spares = |text: &str| doubt.spares(&flow(text));
        assert!(spares("10.0.0.1:40001>10.96.0.10:53>10.1.0.8:53"));
        assert!(spares("10.0.0.1:40001>10.96.0.10:53>10.1.0.9:53"));
        assert!(!spares("10.0.0.1:40001>10.96.0.10:53>10.1.0.6:53"));
        assert!(!spares("10.0.0.1:40001>10.96.0.10:53"));
        assert!(!spares("10.0.0.1:40001>10.96.0.11:53>10.1.0.8:53"));
    }

    #[test]
    fn what_bypasses_is_spared_where_an_attempt_has_no_backend() {
        let bypassing = flow("10.0.0.1:40001>10.96.0.10:53");
        let committed = "dns 10.96.0.10:53 = 10.1.0.7:53";
        assert!(doubt(committed, &[""]).spares(&bypassing));
        assert!(doubt(committed, &["dns 10.96.0.10:53 ="]).spares(&bypassing));
        assert!(!doubt(committed, &["dns 10.96.0.10:53 = 10.1.0.8:53"]).spares(&bypassing));
        assert_eq!(doubt(committed, &[committed]), Doubt::default());
    }
}
