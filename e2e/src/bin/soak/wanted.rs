//! Turns the cluster's objects into the rules that a proxy that starts from scratch would write, and compares.
//!
//! Does not know what happened before: the objects are all that counts.

use std::ffi::OsStr;
use std::time::Duration;

use anyhow::{Result, anyhow};
use config::Checked;
use e2e::backend::Family;
use e2e::proxy::NODE;
use informer::change::Batch;
use informer::manifest::Manifests;
use proxier::chain::ChainName;
use proxier::jump::jumps;
use proxier::node::NodeIdentity;
use proxier::option::{Host, Options, Tools};
use proxier::parse::{self, SavedRule};
use proxier::plan::{Found, Layout};
use proxier::proxier::Proxier;
use proxier::tables::Tables as _;
use proxier::tables::fake::FakeTables;
use proxier::world::World;
use serde_json::{Value, json};

const BUILT_IN: [ChainName; 5] =
    [ChainName::PREROUTING, ChainName::INPUT, ChainName::FORWARD, ChainName::OUTPUT, ChainName::POSTROUTING];

/// What the daemon's configuration file comes to.
pub(crate) fn checked(config: &str) -> Result<Checked> {
    config::decode(config)?.config.check().map_err(|problems| anyhow!("{problems}"))
}

/// The objects as a proxy takes them in.
pub(crate) fn batch(objects: &[Value]) -> Batch {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let mut manifests = Manifests::default();
    manifests.put(OsStr::new("objects.json"), list.to_string().as_bytes());
    manifests.changes()
}

/// The rules of a family from scratch, in the form of [`found`].
pub(crate) fn wanted(batch: &Batch, config: &Checked, host: &Host, family: Family) -> Result<String> {
    let node = NodeIdentity::new(NODE, batch.node(NODE), &host.addresses, config.bind_address);
    let family = match family {
        Family::V4 => proxier::family::Family::V4,
        Family::V6 => proxier::family::Family::V6,
    };
    let options = Options::new(family, config, &node, Tools { random_fully: true, is_tcp_liberal: false })?;
    let mut proxier = Proxier::new(World::new(family, NODE), options, Duration::ZERO);
    for change in &batch.changes {
        proxier.apply(change);
    }
    let mut tables = FakeTables::new(Layout::Single);
    tables.ensure_canary()?;
    tables.ensure_jumps(&jumps(), &Found::default())?;
    tables.restore(&proxier.full_input(host))?;
    Ok(normal(tables))
}

/// The rules that are ours in a save, in a form in which they can be compared.
pub(crate) fn found(save: &str) -> Result<String> {
    let mut tables = FakeTables::new(Layout::Single);
    tables.tables = parse::save(save)?.tables;
    Ok(normal(tables))
}

/// Chains of ours whole; of built-in ones the jumps to ours, whose order depends on who was first.
fn normal(mut tables: FakeTables) -> String {
    for chains in tables.tables.values_mut() {
        chains.retain(|name, _| name.to_string().starts_with("KUBE-") || BUILT_IN.contains(name));
        for (_, chain) in chains.iter_mut().filter(|(name, _)| BUILT_IN.contains(name)) {
            chain.rules.retain(|rule| matches!(rule, SavedRule::Known(_)));
            chain.rules.sort_by_key(|rule| format!("{rule:?}"));
        }
        chains.retain(|name, chain| !BUILT_IN.contains(name) || !chain.rules.is_empty());
    }
    tables.save()
}
