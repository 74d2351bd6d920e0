//! The objects that most stories need, as text.
//!
//! Does not know what becomes of them.

/// The node of the recordings.
pub(crate) const NODE: &str = "
apiVersion: v1
kind: Node
metadata: {name: node1}
spec: {podCIDR: 10.244.0.0/24, podCIDRs: [10.244.0.0/24, 'fd00:10:244::/64']}
status:
  addresses:
  - {type: InternalIP, address: 10.200.0.2}
  - {type: InternalIP, address: 'fd00:200::2'}
";

/// A Service with cluster IPs 10.96.0.HOST and fd00:10:96::HOST, and an endpoint in each family: pod POD of this node.
pub(crate) fn service(name: &str, host: u8, pod: u8) -> String {
    format!(
        "
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: demo}}
spec:
  clusterIP: 10.96.0.{host}
  clusterIPs: [10.96.0.{host}, 'fd00:10:96::{host}']
  ipFamilies: [IPv4, IPv6]
  ports: [{{name: http, port: 80, targetPort: 8080, protocol: TCP}}]
{}",
        slices(name, &[("node1", pod)])
    )
}

/// The slices of a Service: pods with their nodes, in both families.
pub(crate) fn slices(service: &str, pods: &[(&str, u8)]) -> String {
    let slice = |family: &str, prefix: &str| {
        let endpoint = |(node, pod): &(&str, u8)| {
            format!("- {{addresses: ['{prefix}{pod}'], nodeName: {node}, conditions: {{ready: true}}}}\n")
        };
        let endpoints: String = pods.iter().map(endpoint).collect();
        format!(
            "---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {service}-{}
  namespace: demo
  labels: {{kubernetes.io/service-name: {service}}}
addressType: {family}
ports: [{{name: http, port: 8080, protocol: TCP}}]
endpoints:{}{endpoints}",
            family.to_lowercase(),
            if pods.is_empty() { " []\n" } else { "\n" }
        )
    };
    slice("IPv4", "10.244.0.") + &slice("IPv6", "fd00:10:244::")
}
