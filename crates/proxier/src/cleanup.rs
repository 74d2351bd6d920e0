//! Turns the chains that exist into what removes those that kube-proxy left behind, and the jumps to them.
//!
//! Knows nothing of how the chains are found, and leaves alone what other programs made.
//! `KUBE-FIREWALL` is the kubelet's as well and stays.

mod ipvs;

#[cfg(feature = "io")]
mod absence;
#[cfg(feature = "io")]
mod ip_vs;
#[cfg(feature = "io")]
mod netlink;
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
use crate::plan::Layout;
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

    /// The input that makes iptables-restore delete the mode's chains of one table; empty if none
    /// exists. Each chain is emptied before it or any chain that it jumps to is deleted. The first
    /// transaction empties the chains by which packets come to all others.
    pub fn deletion(self, table: Table, existing: &BTreeSet<ChainName>, layout: Layout) -> Vec<u8> {
        let mut chains: Vec<_> = existing.iter().filter(|chain| self.owns(table, chain)).collect();
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

/// A chain jumps only to chains of a higher rank, but for those of IPVS mode, which are few enough
/// for one transaction.
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
