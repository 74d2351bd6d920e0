//! Turns what a node's tables hold before kube-proxy starts into the backend that it writes to.
//!
//! In all of these the program `iptables` is of the other backend, so that writing to the right one takes a decision.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family, Tools};
use e2e::command::run;
use e2e::netns::Netns;
use e2e::proxy::{Proxy, binary};
use e2e::wait;
use tempfile::TempDir;

const CONFIG: &str = "
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
conntrack: {maxPerCore: 0}
metricsBindAddress: 127.0.0.1:10249
";

/// How long the first sync may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the kubelet makes, for one family only: the decision is for both.
pub(crate) fn hint(backend: Backend) -> Result<()> {
    Node::new(backend)?.writes_to_its_backend(&["ip6tables", "-t", "mangle", "-N", "KUBE-IPTABLES-HINT"])
}

/// What the kubelet makes to find out about flushes.
pub(crate) fn canary(backend: Backend) -> Result<()> {
    Node::new(backend)?.writes_to_its_backend(&["iptables", "-t", "mangle", "-N", "KUBE-KUBELET-CANARY"])
}

/// Rules of a network plugin, without any kubelet.
pub(crate) fn rules(backend: Backend) -> Result<()> {
    Node::new(backend)?.writes_to_its_backend(&["iptables", "-A", "FORWARD", "-j", "ACCEPT"])
}

/// The flag beats every hint.
pub(crate) fn flag(backend: Backend) -> Result<()> {
    let node = Node::new(backend)?;
    run(node.tools.equip(node.netns.command("iptables").args(["-t", "nat", "-N", "KUBE-SERVICES"])))?;
    let hint = ["-t", "mangle", "-N", "KUBE-IPTABLES-HINT"];
    run(node.others.equip(node.netns.command("iptables").args(hint)))?;
    let mut cleanup = node.netns.command(binary()?);
    cleanup.args(["--cleanup", &format!("--iptables-backend={backend}")]);
    ensure!(output(node.others.equip(&mut cleanup))?.contains("reason=\"--iptables-backend\""));
    ensure!(!node.has("KUBE-SERVICES", &node.tools)?, "the chain is left");
    ensure!(node.has("KUBE-IPTABLES-HINT", &node.others)?, "the kubelet's chain is gone");
    Ok(())
}

/// A host with programs of one backend under the plain name only.
pub(crate) fn plain_only(backend: Backend) -> Result<()> {
    let node = Node::new(backend)?;
    run(node.tools.equip(node.netns.command("iptables").args(["-t", "nat", "-N", "KUBE-SERVICES"])))?;
    let mut bare = node.netns.command("env");
    let path = node.tools.folder().display();
    bare.arg(format!("PATH={path}")).arg(format!("XTABLES_LOCKFILE={path}/lock"));
    bare.arg(binary()?).arg("--cleanup");
    output(&mut bare)?;
    ensure!(!node.has("KUBE-SERVICES", &node.tools)?, "the chain is left");
    let other = other(backend);
    bare.arg(format!("--iptables-backend={other}"));
    let refused = bare.output().context("start kube-proxy")?;
    let log = String::from_utf8_lossy(&refused.stderr);
    ensure!(refused.status.code() == Some(1), "{}", refused.status);
    ensure!(log.contains(&format!("there is no iptables-{other} on this host")), "{log}");
    Ok(())
}

/// A namespace with the tools of a backend, and with those of the other one, which come first in `PATH`.
struct Node {
    backend: Backend,
    netns: Netns,
    tools: Tools,
    others: Tools,
}

impl Node {
    fn new(backend: Backend) -> Result<Self> {
        let (tools, others) = (Tools::new(backend)?, Tools::new(other(backend))?);
        Ok(Self { backend, netns: Netns::new("backend")?, tools, others })
    }

    fn writes_to_its_backend(&self, before: &[&str]) -> Result<()> {
        run(self.tools.equip(self.netns.command(before[0]).args(&before[1..])))?;
        let manifests = TempDir::with_prefix("kp-manifests-").context("make a folder for manifests")?;
        fs::write(manifests.path().join("none.yaml"), "").context("write manifests")?;
        let mut proxy = Proxy::start(&self.netns, &self.others, manifests.path(), CONFIG)?;
        let written = || ensure_that(self.has("KUBE-SERVICES", &self.tools)?, "nothing is written");
        wait::until(PATIENCE, written).with_context(|| proxy.log_tail())?;
        ensure!(!self.has("KUBE-SERVICES", &self.others)?, "the other backend is written to");
        ensure!(proxy.log()?.contains(&format!("backend=\"{}\"", self.backend)), "{}", proxy.log_tail());
        proxy.stop()?;
        Ok(())
    }

    fn has(&self, chain: &str, tools: &Tools) -> Result<bool> {
        Ok(tools.save(&self.netns, Family::V4)?.contains(&format!("\n:{chain} ")))
    }
}

fn other(backend: Backend) -> Backend {
    match backend {
        Backend::Nft => Backend::Legacy,
        Backend::Legacy => Backend::Nft,
    }
}

fn ensure_that(holds: bool, otherwise: &'static str) -> Result<()> {
    ensure!(holds, otherwise);
    Ok(())
}

/// The log of a process that must end well.
fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{}:\n{log}", output.status);
    Ok(log)
}
