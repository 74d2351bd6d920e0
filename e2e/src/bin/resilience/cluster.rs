//! Turns numbers into Services of one port with two endpoints, as manifests.
//!
//! Does not know which of them are refused.

use std::net::{Ipv4Addr, SocketAddr};

use e2e::proxy::NODE;

/// The port of all Services, at their cluster IPs.
pub(crate) const PORT: u16 = 80;
/// The port of all endpoints.
pub(crate) const TARGET: u16 = 8080;
/// Addresses of endpoints on this node, from 10.244.0.1 on.
pub(crate) const ENDPOINTS: usize = 20;

/// A Service, as far as stories vary it.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) number: usize,
    /// More fields of `spec`, in YAML's flow style, each behind a comma.
    pub(crate) spec: String,
    /// The port, in YAML's flow style.
    pub(crate) port: String,
    /// More ports, in braces, each behind a comma.
    pub(crate) more_ports: String,
    /// The cluster IP as it is written.
    pub(crate) cluster_ip: String,
    pub(crate) status: String,
    pub(crate) endpoints: Vec<Ipv4Addr>,
}

/// A Service that works.
pub(crate) fn service(number: usize) -> Service {
    Service {
        name: format!("web-{number}"),
        number,
        spec: String::new(),
        port: format!("name: p, port: {PORT}, targetPort: {TARGET}, protocol: TCP"),
        more_ports: String::new(),
        cluster_ip: address(number).ip().to_string(),
        status: String::new(),
        endpoints: vec![endpoint(2 * number), endpoint(2 * number + 1)],
    }
}

fn address(number: usize) -> SocketAddr {
    let [.., high, low] = u32::try_from(number).expect("few Services").to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, 96, high + 1, low), PORT))
}

/// The address of one of the endpoints.
pub(crate) fn endpoint(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 244, 0, 1 + u8::try_from(number % ENDPOINTS).expect("few endpoints"))
}

impl Service {
    /// The same with that port over UDP too.
    pub(crate) fn with_udp(self) -> Service {
        let more_ports = format!(", {{name: u, port: {PORT}, targetPort: {TARGET}, protocol: UDP}}");
        Service { more_ports, ..self }
    }

    /// The cluster IP and its port.
    pub(crate) fn address(&self) -> SocketAddr {
        address(self.number)
    }

    /// Service and slice as YAML documents.
    pub(crate) fn manifest(&self) -> String {
        let Self { name, spec, port, more_ports, cluster_ip, status, .. } = self;
        let addresses = format!("clusterIP: '{cluster_ip}', clusterIPs: ['{cluster_ip}']");
        let endpoints: Vec<_> = self
            .endpoints
            .iter()
            .map(|ip| format!("{{addresses: ['{ip}'], nodeName: {NODE}, conditions: {{ready: true}}}}"))
            .collect();
        let endpoints = endpoints.join(", ");
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{namespace: kp, name: \"{name}\"}}\n\
             spec: {{{addresses}, ipFamilies: [IPv4]{spec}, ports: [{{{port}}}{more_ports}]}}\n\
             status: {{{status}}}\n\
             ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{namespace: kp, name: \"{name}-x\", labels: {{kubernetes.io/service-name: \"{name}\"}}}}\n\
             addressType: IPv4\nports: [{{name: p, port: {TARGET}, protocol: TCP}}, {{name: u, port: {TARGET}, protocol: UDP}}]\n\
             endpoints: [{endpoints}]\n"
        )
    }
}

/// All of them in one file.
pub(crate) fn manifests<'a>(services: impl IntoIterator<Item = &'a Service>) -> String {
    services.into_iter().map(Service::manifest).collect()
}
