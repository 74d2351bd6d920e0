//! Puts the parts together and runs them: source, node, families, loop.
//!
//! Knows nothing of flags and of how the configuration came about.
#![expect(clippy::disallowed_methods, reason = "waits for the Node for a limited time")]

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use config::{Checked, DetectLocal};
use informer::change::{Batch, Change};
use proxier::backend::Suite;
use proxier::host;
use tracing::info;

use crate::built::Build;
use crate::config_file::Watch;
use crate::event::{Events, Happening, Reporter};
use crate::family::FamilySync;
use crate::flaw::Flaws;
use crate::health::Eligibility;
use crate::node::ThisNode;
use crate::outside::{About, Outside};
use crate::signal;
use crate::source::{Interest, Source};
use crate::sync::{self, Wake};
use crate::{flows, oom, start, tools};

/// What is to be run, besides the configuration.
pub(crate) struct Plan {
    /// What tells of signals.
    pub(crate) signals: signal::Listener,
    /// Where the cluster's state comes from.
    pub(crate) source: Source,
    /// The watch on the configuration file, if there is one: a change ends the process.
    pub(crate) config_file: Option<Watch>,
    /// This node's name.
    pub(crate) node_name: String,
    /// The iptables programs to run.
    pub(crate) suite: Suite,
    /// Whether stale conntrack entries are deleted.
    pub(crate) flush_conntrack: bool,
    /// Whether the process ends once kernel settings are applied, before any rule is written.
    pub(crate) init_only: bool,
}

/// Runs until the process is told to end.
///
/// # Errors
/// Something that is needed at the start is missing.
pub(crate) fn run(plan: Plan, config: &Checked, about: About) -> Result<()> {
    let (wakes, woken) = mpsc::channel();
    plan.signals.tell(wakes.clone());
    let (events, queue) = Events::new(Reporter::new(&plan.node_name, &host::name()));
    let outside = Outside::new(config, &about, events)?;
    let prepared = tools::prepare(plan.suite).context("start a thread")?;
    let is_directory = matches!(plan.source, Source::Manifests(_));
    let patience = Patience::for_node(&plan.source, config);
    let interest = if plan.init_only { Interest::Node } else { Interest::Everything };
    plan.source.follow(interest, &plan.node_name, outside.metrics.rest.clone(), wakes.clone(), queue)?;
    let Some(initial) = initial_state(&woken, &plan.node_name, patience)? else { return Ok(()) };
    let eligibility = match initial.node(&plan.node_name) {
        Some(node) => Eligibility::of(node),
        // Nobody says that this node is to go.
        None if is_directory => Eligibility::Eligible,
        None => Eligibility::Unknown,
    };
    outside.health.lock().set_eligibility(eligibility);
    // A directory need not hold the Node; an API server that has none knows no address of it.
    let stand_ins =
        if is_directory { host::addresses().context("can't list the host's addresses")? } else { Vec::new() };
    let node = start::identify(&plan.node_name, config, &initial, &stand_ins);
    let flows = if plan.init_only || !plan.flush_conntrack {
        None
    } else {
        Some(flows::look_after(outside.metrics.conntrack.clone())?)
    };
    let (families, ear) = start::families(config, prepared, &node, flows.as_ref(), &outside)?;
    if plan.init_only {
        let tell = |family| info!(ipFamily = %family, "System initialized and --init-only specified");
        families.iter().map(FamilySync::family).for_each(tell);
        return Ok(());
    }
    let Build { release, version, commit, .. } = Build::of(&about.release);
    info!(version = release, ownVersion = version, gitCommit = commit, "Version info");
    oom::adjust(config.config.oom_score_adj)?;
    if let Some(watch) = plan.config_file {
        let wakes = wakes.clone();
        watch.follow(move |ended| drop(wakes.send(Wake::Failed(ended.into()))))?;
    }
    outside.serve(config, about, &wakes)?;
    outside.events.tell(Happening::Started);
    let node = ThisNode::new(node, outside.health.clone(), config);
    let flaws = Flaws::new(outside.metrics.flaws.clone(), outside.events.clone());
    sync::run(initial, &woken, &node, flaws, families, ear)
}

/// How long to wait for what the Node object tells.
#[derive(Clone, Copy)]
struct Patience {
    addresses: Duration,
    pod_cidrs: Duration,
}

impl Patience {
    /// A directory of manifests is complete when it was read.
    fn for_node(source: &Source, config: &Checked) -> Self {
        let is_api = matches!(source, Source::Api(..));
        let needs_pod_cidrs = matches!(config.detect_local, DetectLocal::NodeCidr);
        let wait = |seconds, wanted: bool| if wanted { Duration::from_secs(seconds) } else { Duration::ZERO };
        Self { addresses: wait(30, is_api), pod_cidrs: wait(300, is_api && needs_pod_cidrs) }
    }
}

/// What was told until the Node was known, or waited for in vain; nothing if the process is to end before that. Nobody
/// waits for Services here: without them health and metrics must tell so.
fn initial_state(woken: &Receiver<Wake>, node: &str, patience: Patience) -> Result<Option<Batch>> {
    let mut initial = Batch::default();
    let mut is_node_listed = false;
    // A directory is told of as a whole.
    while !is_node_listed && !initial.changes.contains(&Change::Synced) {
        match woken.recv() {
            Ok(Wake::Changed(batch)) => initial.extend(batch),
            Ok(Wake::NodeListed) => is_node_listed = true,
            Ok(Wake::Shutdown) | Err(_) => return Ok(None),
            Ok(Wake::Failed(error)) => return Err(error),
        }
    }
    let has_addresses = |batch: &Batch| batch.node(node).is_some_and(|node| !node.addresses.is_empty());
    let has_pod_cidrs = |batch: &Batch| batch.node(node).is_some_and(|node| !node.pod_cidrs.is_empty());
    for (patience, is_there) in [
        (patience.addresses, &has_addresses as &dyn Fn(&Batch) -> bool),
        (patience.pod_cidrs, &has_pod_cidrs),
    ] {
        let deadline = Instant::now() + patience;
        while !is_there(&initial) {
            match woken.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Wake::Changed(batch)) => initial.extend(batch),
                Ok(Wake::NodeListed) => {}
                Ok(Wake::Shutdown) | Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Ok(Wake::Failed(error)) => return Err(error),
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
    }
    if !patience.pod_cidrs.is_zero() && !has_pod_cidrs(&initial) {
        match initial.node(node) {
            Some(_) => bail!("timeout waiting for PodCIDR allocation on node {node:?}"),
            None => bail!("timeout waiting for node {node:?} to exist"),
        }
    }
    Ok(Some(initial))
}
