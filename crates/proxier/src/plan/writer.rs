//! Writes the chains that differ, table by table.

use std::collections::{BTreeMap, BTreeSet};

use crate::chain::{ChainName, Table};
use crate::service::ServicePortName;
use crate::text;

use super::changes::{Changes, Visited, holds_refusals};
use super::installed::{Applied, FixedChains, InstalledPort, PortText, line_count};

/// How many lines of each kind a transaction holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rules of the filter table.
    pub filter_rules: usize,
    /// Rules of the nat table.
    pub nat_rules: usize,
    /// Chains that are deleted.
    pub deleted_chains: usize,
}

/// The text of one table.
#[derive(Default)]
struct Section {
    chains: Vec<u8>,
    rules: Vec<u8>,
}

impl Section {
    fn finish(&self, table: Table, out: &mut Vec<u8>) {
        if self.chains.is_empty() {
            return;
        }
        text::begin(table, out);
        out.extend_from_slice(&self.chains);
        out.extend_from_slice(&self.rules);
        text::commit(out);
    }
}

pub(super) struct Writer<'a> {
    changes: &'a Changes,
    fixed: &'a FixedChains,
    filter: Section,
    nat: Section,
    deleted_chains: usize,
}

impl<'a> Writer<'a> {
    /// Begins with what stands before the rules of service ports.
    pub(super) fn new(changes: &'a Changes, fixed: &'a FixedChains) -> Self {
        let mut writer =
            Self { changes, fixed, filter: Section::default(), nat: Section::default(), deleted_chains: 0 };
        for (chain, lines) in fixed.0.iter().filter(|(chain, _)| changes.shared.contains(chain)) {
            let section = writer.section(chain.0);
            text::declare(&chain.1, &mut section.chains);
            section.rules.extend_from_slice(&lines.head);
        }
        writer
    }

    pub(super) fn port(&mut self, port: &Visited) {
        for (chain, lines) in port.wanted().into_iter().flat_map(|wanted| &wanted.shared) {
            if self.changes.shared.contains(chain) {
                self.section(chain.0).rules.extend_from_slice(lines);
            }
        }
        if let Some(new) = port.new {
            self.own_chains(port.old, new);
        }
    }

    fn own_chains(&mut self, old: Option<&InstalledPort>, new: &PortText) {
        let differs =
            |(chain, digest): &(ChainName, u64)| old.and_then(|old| old.digest(chain)) != Some(*digest);
        let differs: Vec<_> = new.installed.own.iter().map(differs).collect();
        for ((chain, _), _) in new.installed.own.iter().zip(&differs).filter(|(_, differs)| **differs) {
            text::declare(chain, &mut self.nat.chains);
        }
        for (_, line) in new.own_lines.iter().filter(|(index, _)| differs[*index]) {
            self.nat.rules.extend_from_slice(line);
        }
    }

    /// A declaration empties the chain, whatever is in it.
    pub(super) fn delete(&mut self, chains: &BTreeSet<ChainName>) {
        for chain in chains {
            text::declare(chain, &mut self.nat.chains);
            text::delete_chain(chain, &mut self.nat.rules);
        }
        self.deleted_chains = chains.len();
    }

    pub(super) fn writes_nat(&self) -> bool {
        !self.nat.chains.is_empty()
    }

    /// Ends with what stands behind the rules of service ports.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) -> Counts {
        let fixed = self.fixed;
        for (chain, lines) in fixed.0.iter().filter(|(chain, _)| self.changes.shared.contains(chain)) {
            self.section(chain.0).rules.extend_from_slice(&lines.tail);
        }
        self.filter.finish(Table::Filter, out);
        self.nat.finish(Table::Nat, out);
        Counts {
            filter_rules: line_count(&self.filter.rules),
            nat_rules: line_count(&self.nat.rules) - self.deleted_chains,
            deleted_chains: self.deleted_chains,
        }
    }

    fn section(&mut self, table: Table) -> &mut Section {
        match table {
            Table::Filter => &mut self.filter,
            Table::Nat | Table::Mangle => &mut self.nat,
        }
    }
}

/// A filter section that holds the refusals that go as well as those that come.
///
/// Each COMMIT stands alone. Were a refusal gone before nat delivers, or nat empty before the
/// refusal is there, packets in between would pass untranslated, and conntrack would hold on to
/// that: later packets of the same flow vanish for as long as the sender keeps sending.
pub(super) fn refusals_of_both(
    applied: &Applied,
    fixed: &FixedChains,
    ports: &BTreeMap<ServicePortName, PortText>,
    changes: &Changes,
    out: &mut Vec<u8>,
) {
    let mut section = Section::default();
    for chain in changes.shared.iter().filter(|chain| holds_refusals(chain)) {
        let lines = fixed.get(chain).cloned().unwrap_or_default();
        text::declare(&chain.1, &mut section.chains);
        section.rules.extend_from_slice(&lines.head);
        changes.visit_ports(applied, ports, &BTreeSet::new(), |port| {
            let old = port.old.map_or(&[][..], |old| old.shared_lines(chain));
            let new = port.new.map_or(&[][..], |new| new.installed.shared_lines(chain));
            section.rules.extend_from_slice(new);
            let kept = old.split_inclusive(|byte| *byte == b'\n');
            let kept =
                kept.filter(|line| !new.split_inclusive(|byte| *byte == b'\n').any(|other| other == *line));
            kept.for_each(|line| section.rules.extend_from_slice(line));
        });
        section.rules.extend_from_slice(&lines.tail);
    }
    section.finish(Table::Filter, out);
}
