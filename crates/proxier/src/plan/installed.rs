//! What is known of the kernel's tables: enough to tell what differs, not a second copy of the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hasher};

use informer::object::{NamespacedName, Protocol};

use crate::chain::{ChainName, Table};
use crate::render::{Reachability, RenderedPort};
use crate::ruleset::{Placed, Ruleset};
use crate::service::ServicePortName;
use crate::text;

/// A chain that exists whatever Services there are; many of them hold rules of many service ports.
pub(super) type SharedChain = (Table, ChainName);

/// What is known of the installed rules of one family.
#[derive(Clone, Debug)]
pub enum Applied {
    /// Nothing, but which chains the nat table has.
    Unknown {
        /// Chains of the nat table.
        existing: BTreeSet<ChainName>,
    },
    /// Everything of ours.
    Known(Installed),
}

/// The installed rules of one family.
#[derive(Clone, Debug, Default)]
pub struct Installed {
    pub(super) fixed: FixedChains,
    pub(super) ports: BTreeMap<ServicePortName, InstalledPort>,
    pub(super) stale: BTreeSet<ChainName>,
}

impl Installed {
    /// The service ports that have rules.
    pub fn ports(&self) -> impl Iterator<Item = (&ServicePortName, Reachability)> {
        self.ports.iter().map(|(name, port)| (name, port.reachability))
    }

    /// The service ports of one Service that have rules.
    pub fn ports_of(&self, service: &NamespacedName) -> impl Iterator<Item = &ServicePortName> {
        let first =
            ServicePortName { service: service.clone(), port: Default::default(), protocol: Protocol::Tcp };
        self.ports.range(first..).map(|(name, _)| name).take_while(move |name| name.service == *service)
    }

    /// Whether chains wait for deletion.
    pub fn has_stale_chains(&self) -> bool {
        !self.stale.is_empty()
    }

    /// How many rules a table holds.
    pub fn rules(&self, table: Table) -> usize {
        let fixed = self.fixed.0.iter().filter(|((of, _), _)| *of == table).map(|(_, lines)| lines.count());
        let own = self.ports.values().map(|port| if table == Table::Nat { port.own_rules } else { 0 });
        let shared = self.ports.values().flat_map(|port| &port.shared).filter(|((of, _), _)| *of == table);
        fixed.chain(own).chain(shared.map(|(_, lines)| line_count(lines))).sum()
    }
}

/// The fixed chains in the order of their declaration, each with the rules before and after those
/// of service ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FixedChains(pub(super) Vec<(SharedChain, FixedLines)>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FixedLines {
    pub(super) head: Vec<u8>,
    pub(super) tail: Vec<u8>,
}

impl FixedLines {
    fn count(&self) -> usize {
        line_count(&self.head) + line_count(&self.tail)
    }
}

impl FixedChains {
    pub(super) fn of(ruleset: &Ruleset) -> Self {
        let lines = |rules: &[Placed], (table, chain): &SharedChain| {
            let mut out = Vec::new();
            let of_chain = rules.iter().filter(|placed| placed.table == *table && placed.chain == *chain);
            of_chain.for_each(|placed| text::append(&placed.chain, &placed.rule, &mut out));
            out
        };
        let fixed = |chain: &SharedChain| FixedLines {
            head: lines(&ruleset.head, chain),
            tail: lines(&ruleset.tail, chain),
        };
        Self(ruleset.fixed_chains.iter().map(|chain| (chain.clone(), fixed(chain))).collect())
    }

    pub(super) fn get(&self, chain: &SharedChain) -> Option<&FixedLines> {
        self.0.iter().find(|(of, _)| of == chain).map(|(_, lines)| lines)
    }
}

/// What is kept of an installed service port.
#[derive(Clone, Debug, Default)]
pub(super) struct InstalledPort {
    /// Its lines in shared chains, each chain once.
    pub(super) shared: Vec<(SharedChain, Box<[u8]>)>,
    /// Its own chains, with a digest of what is in them.
    pub(super) own: Vec<(ChainName, u64)>,
    own_rules: usize,
    reachability: Reachability,
}

impl InstalledPort {
    pub(super) fn shared_lines(&self, chain: &SharedChain) -> &[u8] {
        self.shared.iter().find(|(of, _)| of == chain).map_or(&[], |(_, lines)| lines)
    }

    pub(super) fn digest(&self, chain: &ChainName) -> Option<u64> {
        self.own.iter().find(|(of, _)| of == chain).map(|(_, digest)| *digest)
    }
}

/// A service port about to be installed: its lines as iptables-restore reads them.
#[derive(Clone, Debug)]
pub(super) struct PortText {
    pub(super) installed: InstalledPort,
    /// Lines in own chains: index into `installed.own`, and the line.
    pub(super) own_lines: Vec<(usize, Vec<u8>)>,
}

impl PortText {
    pub(super) fn of(port: &RenderedPort) -> Self {
        let chains = &port.rules.chains;
        let mut shared: Vec<(SharedChain, Vec<u8>)> = Vec::new();
        let mut own_lines = Vec::new();
        for Placed { table, chain, rule } in &port.rules.rules {
            if let Some(index) = chains.iter().position(|own| *table == Table::Nat && own == chain) {
                let mut line = Vec::new();
                text::append(chain, rule, &mut line);
                own_lines.push((index, line));
            } else {
                text::append(chain, rule, lines_of(&mut shared, *table, chain));
            }
        }
        let own = chains
            .iter()
            .enumerate()
            .map(|(index, chain)| (chain.clone(), digest(&own_lines, index)))
            .collect();
        let shared = shared.into_iter().map(|(chain, lines)| (chain, lines.into())).collect();
        let installed =
            InstalledPort { shared, own, own_rules: own_lines.len(), reachability: port.reachability };
        Self { installed, own_lines }
    }
}

fn lines_of<'a>(
    shared: &'a mut Vec<(SharedChain, Vec<u8>)>,
    table: Table,
    chain: &ChainName,
) -> &'a mut Vec<u8> {
    let position = shared.iter().position(|((of, name), _)| *of == table && name == chain);
    let position = position.unwrap_or_else(|| {
        shared.push(((table, chain.clone()), Vec::new()));
        shared.len() - 1
    });
    &mut shared[position].1
}

fn digest(own_lines: &[(usize, Vec<u8>)], index: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    own_lines.iter().filter(|(of, _)| *of == index).for_each(|(_, line)| hasher.write(line));
    hasher.finish()
}

pub(super) fn line_count(lines: &[u8]) -> usize {
    lines.iter().filter(|byte| **byte == b'\n').count()
}
