//! Laws of the way from changes to installed rules, by generated histories.
#![expect(clippy::disallowed_methods, reason = "tests need some instant to start from")]

mod alike;
mod between;
mod foreign;
mod history;
mod layout;
mod quarantine;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use informer::change::Change;
use proptest::prelude::*;

use crate::chain::{ChainName, Role, Table};
use crate::family::Family;
use crate::loss::Loss;
use crate::option::{Host, LocalDetector, NodePortAddresses, Options};
use crate::plan::Layout;
use crate::proxier::{Glimpse, Kind, Proxier};
use crate::tables::fake::FakeTables;
use crate::world::World;

use history::{NODE, Step, World as Model, changes, histories};

/// A proxier, its tables, and a clock.
struct Stage {
    proxier: Proxier,
    tables: FakeTables,
    now: Instant,
}

impl Stage {
    fn new(family: Family) -> Self {
        Self::with_layout(family, Layout::Blocks)
    }

    fn with_layout(family: Family, layout: Layout) -> Self {
        let proxier = Proxier::new(World::new(family, NODE), options(family), Duration::from_secs(30));
        Self { proxier, tables: FakeTables::new(layout), now: Instant::now() }
    }

    /// A proxier that has seen nothing but the final state.
    fn from_scratch(family: Family, model: &Model) -> Self {
        let mut stage = Self::new(family);
        stage.apply(&model.changes());
        stage.sync().expect("the fake accepts what is right");
        stage
    }

    fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            self.proxier.apply(change);
        }
    }

    fn sync(&mut self) -> Result<crate::proxier::Report, crate::tables::TablesError> {
        self.now += Duration::from_secs(1);
        self.proxier.sync(&mut self.tables, &host(), self.now)
    }

    fn play(&mut self, history: &[Step]) {
        for step in history {
            match step {
                Step::Change(change) => self.apply(&changes(change)),
                Step::Sync => drop(self.sync()),
                Step::FailingSync => {
                    self.tables.failures = 1;
                    drop(self.sync());
                    self.tables.failures = 0;
                }
                Step::Flush => {
                    self.tables.flush();
                    self.proxier.suspect();
                }
            }
        }
    }
}

fn layouts() -> impl Strategy<Value = Layout> {
    prop_oneof![Just(Layout::Single), Just(Layout::Blocks)]
}

fn options(family: Family) -> Options {
    let detector = match family {
        Family::V4 => "10.0.0.0/8",
        Family::V6 => "fd00:10::/64",
    };
    Options {
        masquerade_all: false,
        masquerade_mark: 0x4000,
        local_detector: Some(LocalDetector::Source(detector.parse().unwrap())),
        node_port_addresses: NodePortAddresses::All,
        localhost_node_ports: family == Family::V4,
        node_ip: "192.168.0.2".parse().unwrap(),
        external_ips: true,
        drop_invalid: true,
        random_fully: true,
    }
}

fn host() -> Host {
    Host { addresses: Vec::new(), counts_invalid: true, counts_localhost: true }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever happened before, the rules are those of the final state.
    #[test]
    fn incremental_equals_from_scratch(history in histories(), layout in layouts()) {
        for family in Family::ALL {
            let mut stage = Stage::with_layout(family, layout);
            stage.play(&history);
            prop_assert!(stage.sync().is_ok());
            let fresh = Stage::from_scratch(family, &Model::after(&history));
            prop_assert_eq!(&stage.tables.tables, &fresh.tables.tables);
        }
    }

    /// A restart finds what is there; what is right is left alone.
    #[test]
    fn a_restart_writes_nothing(history in histories(), layout in layouts()) {
        let mut stage = Stage::with_layout(Family::V4, layout);
        stage.play(&history);
        prop_assert!(stage.sync().is_ok());
        let mut restarted = Stage::with_layout(Family::V4, layout);
        restarted.apply(&Model::after(&history).changes());
        restarted.tables.tables = stage.tables.tables;
        prop_assert!(restarted.sync().is_ok());
        prop_assert_eq!(&restarted.tables.restored, &Vec::<String>::new());
    }

    /// Upstream's rules are right in any order of service ports. They are left alone until there is a change;
    /// then a chain gets our order.
    #[test]
    fn another_order_of_service_ports_is_adopted(first in histories(), then in histories(), layout in layouts()) {
        let mut stage = Stage::with_layout(Family::V4, layout);
        stage.play(&first);
        prop_assert!(stage.sync().is_ok());
        let ours = stage.tables.tables.clone();
        foreign::reorder(&mut stage.tables.tables);
        let theirs = stage.tables.tables.clone();
        stage.tables.restored.clear();
        stage.proxier.suspect();
        prop_assert!(stage.sync().is_ok());
        prop_assert_eq!(foreign::sorted(&stage.tables.tables), foreign::sorted(&ours));
        prop_assert_eq!(stage.tables.tables == theirs, stage.tables.restored.is_empty());
        stage.play(&then);
        prop_assert!(stage.sync().is_ok());
        let fresh = Stage::from_scratch(Family::V4, &Model::after(&[first, then].concat()));
        prop_assert_eq!(foreign::sorted(&stage.tables.tables), foreign::sorted(&fresh.tables.tables));
    }

    /// Whatever others did to our chains, a full sync mends it.
    #[test]
    fn a_full_sync_mends_foreign_edits(history in histories(), edits in any::<u64>()) {
        let mut stage = Stage::new(Family::V4);
        stage.play(&history);
        prop_assert!(stage.sync().is_ok());
        let right = stage.tables.tables.clone();
        foreign::vandalise(&mut stage.tables.tables, edits);
        stage.proxier.suspect();
        prop_assert!(stage.sync().is_ok());
        prop_assert_eq!(&stage.tables.tables, &right);
    }

    /// What is right already is left alone.
    #[test]
    fn a_second_sync_writes_nothing(history in histories()) {
        let mut stage = Stage::new(Family::V4);
        stage.play(&history);
        prop_assert!(stage.sync().is_ok());
        prop_assert!(!stage.proxier.is_due(stage.now));
        let written = stage.tables.restored.len();
        let report = stage.sync().unwrap();
        prop_assert_eq!(report.kind, Kind::Partial);
        prop_assert_eq!(stage.tables.restored.len(), written);
    }

    /// Changes of different objects may come in any order.
    #[test]
    fn order_does_not_matter(history in histories(), seed in any::<u64>()) {
        let model = Model::after(&history);
        let mut changes = model.changes();
        history::shuffle(&mut changes, seed);
        let mut stage = Stage::new(Family::V4);
        stage.apply(&changes);
        prop_assert!(stage.sync().is_ok());
        let fresh = Stage::from_scratch(Family::V4, &model);
        prop_assert_eq!(&stage.tables.restored, &fresh.tables.restored);
    }

    /// The same history gives the same bytes.
    #[test]
    fn output_is_ordered(history in histories()) {
        let play = || {
            let mut stage = Stage::new(Family::V6);
            stage.play(&history);
            stage.tables.restored
        };
        prop_assert_eq!(play(), play());
    }
}

#[test]
fn a_burst_is_one_transaction_and_what_undoes_itself_writes_nothing() {
    let mut stage = Stage::new(Family::V4);
    let all = Model::large().changes();
    stage.apply(&all);
    stage.sync().unwrap();
    let written = stage.tables.restored.len();

    stage.apply(&changes(&history::Op::DropOneOfMany));
    stage.apply(&changes(&history::Op::DeleteService(0)));
    assert!(stage.proxier.is_due(stage.now));
    stage.apply(&all);
    stage.sync().unwrap();
    assert_eq!(stage.tables.restored.len(), written);

    stage.apply(&changes(&history::Op::DropOneOfMany));
    stage.apply(&changes(&history::Op::DeleteService(0)));
    stage.sync().unwrap();
    assert_eq!(stage.tables.restored.len(), written + 1);
}

#[test]
fn a_deleted_service_counts_no_endpoints() {
    let mut stage = Stage::new(Family::V4);
    stage.apply(&Model::large().changes());
    stage.sync().unwrap();
    assert!(stage.proxier.world().is_large());
    // A zone change makes everything dirty, the deleted Service included.
    stage.apply(&[changes(&history::Op::SetZone(true)), changes(&history::Op::DeleteService(0))].concat());
    stage.sync().unwrap();
    assert!(!stage.proxier.world().is_large());
}

#[test]
fn large_clusters_keep_unwanted_chains_for_a_while() {
    let mut stage = Stage::new(Family::V4);
    stage.apply(&Model::large().changes());
    assert_eq!(stage.sync().unwrap().written.deleted_chains, 0);
    let chains = stage.tables.chains(Table::Nat).len();

    stage.apply(&changes(&history::Op::DropOneOfMany));
    assert_eq!(stage.sync().unwrap().written.deleted_chains, 0);
    assert_eq!(stage.tables.chains(Table::Nat).len(), chains);

    stage.now += Duration::from_secs(31);
    assert!(!stage.proxier.is_due(stage.now));
    assert_eq!(stage.sync().unwrap().written.deleted_chains, 1);
}

/// The rules of chains that wait to be deleted do not stand in for those that somebody took away.
#[test]
fn unwanted_chains_hide_no_loss() {
    let mut stage = Stage::with_layout(Family::V4, Layout::Single);
    stage.apply(&Model::large().changes());
    stage.sync().unwrap();
    stage.apply(&changes(&history::Op::DropOneOfMany));
    stage.sync().unwrap();
    let endpoint = |(_, chain): &(Table, ChainName)| chain.role() == Some(Role::Endpoint);
    let (_, chain) = stage.proxier.installed().unwrap().chains().find(endpoint).unwrap();
    stage.tables.tables.get_mut(&Table::Nat).unwrap().get_mut(&chain).unwrap().rules.clear();
    assert_eq!(stage.proxier.glimpse(&mut stage.tables).unwrap(), Glimpse::Changed);
}

/// What is written for a change that comes while somebody is suspected is not what somebody took away.
#[test]
fn changes_are_not_taken_for_losses() {
    for layout in [Layout::Blocks, Layout::Single] {
        let mut stage = Stage::with_layout(Family::V4, layout);
        stage.apply(&Model::large().changes());
        stage.sync().unwrap();
        stage.proxier.suspect();
        stage.apply(&changes(&history::Op::DropOneOfMany));
        let report = stage.sync().unwrap();
        assert!(report.written.nat_rules > 0);
        assert_eq!(report.loss, Some(Loss::default()));

        stage.proxier.suspect();
        stage.apply(&changes(&history::Op::DeleteService(0)));
        let nat = stage.tables.tables.get_mut(&Table::Nat).unwrap();
        nat.get_mut(&ChainName::KUBE_POSTROUTING).unwrap().rules.clear();
        let loss = stage.sync().unwrap().loss.unwrap();
        assert!(loss.rules > 0 && loss.chains.is_empty() && loss.jumps.is_empty(), "{loss}");
    }
}

/// What a sync deletes itself before it fails was not taken away by anybody, and what had been is told by the next one.
#[test]
fn a_failure_hides_no_loss_and_makes_none() {
    for (is_flushed, is_changed) in [(false, true), (true, true), (true, false)] {
        let mut stage = Stage::with_layout(Family::V4, Layout::Single);
        stage.apply(&history::thousand()[..2]);
        stage.apply(&history::thousand()[2..3]);
        stage.sync().unwrap();
        if is_flushed {
            stage.tables.flush();
        }
        stage.proxier.suspect();
        if is_changed {
            // Chains of the one go with the first COMMIT, the refusal of the other, which has no endpoints, with the second.
            stage.apply(&[0, 1].map(history::gone));
        }
        stage.tables.fails_at_commit = Some(2);
        assert!(stage.sync().is_err());
        stage.tables.fails_at_commit = None;
        let loss = stage.sync().unwrap().loss;
        let is_told = loss.as_ref().is_some_and(|loss| !loss.is_empty());
        assert_eq!(is_told, is_flushed, "{loss:?}");
    }
}
