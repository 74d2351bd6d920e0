//! Turns a running process into what it may do, as the kernel tells it.
//!
//! Does not know what it should be allowed to.

use std::fs;

use anyhow::{Context, Result};

/// What the kernel lets a process do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Privileges {
    /// Effective, permitted and bounding set, which are the same for a process that starts as root.
    pub(crate) capabilities: [u64; 3],
    /// Whether no program that it starts can gain more.
    pub(crate) is_final: bool,
    /// Whether its system calls are filtered.
    pub(crate) is_filtered: bool,
    /// Whether its root is read-only.
    pub(crate) has_read_only_root: bool,
}

/// The mask of capabilities, by the names that Kubernetes uses.
pub(crate) fn mask(names: &[String]) -> Result<u64> {
    names.iter().try_fold(0, |mask, name| {
        let bit = match name.as_str() {
            "NET_ADMIN" => 12,
            "NET_RAW" => 13,
            other => anyhow::bail!("the number of the capability {other} is not known here"),
        };
        Ok(mask | 1 << bit)
    })
}

/// Of a process, by its number on the host.
pub(crate) fn privileges(pid: u32) -> Result<Privileges> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("read the process's status")?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        line.with_context(|| format!("the status has no {name}"))
    };
    let capabilities = |name| u64::from_str_radix(field(name)?, 16).context("read a set of capabilities");
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).context("read the process's mounts")?;
    let root = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|words| words[4] == "/");
    Ok(Privileges {
        capabilities: [capabilities("CapEff")?, capabilities("CapPrm")?, capabilities("CapBnd")?],
        is_final: field("NoNewPrivs")? == "1",
        is_filtered: field("Seccomp")? == "2",
        has_read_only_root: root.context("there is no root")?[5].split(',').any(|option| option == "ro"),
    })
}
