//! Turns the machine into what has to be known of it beside a time.
//!
//! Measures nothing.

use std::fs;
use std::thread;

use anyhow::{Context, Result};
use serde::Serialize;

/// What a time depends on, besides what else is going on.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) kernel: String,
    pub(crate) cpus: usize,
    pub(crate) hash_buckets: u32,
    /// Of the last minute, when the program began.
    pub(crate) load: String,
}

impl Machine {
    pub(crate) fn look() -> Result<Machine> {
        let load = read("/proc/loadavg")?;
        Ok(Machine {
            kernel: read("/proc/sys/kernel/osrelease")?,
            cpus: thread::available_parallelism().context("how many CPUs are there")?.get(),
            hash_buckets: read("/proc/sys/net/netfilter/nf_conntrack_buckets")?
                .parse()
                .context("a number")?,
            load: load.split(' ').next().unwrap_or_default().to_owned(),
        })
    }
}

fn read(path: &str) -> Result<String> {
    Ok(fs::read_to_string(path).with_context(|| format!("read {path}"))?.trim().to_owned())
}
