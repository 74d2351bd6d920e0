//! Turns a sequence of changes into what is written at each step.
//!
//! Knows nothing of how the rules look, but that they must be those that are rendered from scratch.

use std::time::{Duration, Instant};

use proxier::chain::{ChainName, Table};
use proxier::family::Family;
use proxier::option::{Host, Options};
use proxier::parse::SavedRule;
use proxier::proxier::{Kind, Proxier, Report};
use proxier::render;
use proxier::rule::{Rule, Target};
use proxier::tables::TablesError;
use proxier::world::World;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Objects, THIS_NODE};
use crate::kernel::{Kernel, assert_same};

/// What `syncPeriod` is.
const STALE_INTERVAL: Duration = Duration::from_secs(30);

/// A proxy over time.
struct Story {
    now: Instant,
    host: Host,
    objects: Objects,
    services: Vec<Value>,
    endpoints: Vec<Value>,
    proxier: Proxier,
    kernel: Kernel,
}

impl Story {
    fn new(adjust: impl FnOnce(&mut Options)) -> Self {
        let Cluster { mut options, host, .. } = Cluster::new(Family::V4);
        adjust(&mut options);
        let world = World::new(Family::V4, THIS_NODE);
        Self {
            now: start(),
            host,
            objects: Objects::default(),
            services: Vec::new(),
            endpoints: Vec::new(),
            proxier: Proxier::new(world, options, STALE_INTERVAL),
            kernel: Kernel::default(),
        }
    }

    /// The Service of this number exists.
    fn add(&mut self, number: usize, port: u16) {
        self.services.push(json!({
            "metadata": {"namespace": format!("ns{number}"), "name": format!("svc{number}")},
            "spec": {"clusterIP": format!("172.30.0.4{number}"), "ports": [{"name": format!("p{port}"), "port": port}]},
        }));
    }

    /// The Service of this number is gone; its endpoints stay.
    fn delete(&mut self, number: usize) {
        let name = json!(format!("svc{number}"));
        self.services.retain(|service| service["metadata"]["name"] != name);
    }

    /// The Service of this number has these endpoints.
    fn set_endpoints(&mut self, number: usize, port: u16, at: Vec<String>) {
        let service = json!(format!("ns{number}/svc{number}"));
        let at: Vec<_> = at.into_iter().map(|address| address + " remote").collect();
        let slice = json!({"service": service, "ports": {format!("p{port}"): port}, "at": at});
        match self.endpoints.iter_mut().find(|slice| slice["service"] == service) {
            Some(known) => *known = slice,
            None => self.endpoints.push(slice),
        }
    }

    fn try_sync(&mut self) -> Result<Report, TablesError> {
        let mut changes = self.objects.set_services(&json!(self.services));
        changes.extend(self.objects.set_endpoints(&json!(self.endpoints)));
        changes.iter().for_each(|change| self.proxier.apply(change));
        self.kernel.input.clear();
        self.proxier.sync(&mut self.kernel, &self.host, self.now)
    }

    fn sync(&mut self) -> Report {
        self.try_sync().unwrap_or_else(|error| panic!("{error}\n{}", self.kernel.input))
    }

    /// The input's lines with this beginning, without it.
    fn lines(&self, beginning: &str) -> Vec<&str> {
        self.kernel.input.lines().filter_map(|line| line.strip_prefix(beginning)).collect()
    }

    /// Chains of service ports that were written, without those that were declared to be deleted.
    fn written(&self) -> Vec<String> {
        let deleted = self.lines("-X ");
        let declared = self.lines(":").into_iter().filter_map(|line| line.strip_suffix(" - [0:0]"));
        let own = declared.filter(|chain| ChainName::parse(chain).is_of_service_port());
        own.filter(|chain| !deleted.contains(chain)).map(str::to_owned).collect()
    }

    fn assert_as_from_scratch(&self) {
        let ruleset = render::ruleset(self.proxier.world(), self.proxier.options(), &self.host);
        assert_same(&self.kernel, &Kernel::holding(&ruleset));
    }
}

#[expect(clippy::disallowed_methods, reason = "some moment to count from; which one does not matter")]
fn start() -> Instant {
    Instant::now()
}

const SVC1: &str = "KUBE-SVC-XPGD46QRK7WJZT7O";
const SVC1_SEP: &str = "KUBE-SEP-SNQ3ZNILQDEJNDQO";
const SVC2: &str = "KUBE-SVC-2VJB64SDSIJUP5T6";
const SVC2_SEP: &str = "KUBE-SEP-UHEGFW77JX3KXTOV";
const SVC3: &str = "KUBE-SVC-X27LE4BHSL4DOUIK";
const SVC3_SEP_1: &str = "KUBE-SEP-BSWRHOQ77KEXZLNL";
const SVC3_SEP_2: &str = "KUBE-SEP-DKCFIS26GWF2WLWC";
const SVC3_SEP_3: &str = "KUBE-SEP-JVVZVJ7BSEPPRNBS";
const SVC4: &str = "KUBE-SVC-4SW47YFZTEDKD3PK";
const SVC4_SEP: &str = "KUBE-SEP-AYCN5HPXMIRJNJXU";

/// One sync: the chains of service ports that are written, those that are deleted, the rules in nat.
fn check(story: &mut Story, written: &[&str], deleted: &[&str], nat_rules: usize) {
    let report = story.sync();
    assert_eq!(story.written(), written, "{}", story.kernel.input);
    assert_eq!(story.lines("-X "), deleted, "{}", story.kernel.input);
    assert_eq!(report.nat_rules, nat_rules);
    let in_kernel = story.kernel.chains(Table::Nat).iter();
    let in_kernel = in_kernel.filter(|(chain, _)| chain.to_string().starts_with("KUBE-"));
    assert_eq!(in_kernel.map(|(_, chain)| chain.rules.len()).sum::<usize>(), nat_rules);
    story.assert_as_from_scratch();
}

#[test]
fn a_change_writes_what_it_changes() {
    let mut story = Story::new(|_| {});
    story.add(1, 80);
    story.add(2, 8080);
    story.set_endpoints(1, 80, vec!["10.0.1.1".into()]);
    story.set_endpoints(2, 8080, vec!["10.0.2.1".into()]);
    check(&mut story, &[SVC1, SVC1_SEP, SVC2, SVC2_SEP], &[], 15);

    story.add(3, 80);
    story.set_endpoints(3, 80, vec!["10.0.3.1".into()]);
    check(&mut story, &[SVC3, SVC3_SEP_1], &[], 20);

    story.delete(2);
    check(&mut story, &[], &[SVC2_SEP, SVC2], 15);

    story.add(4, 80);
    check(&mut story, &[], &[], 15);
    let refusals = &story.kernel.chains(Table::Filter)[&ChainName::KUBE_SERVICES].rules;
    assert_eq!(refusals.len(), 1);

    story.set_endpoints(4, 80, vec!["10.0.4.1".into()]);
    check(&mut story, &[SVC4, SVC4_SEP], &[], 20);
    assert_eq!(story.kernel.chains(Table::Filter)[&ChainName::KUBE_SERVICES].rules, []);

    story.set_endpoints(3, 80, vec!["10.0.3.2".into()]);
    check(&mut story, &[SVC3, SVC3_SEP_2], &[SVC3_SEP_1], 20);

    // The chain of the endpoint that stays is as it should be, and is not written.
    story.set_endpoints(3, 80, vec!["10.0.3.2".into(), "10.0.3.3".into()]);
    check(&mut story, &[SVC3, SVC3_SEP_3], &[], 23);
    assert!(story.kernel.input.contains("--probability 0.5000000000 -j KUBE-SEP-DKCFIS26GWF2WLWC"));

    check(&mut story, &[], &[], 23);
    assert_eq!(story.kernel.input, "");

    // Somebody leads packets into a chain of ours, which must go.
    let foreign = SavedRule::Known(Rule::new([], Target::Jump(ChainName::parse(SVC4_SEP))));
    story.kernel.chains(Table::Nat).get_mut(&ChainName::parse(SVC3)).unwrap().rules.push(foreign);
    story.delete(4);
    assert!(story.try_sync().is_err());
    assert!(story.proxier.is_full_due(story.now));
    assert!(story.kernel.chains(Table::Nat).contains_key(&ChainName::parse(SVC4_SEP)));

    check(&mut story, &[SVC1, SVC1_SEP, SVC3, SVC3_SEP_2, SVC3_SEP_3], &[SVC4_SEP, SVC4], 18);
}

/// The endpoint of this number behind the Service of this number.
fn address(service: usize, endpoint: usize) -> String {
    format!("10.{}.{}.{}", service - 1, endpoint % 256, endpoint / 256)
}

fn dnat_rules(story: &Story) -> (usize, usize) {
    let lines: Vec<_> = story.lines("-A ").into_iter().filter(|line| line.contains("-j DNAT")).collect();
    let commented = lines.iter().filter(|line| line.contains("--comment")).count();
    (lines.len(), commented)
}

#[test]
fn large_clusters_are_told_less_often_and_in_fewer_words() {
    let mut story = Story::new(|options| options.masquerade_all = true);
    for (service, port) in [(1, 80), (2, 8080), (3, 8081)] {
        story.add(service, port);
    }
    story.set_endpoints(1, 80, (0..499).map(|endpoint| address(1, endpoint)).collect());
    story.set_endpoints(2, 8080, (0..499).map(|endpoint| address(2, endpoint)).collect());
    story.sync();
    assert_eq!(dnat_rules(&story), (998, 998));
    let to_first = "-m tcp -p tcp -j DNAT --to-destination 10.0.0.0:80";
    let comment = "-m comment --comment ns1/svc1:p80";
    assert_eq!(story.lines(&format!("-A KUBE-SEP-DKGQUZGBKLTPAR56 {comment} {to_first}")), [""]);

    story.set_endpoints(3, 8081, [4, 8, 12].map(|last| format!("203.0.113.{last}")).into());
    assert_eq!(story.sync().kind, Kind::Partial);
    assert_eq!(dnat_rules(&story), (3, 0));
    let to_third = "-m tcp -p tcp -j DNAT --to-destination 203.0.113.4:8081";
    assert_eq!(story.lines(&format!("-A KUBE-SEP-RUVVH7YV3PHQBDOS {to_third}")), [""]);

    story.now += Duration::from_secs(3601);
    assert!(!story.proxier.is_full_due(story.now));
    assert_eq!(story.sync().kind, Kind::Partial);
    assert_eq!(story.kernel.input, "");

    story.proxier.forget_installed();
    assert_eq!(story.sync().kind, Kind::Full);
    assert_eq!(dnat_rules(&story), (1001, 0));
    assert_eq!(story.lines(&format!("-A KUBE-SEP-DKGQUZGBKLTPAR56 {to_first}")), [""]);
    story.assert_as_from_scratch();

    story.add(4, 8082);
    story.set_endpoints(4, 8082, vec!["10.4.0.1".into()]);
    story.sync();
    assert_eq!(dnat_rules(&story), (1, 0));
    let to_fourth = "-m tcp -p tcp -j DNAT --to-destination 10.4.0.1:8082";
    assert_eq!(story.lines(&format!("-A KUBE-SEP-SU5STNODRYEWJAUF {to_fourth}")), [""]);

    story.delete(4);
    story.sync();
    assert_eq!((dnat_rules(&story).0, story.lines("-X ")), (0, vec![]));

    story.now += STALE_INTERVAL + Duration::from_secs(1);
    assert!(story.proxier.is_due(story.now));
    story.sync();
    assert_eq!(story.lines("-X "), ["KUBE-SEP-SU5STNODRYEWJAUF", "KUBE-SVC-EBDQOQU5SJFXRIL3"]);
    story.assert_as_from_scratch();

    story.proxier.forget_installed();
    story.sync();
    assert_eq!(dnat_rules(&story).0, 1001);
}
