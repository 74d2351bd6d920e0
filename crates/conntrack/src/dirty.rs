//! Compares a committed generation with the one before it: which front ends have to be looked at.
//!
//! Remembers nothing by itself and knows no time; `agenda` does both.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use crate::flow::Flow;
use crate::generation::FrontEnd;
use crate::snapshot::{Claims, Snapshot};

/// Which front ends have to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dirty {
    /// These.
    These(BTreeSet<FrontEnd>),
    /// All that there are.
    Everything,
}

/// All that a pass has to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Front ends of which any entry may be stale.
    pub dirty: Dirty,
    /// By address: backends that left it since it was last looked at. They count where there is no front end.
    pub former: BTreeMap<SocketAddr, Former>,
    /// How many pairs of an address and a backend were remembered.
    pub(crate) pairs: usize,
}

/// Who served an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Former {
    /// The service ports that had the address.
    pub service_ports: BTreeSet<Arc<str>>,
    /// Their serving backends, as far as they left.
    pub backends: BTreeSet<SocketAddr>,
}

/// How many pairs of an address and a backend are remembered where conntrack cannot be reached for months.
const FORMER_PAIRS: usize = 65_536;

impl Default for Dirty {
    fn default() -> Dirty {
        Dirty::These(BTreeSet::new())
    }
}

impl Dirty {
    /// Whether this front end has to be looked at.
    pub fn contains(&self, front_end: FrontEnd) -> bool {
        match self {
            Dirty::These(front_ends) => front_ends.contains(&front_end),
            Dirty::Everything => true,
        }
    }

    fn insert(&mut self, front_end: FrontEnd) {
        match self {
            Dirty::These(front_ends) => {
                front_ends.insert(front_end);
            }
            Dirty::Everything => {}
        }
    }

    fn merge(&mut self, other: &Dirty) {
        match (&mut *self, other) {
            (Dirty::These(front_ends), Dirty::These(others)) => front_ends.extend(others),
            (_, Dirty::Everything) => *self = Dirty::Everything,
            (Dirty::Everything, _) => {}
        }
    }
}

impl Look {
    /// A look at everything.
    pub fn everything() -> Look {
        Look { dirty: Dirty::Everything, ..Look::default() }
    }

    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        self.dirty == Dirty::default() && self.former.is_empty()
    }

    /// Whether an entry sent to `address` may be deleted by this look.
    pub fn covers(&self, snapshot: &Snapshot, address: SocketAddr) -> bool {
        match snapshot.front_end(address) {
            Some((front_end, _)) => self.dirty.contains(front_end),
            None => self.former.contains_key(&address),
        }
    }

    /// A look for one stale entry, also when its front end is gone by then.
    pub fn at<'a>(
        flow: &Flow,
        snapshot: &Snapshot,
        service_ports: impl IntoIterator<Item = &'a Arc<str>>,
    ) -> Look {
        let (mut look, address) = (Look::default(), flow.orig.destination());
        if let Some((front_end, _)) = snapshot.front_end(address) {
            look.dirty.insert(front_end);
        }
        look.remember(address, service_ports, flow.is_dnated().then_some(flow.backend()).into_iter());
        look
    }

    /// How many front ends it covers, gone ones included.
    pub fn len(&self, snapshot: &Snapshot) -> usize {
        let gone = self.former.keys().filter(|address| snapshot.front_end(**address).is_none()).count();
        match &self.dirty {
            Dirty::These(front_ends) => {
                front_ends.iter().filter(|front_end| snapshot.claims(**front_end).is_some()).count() + gone
            }
            Dirty::Everything => snapshot.len() + gone,
        }
    }

    /// The part of it that counts where there is no front end.
    pub(crate) fn former_only(&self) -> Look {
        Look { dirty: Dirty::default(), ..self.clone() }
    }

    /// Whether it remembers no more backends that left: what led to others will not be found.
    pub(crate) fn is_full(&self) -> bool {
        self.pairs >= FORMER_PAIRS
    }

    /// Adds all that `other` covers.
    pub fn merge(&mut self, other: &Look) {
        self.dirty.merge(&other.dirty);
        for (address, former) in &other.former {
            self.remember(*address, &former.service_ports, former.backends.iter().copied());
        }
    }

    fn remember<'a>(
        &mut self,
        address: SocketAddr,
        service_ports: impl IntoIterator<Item = &'a Arc<str>>,
        backends: impl Iterator<Item = SocketAddr>,
    ) {
        let mut backends = backends.peekable();
        if backends.peek().is_none() || self.pairs >= FORMER_PAIRS {
            return;
        }
        let former = self.former.entry(address).or_default();
        former.service_ports.extend(service_ports.into_iter().cloned());
        while self.pairs < FORMER_PAIRS
            && let Some(backend) = backends.next()
        {
            self.pairs += usize::from(former.backends.insert(backend));
        }
    }
}

/// What has to be looked at after the rules went from `old` to `new`.
pub fn changes(old: &Snapshot, new: &Snapshot) -> Look {
    let mut look = Look::default();
    for (front_end, claims) in old.front_ends() {
        match new.claims(front_end) {
            Some(now) if claims.is_same(now) => {}
            Some(now) => compare(&mut look, old, front_end, claims, now),
            None => retire(&mut look, old, new, front_end, claims),
        }
    }
    for (front_end, _) in new.front_ends() {
        if old.claims(front_end).is_none() {
            look.dirty.insert(front_end);
        }
    }
    compare_node_addresses(&mut look, old, new);
    look
}

/// Backends that were only added to others make nothing stale.
fn compare(look: &mut Look, old: &Snapshot, front_end: FrontEnd, before: &Claims, now: &Claims) {
    let left: BTreeSet<_> = before.backends().filter(|backend| !now.serves(*backend)).collect();
    let filled = !before.has_backends() && now.has_backends();
    if !left.is_empty() || filled || before.delivery() != now.delivery() {
        look.dirty.insert(front_end);
    }
    for address in old.addresses_of(front_end) {
        look.remember(address, before.service_ports(), left.iter().copied());
    }
}

fn retire(look: &mut Look, old: &Snapshot, new: &Snapshot, front_end: FrontEnd, claims: &Claims) {
    for address in old.addresses_of(front_end) {
        look.remember(address, claims.service_ports(), claims.backends());
        // An exact front end hid a node port of the same address, which takes over its entries.
        if let Some((uncovered, _)) = new.front_end(address) {
            look.dirty.insert(uncovered);
        }
    }
}

fn compare_node_addresses(look: &mut Look, old: &Snapshot, new: &Snapshot) {
    if new.node_addresses().difference(old.node_addresses()).next().is_some() {
        for (front_end, _) in new.front_ends().filter(|(front_end, _)| is_node_port(*front_end)) {
            look.dirty.insert(front_end);
        }
    }
    for address in old.node_addresses().difference(new.node_addresses()) {
        for (front_end, claims) in old.front_ends() {
            if let FrontEnd::NodePort(port) = front_end {
                look.remember(SocketAddr::new(*address, port), claims.service_ports(), claims.backends());
            }
        }
    }
}

fn is_node_port(front_end: FrontEnd) -> bool {
    matches!(front_end, FrontEnd::NodePort(_))
}

#[cfg(test)]
mod tests;
