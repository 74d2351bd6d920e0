//! Turns everything that kube-proxy, the kubelet and others make on a node into what the latter two made.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::manifests::Manifests;
use e2e::proxy::Proxy;
use e2e::wait;

use crate::host::Host;

const MIXED: &str = include_str!("mixed.yaml");

const CONFIG: &str = "\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clusterCIDR: 10.0.0.0/8,fd00:10::/64
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
conntrack: {maxPerCore: 0}
";

/// Chains that must all be there before, or the story would tell little. Those of IPv6 are the fixed ones.
const BEFORE: [(Family, &[&str]); 2] = [
    (
        Family::V4,
        &[
            ":KUBE-SVC-",
            ":KUBE-SEP-",
            ":KUBE-EXT-",
            ":KUBE-FW-",
            ":KUBE-MARK-MASQ\n",
            ":KUBE-FORWARD\n",
            "172.30.0.44/32",
            "-A KUBE-FIREWALL ",
        ],
    ),
    (Family::V6, &[":KUBE-SERVICES\n", ":KUBE-POSTROUTING\n", "-j KUBE-POSTROUTING\n", ":KUBE-FORWARD\n"]),
];

/// What others have on the node: a rule in each built-in chain of the filter table, and the kubelet's chains.
fn others(source: &str) -> String {
    format!(
        "*mangle\n:KUBE-KUBELET-CANARY - [0:0]\n:KUBE-IPTABLES-HINT - [0:0]\nCOMMIT\n\
         *nat\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n\
         *filter\n:KUBE-KUBELET-CANARY - [0:0]\n-A INPUT -s {source} -j ACCEPT\n\
         -A FORWARD -s {source} -j ACCEPT\n-A OUTPUT -s {source} -j ACCEPT\nCOMMIT\n"
    )
}

/// What must be left, with the rules of KUBE-FIREWALL.
fn left(source: &str, firewall: &str) -> String {
    format!(
        "*filter\n:KUBE-FIREWALL\n:KUBE-KUBELET-CANARY\n\
         -A INPUT -j KUBE-FIREWALL\n-A INPUT -s {source} -j ACCEPT\n\
         -A FORWARD -s {source} -j ACCEPT\n\
         -A OUTPUT -j KUBE-FIREWALL\n-A OUTPUT -s {source} -j ACCEPT\n{firewall}\
         *mangle\n:KUBE-IPTABLES-HINT\n:KUBE-KUBELET-CANARY\n*nat\n:KUBE-KUBELET-CANARY\n"
    )
}

const FIREWALL: &str = "-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment \
     \"block incoming localnet connections\" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP\n";

pub(crate) fn leaves_what_is_of_others(backend: Backend) -> Result<()> {
    let host = Host::new(backend)?;
    let sources = [(Family::V4, "10.99.0.0/16", FIREWALL), (Family::V6, "fd99::/64", "")];
    program(&host)?;
    for (family, source, _) in sources {
        host.restore(family, &others(source))?;
    }
    for time in ["first", "second"] {
        host.clean_up().with_context(|| format!("the {time} time"))?;
        for (family, source, firewall) in sources {
            host.expect(family, &left(source, firewall)).with_context(|| format!("the {time} time"))?;
        }
    }
    Ok(())
}

/// Lets the daemon write its rules, and ends it.
fn program(host: &Host) -> Result<()> {
    let manifests = Manifests::new()?;
    manifests.put("mixed.yaml", MIXED)?;
    let mut proxy = Proxy::start(&host.netns, &host.tools, manifests.path(), CONFIG)?;
    let programmed = wait::until(Duration::from_secs(20), || {
        BEFORE.iter().try_for_each(|(family, chains)| {
            let rules = host.rules(*family)?;
            let missing = chains.iter().find(|chain| !rules.contains(**chain));
            ensure!(missing.is_none(), "{family} {missing:?} is not there");
            let canaries = rules.matches(":KUBE-PROXY-CANARY\n").count();
            ensure!(canaries == 3, "{family} has {canaries} canaries");
            Ok(())
        })
    });
    programmed.with_context(|| format!("the end of kube-proxy's log:\n{}", proxy.log_tail()))?;
    ensure!(proxy.stop()?.success(), "kube-proxy did not end well");
    Ok(())
}
