//! One family with tables in memory, and a clock that goes on only when nothing is due.

mod flows;

use std::cell::Cell;
use std::ffi::OsStr;

use informer::manifest::Manifests;
use prometheus::Registry;
use proxier::chain::{ChainName, Table};
use proxier::drift::Suspicion;
use proxier::drift::watch::Heard;
use proxier::option::{LocalDetector, NodePortAddresses, Options};
use proxier::parse::SavedRule;
use proxier::plan::Layout;
use proxier::tables::fake::{FakeTables, Poison, RefusedBy};
use proxier::world::World;

use super::*;
use crate::built::Build;
use crate::event::{Queue, Reporter};
use crate::health::Health;
use crate::metrics::Metrics;
use crate::serve::{OnListenFailure, Servers};

const SYNC_PERIOD: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(5);
/// More than any of these stories takes.
const MOST_TURNS: usize = 10_000;

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {namespace: ns, name: web}
spec: {clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10], ports: [{name: p, port: 80, protocol: TCP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: ns, name: web-x, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: p, port: 8080, protocol: TCP}]
endpoints: [{addresses: ['10.244.0.1'], conditions: {ready: true}}]
";

thread_local! {
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

fn now() -> Instant {
    thread_local! {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
        static START: Instant = Instant::now();
    }
    START.with(|start| *start + PASSED.get())
}

struct Stage {
    family: FamilySync<FakeTables>,
    manifests: Manifests,
    registry: Registry,
    events: Queue,
    turns: usize,
}

impl Stage {
    /// A family that has written the rules of a Service.
    fn new(layout: Layout) -> Self {
        let mut stage = Self::idle(layout);
        stage.put(SERVICE);
        stage.live(SOON);
        assert_eq!(stage.family.pace.failures(), 0);
        stage
    }

    /// A family that knows nothing yet.
    fn idle(layout: Layout) -> Self {
        let proxier = Proxier::new(World::new(Family::V4, "n"), options(), SYNC_PERIOD);
        let tables = FakeTables::new(layout);
        let registry = Registry::new();
        let (outlook, events) = outlook(&registry);
        let mut family = FamilySync::new(proxier, tables, Duration::ZERO, SYNC_PERIOD, None, outlook);
        // Nothing of the host that runs the test is looked at or changed.
        family.host_look = HostLook { addresses: || Ok(Vec::new()), ensure_counters: |_| () };
        family.listen();
        Self { family, manifests: Manifests::default(), registry, events, turns: 0 }
    }

    fn put(&mut self, manifest: &str) {
        self.manifests.put(OsStr::new("objects.yaml"), manifest.as_bytes());
        self.manifests.changes().changes.iter().for_each(|change| self.family.apply(change));
        self.family.apply(&Change::Synced);
        self.family.turn(now);
    }

    /// Lets the time pass, and the family do what is due.
    fn live(&mut self, span: Duration) {
        let end = now() + span;
        loop {
            let next = self.family.next(now());
            PASSED.set(PASSED.get() + next.min(end).saturating_duration_since(now()));
            if next > end {
                return;
            }
            self.family.turn(now);
            self.turns += 1;
            assert!(self.turns < MOST_TURNS, "it turns again and again without any time between");
        }
    }

    fn suspect(&mut self) {
        self.family.heard(Heard::Suspicious(Suspicion { family: Family::V4, writer: 1 }), now());
    }

    fn tables(&mut self) -> &mut FakeTables {
        &mut self.family.tables
    }

    /// The rules there are in all, and those written last, in nat and filter, as the metrics tell.
    fn counted(&self) -> [Option<f64>; 4] {
        let families = self.registry.gather();
        let gauge = |name: &str, table: &str| {
            let name = format!("kubeproxy_sync_proxy_rules_iptables_{name}");
            let family = families.iter().find(|family| family.name() == name)?;
            let of_table = |metric: &&prometheus::proto::Metric| {
                metric.get_label().iter().any(|label| label.value() == table)
            };
            Some(family.get_metric().iter().find(of_table)?.get_gauge().get_value())
        };
        [gauge("total", "nat"), gauge("total", "filter"), gauge("last", "nat"), gauge("last", "filter")]
    }

    /// A rule of a chain of a service port gives way to one of somebody else.
    fn swap_rule(&mut self) {
        let nat = self.tables().tables.get_mut(&Table::Nat).unwrap();
        let (_, chain) = nat.iter_mut().find(|(name, _)| name.is_of_service_port()).unwrap();
        chain.rules[0] = SavedRule::Foreign("-j ACCEPT".into());
    }
}

fn options() -> Options {
    Options {
        masquerade_all: false,
        masquerade_mark: 0x4000,
        local_detector: Some(LocalDetector::Source("10.244.0.0/16".parse().unwrap())),
        node_port_addresses: NodePortAddresses::All,
        localhost_node_ports: true,
        node_ip: "192.168.0.2".parse().unwrap(),
        external_ips: true,
        drop_invalid: true,
        random_fully: true,
    }
}

fn outlook(registry: &Registry) -> (Outlook, Queue) {
    let config =
        config::decode("apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n");
    let config = config.unwrap().config.check().unwrap();
    let metrics = Metrics::new(registry, &Build::of("v1.36.0"), &config.gates).unwrap();
    let (events, queue) = Events::new(Reporter::new("n", "host"));
    let outlook = Outlook {
        metrics: metrics.of_family(Family::V4, Timestamp::now()),
        health: SharedHealth::new(Health::new(SYNC_PERIOD)),
        events,
        node_ports: Servers::start(OnListenFailure::Retry).unwrap().node_ports(Vec::new(), None),
    };
    (outlook, queue)
}

#[test]
fn a_first_sync_that_fails_is_tried_again_without_any_change() {
    let mut stage = Stage::idle(Layout::Blocks);
    stage.tables().failures = 3;
    stage.put(SERVICE);
    stage.live(SOON);
    assert_eq!(stage.tables().failures, 0);
    assert!(stage.tables().save().contains("--to-destination 10.244.0.1:8080"));
}

/// Also in a sync that finds out what is refused, and succeeds without it.
#[test]
fn each_run_that_fails_is_counted() {
    let mut stage = Stage::idle(Layout::Blocks);
    let failures = |stage: &Stage| {
        let families = stage.registry.gather();
        let name = "kubeproxy_sync_proxy_rules_iptables_restore_failures_total";
        let family =
            families.iter().find(|family| family.name() == name).expect("it is there from the start");
        family.get_metric()[0].get_counter().get_value()
    };
    stage.tables().failures = 2;
    stage.put(SERVICE);
    stage.live(SOON);
    assert_eq!(failures(&stage), 2.0);
    let poison = Poison { text: "10.244.0.2:8080".to_owned(), refused_by: RefusedBy::Kernel };
    stage.tables().poisons.push(poison);
    stage.put(&SERVICE.replace("10.244.0.1", "10.244.0.2"));
    assert!(stage.family.proxier.next_try().is_some(), "the Service is refused");
    assert!(failures(&stage) > 2.0);
}

/// What was refused is due again while the pace does not allow a sync yet.
#[test]
fn a_retry_waits_for_its_turn_without_turning() {
    let mut stage = Stage::idle(Layout::Blocks);
    stage.family.pace = Pace::new(Duration::from_secs(1));
    let poison = Poison { text: "10.244.0.1:8080".to_owned(), refused_by: RefusedBy::Kernel };
    stage.tables().poisons.push(poison);
    stage.put(SERVICE);
    let retry = stage.family.proxier.next_try().expect("the Service is refused");
    stage.live(retry - now() - Duration::from_millis(500));
    let other = SERVICE
        .replace("web", "other")
        .replace("10.96.0.10", "10.96.0.11")
        .replace("10.244.0.1", "10.244.0.2");
    stage.put(&format!("{SERVICE}---{other}"));
    assert!(stage.tables().save().contains("10.244.0.2:8080"), "a sync ran just before the retry");
    stage.tables().poisons.clear();
    stage.turns = 0;
    stage.live(SOON);
    assert!(stage.tables().save().contains("10.244.0.1:8080"), "it is accepted in the end");
    assert!(stage.turns < 10, "{} turns", stage.turns);
}

#[test]
fn rules_are_counted_before_they_are_written() {
    let mut first = Stage::idle(Layout::Blocks);
    assert_eq!(first.counted(), [None; 4]);
    first.tables().failures = 1;
    first.put(SERVICE);
    assert_eq!(first.tables().failures, 0, "the first try has failed");
    let tried = first.counted();
    assert!(tried.iter().all(|count| *count > Some(0.0)), "{tried:?}");
    assert_eq!(tried[..2], tried[2..], "all was to be written");
    first.live(SOON);
    assert_eq!(first.counted(), tried, "the second try was the same, and succeeded");

    let mut stage = Stage::new(Layout::Blocks);
    stage.tables().failures = 1;
    stage.put(
        &SERVICE
            .replace("endpoints: [", "endpoints: [{addresses: ['10.244.0.2'], conditions: {ready: true}}, "),
    );
    let failed = stage.counted();
    assert!(failed[0] > tried[0] && failed[1] == tried[1] && failed[2] < failed[0], "{failed:?}");
    stage.live(SOON);
    assert_eq!(stage.counted()[..2], failed[..2], "what was tried is there in the end");
}

#[test]
fn nothing_is_written_before_everything_was_told() {
    let mut stage = Stage::idle(Layout::Blocks);
    stage.live(SYNC_PERIOD);
    assert!(stage.tables().restored.is_empty());
}

#[test]
fn a_flush_is_mended_without_waiting_for_the_canary() {
    let mut stage = Stage::new(Layout::Blocks);
    let before = stage.tables().tables.clone();
    stage.tables().flush();
    stage.suspect();
    stage.live(Duration::from_secs(1));
    assert_eq!(stage.tables().tables, before);
}

/// Where nobody has looked yet, it is the change that is refused first.
#[test]
fn a_flush_that_a_change_runs_into_is_told() {
    for layout in [Layout::Single, Layout::Blocks] {
        let mut stage = Stage::new(layout);
        assert_eq!(stage.events.notes(), [""; 0]);
        stage.tables().flush();
        stage.put(&SERVICE.replace("10.244.0.1", "10.244.0.2"));
        let notes = stage.events.notes();
        assert!(matches!(&notes[..], [note] if note.contains("to KUBE-SERVICES")), "{notes:?}");
        assert!(stage.tables().has_canary().unwrap());
    }
}

#[test]
fn the_canary_is_back_with_the_rules_when_mending_failed_at_first() {
    let mut stage = Stage::new(Layout::Blocks);
    let before = stage.tables().tables.clone();
    stage.tables().flush();
    stage.tables().failures = 2;
    stage.suspect();
    stage.live(SOON);
    assert_eq!((stage.tables().failures, &stage.tables().tables), (0, &before));
}

#[test]
fn the_canary_is_back_with_the_rules_after_a_flush_between_two_failures() {
    let mut stage = Stage::new(Layout::Blocks);
    stage.tables().failures = 2;
    stage.put(&SERVICE.replace("10.244.0.1", "10.244.0.2"));
    assert_eq!(stage.tables().failures, 1, "what is installed is not known any more");
    stage.tables().flush();
    stage.suspect();
    stage.live(SOON);
    assert_eq!(stage.tables().failures, 0);
    assert!(stage.tables().has_canary().unwrap());
    assert!(stage.tables().save().contains("--to-destination 10.244.0.2:8080"));
}

#[test]
fn a_look_that_finds_nothing_writes_nothing() {
    let mut stage = Stage::new(Layout::Blocks);
    let restores = stage.tables().restored.len();
    for _ in 0..100 {
        stage.suspect();
        stage.live(Duration::from_millis(100));
    }
    assert_eq!(stage.tables().restored.len(), restores);
    assert!(
        stage.family.guard.next().is_some_and(|next| next > now() + SOON),
        "it is not in a hurry any more"
    );
}

#[test]
fn the_other_family_is_none_of_its_business() {
    let mut stage = Stage::new(Layout::Blocks);
    stage.family.heard(Heard::Suspicious(Suspicion { family: Family::V6, writer: 1 }), now());
    assert_eq!(stage.family.guard.next(), None);
}

/// Where nobody tells, chains, jumps and rules are compared, not only counted: before and after the first look.
#[test]
fn a_rule_that_was_replaced_by_another_one_is_noticed_by_looks() {
    for looks in [0, 1, 2] {
        let mut stage = Stage::new(Layout::Single);
        stage.live(SYNC_PERIOD * looks);
        let before = stage.tables().tables.clone();
        stage.swap_rule();
        assert_ne!(stage.tables().tables, before);
        stage.live(SYNC_PERIOD + SOON);
        assert_eq!(stage.tables().tables, before, "after {looks} looks");
    }
}

/// The tools may be exchanged under us: where the kernel tells of nothing the rules are looked at, and where it does it is
/// heard.
#[test]
fn the_guard_follows_the_tools() {
    let mut stage = Stage::new(Layout::Blocks);
    stage.tables().layout = Layout::Single;
    stage.live(SYNC_PERIOD + SOON);
    let before = stage.tables().tables.clone();
    stage.swap_rule();
    stage.live(SYNC_PERIOD + SOON);
    assert_eq!(stage.tables().tables, before, "it is looked for");
    stage.suspect();
    assert_eq!(stage.family.guard.next(), None, "what is told is of other tables");

    let mut stage = Stage::new(Layout::Single);
    stage.tables().layout = Layout::Blocks;
    stage.tables().flush();
    stage.suspect();
    stage.live(Duration::from_secs(1));
    assert_eq!(stage.tables().tables, before, "it is heard");
}

/// Other tools may not know what those before them knew.
#[test]
fn rules_follow_the_tools() {
    let mut stage = Stage::new(Layout::Blocks);
    assert!(stage.tables().save().contains("--random-fully"));
    stage.tables().random_fully = Some(false);
    stage.suspect();
    stage.live(SOON);
    assert!(!stage.tables().save().contains("--random-fully"));
}

#[test]
fn who_hears_nothing_more_looks() {
    let mut stage = Stage::new(Layout::Blocks);
    stage.family.heard(Heard::Deaf, now());
    stage.live(SOON);
    let before = stage.tables().tables.clone();
    stage.tables().tables.get_mut(&Table::Nat).unwrap().remove(&ChainName::PREROUTING);
    stage.live(SYNC_PERIOD);
    assert_eq!(stage.tables().tables, before);
}
