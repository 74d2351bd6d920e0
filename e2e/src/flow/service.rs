//! Turns what a story says of a Service into a manifest with its slices.
//!
//! Does not know what becomes of it. Each Service has two UDP ports, one for each manner of servers, in both families.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::backend::Family;
use crate::flow::sink::Manner;
use crate::proxy::NODE;

/// A Service named `web` unless said otherwise, with a cluster IP in each family.
#[derive(Clone, Debug)]
pub struct Service {
    name: &'static str,
    number: u8,
    has_node_ports: bool,
    has_ingress: bool,
    external: Vec<&'static str>,
    spec: &'static str,
    ports: [u16; 2],
    targets: [u16; 2],
    tcp_endpoints: Option<Vec<Endpoint>>,
    endpoints: [Vec<Endpoint>; 2],
}

/// An address of the Service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// `spec.clusterIPs`.
    ClusterIp,
    /// The node port, at the address of the node that the client sees.
    NodePort,
    /// `status.loadBalancer.ingress[].ip`.
    LoadBalancer,
    /// `spec.externalIPs`.
    ExternalIp,
}

/// An endpoint: a pod, and what its slice says of it.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    pod: usize,
    node: &'static str,
    conditions: &'static str,
    hints: &'static str,
}

/// A ready endpoint of this node, in the pod of that index.
pub fn ready(pod: usize) -> Endpoint {
    Endpoint { pod, node: NODE, conditions: "ready: true, serving: true, terminating: false", hints: "" }
}

impl Endpoint {
    /// The same on another node, as its slice says.
    #[must_use]
    pub fn elsewhere(self) -> Endpoint {
        Endpoint { node: "node2", ..self }
    }

    /// The same, ending but still serving.
    #[must_use]
    pub fn terminating(self) -> Endpoint {
        Endpoint { conditions: "ready: false, serving: true, terminating: true", ..self }
    }

    /// The same, ending and serving no more.
    #[must_use]
    pub fn ended(self) -> Endpoint {
        Endpoint { conditions: "ready: false, serving: false, terminating: true", ..self }
    }

    /// The same with topology hints: for which nodes and zones it is meant, in the words of a slice.
    #[must_use]
    pub fn hinted(self, hints: &'static str) -> Endpoint {
        Endpoint { hints, ..self }
    }

    /// The same, serving but not ready.
    #[must_use]
    pub fn not_ready(self) -> Endpoint {
        Endpoint { conditions: "ready: false, serving: true, terminating: false", ..self }
    }
}

/// Ready endpoints in these pods.
pub fn pods(indexes: &[usize]) -> Vec<Endpoint> {
    indexes.iter().copied().map(ready).collect()
}

/// The node port for each manner.
pub const NODE_PORTS: [u16; 2] = [30001, 30002];

/// The port that servers of each manner have.
pub const PORTS: [u16; 2] = [9001, 9002];
/// Other ports of theirs.
pub const OTHER_PORTS: [u16; 2] = [9003, 9004];

impl Service {
    /// With these endpoints in both families.
    pub fn new(endpoints: &[Endpoint]) -> Service {
        Service {
            name: "web",
            number: 10,
            has_node_ports: false,
            has_ingress: false,
            external: Vec::new(),
            spec: "",
            ports: [5301, 5302],
            targets: PORTS,
            tcp_endpoints: None,
            endpoints: [endpoints.to_vec(), endpoints.to_vec()],
        }
    }

    /// With another name and number in its cluster IPs.
    #[must_use]
    pub fn named(self, name: &'static str, number: u8) -> Service {
        Service { name, number, ..self }
    }

    /// With a node port for each port.
    #[must_use]
    pub fn with_node_ports(self) -> Service {
        Service { has_node_ports: true, ..self }
    }

    /// With load balancer IPs.
    #[must_use]
    pub fn with_ingress(self) -> Service {
        Service { has_ingress: true, ..self }
    }

    /// With external IPs.
    #[must_use]
    pub fn with_external(self, addresses: &[&'static str]) -> Service {
        Service { external: addresses.to_vec(), ..self }
    }

    /// With one more field of its spec: a line of YAML.
    #[must_use]
    pub fn with_spec(self, spec: &'static str) -> Service {
        Service { spec, ..self }
    }

    /// With other service ports, one for each manner.
    #[must_use]
    pub fn with_ports(self, ports: [u16; 2]) -> Service {
        Service { ports, ..self }
    }

    /// With other target ports.
    #[must_use]
    pub fn with_targets(self, targets: [u16; 2]) -> Service {
        Service { targets, ..self }
    }

    /// With a TCP port as well, which has its own slices.
    #[must_use]
    pub fn with_tcp(self, endpoints: &[Endpoint]) -> Service {
        Service { tcp_endpoints: Some(endpoints.to_vec()), ..self }
    }

    /// With other endpoints in one family.
    #[must_use]
    pub fn with_endpoints(mut self, family: Family, endpoints: &[Endpoint]) -> Service {
        self.endpoints[family as usize] = endpoints.to_vec();
        self
    }

    /// The file that its manifest is in.
    pub fn file(&self) -> String {
        format!("{}.yaml", self.name)
    }

    /// The port of a manner, at an address of the Service.
    pub fn address(&self, family: Family, target: Target, manner: Manner) -> SocketAddr {
        let number = u16::from(self.number);
        let text = match (family, target) {
            (Family::V4, Target::ClusterIp) => format!("10.96.0.{number}"),
            (Family::V6, Target::ClusterIp) => format!("fd00:10:96::{number:x}"),
            (Family::V4, Target::NodePort) => "192.168.50.2".to_owned(),
            (Family::V6, Target::NodePort) => "fd00:50::2".to_owned(),
            (Family::V4, Target::LoadBalancer) => format!("192.168.60.{number}"),
            (Family::V6, Target::LoadBalancer) => format!("fd00:60::{number:x}"),
            (Family::V4, Target::ExternalIp) => EXTERNAL[0].to_owned(),
            (Family::V6, Target::ExternalIp) => EXTERNAL[1].to_owned(),
        };
        let ports = if target == Target::NodePort { NODE_PORTS } else { self.ports };
        SocketAddr::new(text.parse().expect("the addresses above are addresses"), ports[manner as usize])
    }

    /// The manifest: the Service and all its slices.
    pub fn yaml(&self) -> String {
        let slices = Family::ALL.map(|family| self.slices(family)).concat();
        format!("{}{slices}", self.service())
    }

    fn service(&self) -> String {
        let ip = |family, target| self.address(family, target, Manner::Silent).ip();
        let both = |target| format!("'{}', '{}'", ip(Family::V4, target), ip(Family::V6, target));
        let ports: Vec<String> = Manner::ALL.iter().map(|manner| self.port(*manner)).collect();
        let tcp = match self.tcp_endpoints {
            Some(_) => "  - {name: tcp, port: 80, targetPort: 8080, protocol: TCP}\n",
            None => "",
        };
        let ingress = match self.has_ingress {
            true => format!(
                "status:\n  loadBalancer:\n    ingress: [{{ip: '{}'}}, {{ip: '{}'}}]\n",
                ip(Family::V4, Target::LoadBalancer),
                ip(Family::V6, Target::LoadBalancer)
            ),
            false => String::new(),
        };
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {}, namespace: demo}}\nspec:\n  \
             type: LoadBalancer\n  clusterIP: {}\n  clusterIPs: [{}]\n  ipFamilies: [IPv4, IPv6]\n  \
             externalIPs: {:?}\n  {}\n  ports:\n{}{tcp}{ingress}",
            self.name,
            ip(Family::V4, Target::ClusterIp),
            both(Target::ClusterIp),
            self.external,
            self.spec,
            ports.concat(),
        )
    }

    fn port(&self, manner: Manner) -> String {
        let node_port = match self.has_node_ports {
            true => format!(", nodePort: {}", NODE_PORTS[manner as usize]),
            false => String::new(),
        };
        let (name, port) = (port_name(manner), self.ports[manner as usize]);
        let target = self.targets[manner as usize];
        format!("  - {{name: {name}, port: {port}, targetPort: {target}, protocol: UDP{node_port}}}\n")
    }

    fn slices(&self, family: Family) -> String {
        let ports: Vec<String> = Manner::ALL
            .iter()
            .zip(self.targets)
            .map(|(manner, port)| format!("{{name: {}, port: {port}, protocol: UDP}}", port_name(*manner)))
            .collect();
        let udp = self.slice(family, "udp", &ports.join(", "), &self.endpoints[family as usize]);
        let tcp = self
            .tcp_endpoints
            .as_ref()
            .map(|endpoints| self.slice(family, "tcp", "{name: tcp, port: 8080, protocol: TCP}", endpoints));
        udp + &tcp.unwrap_or_default()
    }

    fn slice(&self, family: Family, kind: &str, ports: &str, endpoints: &[Endpoint]) -> String {
        let endpoints: Vec<String> = endpoints
            .iter()
            .map(|Endpoint { pod, node, conditions, hints }| {
                let address = pod_address(family, *pod);
                format!(
                    "{{addresses: ['{address}'], nodeName: {node}, conditions: {{{conditions}}}, \
                     hints: {{{hints}}}}}"
                )
            })
            .collect();
        format!(
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: {name}-{kind}-{}, namespace: demo, labels: {{kubernetes.io/service-name: {name}}}}}\n\
             addressType: {family}\nports: [{ports}]\nendpoints: [{}]\n",
            family.to_string().to_lowercase(),
            endpoints.join(", "),
            name = self.name,
        )
    }
}

/// External addresses that lead to the node.
pub const EXTERNAL: [&str; 2] = ["192.168.60.99", "fd00:60::99"];

fn port_name(manner: Manner) -> &'static str {
    match manner {
        Manner::Silent => "silent",
        Manner::Answering => "answering",
    }
}

/// The address of the pod of that index.
pub fn pod_address(family: Family, pod: usize) -> IpAddr {
    let host = u8::try_from(pod).expect("there are few pods") + 11;
    match family {
        Family::V4 => Ipv4Addr::new(10, 244, 0, host).into(),
        Family::V6 => Ipv6Addr::new(0xfd00, 0x10, 0x244, 0, 0, 0, 0, host.into()).into(),
    }
}
