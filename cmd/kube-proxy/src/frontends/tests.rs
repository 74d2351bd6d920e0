//! What is handed over while rules of a service port are refused.

use std::time::{Duration, Instant};

use informer::change::Change;
use informer::object::{
    self, AddressType, ClusterIps, EndpointPort, EndpointSlice, ServiceType, SessionAffinity, TrafficPolicy,
};
use proxier::option::NodePortAddresses;
use proxier::plan::Layout;
use proxier::tables::fake::{FakeTables, Poison, RefusedBy};
use proxier::world::World;

use super::*;

/// A proxier, its tables, and what is handed over of it.
struct Stage {
    proxier: Proxier,
    tables: FakeTables,
    frontends: Frontends,
    now: Instant,
}

impl Stage {
    /// Rules that lead to `poisoned` are refused.
    fn new(poisoned: &str) -> Stage {
        let options = Options {
            masquerade_all: false,
            masquerade_mark: 0x4000,
            local_detector: None,
            node_port_addresses: NodePortAddresses::All,
            localhost_node_ports: false,
            node_ip: "192.168.0.2".parse().unwrap(),
            external_ips: true,
            drop_invalid: true,
            random_fully: true,
        };
        let mut tables = FakeTables::new(Layout::Blocks);
        tables.poisons = vec![Poison { text: poisoned.to_owned(), refused_by: RefusedBy::Kernel }];
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
        let now = Instant::now();
        let proxier = Proxier::new(World::new(Family::V4, "here"), options, Duration::from_secs(30));
        Stage { proxier, tables, frontends: Frontends::default(), now }
    }

    /// The endpoints of each service port become these; returns what is handed over then.
    fn sync(&mut self, endpoints: &[&str]) -> Vec<(String, Vec<String>)> {
        self.proxier.apply(&Change::SetEndpointSlice(slice(endpoints).into()));
        let host = Host { addresses: Vec::new(), counts_invalid: true, counts_localhost: true };
        self.now += Duration::from_secs(1);
        let report = self.proxier.sync(&mut self.tables, &host, self.now).unwrap();
        self.frontends.take_in(&self.proxier, &report.changed, &host);
        let ports = self.frontends.generation().service_ports;
        let serving = |port: &ServicePort| port.serving.iter().map(ToString::to_string).collect::<Vec<_>>();
        ports.iter().map(|(name, port)| (name.to_string(), serving(port))).collect()
    }
}

fn service(ports: &[&str]) -> Change {
    let port = |(number, name): (u16, &&str)| object::ServicePort {
        name: (**name).into(),
        protocol: Protocol::Udp,
        port: number.try_into().unwrap(),
        node_port: None,
    };
    let service = object::Service {
        name: NamespacedName::new("demo", "dns"),
        service_type: ServiceType::ClusterIp,
        cluster_ips: ClusterIps { v4: Some("10.96.0.10".parse().unwrap()), v6: None },
        ports: (53..).zip(ports).map(port).collect(),
        external_ips: Vec::new(),
        lists_external_ips: false,
        load_balancer_ips: Vec::new(),
        source_ranges: Vec::new(),
        session_affinity: SessionAffinity::None,
        external_traffic_policy: TrafficPolicy::Cluster,
        internal_traffic_policy: TrafficPolicy::Cluster,
        health_check_node_port: None,
    };
    Change::SetService(service.into())
}

/// The second port is that number 5354 of the endpoints.
fn slice(endpoints: &[&str]) -> EndpointSlice {
    let port = |(number, name): (u16, &str)| EndpointPort {
        name: name.into(),
        protocol: Protocol::Udp,
        port: number.try_into().unwrap(),
    };
    let endpoint = |address: &&str| object::Endpoint {
        address: address.parse().unwrap(),
        ready: true,
        serving: true,
        terminating: false,
        node_name: None,
        zone_hints: Vec::new(),
        node_hints: Vec::new(),
    };
    EndpointSlice {
        name: NamespacedName::new("demo", "dns-x"),
        service: "dns".into(),
        address_type: AddressType::Ipv4,
        ports: (5353..).zip(["a", "b"]).map(port).collect(),
        endpoints: endpoints.iter().map(endpoint).collect(),
        fingerprint: 0,
        last_change_trigger_time: None,
    }
}

fn port(name: &str, serving: &[&str]) -> (String, Vec<String>) {
    (format!("demo/dns:{name}"), serving.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn a_service_port_that_keeps_its_old_rules_is_handed_over_as_these_have_it() {
    let mut stage = Stage::new("10.1.0.8:5354");
    stage.proxier.apply(&service(&["a", "b"]));
    stage.proxier.apply(&Change::Synced);
    let old = [port("a", &["10.1.0.7:5353"]), port("b", &["10.1.0.7:5354"])];
    assert_eq!(stage.sync(&["10.1.0.7"]), old);
    // Only the rules of one port are refused.
    let refused = [port("a", &["10.1.0.8:5353"]), port("b", &["10.1.0.7:5354"])];
    assert_eq!(stage.sync(&["10.1.0.8"]), refused);
    // Neither another change nor a look at everything makes a difference.
    let refused = [port("a", &["10.1.0.8:5353", "10.1.0.9:5353"]), port("b", &["10.1.0.7:5354"])];
    assert_eq!(stage.sync(&["10.1.0.8", "10.1.0.9"]), refused);
    stage.proxier.suspect();
    assert_eq!(stage.sync(&["10.1.0.8", "10.1.0.9"]), refused);

    stage.tables.poisons.clear();
    stage.now += Duration::from_secs(3600);
    let accepted = ["a", "b"].map(|name| {
        let target = if name == "a" { 5353 } else { 5354 };
        let serving = ["10.1.0.8", "10.1.0.9"].map(|address| format!("{address}:{target}"));
        port(name, &serving.each_ref().map(String::as_str))
    });
    assert_eq!(stage.sync(&["10.1.0.8", "10.1.0.9"]), accepted);
}

#[test]
fn a_service_port_that_never_had_rules_is_not_handed_over() {
    let mut stage = Stage::new("10.1.0.7:5354");
    stage.proxier.apply(&service(&["a", "b"]));
    stage.proxier.apply(&Change::Synced);
    assert_eq!(stage.sync(&["10.1.0.7"]), [port("a", &["10.1.0.7:5353"])]);
    let both = [port("a", &["10.1.0.8:5353"]), port("b", &["10.1.0.8:5354"])];
    assert_eq!(stage.sync(&["10.1.0.8"]), both);
}

#[test]
fn a_service_that_is_deleted_while_it_is_left_out_is_gone() {
    let mut stage = Stage::new("10.1.0.8:5354");
    stage.proxier.apply(&service(&["a", "b"]));
    stage.proxier.apply(&Change::Synced);
    stage.sync(&["10.1.0.7"]);
    stage.sync(&["10.1.0.8"]);
    stage.proxier.apply(&service(&["a"]));
    assert_eq!(stage.sync(&["10.1.0.8"]), [port("a", &["10.1.0.8:5353"])]);
}
