//! What the figures were measured on.

use std::fs;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use e2e::backend::Backend;
use e2e::command::{command, run};
use serde::{Deserialize, Serialize};

/// The machine, and how busy it was when a session began.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) kernel: String,
    pub(crate) iptables: String,
    /// Processes that ran or wanted to, on average over 1, 5 and 15 minutes.
    pub(crate) load: String,
}

impl Machine {
    /// This machine as it is.
    pub(crate) fn look(backend: Backend) -> Result<Machine> {
        let read = |path: &str| fs::read_to_string(path).with_context(|| format!("read {path}"));
        let load = read("/proc/loadavg")?;
        let processors = read("/proc/cpuinfo")?;
        let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let version = run(command(backend.program()).args(["iptables", "--version"]))?;
        Ok(Machine {
            cores: available_parallelism().context("count the cores")?.get(),
            processor: model.map_or("unknown", |(_, name)| name).to_owned(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            iptables: version.trim().to_owned(),
            load: load.split(' ').take(3).collect::<Vec<_>>().join(" "),
        })
    }
}
