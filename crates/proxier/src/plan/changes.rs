//! What differs between the installed and the wanted rules.

use std::collections::{BTreeMap, BTreeSet};

use crate::chain::{ChainName, Table};
use crate::service::ServicePortName;

use super::installed::{Applied, FixedChains, Installed, InstalledPort, PortText, SharedChain};

/// The chains that must be written again or deleted.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Shared chains whose content differs.
    pub(super) shared: BTreeSet<SharedChain>,
    /// Chains that no service port wants.
    pub(super) stale: BTreeSet<ChainName>,
    /// Whether refusals come or go.
    pub(super) refusals: bool,
}

/// A service port as it is installed, and as it is wanted where it was rendered again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visited<'a> {
    pub(super) old: Option<&'a InstalledPort>,
    pub(super) new: Option<&'a PortText>,
}

impl Visited<'_> {
    /// Its lines in the shared chains, as they are wanted.
    pub(super) fn wanted(&self) -> Option<&InstalledPort> {
        self.new.map(|text| &text.installed).or(self.old)
    }
}

impl Changes {
    pub(super) fn between(
        applied: &Applied,
        fixed: &FixedChains,
        ports: &BTreeMap<ServicePortName, PortText>,
        gone: &BTreeSet<ServicePortName>,
    ) -> Self {
        let mut changes = match applied {
            Applied::Unknown { existing } => Self::everything(existing, fixed),
            Applied::Known(installed) => Self::since(installed, fixed, ports, gone),
        };
        if !changes.stale.is_empty() {
            let wanted = ports.values().flat_map(|port| &port.installed.own).map(|(chain, _)| chain);
            wanted.for_each(|chain| {
                changes.stale.remove(chain);
            });
        }
        changes
    }

    fn everything(existing: &BTreeSet<ChainName>, fixed: &FixedChains) -> Self {
        let ours = existing.iter().filter(|chain| chain.is_of_service_port());
        let shared = fixed.0.iter().map(|(chain, _)| chain.clone()).collect();
        Self { shared, stale: ours.cloned().collect(), refusals: false }
    }

    fn since(
        installed: &Installed,
        fixed: &FixedChains,
        ports: &BTreeMap<ServicePortName, PortText>,
        gone: &BTreeSet<ServicePortName>,
    ) -> Self {
        let mut changes = Self { stale: installed.stale.clone(), ..Self::default() };
        let nothing = InstalledPort::default();
        let old = |name| installed.ports.get(name).unwrap_or(&nothing);
        ports.iter().for_each(|(name, new)| changes.replace(old(name), &new.installed));
        gone.iter().for_each(|name| changes.replace(old(name), &nothing));
        changes.refusals = changes.shared.iter().any(holds_refusals);
        let differs = |(chain, lines): &&(SharedChain, _)| installed.fixed.get(chain) != Some(lines);
        changes.shared.extend(fixed.0.iter().filter(differs).map(|(chain, _)| chain.clone()));
        changes
    }

    fn replace(&mut self, old: &InstalledPort, new: &InstalledPort) {
        let chains = old.shared.iter().chain(&new.shared).map(|(chain, _)| chain);
        let differing = chains.filter(|chain| old.shared_lines(chain) != new.shared_lines(chain));
        self.shared.extend(differing.cloned());
        let left = old.own.iter().map(|(chain, _)| chain).filter(|chain| new.digest(chain).is_none());
        self.stale.extend(left.cloned());
    }

    /// Shows the service ports that contribute to what is written, in order: all if a shared chain
    /// is written again, else those that were rendered again.
    pub(super) fn visit_ports<'a>(
        &self,
        applied: &'a Applied,
        ports: &'a BTreeMap<ServicePortName, PortText>,
        gone: &BTreeSet<ServicePortName>,
        mut show: impl FnMut(Visited<'a>),
    ) {
        let installed = match applied {
            Applied::Known(installed) => Some(&installed.ports),
            Applied::Unknown { .. } => None,
        };
        let old = |name| installed.and_then(|ports| ports.get(name));
        if self.shared.is_empty() || installed.is_none() {
            ports.iter().for_each(|(name, new)| show(Visited { old: old(name), new: Some(new) }));
            return;
        }
        let names: BTreeSet<_> = installed.into_iter().flat_map(BTreeMap::keys).chain(ports.keys()).collect();
        for name in names.into_iter().filter(|name| !gone.contains(*name)) {
            show(Visited { old: old(name), new: ports.get(name) });
        }
    }
}

/// Whether a shared chain is one in which traffic without endpoints is rejected or dropped.
pub(super) fn holds_refusals((table, chain): &SharedChain) -> bool {
    *table == Table::Filter && [ChainName::KUBE_SERVICES, ChainName::KUBE_EXTERNAL_SERVICES].contains(chain)
}
