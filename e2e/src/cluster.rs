//! Turns manifests into a small cluster: a client, a node that runs the real `kube-proxy`, and pods on the node.
//!
//! Does not know which Services there are. Addresses are fixed, so that manifests can name them:
//!
//! | | IPv4 | IPv6 |
//! |---|---|---|
//! | client, outside the cluster | 192.168.50.10 and .20 | fd00:50::10 and ::20 |
//! | node | 192.168.50.2 | fd00:50::2 |
//! | pods a, b, c | 10.244.0.11, .12, .13 | fd00:10:244::11, ::12, ::13 |
//! | cluster IPs | 10.96.0.0/16 | fd00:10:96::/112 |
//! | load balancer and external IPs | 192.168.60.0/24 | fd00:60::/64 |

use std::net::IpAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::backend::{Backend, Family, Tools};
use crate::canonical::canonical;
use crate::echo::Echo;
use crate::manifests::Manifests;
use crate::netns::Netns;
use crate::proxy::Proxy;
use crate::wait;

/// The port that the pods serve, over TCP and UDP.
pub const PORT: u16 = 8080;

/// What a proxy is configured with where a test asks for nothing else.
pub const CONFIG: &str = "\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clusterCIDR: 10.244.0.0/16,fd00:10:244::/48
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
iptables: {minSyncPeriod: 100ms}
conntrack: {maxPerCore: 0}
";

/// The Node object of the node.
pub const NODE_OBJECT: &str = "\
apiVersion: v1
kind: Node
metadata: {name: node1}
spec: {podCIDR: 10.244.0.0/24, podCIDRs: [10.244.0.0/24, 'fd00:10:244::/64']}
status:
  addresses:
  - {type: InternalIP, address: 192.168.50.2}
  - {type: InternalIP, address: 'fd00:50::2'}
";

const PODS: [&str; 3] = ["a", "b", "c"];

/// How long the proxy may take to program a change.
const DEADLINE: Duration = Duration::from_secs(60);

/// Two saves this far apart must agree before the rules count as settled.
const CALM: Duration = Duration::from_millis(250);

/// A running cluster. The proxy and the servers end before their namespaces go.
#[derive(Debug)]
pub struct Cluster {
    proxy: Proxy,
    /// The pods, `a`, `b` and `c`.
    pub pods: Vec<Pod>,
    /// The client's namespace.
    pub client: Netns,
    /// The node's namespace.
    pub node: Netns,
    /// The manifests that the proxy follows.
    pub manifests: Manifests,
    tools: Tools,
    markers: u8,
}

/// A pod that serves [`PORT`].
#[derive(Debug)]
pub struct Pod {
    /// Its name, which it answers with.
    pub name: &'static str,
    /// Its IPv4 address.
    pub v4: IpAddr,
    /// Its IPv6 address.
    pub v6: IpAddr,
    _server: Echo,
    /// Its namespace.
    pub netns: Netns,
}

/// The hosts of a cluster, without a proxy.
#[derive(Debug)]
pub struct Hosts {
    /// The pods, `a`, `b` and `c`.
    pub pods: Vec<Pod>,
    /// The client's namespace.
    pub client: Netns,
    /// The node's namespace.
    pub node: Netns,
}

impl Hosts {
    /// Makes the hosts, connects them, and lets the pods serve.
    ///
    /// # Errors
    /// If a namespace cannot be made.
    pub fn new() -> Result<Hosts> {
        let (client, node) = (Netns::new("client")?, node()?);
        connect(&client, &node)?;
        let pods = PODS.iter().zip(11..).map(|(name, host)| pod(name, host, &node)).collect::<Result<_>>()?;
        Ok(Hosts { pods, client, node })
    }
}

impl Cluster {
    /// Makes the cluster and starts the proxy on a copy of `manifests`; when this returns, they are programmed.
    ///
    /// # Errors
    /// If a namespace cannot be made, or the proxy does not program the manifests.
    pub fn start(backend: Backend, manifests: &Path, config: &str) -> Result<Cluster> {
        let tools = Tools::new(backend)?;
        let Hosts { pods, client, node } = Hosts::new()?;
        let manifests = Manifests::copy_of(manifests)?;
        let proxy = Proxy::start(&node, &tools, manifests.path(), config)?;
        let mut cluster = Cluster { proxy, pods, client, node, manifests, tools, markers: 0 };
        cluster.settle()?;
        Ok(cluster)
    }

    /// Waits until the proxy has programmed all changes of the manifests that were made before.
    ///
    /// # Errors
    /// If it does not; the error shows the end of its log.
    pub fn settle(&mut self) -> Result<()> {
        self.markers = self.markers.checked_add(1).context("too many changes for one test")?;
        self.manifests.put("marker.yaml", &marker(self.markers))?;
        let settled = wait::until(DEADLINE, || self.is_calm_after(self.markers));
        settled.with_context(|| format!("the end of kube-proxy's log:\n{}", self.proxy.log_tail()))
    }

    /// All rules of a family on the node, in canonical form.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn rules(&self, family: Family) -> Result<String> {
        canonical(&self.tools.save(&self.node, family)?)
    }

    /// The names of all its namespaces.
    pub fn namespaces(&self) -> Vec<String> {
        let pods = self.pods.iter().map(|pod| &pod.netns);
        [&self.client, &self.node].into_iter().chain(pods).map(|netns| netns.name().to_owned()).collect()
    }

    /// Tells the proxy to end and waits until it has; the rules stay.
    ///
    /// # Errors
    /// If it does not end promptly, or not with status 0.
    pub fn stop_proxy(&mut self) -> Result<()> {
        let status = self.proxy.stop()?;
        ensure!(status.success(), "kube-proxy ended with {status}");
        Ok(())
    }

    fn is_calm_after(&self, marker: u8) -> Result<()> {
        let rules = self.all_rules()?;
        for (family, rules) in Family::ALL.iter().zip(&rules) {
            ensure!(rules.contains(&marker_endpoint(*family, marker)), "{family} rules are not up to date");
        }
        sleep(CALM);
        ensure!(rules == self.all_rules()?, "the rules keep changing");
        Ok(())
    }

    fn all_rules(&self) -> Result<[String; 2]> {
        Ok([self.rules(Family::V4)?, self.rules(Family::V6)?])
    }
}

/// A namespace that forwards.
fn node() -> Result<Netns> {
    let node = Netns::new("node")?;
    node.set_sysctl("net.ipv4.ip_forward", "1")?;
    node.set_sysctl("net.ipv6.conf.all.forwarding", "1")?;
    // A hairpin leaves by the cable it came from, on purpose.
    node.set_sysctl("net.ipv4.conf.all.send_redirects", "0")?;
    node.set_sysctl("net.ipv4.conf.default.send_redirects", "0")?;
    // Refusals are ICMP messages; a test that asks often must get all of them.
    node.set_sysctl("net.ipv4.icmp_ratelimit", "0")?;
    node.set_sysctl("net.ipv6.icmp.ratelimit", "0")?;
    Ok(node)
}

/// The client reaches the Service addresses through the node.
fn connect(client: &Netns, node: &Netns) -> Result<()> {
    client.connect("eth0", node, "eth0")?;
    // The gateway is never there, but without a default route Service addresses would be unreachable, not refused.
    node.ip("addr add 192.168.50.2/24 dev eth0\n\
         addr add fd00:50::2/64 dev eth0 nodad\n\
         route add default via 192.168.50.1\n\
         route add default via fd00:50::1")?;
    client.ip("addr add 192.168.50.10/24 dev eth0\n\
         addr add 192.168.50.20/24 dev eth0\n\
         addr add fd00:50::20/64 dev eth0 nodad preferred_lft 0\n\
         addr add fd00:50::10/64 dev eth0 nodad\n\
         route add default via 192.168.50.2\n\
         route add default via fd00:50::2")
}

/// Each pod hangs on a cable of its own and reaches everything through the node, as with most CNI plugins.
fn pod(name: &'static str, host: u8, node: &Netns) -> Result<Pod> {
    let netns = Netns::new(name)?;
    let (v4, v6) = (format!("10.244.0.{host}"), format!("fd00:10:244::{host}"));
    let link = format!("pod-{name}");
    node.connect(&link, &netns, "eth0")?;
    node.ip(&format!(
        "addr add 10.244.0.1/32 dev {link}\n\
         addr add fd00:10:244::1/128 dev {link} nodad\n\
         route add {v4} dev {link}\n\
         route add {v6} dev {link}"
    ))?;
    netns.ip(&format!(
        "addr add {v4}/32 dev eth0\n\
         addr add {v6}/128 dev eth0 nodad\n\
         route add 10.244.0.1 dev eth0\n\
         route add default via 10.244.0.1\n\
         route add fd00:10:244::1 dev eth0\n\
         route add default via fd00:10:244::1"
    ))?;
    let server = Echo::start(&netns, name, PORT)?;
    Ok(Pod { name, v4: v4.parse()?, v6: v6.parse()?, _server: server, netns })
}

/// A Service that nobody asks; when the endpoint of its latest version is in the rules, so is everything before it.
fn marker(number: u8) -> String {
    let slice = |family: &str, endpoint: &str| {
        format!(
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{namespace: kp-test, name: marker-{}, labels: {{kubernetes.io/service-name: marker}}}}\n\
             addressType: {family}\nports: [{{name: none, port: 9, protocol: TCP}}]\n\
             endpoints: [{{addresses: ['{endpoint}'], conditions: {{ready: true}}}}]\n",
            family.to_lowercase()
        )
    };
    let service = "apiVersion: v1\nkind: Service\nmetadata: {namespace: kp-test, name: marker}\n\
         spec:\n  clusterIP: 10.96.255.1\n  clusterIPs: [10.96.255.1, 'fd00:10:96::ff01']\n  \
         ipFamilies: [IPv4, IPv6]\n  ports: [{name: none, port: 9, targetPort: 9, protocol: TCP}]\n";
    let [v4, v6] = Family::ALL.map(|family| slice(&family.to_string(), &marker_address(family, number)));
    format!("{service}{v4}{v6}")
}

fn marker_address(family: Family, number: u8) -> String {
    match family {
        Family::V4 => format!("10.244.255.{number}"),
        Family::V6 => format!("fd00:10:244:ff::{number}"),
    }
}

/// How the rules write it.
fn marker_endpoint(family: Family, number: u8) -> String {
    match family {
        Family::V4 => format!("--to-destination {}:9\n", marker_address(family, number)),
        Family::V6 => format!("--to-destination [{}]:9\n", marker_address(family, number)),
    }
}
