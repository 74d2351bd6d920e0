//! What the tools refuse: set aside, with the time of the next try.
//!
//! Knows nothing of how a culprit is found, and no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use informer::object::NamespacedName;

use crate::chain::ChainName;
use crate::plan::{Fate, Suspect};
use crate::render::RenderedPort;
use crate::service::ServicePortName;

/// The wait before the second try.
const FIRST_RETRY: Duration = Duration::from_secs(30);
/// The longest wait between two tries.
const LAST_RETRY: Duration = Duration::from_secs(1800);

/// Service ports and deletions that are left out of transactions.
#[derive(Clone, Debug, Default)]
pub(super) struct Quarantine {
    ports: BTreeMap<ServicePortName, Held>,
    chains: BTreeMap<ChainName, Retry>,
}

#[derive(Clone, Debug)]
struct Held {
    /// A digest of what was refused.
    rules: u64,
    /// Whether what is there for it was refused as well.
    is_dropped: bool,
    retry: Retry,
}

#[derive(Clone, Copy, Debug)]
struct Retry {
    refusals: u32,
    /// The begin of the sync in which it was refused last.
    refused: Instant,
    next: Instant,
}

impl Retry {
    fn after(before: Option<Self>, now: Instant) -> Self {
        let refusals = before.map_or(0, |retry| retry.refusals) + 1;
        let wait = FIRST_RETRY.saturating_mul(1 << (refusals - 1).min(16)).min(LAST_RETRY);
        Self { refusals, refused: now, next: now + wait }
    }
}

impl Quarantine {
    /// How many service ports are set aside.
    pub(super) fn len(&self) -> usize {
        self.ports.len()
    }

    /// Whether a service port is set aside.
    pub(super) fn holds(&self, port: &ServicePortName) -> bool {
        self.ports.contains_key(port)
    }

    /// When something that was refused is to be tried again.
    pub(super) fn next_try(&self) -> Option<Instant> {
        let ports = self.ports.values().map(|held| held.retry.next);
        ports.chain(self.chains.values().map(|retry| retry.next)).min()
    }

    /// Begins a sync: service ports that do not exist any more are forgotten. Tells which Services have ports that
    /// are to be tried again.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        exists: impl Fn(&ServicePortName) -> bool,
    ) -> BTreeSet<NamespacedName> {
        self.ports.retain(|name, _| exists(name));
        self.due(now).map(|name| name.service.clone()).collect()
    }

    /// Service ports that are to be tried again because it is time.
    pub(super) fn due(&self, now: Instant) -> impl Iterator<Item = &ServicePortName> {
        self.ports.iter().filter(move |(_, held)| held.retry.next <= now).map(|(name, _)| name)
    }

    /// A sync has taken that long: what it refused waits from its end on.
    pub(super) fn took(&mut self, begin: Instant, elapsed: Duration) {
        let retries = self.ports.values_mut().map(|held| &mut held.retry).chain(self.chains.values_mut());
        retries.filter(|retry| retry.refused == begin).for_each(|retry| retry.next += elapsed);
    }

    /// What happens to the rules of a service port: it is tried when it is time or when it has changed.
    pub(super) fn fate(&self, port: &RenderedPort, now: Instant) -> Fate {
        match self.ports.get(&port.name) {
            Some(held) if held.retry.next > now && held.rules == digest(port) => {
                if held.is_dropped {
                    Fate::Dropped
                } else {
                    Fate::Kept
                }
            }
            Some(_) | None => Fate::Written,
        }
    }

    /// Chains whose deletion is left out.
    pub(super) fn in_use(&self, now: Instant) -> BTreeSet<ChainName> {
        let waiting = self.chains.iter().filter(|(_, retry)| retry.next > now);
        waiting.map(|(chain, _)| chain.clone()).collect()
    }

    /// Sets aside what was refused. What is there for a service port stays, unless that is refused as well.
    /// Tells whether there was more to leave out.
    pub(super) fn hold(&mut self, suspect: &Suspect, rendered: Option<&RenderedPort>, now: Instant) -> bool {
        match suspect {
            Suspect::Chain(chain) => self.hold_chain(chain, now),
            Suspect::Port(_) => rendered.is_some_and(|rendered| self.hold_port(rendered, now)),
        }
    }

    fn hold_chain(&mut self, chain: &ChainName, now: Instant) -> bool {
        let before = self.chains.get(chain).copied();
        if before.is_some_and(|retry| retry.next > now) {
            return false;
        }
        self.chains.insert(chain.clone(), Retry::after(before, now));
        true
    }

    fn hold_port(&mut self, rendered: &RenderedPort, now: Instant) -> bool {
        let rules = digest(rendered);
        let before = self.ports.get_mut(&rendered.name).filter(|held| held.rules == rules);
        if let Some(held) = before.filter(|held| held.retry.next > now) {
            let was_dropped = std::mem::replace(&mut held.is_dropped, true);
            return !was_dropped;
        }
        let before = self.ports.get(&rendered.name).filter(|held| held.rules == rules);
        let retry = Retry::after(before.map(|held| held.retry), now);
        self.ports.insert(rendered.name.clone(), Held { rules, is_dropped: false, retry });
        true
    }

    /// Forgets service ports whose rules were accepted; tells which of them were set aside.
    pub(super) fn accepted(&mut self, ports: &BTreeSet<ServicePortName>) -> Vec<ServicePortName> {
        let back: Vec<_> = self.ports.keys().filter(|name| ports.contains(name)).cloned().collect();
        self.ports.retain(|name, _| !ports.contains(name));
        back
    }

    /// Ends a sync that succeeded: what was due for another try has had it.
    pub(super) fn end(&mut self, now: Instant) {
        self.ports.retain(|_, held| held.retry.next > now);
        self.chains.retain(|_, retry| retry.next > now);
    }
}

fn digest(port: &RenderedPort) -> u64 {
    let mut hasher = DefaultHasher::new();
    for placed in &port.rules.rules {
        (placed.table, &placed.chain, &placed.rule).hash(&mut hasher);
    }
    hasher.finish()
}
