//! Turns Services and endpoints in YAML into the rules of one node.
//!
//! Knows nothing of what the rules should be.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::time::Duration;

use informer::change::Change;
use informer::manifest::Manifests;
use informer::object::NamespacedName;
use ipnet::IpNet;
use proxier::family::Family;
use proxier::option::{Host, LocalDetector, NodePortAddresses, Options};
use proxier::proxier::Proxier;
use proxier::render::{self, Context, Reachability};
use proxier::ruleset::Ruleset;
use proxier::world::World;
use serde_json::{Value, json};

/// The name of the node that renders, in whatever says where an endpoint runs.
pub(crate) const THIS_NODE: &str = "this";

/// The objects of a cluster.
#[derive(Default)]
pub(crate) struct Objects(Manifests);

impl Objects {
    /// These are all Services; elements of a list of Services as the API has them.
    pub(crate) fn set_services(&mut self, services: &Value) -> Vec<Change> {
        self.put("services", json!({"apiVersion": "v1", "kind": "ServiceList", "items": list(services)}))
    }

    /// These are all endpoints, in slices such as `{service: ns/name, ports: {p80: 80/TCP},
    /// at: [10.0.0.1 node]}`. Behind the node may stand `T` or `D`: on its way out, and still or
    /// no longer serving.
    pub(crate) fn set_endpoints(&mut self, slices: &Value) -> Vec<Change> {
        let slices = list(slices).iter().enumerate().map(|(index, slice)| endpoint_slice(index, slice));
        let slices: Vec<_> = slices.collect();
        let kind = "EndpointSliceList";
        self.put("endpoints", json!({"apiVersion": "discovery.k8s.io/v1", "kind": kind, "items": slices}))
    }

    fn put(&mut self, file: &str, content: Value) -> Vec<Change> {
        self.0.put(OsStr::new(file), content.to_string().as_bytes());
        let batch = self.0.changes();
        assert_eq!(batch.complaints, []);
        batch.changes
    }
}

/// A cluster as the proxy of one family on one node sees it.
pub(crate) struct Cluster {
    pub(crate) options: Options,
    pub(crate) host: Host,
    pub(crate) world: World,
    objects: Objects,
}

impl Cluster {
    /// Without objects, on a node with several addresses and all options at their defaults, but for
    /// `MASQUERADE --random-fully`, which is off.
    pub(crate) fn new(family: Family) -> Self {
        let addresses = [
            "127.0.0.1",
            "::1",
            "192.168.0.2",
            "192.168.1.2",
            "192.168.99.11",
            "2001:db8::1",
            "2001:db8:1::2",
        ];
        let host = Host {
            addresses: addresses.map(|text| text.parse().unwrap()).into(),
            counts_invalid: true,
            counts_localhost: true,
        };
        let options = options(family);
        Self { options, host, world: World::new(family, THIS_NODE), objects: Objects::default() }
    }

    /// With options that differ: `family`, `nodePortAddresses`, `localhost`, `masqueradeAll`, `detector`.
    pub(crate) fn with(differences: &Value) -> Self {
        let family = if differences["family"] == "v6" { Family::V6 } else { Family::V4 };
        let mut cluster = Self::new(family);
        let options = &mut cluster.options;
        let cidrs: Vec<IpNet> =
            list(&differences["nodePortAddresses"]).iter().map(|cidr| text(cidr).parse().unwrap()).collect();
        options.node_port_addresses = NodePortAddresses::of_family(&cidrs, family);
        options.localhost_node_ports = family == Family::V4
            && options.node_port_addresses.reach_ipv4_loopback()
            && differences["localhost"] != false;
        options.masquerade_all = differences["masqueradeAll"] == true;
        if differences["detector"] == false {
            options.local_detector = None;
        }
        cluster
    }

    /// See [`Objects::set_services`].
    pub(crate) fn set_services(&mut self, services: &Value) {
        let changes = self.objects.set_services(services);
        for change in &changes {
            self.world.apply(change);
        }
    }

    /// See [`Objects::set_endpoints`].
    pub(crate) fn set_endpoints(&mut self, slices: &Value) {
        let changes = self.objects.set_endpoints(slices);
        for change in &changes {
            self.world.apply(change);
        }
    }

    /// Where the traffic of a Service's only port finds endpoints.
    pub(crate) fn reachability(&self, service: &NamespacedName) -> Reachability {
        let context = Context::of(&self.world, &self.options, &self.host);
        let ports = render::service(&self.world, service, &context);
        let [port] = &ports[..] else { panic!("{} ports", ports.len()) };
        port.reachability
    }

    /// What a full sync feeds to iptables-restore.
    pub(crate) fn input(&self) -> String {
        let proxier = Proxier::new(self.world.clone(), self.options.clone(), Duration::ZERO);
        String::from_utf8(proxier.full_input(&self.host)).unwrap()
    }

    /// The rules of the cluster as it is.
    pub(crate) fn ruleset(&mut self) -> Ruleset {
        self.world.take_dirty();
        render::ruleset(&self.world, &self.options, &self.host)
    }
}

fn options(family: Family) -> Options {
    let (pods, node_ip): (IpNet, IpAddr) = match family {
        Family::V4 => ("10.0.0.0/8".parse().unwrap(), "192.168.0.2".parse().unwrap()),
        Family::V6 => ("fd00:10::/64".parse().unwrap(), "2001:db8::1".parse().unwrap()),
    };
    Options {
        masquerade_all: false,
        masquerade_mark: 1 << 14,
        local_detector: Some(LocalDetector::Source(pods)),
        node_port_addresses: NodePortAddresses::All,
        localhost_node_ports: family == Family::V4,
        node_ip,
        external_ips: true,
        drop_invalid: true,
        random_fully: false,
    }
}

fn endpoint_slice(index: usize, slice: &Value) -> Value {
    let (namespace, service) = text(&slice["service"]).split_once('/').unwrap();
    let endpoints: Vec<_> = list(&slice["at"]).iter().map(|at| endpoint(text(at))).collect();
    let is_v6 = list(&slice["at"]).iter().any(|at| text(at).contains(':'));
    let ports: Vec<_> =
        slice["ports"].as_object().unwrap().iter().map(|(name, port)| slice_port(name, port)).collect();
    json!({
        "metadata": {
            "namespace": namespace,
            "name": format!("{service}-{index}"),
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": if is_v6 { "IPv6" } else { "IPv4" },
        "ports": ports,
        "endpoints": endpoints,
    })
}

/// `80` or `53/UDP`.
fn slice_port(name: &str, port: &Value) -> Value {
    let port = port.as_str().map_or_else(|| port.to_string(), str::to_owned);
    let (number, protocol) = port.split_once('/').unwrap_or((&port, "TCP"));
    json!({"name": name, "port": number.parse::<u16>().unwrap(), "protocol": protocol})
}

fn endpoint(at: &str) -> Value {
    let mut words = at.split(' ');
    let address = words.next();
    let node = words.next();
    let conditions = match words.next() {
        None => json!({"ready": true}),
        Some("T") => json!({"ready": false, "serving": true, "terminating": true}),
        Some("D") => json!({"ready": false, "serving": false, "terminating": true}),
        Some(other) => panic!("no such state: {other}"),
    };
    json!({"addresses": [address], "nodeName": node, "conditions": conditions})
}

/// The elements of a list; none if it is absent.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}
