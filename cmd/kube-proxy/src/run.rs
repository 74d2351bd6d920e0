//! Puts the parts together and runs them: source, node, families, loop.
//!
//! Knows nothing of flags and of how the configuration came about.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use anyhow::{Context, Result};
use config::Checked;
use informer::change::{Batch, Change};
use tracing::info;

use crate::config_file::Watch;
use crate::outside::{About, Outside};
use crate::signal::Signals;
use crate::sync::{self, Wake};
use crate::{flows, oom, source, start};

/// What is to be run, besides the configuration.
pub(crate) struct Plan {
    /// The directory that stands in for the API server.
    pub(crate) manifests: PathBuf,
    /// The watch on the configuration file, if there is one: a change ends the process.
    pub(crate) config_file: Option<Watch>,
    /// This node's name.
    pub(crate) node_name: String,
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
    let outside = Outside::new(config, &about)?;
    run_io(wakes.clone())?;
    source::follow_directory(plan.manifests, wakes.clone())?;
    let Some(initial) = initial_state(&woken)? else { return Ok(()) };
    let node = start::identify(&plan.node_name, config, &initial)?;
    let flows = if plan.init_only || !plan.flush_conntrack {
        None
    } else {
        Some(flows::look_after(outside.metrics.conntrack.clone())?)
    };
    let mut families = start::families(config, &node, flows.as_ref(), &outside)?;
    if plan.init_only {
        info!("System initialized and --init-only specified");
        return Ok(());
    }
    oom::adjust(config.config.oom_score_adj);
    if let Some(watch) = plan.config_file {
        let wakes = wakes.clone();
        watch.follow(move |ended| drop(wakes.send(Wake::Failed(ended.into()))))?;
    }
    outside.serve(config, about, &wakes)?;
    sync::run(initial, &woken, &mut families)
}

/// Starts the thread that does everything that waits for the outside: signals.
fn run_io(wakes: Sender<Wake>) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't start tokio")?;
    let signals = runtime.block_on(async { Signals::install() })?;
    let run = move || runtime.block_on(signals.end(wakes));
    thread::Builder::new().name("io".to_owned()).spawn(run).context("can't start a thread")?;
    Ok(())
}

/// Everything that existed at the start; nothing if the process is to end before it is known.
fn initial_state(woken: &Receiver<Wake>) -> Result<Option<Batch>> {
    let mut initial = Batch::default();
    loop {
        match woken.recv() {
            Ok(Wake::Changed(batch)) => {
                initial.changes.extend(batch.changes);
                initial.complaints.extend(batch.complaints);
                if initial.changes.contains(&Change::Synced) {
                    return Ok(Some(initial));
                }
            }
            Ok(Wake::Shutdown) | Err(_) => return Ok(None),
            Ok(Wake::Failed(error)) => return Err(error),
        }
    }
}
