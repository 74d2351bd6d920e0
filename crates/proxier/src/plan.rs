//! Turns what is wanted and what is installed into what iptables-restore must do.
//!
//! Knows nothing of how a rule comes about (see `render`) and of processes (see `tables`).

mod changes;
mod installed;
mod writer;

use std::collections::{BTreeMap, BTreeSet};

use crate::chain::ChainName;
use crate::render::RenderedPort;
use crate::ruleset::Ruleset;
use crate::service::ServicePortName;

use changes::Changes;
pub use installed::{Applied, Installed};
use installed::{FixedChains, PortText};
pub use writer::Counts;
use writer::{Writer, refusals_of_both};

/// What is wanted, as far as it may differ from what is installed.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The fixed chains with the rules that do not depend on any Service.
    pub fixed: Ruleset,
    /// Service ports that were rendered again; all of them if nothing is known of what is installed.
    pub ports: Vec<RenderedPort>,
    /// Service ports that are gone.
    pub gone: BTreeSet<ServicePortName>,
    /// What happens to chains that no service port wants.
    pub stale: StaleChains,
}

/// What happens to chains that no service port wants. They do no harm: nothing jumps to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleChains {
    /// They are deleted in the same transaction.
    Delete,
    /// They are remembered; a later transaction deletes them.
    Keep,
}

/// What one run of iptables-restore is fed, and what is installed once it succeeded.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// The text; empty if nothing has to be done.
    pub input: Vec<u8>,
    /// What it contains.
    pub counts: Counts,
    fixed: FixedChains,
    ports: BTreeMap<ServicePortName, PortText>,
    gone: BTreeSet<ServicePortName>,
    stale: BTreeSet<ChainName>,
}

impl Transaction {
    /// Whether the kernel's tables are as they should be already.
    pub fn is_empty(&self) -> bool {
        self.input.is_empty()
    }
}

impl Applied {
    /// What is installed once a transaction, planned against this state, succeeded.
    pub fn commit(self, transaction: Transaction) -> Installed {
        let mut installed = match self {
            Self::Known(installed) => installed,
            Self::Unknown { .. } => Installed::default(),
        };
        installed.fixed = transaction.fixed;
        installed.stale = transaction.stale;
        for name in &transaction.gone {
            installed.ports.remove(name);
        }
        installed.ports.extend(transaction.ports.into_iter().map(|(name, port)| (name, port.installed)));
        installed
    }
}

/// Plans the difference. Chains whose content is as it should be are not mentioned, and a table of
/// which no chain is mentioned neither. Where nothing is known of what is installed, all is written.
pub fn plan(applied: &Applied, wanted: Wanted) -> Transaction {
    let fixed = FixedChains::of(&wanted.fixed);
    let texts = wanted.ports.iter().map(|port| (port.name.clone(), PortText::of(port)));
    let ports: BTreeMap<_, _> = texts.collect();
    let changes = Changes::between(applied, &fixed, &ports, &wanted.gone);
    let (stale, deleted) = match wanted.stale {
        StaleChains::Delete => (BTreeSet::new(), changes.stale.clone()),
        StaleChains::Keep => (changes.stale.clone(), BTreeSet::new()),
    };

    let mut writer = Writer::new(&changes, &fixed);
    changes.visit_ports(applied, &ports, &wanted.gone, |port| writer.port(&port));
    writer.delete(&deleted);
    let mut input = Vec::new();
    if changes.refusals && writer.writes_nat() {
        refusals_of_both(applied, &fixed, &ports, &changes, &mut input);
    }
    let counts = writer.finish(&mut input);
    Transaction { input, counts, fixed, ports, gone: wanted.gone, stale }
}
