//! Turns the chains that exist into what removes those that kube-proxy left behind, and the jumps to them.
//!
//! Knows nothing of how the chains are found, and leaves alone what other programs made.
//! `KUBE-FIREWALL` is the kubelet's as well and stays.

mod ipvs;

#[cfg(feature = "io")]
mod ip_vs;
#[cfg(feature = "io")]
mod nftables;
#[cfg(feature = "io")]
mod tool;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::chain::{ChainName, Role, Table};
use crate::jump::{self, Jump};
use crate::parse::{self, Command, SavedRule};
use crate::plan::Layout;
use crate::rule::Rule;
use crate::text;

#[cfg(feature = "io")]
pub use ip_vs::{IpvsError, remove_ipvs, uses_ipvs};
#[cfg(feature = "io")]
pub use nftables::remove_table;

/// How many chains are deleted in one transaction where many of them are slow.
const CHAINS_PER_BLOCK: usize = 200;

/// The mode in which kube-proxy, this one or another, wrote the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `mode: iptables`.
    Iptables,
    /// `mode: ipvs`.
    Ipvs,
}

impl Mode {
    /// The rules of built-in chains that lead to chains of this mode, in the order in which they go.
    pub fn jumps(self) -> Vec<Jump> {
        match self {
            Self::Iptables => {
                let shared = |jump: &Jump| jump.to == ChainName::KUBE_FIREWALL;
                jump::jumps().into_iter().filter(|jump| !shared(jump)).collect()
            }
            Self::Ipvs => ipvs::jumps(),
        }
    }

    /// Whether kube-proxy in this mode, and nobody else, makes such a chain.
    pub fn owns(self, table: Table, chain: &ChainName) -> bool {
        match self {
            Self::Iptables => owns_in_iptables_mode(table, chain),
            Self::Ipvs => ipvs::owns(table, chain),
        }
    }
}

/// The input that makes iptables-restore remove from a table what these modes made, as far as it is
/// in the table's save; empty if that is nothing. The jumps go first, in a transaction of their own.
pub fn removal(modes: &[Mode], table: Table, save: &str, layout: Layout) -> Vec<u8> {
    let mut input = jump_removal(modes, table, save);
    let names = save.lines().filter_map(|line| line.strip_prefix(':')?.split(' ').next());
    input.extend(deletion(modes, table, &names.map(ChainName::parse).collect(), layout));
    input
}

/// Deletes each copy of each jump.
fn jump_removal(modes: &[Mode], table: Table, save: &str) -> Vec<u8> {
    let jumps: Vec<_> =
        modes.iter().flat_map(|mode| mode.jumps()).filter(|jump| jump.table == table).collect();
    let mut deletions = Vec::new();
    // Our own chains hold most of the lines and no jump to look for.
    for line in save.lines().filter(|line| line.starts_with("-A ") && !line.starts_with("-A KUBE-")) {
        if let Some((chain, rule)) = known_rule(table, line)
            && let Some(jump) =
                jumps.iter().find(|jump| jump.from == chain && jump.rule.clone().normal() == rule)
        {
            let mut text = Vec::new();
            text::rule(&jump.rule, &mut text);
            text::delete_line(&jump.from, &text, &mut deletions);
        }
    }
    if deletions.is_empty() {
        return deletions;
    }
    let mut input = Vec::new();
    text::begin(table, &mut input);
    input.extend(deletions);
    text::commit(&mut input);
    input
}

/// The chain and the rule of a line that is of the kind that kube-proxy writes.
fn known_rule(table: Table, line: &str) -> Option<(ChainName, Rule)> {
    let text = format!("*{table}\n{line}\nCOMMIT\n");
    parse::commands(&text).find_map(|command| {
        if let Ok(Command::Append { chain, rule: SavedRule::Known(rule) }) = command {
            Some((chain, rule))
        } else {
            None
        }
    })
}

/// Deletes the chains of all these modes. Each chain is emptied before it or any chain that it jumps
/// to is deleted. The first transaction empties the chains by which packets come to all others.
fn deletion(modes: &[Mode], table: Table, existing: &BTreeSet<ChainName>, layout: Layout) -> Vec<u8> {
    let is_owned = |chain: &&ChainName| modes.iter().any(|mode| mode.owns(table, chain));
    let mut chains: Vec<_> = existing.iter().filter(is_owned).collect();
    chains.sort_by_key(|chain| (rank(chain), Reverse(*chain)));
    let per_transaction = match layout {
        Layout::Single => chains.len(),
        Layout::Blocks => CHAINS_PER_BLOCK,
    };
    let mut input = Vec::new();
    for block in chains.chunks_mut(per_transaction.max(1)) {
        // The tool walks a sorted list up to the name of each line.
        block.sort_by_key(|chain| Reverse(*chain));
        text::begin(table, &mut input);
        block.iter().for_each(|chain| text::declare(chain, &mut input));
        block.iter().for_each(|chain| text::delete_chain(chain, &mut input));
        text::commit(&mut input);
    }
    input
}

fn owns_in_iptables_mode(table: Table, chain: &ChainName) -> bool {
    use ChainName as C;
    match table {
        Table::Nat => {
            let fixed = [
                C::KUBE_SERVICES,
                C::KUBE_NODEPORTS,
                C::KUBE_POSTROUTING,
                C::KUBE_MARK_MASQ,
                C::KUBE_PROXY_CANARY,
            ];
            chain.is_of_service_port() || fixed.contains(chain)
        }
        Table::Filter => [
            C::KUBE_SERVICES,
            C::KUBE_EXTERNAL_SERVICES,
            C::KUBE_FORWARD,
            C::KUBE_NODEPORTS,
            C::KUBE_PROXY_FIREWALL,
            C::KUBE_PROXY_CANARY,
        ]
        .contains(chain),
        Table::Mangle => false,
    }
}

/// A chain jumps only to chains of a higher rank, or to one of the few of rank 0, all of which are
/// emptied in the first transaction.
fn rank(chain: &ChainName) -> u8 {
    match chain.role() {
        None if *chain == ChainName::KUBE_MARK_MASQ => 5,
        None => 0,
        Some(Role::Firewall) => 1,
        Some(Role::External) => 2,
        Some(Role::Cluster | Role::Local) => 3,
        Some(Role::Endpoint) => 4,
    }
}
