//! The nat table in many small transactions, in an order in which no packet meets a half-built Service.
//!
//! The nf_tables variant of iptables-restore keeps one sorted list of all chain names that were
//! mentioned since the last COMMIT and walks it for every line. Blocks keep the list short, and
//! descending names keep the walk short: a name that sorts first is found at once.

use std::collections::BTreeSet;

use crate::chain::{ChainName, Role, Table};
use crate::text;

use super::changes::Extent;
use super::edits::edits;
use super::port::{OwnChain, PortText};
use super::writer::{Counts, Section};
use super::{Scene, SharedChain, Unwanted};

/// How many chain names a block may mention, declared or jumped to. Few in tests, so that small
/// clusters have many blocks.
const NAMES_PER_BLOCK: usize = if cfg!(test) { 4 } else { 600 };
/// Up to so many names are mentioned in a single transaction: where much is installed, the kernel takes longer for each
/// further COMMIT than the tool for these.
const FEW_NAMES: usize = if cfg!(test) { 4 } else { 1500 };

/// Whether so many chains are written that it matters how.
pub(super) fn are_many(scene: &Scene, deleted: &BTreeSet<ChainName>) -> bool {
    let mut names = deleted.len();
    let mut written = scene.ports.values().flat_map(PortText::differing);
    names > FEW_NAMES
        || written.any(|chain| {
            names += mentioned(&chain);
            names > FEW_NAMES
        })
}

/// Leaves first, then what jumps to them, then dispatch, which makes all of it visible at once;
/// what nobody jumps to any more is deleted last, from the top.
pub(super) fn write(scene: &Scene, unwanted: &Unwanted, out: &mut Vec<u8>, counts: &mut Counts) {
    fixed(scene, |chain| !is_dispatch(chain)).finish(Table::Nat, out, counts);
    let mut own: Vec<_> = scene.ports.values().flat_map(PortText::differing).collect();
    own.sort_unstable_by(|one, other| {
        depth(one.name).cmp(&depth(other.name)).then_with(|| one.name.cmp(other.name))
    });
    for level in own.chunk_by(|one, other| depth(one.name) == depth(other.name)) {
        write_level(level, out, counts);
    }
    fixed(scene, is_dispatch).finish(Table::Nat, out, counts);
    empty(&unwanted.emptied, out, counts);
    delete(&unwanted.deleted, out, counts);
}

fn empty(chains: &BTreeSet<ChainName>, out: &mut Vec<u8>, counts: &mut Counts) {
    let mut section = Section::default();
    chains.iter().rev().for_each(|chain| text::declare(chain, &mut section.chains));
    section.finish(Table::Nat, out, counts);
}

/// Blocks ascend: iptables-save sorts chains that were made in descending order in quadratic time.
fn write_level(mut chains: &[OwnChain], out: &mut Vec<u8>, counts: &mut Counts) {
    while !chains.is_empty() {
        let (block, rest) = chains.split_at(block_size(chains));
        let mut section = Section::default();
        block.iter().rev().for_each(|chain| chain.write(&mut section));
        section.finish(Table::Nat, out, counts);
        chains = rest;
    }
}

/// How many of the chains fit into one block; at least one.
fn block_size(chains: &[OwnChain]) -> usize {
    let mentioned = chains.iter().scan(0, |names, chain| {
        *names += mentioned(chain);
        Some(*names)
    });
    mentioned.take_while(|names| *names <= NAMES_PER_BLOCK).count().max(1)
}

/// How many names a chain brings along. Those of endpoints jump to nothing but KUBE-MARK-MASQ, which all share.
fn mentioned(chain: &OwnChain) -> usize {
    match chain.name.role() {
        Some(Role::Endpoint) => 1,
        Some(Role::Cluster | Role::Local | Role::External | Role::Firewall) | None => {
            1 + chain.rules().count()
        }
    }
}

fn fixed(scene: &Scene, wanted: fn(&ChainName) -> bool) -> Section {
    let mut section = Section::default();
    let in_nat = |chain: &&SharedChain| chain.0 == Table::Nat && wanted(&chain.1);
    for chain in scene.fixed.0.iter().map(|(chain, _)| chain).filter(in_nat) {
        match scene.changes.extent(chain) {
            Some(Extent::Whole) => section.whole(scene, &[chain]),
            Some(Extent::Edits) => {
                let edits = edits(scene, chain);
                section.rules.extend(edits.inserts);
                section.rules.extend(edits.deletes);
            }
            None => {}
        }
    }
    section
}

fn delete(deleted: &BTreeSet<ChainName>, out: &mut Vec<u8>, counts: &mut Counts) {
    let mut chains: Vec<_> = deleted.iter().collect();
    chains.sort_by(|one, other| depth(other).cmp(&depth(one)).then(other.cmp(one)));
    for chunk in chains.chunks(NAMES_PER_BLOCK) {
        let mut block = Section::default();
        chunk.iter().for_each(|chain| block.delete(chain));
        block.finish(Table::Nat, out, counts);
    }
}

/// A chain jumps only to chains of less depth.
fn depth(chain: &ChainName) -> u8 {
    match chain.role() {
        Some(Role::Endpoint) => 0,
        Some(Role::Cluster | Role::Local) => 1,
        Some(Role::External) => 2,
        Some(Role::Firewall) | None => 3,
    }
}

fn is_dispatch(chain: &ChainName) -> bool {
    [ChainName::KUBE_SERVICES, ChainName::KUBE_NODEPORTS].contains(chain)
}
