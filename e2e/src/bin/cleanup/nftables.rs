//! Turns the tables of nftables mode into nothing, and leaves other tables alone.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::Backend;
use e2e::manifests::Manifests;
use e2e::proxy::Proxy;
use e2e::wait;

use crate::host::Host;

const TABLES: &str = "\
table ip kube-proxy { chain services { }; chain nat { type nat hook output priority -100; jump services; }; }
table ip6 kube-proxy { chain services { }; }
table ip kube-proxy-of-somebody { chain services { }; }
";

const CONFIG: &str = "\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
conntrack: {maxPerCore: 0}
";

pub(crate) fn cleanup(backend: Backend) -> Result<()> {
    let host = Host::new(backend)?;
    host.nft(TABLES)?;
    for _ in 0..2 {
        host.clean_up()?;
        only_others_are_left(&host)?;
    }
    Ok(())
}

pub(crate) fn start(backend: Backend) -> Result<()> {
    let host = Host::new(backend)?;
    host.nft(TABLES)?;
    let manifests = Manifests::new()?;
    let proxy = Proxy::start(&host.netns, &host.tools, manifests.path(), CONFIG)?;
    let gone = wait::until(Duration::from_secs(20), || only_others_are_left(&host));
    gone.with_context(|| format!("the end of kube-proxy's log:\n{}", proxy.log_tail()))
}

fn only_others_are_left(host: &Host) -> Result<()> {
    let tables = host.nft("list tables")?;
    ensure!(tables.contains("table ip kube-proxy-of-somebody\n"), "too much is gone:\n{tables}");
    let ours = tables.lines().any(|line| ["table ip kube-proxy", "table ip6 kube-proxy"].contains(&line));
    ensure!(!ours, "still there:\n{tables}");
    Ok(())
}
