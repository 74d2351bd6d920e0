//! Turns recorded objects and configurations into tables, and compares these with what the original
//! kube-proxy left in the kernel.
//!
//! Knows nothing of how iptables spells a rule, but that it comes back as the rule that was written.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use informer::change::Change;
use informer::manifest::Manifests;
use proxier::chain::{ChainName, Table};
use proxier::family::Family;
use proxier::node::NodeIdentity;
use proxier::option::{Host, Options, Tools};
use proxier::parse::{self, Chain, SavedRule};
use proxier::plan::Layout;
use proxier::proxier::Proxier;
use proxier::rule::Match;
use proxier::tables::Tables;
use proxier::tables::fake::FakeTables;
use proxier::world::World;
use serde_json::{Value, json};

use crate::story::start;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../e2e/golden");

#[test]
fn the_tables_are_as_recorded() {
    let mut cases: Vec<_> = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    assert_eq!(cases.len(), 59);
    let mut compared = 0;
    let mut wrong = Vec::new();
    for case in &cases {
        for family in Family::ALL {
            let differences = replay(case, family);
            compared += differences.len();
            wrong.extend(differences.into_iter().flatten());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(compared, RECORDINGS);
}

/// How many recorded tables there are, one per case, step and family.
const RECORDINGS: usize = 172;

/// What is wrong after each step of a case.
fn replay(case: &Path, family: Family) -> Vec<Option<String>> {
    let mut recording = Recording::begin(case, family);
    let mut differences = Vec::new();
    for step in 1.. {
        let suffix = if step == 1 { String::new() } else { format!(".{step}") };
        let Ok(objects) = fs::read_to_string(case.join(format!("objects{suffix}.yaml"))) else { break };
        recording.apply(&objects);
        let extension = if family == Family::V4 { "v4" } else { "v6" };
        let expected = fs::read_to_string(case.join(format!("expected{suffix}.{extension}"))).unwrap();
        let expected = rules(&parse::save(&expected).unwrap().tables);
        let difference = difference(&rules(&recording.tables.tables), &expected);
        differences
            .push(difference.map(|text| format!("{} {extension} step {step}: {text}", case.display())));
    }
    differences
}

type Rules = BTreeMap<(Table, ChainName), Vec<SavedRule>>;

/// The rules of every chain. Where the original writes Service by Service in random order, the
/// Services are put in order.
fn rules(tables: &BTreeMap<Table, BTreeMap<ChainName, Chain>>) -> Rules {
    let mut rules = Rules::new();
    for (table, chains) in tables {
        for (name, chain) in chains {
            let mut of_chain = chain.rules.clone();
            if SHARED.contains(&(*table, name.clone())) {
                of_chain.sort_by_cached_key(service);
            }
            rules.insert((*table, name.clone()), of_chain);
        }
    }
    // Built-in chains stand in a recording only if they hold rules.
    rules.retain(|(_, name), rules| name.to_string().starts_with("KUBE-") || !rules.is_empty());
    rules
}

const SHARED: [(Table, ChainName); 6] = [
    (Table::Filter, ChainName::KUBE_SERVICES),
    (Table::Filter, ChainName::KUBE_EXTERNAL_SERVICES),
    (Table::Filter, ChainName::KUBE_NODEPORTS),
    (Table::Filter, ChainName::KUBE_PROXY_FIREWALL),
    (Table::Nat, ChainName::KUBE_SERVICES),
    (Table::Nat, ChainName::KUBE_NODEPORTS),
];

/// The service port that a comment begins with; the rule that leads to node ports comes last.
fn service(rule: &SavedRule) -> (bool, String) {
    let matches = rule.known().map_or(&[][..], |rule| &rule.matches);
    let comment = matches
        .iter()
        .find_map(|condition| if let Match::Comment(text) = condition { Some(text) } else { None });
    let comment = comment.unwrap_or_else(|| panic!("no comment: {rule:?}"));
    (comment.starts_with("kubernetes service nodeports"), comment.split(' ').next().unwrap().to_owned())
}

fn difference(found: &Rules, expected: &Rules) -> Option<String> {
    if let Some((place, _)) =
        expected.iter().find(|(_, rules)| rules.iter().any(|rule| rule.known().is_none()))
    {
        return Some(format!("{place:?} has foreign rules"));
    }
    let chains: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let differing = chains.into_iter().find(|chain| found.get(chain) != expected.get(chain))?;
    Some(format!(
        "{differing:?}\nfound    {:?}\nexpected {:?}",
        found.get(differing),
        expected.get(differing)
    ))
}

/// The proxy of one family on the node of the recordings.
struct Recording {
    node: Value,
    manifests: Manifests,
    proxier: Proxier,
    tables: FakeTables,
    host: Host,
}

impl Recording {
    fn begin(case: &Path, family: Family) -> Self {
        let host = Host {
            addresses: ["127.0.0.1", "::1", "10.200.0.2", "fd00:200::2", "192.168.7.2", "169.254.77.2"]
                .map(|text| text.parse().unwrap())
                .into(),
            counts_invalid: true,
            counts_localhost: true,
        };
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "node1", "labels": {"topology.kubernetes.io/zone": "a"}},
            "spec": {"podCIDRs": ["10.244.0.0/24", "fd00:10:244::/64"]},
            "status": {"addresses": [
                {"type": "InternalIP", "address": "10.200.0.2"},
                {"type": "InternalIP", "address": "fd00:200::2"},
            ]},
        });
        let mut manifests = Manifests::default();
        let changes = put(&mut manifests, &node, &node.to_string());
        let options = options(&case.join("config.yaml"), family, &changes, &host);
        let proxier = Proxier::new(World::new(family, "node1"), options, Duration::from_secs(30));
        let mut recording = Self { node, manifests, proxier, tables: FakeTables::new(Layout::Single), host };
        recording.tables.ensure_canary().unwrap();
        for change in &changes {
            recording.proxier.apply(change);
        }
        recording
    }

    fn apply(&mut self, objects: &str) {
        for document in objects.split("\n---\n") {
            let value: Value = serde_yaml::from_str(document).unwrap();
            let changes = if value["kind"] == "Node" {
                merge(&mut self.node, &value);
                put(&mut self.manifests, &self.node, &self.node.to_string())
            } else {
                put(&mut self.manifests, &value, document)
            };
            for change in &changes {
                self.proxier.apply(change);
            }
        }
        self.proxier.sync(&mut self.tables, &self.host, start()).unwrap();
    }
}

/// Each object is a file of its own. Many have fields on purpose that are complained about.
fn put(manifests: &mut Manifests, document: &Value, text: &str) -> Vec<Change> {
    let metadata = &document["metadata"];
    let file = OsString::from(format!("{} {} {}", document["kind"], metadata["namespace"], metadata["name"]));
    if metadata["annotations"]["golden/delete"] == "true" {
        manifests.remove(&file);
    } else {
        manifests.put(&file, text.as_bytes());
    }
    manifests.changes().changes
}

/// A merge patch: null removes, objects are merged, all else is replaced.
fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else { return *target = patch.clone() };
    for (name, patch) in fields {
        if patch.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name], patch);
        }
    }
}

fn options(config: &Path, family: Family, node: &[Change], host: &Host) -> Options {
    let [Change::SetNode(node)] = node else { panic!("the node is no node: {node:?}") };
    let config = config::decode(&fs::read_to_string(config).unwrap()).unwrap().config;
    let is_tcp_liberal = config.conntrack.tcp_be_liberal;
    let config = config.check().unwrap();
    let identity = NodeIdentity::new("node1", Some(node), &host.addresses, config.bind_address);
    Options::new(family, &config, &identity, Tools { random_fully: true, is_tcp_liberal }).unwrap()
}
