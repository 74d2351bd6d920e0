//! Turns clusters and packets in YAML into verdicts, and compares them with those that stand beside the packets.
//!
//! Knows nothing of how the rules look that lead to a verdict.

use informer::object::Protocol;
use proxier::chain::{ChainName, Table};
use proxier::trace::{Packet, Tracer};
use serde_json::Value;

use crate::cluster::{Cluster, list, text};

const FILES: [(&str, &str); 10] = [
    ("cluster-ip", include_str!("packets/cluster-ip.yaml")),
    ("external-policy", include_str!("packets/external-policy.yaml")),
    ("health-check", include_str!("packets/health-check.yaml")),
    ("internal-policy", include_str!("packets/internal-policy.yaml")),
    ("masquerade", include_str!("packets/masquerade.yaml")),
    ("mixed", include_str!("packets/mixed.yaml")),
    ("no-endpoints", include_str!("packets/no-endpoints.yaml")),
    ("node-ports", include_str!("packets/node-ports.yaml")),
    ("source-ranges", include_str!("packets/source-ranges.yaml")),
    ("terminating", include_str!("packets/terminating.yaml")),
];

/// The cases that stand in the comparison of masquerading twice over, beyond those that were asked for.
const EXTRA: &str = "MQ.15b.";

#[test]
fn packets_go_where_they_should() {
    let mut traced = Vec::new();
    let mut wrong = Vec::new();
    for (file, content) in FILES {
        let setups: Value = serde_yaml::from_str(content).unwrap_or_else(|error| panic!("{file}: {error}"));
        for setup in list(&setups) {
            let mut cluster = Cluster::with(&setup["options"]);
            cluster.set_services(&setup["services"]);
            cluster.set_endpoints(&setup["endpoints"]);
            let mut check = |cluster: &mut Cluster, packets: &Value| {
                for line in text(packets).lines() {
                    let (id, difference) = trace(cluster, line);
                    traced.push(id.to_owned());
                    wrong.extend(difference);
                }
            };
            check(&mut cluster, &setup["packets"]);
            if let Some(then) = setup.get("then") {
                then.get("services").into_iter().for_each(|services| cluster.set_services(services));
                then.get("endpoints").into_iter().for_each(|endpoints| cluster.set_endpoints(endpoints));
                check(&mut cluster, &then["packets"]);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let extra = traced.extract_if(.., |id| id.starts_with(EXTRA)).count();
    assert_eq!((traced.len(), extra), (246, 4));
    traced.sort();
    traced.dedup();
    assert_eq!(traced.len(), 246, "an id stands twice");
}

/// Takes `ID protocol source -> destination = verdict`, gives the id and what is wrong.
fn trace<'a>(cluster: &mut Cluster, line: &'a str) -> (&'a str, Option<String>) {
    let (packet, expected) = line.split_once(" = ").unwrap();
    let [id, protocol, source, "->", destination] = packet.split(' ').collect::<Vec<_>>()[..] else {
        panic!("not a packet: {packet}")
    };
    let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    let packet = Packet {
        source: source.parse().unwrap(),
        protocol: protocols.into_iter().find(|known| known.name() == protocol).unwrap(),
        destination: destination.parse().unwrap(),
    };
    let ruleset = cluster.ruleset();
    let verdict = Tracer::of_ruleset(&ruleset, &cluster.host.addresses).trace(&packet);
    let found = format!("{verdict}{}", if verdict.masqueraded { " masq" } else { "" });
    (id, (found != expected).then(|| format!("{id}: {found} instead of {expected}")))
}

#[test]
fn martians_are_blocked_where_localhost_answers() {
    let setups: Value = serde_yaml::from_str(include_str!("packets/node-ports.yaml")).unwrap();
    let mut seen = 0;
    for setup in list(&setups) {
        let mut cluster = Cluster::with(&setup["options"]);
        let ruleset = cluster.ruleset();
        let martians = ruleset.by_chain().remove(&(Table::Filter, &ChainName::KUBE_FIREWALL));
        let expected = if setup["martians"] == true { Some(1) } else { None };
        assert_eq!(martians.map(|rules| rules.len()), expected, "{}", setup["options"]);
        seen += 1;
    }
    assert_eq!(seen, 7);
}
