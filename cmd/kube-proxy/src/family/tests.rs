//! One family with tables in memory, and a clock that goes on only when nothing is due.

mod drift;
mod flows;
mod sync;

use std::cell::Cell;
use std::ffi::OsStr;

use informer::manifest::Manifests;
use prometheus::Registry;
use proxier::chain::Table;
use proxier::drift::Suspicion;
use proxier::drift::watch::Heard;
use proxier::option::{LocalDetector, NodePortAddresses, Options};
use proxier::parse::SavedRule;
use proxier::plan::Layout;
use proxier::tables::fake::FakeTables;
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
