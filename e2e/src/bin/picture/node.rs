//! Turns a backend into a node with a daemon at work, clients, and what goes wrong there.
//!
//! Does not know what the metrics show of it.

use std::fs::{File, OpenOptions};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::backend::{Backend, Family, Tools};
use e2e::flow::sender::Sender;
use e2e::golden::node;
use e2e::manifests::Manifests;
use e2e::netns::Netns;
use e2e::proxy::Proxy;
use e2e::source::{Kind, Source};
use proxier::chain::ChainName;
use rustix::fs::{FlockOperation, flock};

use crate::cluster::{self, ASKED};

/// The port that every daemon shows its metrics on.
pub(crate) const METRICS: u16 = 10249;

const CONFIG: &str = "\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
metricsBindAddress: 0.0.0.0:10249
clusterCIDR: 10.244.0.0/15,fd00:10:244::/47
conntrack: {maxPerCore: 0}
";

/// How long the first sync may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long somebody else has the lock after each change.
const HELD: Duration = Duration::from_secs(3);
/// How often clients send.
const INTERVAL: Duration = Duration::from_millis(500);

/// A node. What runs there ends before its namespace goes.
pub(crate) struct Node {
    pub(crate) backend: Backend,
    clients: Vec<Sender>,
    proxy: Proxy,
    _source: Source,
    tools: Tools,
    lock: File,
    flushes: u128,
    leads_astray: bool,
    pub(crate) netns: Netns,
}

impl Node {
    /// Starts the daemon, fed by an API server of its own, and clients.
    pub(crate) fn start(backend: Backend, manifests: &Manifests) -> Result<Node> {
        let netns = node::namespace("picture")?;
        netns.ip("route add default via 10.200.0.1 dev eth0")?;
        let tools = Tools::new(backend)?;
        let source = Source::of(Kind::Api, manifests.path(), &netns)?;
        let proxy = Proxy::follow(&netns, &tools, &source, CONFIG)?;
        let lock =
            OpenOptions::new().create(true).append(true).open(tools.lock()).context("open the lock")?;
        let mut node = Node {
            backend,
            clients: Vec::new(),
            proxy,
            _source: source,
            tools,
            lock,
            flushes: 0,
            leads_astray: false,
            netns,
        };
        node.proxy.wait_for_log(PATIENCE, "SyncProxyRules complete\" ipFamily=\"IPv4\"")?;
        for number in 0..ASKED {
            let to = format!("{}:53", cluster::address(number)).parse().context("an address of a Service")?;
            node.clients.push(Sender::start(&node.netns, to, INTERVAL)?);
        }
        Ok(node)
    }

    /// What goes wrong at this time of the run, in percent.
    pub(crate) fn step(&mut self, percent: u128) -> Result<()> {
        self.lead_astray((38..55).contains(&percent))?;
        if (62..72).contains(&percent) && percent / 3 > self.flushes {
            self.flushes = percent / 3;
            self.restore(&format!("*nat\n-F {}\nCOMMIT\n", ChainName::KUBE_SERVICES))?;
        }
        if self.backend == Backend::Legacy && (78..92).contains(&percent) {
            flock(&self.lock, FlockOperation::LockExclusive).context("take the lock")?;
            sleep(HELD);
            flock(&self.lock, FlockOperation::Unlock).context("give the lock back")?;
        }
        Ok(())
    }

    /// Leads packets that must not be translated through the chain of a Service that is to come, or does not.
    fn lead_astray(&mut self, is_wanted: bool) -> Result<()> {
        if is_wanted != self.leads_astray {
            let chain = cluster::bad_chain();
            let rules = if is_wanted {
                format!(":{chain} - [0:0]\n-A POSTROUTING -j {chain}\n")
            } else {
                format!("-D POSTROUTING -j {chain}\n")
            };
            self.restore(&format!("*nat\n{rules}COMMIT\n"))?;
        }
        self.leads_astray = is_wanted;
        Ok(())
    }

    fn restore(&self, rules: &str) -> Result<()> {
        self.tools.restore(&self.netns, Family::V4, rules)
    }

    /// Ends the daemon.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.proxy.stop().map(drop)
    }
}
