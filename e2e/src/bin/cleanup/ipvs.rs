//! Turns what IPVS mode leaves in the iptables tables, and its interface, into nothing.
//!
//! Virtual servers and sets need kernel modules that a namespace cannot bring.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use tempfile::TempDir;

use crate::host::{Host, put_first_in_path, succeeds};

const RULES: &str = "\
*nat
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-NODE-PORT - [0:0]
:KUBE-LOAD-BALANCER - [0:0]
:KUBE-MARK-MASQ - [0:0]
-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING
-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT
COMMIT
*filter
:KUBE-FORWARD - [0:0]
:KUBE-NODE-PORT - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-SOURCE-RANGES-FIREWALL - [0:0]
:KUBE-IPVS-FILTER - [0:0]
:KUBE-IPVS-OUT-FILTER - [0:0]
-A INPUT -m comment --comment \"kubernetes ipvs access filter\" -j KUBE-IPVS-FILTER
-A INPUT -m comment --comment \"kube-proxy firewall rules\" -j KUBE-PROXY-FIREWALL
-A INPUT -m comment --comment \"kubernetes health check rules\" -j KUBE-NODE-PORT
-A FORWARD -m comment --comment \"kube-proxy firewall rules\" -j KUBE-PROXY-FIREWALL
-A FORWARD -m comment --comment \"kubernetes forwarding rules\" -j KUBE-FORWARD
-A OUTPUT -m comment --comment \"kubernetes ipvs access filter\" -j KUBE-IPVS-OUT-FILTER
-A KUBE-PROXY-FIREWALL -j KUBE-SOURCE-RANGES-FIREWALL
COMMIT
";

/// The interface of the real mode is a dummy one; any kind goes by the same request.
const INTERFACE: &str = "kube-ipvs0";

/// Without IPVS in the kernel, what happens to look like a leftover of it stays.
pub(crate) fn without_ipvs(backend: Backend) -> Result<()> {
    let host = Host::new(backend)?;
    let rules = "*filter\n:KUBE-IPVS-FILTER - [0:0]\nCOMMIT\n";
    host.restore(Family::V4, rules)?;
    let folder = modprobe("exit 1")?;
    let mut cleanup = host.cleanup()?;
    put_first_in_path(folder.path(), &mut cleanup);
    succeeds(cleanup.output().context("start kube-proxy")?)?;
    host.expect(Family::V4, "*filter\n:KUBE-IPVS-FILTER\n")
}

pub(crate) fn chains_and_interface(backend: Backend) -> Result<()> {
    let host = Host::new(backend)?;
    Family::ALL.into_iter().try_for_each(|family| host.restore(family, RULES))?;
    host.netns.ip(&format!("link add {INTERFACE} type veth peer name other"))?;

    let folder = modprobe("test \"$*\" = '-va ip_vs'")?;
    let mut cleanup = host.cleanup()?;
    put_first_in_path(folder.path(), &mut cleanup);
    succeeds(cleanup.output().context("start kube-proxy")?)?;
    ensure!(!host.has_link(INTERFACE), "{INTERFACE} is still there");
    Family::ALL.into_iter().try_for_each(|family| host.expect(family, ""))
}

/// Stands in for the loading of a module, which would change the host.
fn modprobe(script: &str) -> Result<TempDir> {
    let folder = TempDir::with_prefix("kp-modprobe-").context("make a folder")?;
    let program = folder.path().join("modprobe");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).context("write modprobe")?;
    fs::set_permissions(&program, Permissions::from_mode(0o755)).context("make modprobe a program")?;
    Ok(folder)
}
