//! Turns hosts without leftovers, or with rules in the way, into exit status and log.

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::command::command;
use tempfile::TempDir;

use crate::host::{Host, succeeds};

pub(crate) fn nothing_to_do(backend: Backend) -> Result<()> {
    let host = Host::new(backend)?;
    host.clean_up()?;
    Family::ALL.into_iter().try_for_each(|family| host.expect(family, ""))
}

pub(crate) fn no_tools(backend: Backend) -> Result<()> {
    let host = Host::new(backend)?;
    let empty = TempDir::with_prefix("kp-empty-").context("make an empty folder")?;
    let cleanup = host.cleanup()?;
    // The program that enters the namespace is no longer found by its name either.
    let mut bare = command("/usr/sbin/ip");
    bare.args(cleanup.get_args()).env("PATH", empty.path());
    succeeds(bare.output().context("start kube-proxy")?)
}

/// Chains that somebody else jumps to cannot go. That is reported, and the filter table is cleaned all the same.
pub(crate) fn jump_of_somebody_else(backend: Backend) -> Result<()> {
    let host = Host::new(backend)?;
    let nat = "*nat\n:KUBE-SERVICES - [0:0]\n-A PREROUTING -j KUBE-SERVICES\nCOMMIT\n";
    let filter = "*filter\n:KUBE-FORWARD - [0:0]\nCOMMIT\n";
    host.restore(Family::V4, &format!("{nat}{filter}"))?;
    let output = host.cleanup()?.output().context("start kube-proxy")?;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{}:\n{log}", output.status);
    ensure!(log.contains("err=\"encountered an error while tearing down rules\""), "{log}");
    host.expect(Family::V4, "*nat\n:KUBE-SERVICES\n-A PREROUTING -j KUBE-SERVICES\n")
}
