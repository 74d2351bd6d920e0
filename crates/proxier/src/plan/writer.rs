//! Writes what differs: which tables, in which order.

use std::collections::{BTreeMap, BTreeSet};

use memchr::memchr_iter;

use crate::chain::{ChainName, Table};
use crate::parse::SavedRule;
use crate::text;

use super::blocks;
use super::changes::{Extent, holds_refusals};
use super::edits::edits;
use super::port::PortText;
use super::{Applied, Layout, Scene, SharedChain, Unwanted, Visited, lines};

/// How much a transaction holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rules of the filter table that are appended, inserted or deleted.
    pub filter_rules: usize,
    /// Rules of the nat table that are appended, inserted or deleted.
    pub nat_rules: usize,
    /// Chains that are deleted.
    pub deleted_chains: usize,
    /// How often a table is committed.
    pub commits: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.filter_rules += other.filter_rules;
        self.nat_rules += other.nat_rules;
        self.deleted_chains += other.deleted_chains;
        self.commits += other.commits;
    }
}

/// What goes into one table between two COMMITs.
#[derive(Default)]
pub(super) struct Section {
    pub(super) chains: Vec<u8>,
    pub(super) rules: Vec<u8>,
}

impl Section {
    fn is_empty(&self) -> bool {
        self.chains.is_empty() && self.rules.is_empty()
    }

    /// Writes the section, unless it is empty.
    pub(super) fn finish(self, table: Table, out: &mut Vec<u8>, counts: &mut Counts) {
        if self.is_empty() {
            return;
        }
        counts.commits += 1;
        let rules = memchr_iter(b'\n', &self.rules).count();
        match table {
            Table::Nat => counts.nat_rules += rules,
            Table::Filter | Table::Mangle => counts.filter_rules += rules,
        }
        text::begin(table, out);
        out.extend_from_slice(&self.chains);
        join(out, self.rules);
        text::commit(out);
    }

    /// Shared chains, emptied and filled with what is wanted, service port by service port as
    /// kube-proxy writes them.
    pub(super) fn whole(&mut self, scene: &Scene, chains: &[&SharedChain]) {
        let fixed = || scene.fixed.0.iter().filter(|(chain, _)| chains.contains(&chain));
        for (chain, fixed) in fixed() {
            text::declare(&chain.1, &mut self.chains);
            text::append_lines(&chain.1, lines(&fixed.head), &mut self.rules);
        }
        if !chains.is_empty() {
            let wanted = scene.all_ports().flat_map(|port| port.shared());
            for (chain, rules) in wanted.filter(|(chain, _)| chains.contains(&chain)) {
                text::append_lines(&chain.1, lines(rules), &mut self.rules);
            }
        }
        for (chain, fixed) in fixed() {
            text::append_lines(&chain.1, lines(&fixed.tail), &mut self.rules);
        }
    }

    /// The rules of a service port in some of the shared chains.
    fn append_shared(&mut self, chains: &[&SharedChain], port: Visited) {
        for chain in chains {
            text::append_lines(&chain.1, lines(port.lines(chain)), &mut self.rules);
        }
    }

    /// A declaration empties the chain, whatever is in it.
    pub(super) fn delete(&mut self, chain: &ChainName) {
        text::declare(chain, &mut self.chains);
        text::delete_chain(chain, &mut self.rules);
    }
}

/// Appends. What there is no room for stays where it is: it may be all that a large cluster has.
fn join(out: &mut Vec<u8>, tail: Vec<u8>) {
    if tail.len() > out.capacity() - out.len() && tail.len() > out.len() {
        let head = std::mem::replace(out, tail);
        drop(out.splice(0..0, head));
    } else {
        out.extend_from_slice(&tail);
    }
}

/// Memory for the text of everything. Room that is not filled costs nothing.
fn room(scene: &Scene) -> Vec<u8> {
    const LARGE: usize = 1 << 20;
    let size: usize = scene.ports.values().map(PortText::size).sum();
    if size < LARGE { Vec::new() } else { Vec::with_capacity(2 * size) }
}

/// The whole input.
///
/// Each COMMIT stands alone. Were a refusal gone before nat delivers, or nat empty before the
/// refusal is there, packets in between would pass untranslated, and conntrack would hold on to
/// that: later packets of the same flow vanish for as long as the sender keeps sending. Therefore
/// refusals that come are written before nat, and those that go behind it.
pub(super) fn write(scene: &Scene, unwanted: &Unwanted, layout: Option<Layout>) -> (Vec<u8>, Counts) {
    let mut counts = Counts { deleted_chains: unwanted.deleted.len(), ..Counts::default() };
    let writes_nat = scene.changes.shared.keys().any(|(table, _)| *table == Table::Nat)
        || !unwanted.deleted.is_empty()
        || !unwanted.emptied.is_empty()
        || scene.ports.values().any(|port| port.differing().next().is_some());
    let (before, after) = filter(scene, writes_nat);

    let layout = layout.filter(|_| blocks::are_many(scene, &unwanted.deleted));
    let mut out = if layout == Some(Layout::Blocks) { room(scene) } else { Vec::new() };
    before.finish(Table::Filter, &mut out, &mut counts);
    match layout {
        _ if !writes_nat => {}
        Some(Layout::Blocks) => blocks::write(scene, unwanted, &mut out, &mut counts),
        Some(Layout::Single) => nat(scene, unwanted, by_name).finish(Table::Nat, &mut out, &mut counts),
        None => nat(scene, unwanted, by_service_port).finish(Table::Nat, &mut out, &mut counts),
    }
    after.finish(Table::Filter, &mut out, &mut counts);
    counts.nat_rules -= counts.deleted_chains;
    (out, counts)
}

/// The filter table before nat is written, and after.
fn filter(scene: &Scene, writes_nat: bool) -> (Section, Section) {
    let (mut before, mut after) = (Section::default(), Section::default());
    let (mut whole_before, mut whole_after) = (Vec::new(), Vec::new());
    let mut goes = Vec::new();
    for (chain, _) in scene.fixed.0.iter().filter(|((table, _), _)| *table == Table::Filter) {
        let is_split = writes_nat && holds_refusals(chain);
        match scene.changes.extent(chain) {
            Some(Extent::Edits) => {
                let edits = edits(scene, chain);
                before.rules.extend(edits.inserts);
                if is_split { &mut after } else { &mut before }.rules.extend(edits.deletes);
            }
            Some(Extent::Whole) if is_split => {
                // Refusals of both before, the wanted ones alone after; each only if it makes a difference.
                let difference = difference(scene, chain);
                if difference.comes || difference.goes.is_empty() {
                    whole_before.push(chain);
                    text::append_lines(&chain.1, lines(&difference.goes), &mut goes);
                }
                whole_after.extend((!difference.goes.is_empty()).then_some(chain));
            }
            Some(Extent::Whole) => whole_before.push(chain),
            None => {}
        }
    }
    before.whole(scene, &whole_before);
    before.rules.extend(goes);
    after.whole(scene, &whole_after);
    (before, after)
}

struct Difference {
    /// Whether a rule is wanted that is not there.
    comes: bool,
    /// The rules that are there and not wanted.
    goes: Vec<u8>,
}

fn difference(scene: &Scene, chain: &SharedChain) -> Difference {
    match scene.applied {
        Applied::Known(_) => {
            let old: BTreeSet<_> = scene.all_ports().flat_map(|port| lines(port.old_lines(chain))).collect();
            let new: BTreeSet<_> = scene.all_ports().flat_map(|port| lines(port.lines(chain))).collect();
            Difference {
                comes: new.iter().any(|rule| !old.contains(rule)),
                goes: old.iter().filter(|rule| !new.contains(*rule)).copied().flatten().copied().collect(),
            }
        }
        Applied::Found(found) => {
            let old = found.rules(chain).unwrap_or_default();
            let shared = scene.ports.values().flat_map(|port| &port.shared_rules);
            let new: Vec<_> = shared.filter(|(of, _)| of == chain).map(|(_, rule)| rule).collect();
            let mut goes = Vec::new();
            // What is not ours need not outlive the chain's content.
            let known = old.iter().filter(|rule| !new.contains(rule)).filter_map(SavedRule::known);
            known.for_each(|rule| text::rule(rule, &mut goes));
            Difference { comes: new.iter().any(|rule| !old.contains(rule)), goes }
        }
    }
}

/// All of nat at once, the rules of service ports as `ports` writes them.
fn nat(scene: &Scene, unwanted: &Unwanted, ports: fn(&Scene, &[&SharedChain], &mut Section)) -> Section {
    let mut section = Section { rules: room(scene), ..Section::default() };
    let mut edited = BTreeMap::new();
    let shared: Vec<_> = scene.fixed.0.iter().filter(|((table, _), _)| *table == Table::Nat).collect();
    let is_whole = |chain: &SharedChain| scene.changes.extent(chain) == Some(Extent::Whole);
    for (chain, fixed) in &shared {
        match scene.changes.extent(chain) {
            Some(Extent::Whole) => {
                text::declare(&chain.1, &mut section.chains);
                text::append_lines(&chain.1, lines(&fixed.head), &mut section.rules);
            }
            Some(Extent::Edits) => drop(edited.insert(chain, edits(scene, chain))),
            None => {}
        }
    }
    let whole: Vec<_> = shared.iter().map(|(chain, _)| chain).filter(|chain| is_whole(chain)).collect();
    ports(scene, &whole, &mut section);
    edited.values().for_each(|edits| section.rules.extend(&edits.inserts));
    edited.values().for_each(|edits| section.rules.extend(&edits.deletes));
    unwanted.emptied.iter().for_each(|chain| text::declare(chain, &mut section.chains));
    unwanted.deleted.iter().for_each(|chain| section.delete(chain));
    for (chain, fixed) in shared.iter().filter(|(chain, _)| is_whole(chain)) {
        text::append_lines(&chain.1, lines(&fixed.tail), &mut section.rules);
    }
    section
}

fn by_service_port(scene: &Scene, shared: &[&SharedChain], section: &mut Section) {
    if shared.is_empty() {
        return scene.ports.values().for_each(|port| port.write(section));
    }
    for port in scene.all_ports() {
        section.append_shared(shared, port);
        port.new.into_iter().for_each(|new| new.write(section));
    }
}

/// The legacy variant keeps chains in order of their names; those that come in this order cost least.
fn by_name(scene: &Scene, shared: &[&SharedChain], section: &mut Section) {
    if !shared.is_empty() {
        scene.all_ports().for_each(|port| section.append_shared(shared, port));
    }
    let mut own: Vec<_> = scene.ports.values().flat_map(PortText::differing).collect();
    own.sort_unstable_by(|one, other| one.name.cmp(other.name));
    own.into_iter().for_each(|chain| chain.write(section));
}
