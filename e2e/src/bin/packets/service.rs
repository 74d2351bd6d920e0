//! Turns what a story says of its Service into manifests, and starts a cluster with them.
//!
//! Does not know what answers the Service should give. There is one Service, with fixed addresses in both families:
//! cluster IP, node port, load balancer IP and external IP, over TCP, UDP and SCTP.

use std::fmt::Write;

use anyhow::{Context, Result};
use e2e::backend::{Backend, Family};
use e2e::cluster::{CONFIG, Cluster, NODE_OBJECT, PORT};
use e2e::manifests::Manifests;
use e2e::merge::merge;
use serde_yaml::Value;

const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: demo}
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10, 'fd00:10:96::10']
  ipFamilies: [IPv4, IPv6]
  externalIPs: [192.168.60.99, 'fd00:60::99']
  ports:
  - {name: tcp, port: 80, targetPort: 8080, protocol: TCP, nodePort: 30080}
  - {name: udp, port: 80, targetPort: 8080, protocol: UDP, nodePort: 30080}
  - {name: sctp, port: 80, targetPort: 8080, protocol: SCTP, nodePort: 30080}
status:
  loadBalancer:
    ingress:
    - {ip: 192.168.60.10}
    - {ip: 'fd00:60::10'}
";

/// An endpoint of the Service: a pod, and what its slice says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint {
    pod: &'static str,
    node: &'static str,
    conditions: &'static str,
}

/// A ready pod of this node.
pub(crate) fn ready(pod: &'static str) -> Endpoint {
    Endpoint { pod, node: "node1", conditions: "ready: true, serving: true, terminating: false" }
}

impl Endpoint {
    /// The same on another node, as the slice says: where packets find it is another matter.
    pub(crate) fn elsewhere(self) -> Endpoint {
        Endpoint { node: "node2", ..self }
    }

    /// The same, not ready yet.
    pub(crate) fn not_ready(self) -> Endpoint {
        Endpoint { conditions: "ready: false, serving: false, terminating: false", ..self }
    }

    /// The same, ending but still serving.
    pub(crate) fn terminating(self) -> Endpoint {
        Endpoint { conditions: "ready: false, serving: true, terminating: true", ..self }
    }

    /// The same, ending and serving no more.
    pub(crate) fn ended(self) -> Endpoint {
        Endpoint { conditions: "ready: false, serving: false, terminating: true", ..self }
    }

    fn address(self, family: Family) -> String {
        let host = match self.pod {
            "a" => 11,
            "b" => 12,
            "c" => 13,
            other => panic!("there is no pod {other}"),
        };
        match family {
            Family::V4 => format!("10.244.0.{host}"),
            Family::V6 => format!("fd00:10:244::{host}"),
        }
    }
}

/// Starts a cluster with the Service. `config` and `service` are merge patches in YAML on what stands above.
pub(crate) fn start(
    backend: Backend,
    config: &str,
    service: &str,
    endpoints: &[Endpoint],
) -> Result<Cluster> {
    let manifests = Manifests::new()?;
    manifests.put("node.yaml", NODE_OBJECT)?;
    manifests.put("web.yaml", &patched(SERVICE, service)?)?;
    manifests.put("web-endpoints.yaml", &slices(endpoints))?;
    Cluster::start(backend, manifests.path(), &patched(CONFIG, config)?)
}

/// Changes the Service; the patch is on what stands above, not on what an earlier change has made of it.
pub(crate) fn change_service(cluster: &mut Cluster, service: &str) -> Result<()> {
    cluster.manifests.put("web.yaml", &patched(SERVICE, service)?)?;
    cluster.settle()
}

/// Replaces all endpoints of the Service.
pub(crate) fn change_endpoints(cluster: &mut Cluster, endpoints: &[Endpoint]) -> Result<()> {
    cluster.manifests.put("web-endpoints.yaml", &slices(endpoints))?;
    cluster.settle()
}

fn patched(text: &str, patch: &str) -> Result<String> {
    let mut value: Value = serde_yaml::from_str(text).expect("the manifests above are YAML");
    let patch: Value = serde_yaml::from_str(patch).with_context(|| format!("read the patch {patch}"))?;
    if !patch.is_null() {
        merge(&mut value, &patch);
    }
    serde_yaml::to_string(&value).context("write a manifest")
}

/// A slice for each family, in one file.
fn slices(endpoints: &[Endpoint]) -> String {
    let mut text = String::new();
    for (family, name) in [(Family::V4, "web-v4"), (Family::V6, "web-v6")] {
        text += &format!(
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: {name}, namespace: demo, labels: {{kubernetes.io/service-name: web}}}}\n\
             addressType: {family}\nports:\n"
        );
        for protocol in ["TCP", "UDP", "SCTP"] {
            let name = protocol.to_lowercase();
            writeln!(text, "- {{name: {name}, port: {PORT}, protocol: {protocol}}}")
                .expect("a String takes all");
        }
        text += if endpoints.is_empty() { "endpoints: []\n" } else { "endpoints:\n" };
        for endpoint in endpoints {
            let (address, Endpoint { node, conditions, .. }) = (endpoint.address(family), *endpoint);
            text +=
                &format!("- {{addresses: ['{address}'], nodeName: {node}, conditions: {{{conditions}}}}}\n");
        }
    }
    text
}
