//! Turns endpoints in a line of text into the lists that a node uses, and compares them with those beside it.
//!
//! Knows nothing of Services and slices in YAML.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;

use compact_str::{CompactString, ToCompactString};
use informer::object::SessionAffinity;
use proxier::endpoint::Endpoint;
use proxier::service::ServicePort;
use proxier::topology::{ThisNode, categorize};

/// Number; policies Local (`internal`, `external`) and `nodeport`; this node and its zone;
/// endpoints; then the lists Cluster, Local and reachable, and whether any endpoint is usable.
///
/// An endpoint is the last number of its address, the zones that it is hinted for, one letter each,
/// the nodes, one digit each, and words.
const CASES: &str = "
1  |                            | n0 a | 3 a; 4 b; 5 c; 6 a                          | 3 6     |     | 3 6     | yes
2  | external nodeport          | n0 a | 3 a local; 4 b local; 5 c; 6 a              | 3 6     | 3 4 | 3 4 6   | yes
3  | internal nodeport          | n0 a | 3 a local; 4 b local; 5 c; 6 a              | 3 6     | 3 4 | 3 4 6   | yes
4  |                            | n0   | 3 a                                         | 3       |     | 3       | yes
5  |                            | n0   | 3 a                                         | 3       |     | 3       | yes
6  |                            | n0 b | 3 a                                         | 3       |     | 3       | yes
7  |                            | n0 a | 3 a; 4 b; 5 c; 6 a unready                  | 3       |     | 3       | yes
8  |                            | n0 a | 3 a unready; 4 b; 5 c; 6 a unready          | 4 5     |     | 4 5     | yes
9  |                            | n0 a | 3 a; 4 b; 5; 6 a                            | 3 4 5 6 |     | 3 4 5 6 | yes
10 |                            | n0 c | 3 abc; 4 bc; 5 bd; 6 c                      | 3 4 6   |     | 3 4 6   | yes
11 |                            | n1 a | 3 a 1; 4 b 2; 5 c 3; 6 a 4                  | 3       |     | 3       | yes
12 |                            | n1 a | 3 a 1; 4; 5 c 3; 6 a 4                      | 3 4 5 6 |     | 3 4 5 6 | yes
13 |                            | n0 a | 3 a 1; 4 b 2; 5 c 3; 6 a 4                  | 3 6     |     | 3 6     | yes
14 | external nodeport          | n0 a | 0 a local; 1 b local; 2 a; 3 b              | 0 2     | 0 1 | 0 1 2   | yes
15 | internal                   | n0   |                                             |         |     |         | no
16 | internal                   | n0   | 0; 1                                        |         |     |         | yes
17 | internal                   | n0   | 0 local; 1 local                            |         | 0 1 | 0 1     | yes
18 | internal                   | n0   | 0 local; 1                                  |         | 0   | 0       | yes
19 |                            | n0   | 0 unready; 1 unready                        |         |     |         | no
20 |                            | n0   | 0 unready; 1                                | 1       |     | 1       | yes
21 |                            | n0   | 0 draining; 1 draining                      | 0 1     |     | 0 1     | yes
22 | internal nodeport          | n0   | 0 local; 1                                  | 0 1     | 0   | 0 1     | yes
23 | external nodeport          | n0   | 0 local; 1                                  | 0 1     | 0   | 0 1     | yes
24 | internal external nodeport | n0   | 0 local; 1                                  | 0 1     | 0   | 0 1     | yes
25 | internal external nodeport | n0   | 0; 1                                        | 0 1     |     | 0 1     | yes
26 | internal external nodeport | n0   | 0 draining; 1 draining                      | 0 1     |     | 0 1     | yes
27 | external nodeport          | n0   | 0; 1 unready local; 2 draining local; 3 draining | 0  | 2   | 0 2     | yes
28 | external                   | n0   | 0; 1 local                                  | 0 1     |     | 0 1     | yes
29 | internal                   | n0   | 0; 1 local                                  |         | 1   | 1       | yes
30 |                            | n0   |                                             |         |     |         | no
31 |                            | n0 a | 0 unready                                   |         |     |         | no
";

#[test]
fn endpoints_are_chosen() {
    let cases = || CASES.lines().filter(|line| !line.is_empty());
    cases().for_each(check);
    let numbers: Vec<_> =
        cases().map(|line| line.split(' ').next().unwrap().parse::<u32>().unwrap()).collect();
    assert_eq!(numbers, (1..=31).collect::<Vec<_>>());
}

fn check(line: &str) {
    let fields: Vec<_> = line.split('|').map(str::trim).collect();
    let [_, policies, node, endpoints, cluster, local, reachable, any] = fields[..] else { panic!("{line}") };
    let hints: Vec<_> = list(endpoints, ';').map(Hints::of).collect();
    let endpoints: Vec<_> =
        list(endpoints, ';').zip(&hints).map(|(text, hints)| endpoint(text, hints)).collect();
    let (name, zone) = node.split_once(' ').unwrap_or((node, ""));
    let this_node = ThisNode { name: name.into(), zone: zone.into() };

    let topology = categorize(&endpoints, &service_port(policies), &this_node);
    let chosen = |indices: &[usize]| {
        let numbers = indices.iter().map(|&index| number(&endpoints[index]));
        numbers.collect::<Vec<_>>()
    };
    let expected =
        |text: &str| list(text, ' ').map(|number| number.parse::<u8>().unwrap()).collect::<Vec<_>>();
    assert_eq!(chosen(&topology.cluster), expected(cluster), "cluster: {line}");
    assert_eq!(chosen(&topology.local), expected(local), "local: {line}");
    assert_eq!(chosen(&topology.reachable), expected(reachable), "reachable: {line}");
    assert_eq!(topology.any, any == "yes", "any: {line}");
}

fn list(text: &str, separator: char) -> impl Iterator<Item = &str> {
    text.split(separator).map(str::trim).filter(|text| !text.is_empty())
}

fn service_port(policies: &str) -> ServicePort {
    ServicePort {
        cluster_ip: "172.30.0.1".parse().unwrap(),
        port: NonZeroU16::new(80).unwrap(),
        node_port: policies.contains("nodeport").then(|| NonZeroU16::new(3001).unwrap()),
        external_ips: Vec::new(),
        load_balancer_ips: Vec::new(),
        source_ranges: Vec::new(),
        session_affinity: SessionAffinity::None,
        external_policy_local: policies.contains("external"),
        internal_policy_local: policies.contains("internal"),
        health_check_node_port: None,
    }
}

struct Hints {
    zones: Vec<CompactString>,
    nodes: Vec<CompactString>,
}

impl Hints {
    fn of(text: &str) -> Self {
        let mut hints = Self { zones: Vec::new(), nodes: Vec::new() };
        for word in list(text, ' ').skip(1).filter(|word| !STATES.contains(word)) {
            let is_nodes = word.starts_with(|c: char| c.is_ascii_digit());
            if is_nodes {
                hints.nodes.extend(word.chars().map(|c| CompactString::from(format!("n{c}"))));
            } else {
                hints.zones.extend(word.chars().map(|c| c.to_compact_string()));
            }
        }
        hints
    }
}

const STATES: [&str; 3] = ["local", "unready", "draining"];

fn endpoint<'a>(text: &str, hints: &'a Hints) -> Endpoint<'a> {
    let has = |state| list(text, ' ').any(|word| word == state);
    let number = list(text, ' ').next().unwrap().parse().unwrap();
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)), 80);
    let (is_unready, is_draining) = (has("unready"), has("draining"));
    Endpoint {
        address,
        text: address.to_compact_string(),
        ready: !is_unready && !is_draining,
        serving: !is_unready,
        terminating: is_draining,
        local: has("local"),
        zone_hints: &hints.zones,
        node_hints: &hints.nodes,
    }
}

fn number(endpoint: &Endpoint) -> u8 {
    match endpoint.address.ip() {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(address) => panic!("{address}"),
    }
}
