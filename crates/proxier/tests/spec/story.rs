//! Turns objects that change over time into syncs of tables in memory.
//!
//! Knows nothing of what should be written.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proxier::chain::ChainName;
use proxier::chain::Table;
use proxier::family::Family;
use proxier::option::{Host, Options};
use proxier::plan::{Found, Layout};
use proxier::proxier::{Proxier, Report};
use proxier::render;
use proxier::ruleset::Ruleset;
use proxier::tables::fake::FakeTables;
use proxier::tables::{Tables, TablesError};
use proxier::text;
use proxier::world::World;
use serde_json::Value;

use crate::cluster::{Cluster, Objects, THIS_NODE};

/// What `syncPeriod` is.
pub(crate) const STALE_INTERVAL: Duration = Duration::from_secs(30);

/// A proxy over time.
pub(crate) struct Story {
    pub(crate) now: Instant,
    host: Host,
    objects: Objects,
    /// All Services, by numbers that mean nothing.
    pub(crate) services: BTreeMap<usize, Value>,
    /// All endpoints; see [`Objects::set_endpoints`].
    pub(crate) endpoints: BTreeMap<usize, Value>,
    pub(crate) proxier: Proxier,
    pub(crate) tables: FakeTables,
    /// What the last sync wrote.
    pub(crate) input: String,
}

impl Story {
    pub(crate) fn new(adjust: impl FnOnce(&mut Options)) -> Self {
        let Cluster { mut options, host, .. } = Cluster::new(Family::V4);
        adjust(&mut options);
        let world = World::new(Family::V4, THIS_NODE);
        Self {
            now: start(),
            host,
            objects: Objects::default(),
            services: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            proxier: Proxier::new(world, options, STALE_INTERVAL),
            tables: FakeTables::new(Layout::Single),
            input: String::new(),
        }
    }

    pub(crate) fn try_sync(&mut self) -> Result<Report, TablesError> {
        let mut changes = self.objects.set_services(&self.services.values().cloned().collect());
        changes.extend(self.objects.set_endpoints(&self.endpoints.values().cloned().collect()));
        for change in &changes {
            self.proxier.apply(change);
        }
        let written = self.tables.restored.len();
        let result = self.proxier.sync(&mut self.tables, &self.host, self.now);
        self.input = self.tables.restored[written..].concat();
        result
    }

    pub(crate) fn sync(&mut self) -> Report {
        self.try_sync().unwrap()
    }

    /// The input's lines with this beginning, without it.
    pub(crate) fn lines(&self, beginning: &str) -> Vec<&str> {
        self.input.lines().filter_map(|line| line.strip_prefix(beginning)).collect()
    }

    /// Chains of service ports that were written, without those that were declared to be deleted.
    pub(crate) fn written(&self) -> Vec<String> {
        let deleted = self.lines("-X ");
        let declared = self.lines(":").into_iter().filter_map(|line| line.strip_suffix(" - [0:0]"));
        let own = declared.filter(|chain| ChainName::parse(chain).is_of_service_port());
        own.filter(|chain| !deleted.contains(chain)).map(str::to_owned).collect()
    }

    pub(crate) fn assert_as_from_scratch(&self) {
        let ruleset = render::ruleset(self.proxier.world(), self.proxier.options(), &self.host);
        assert_eq!(self.tables.tables, holding(&ruleset).tables);
    }
}

#[expect(clippy::disallowed_methods, reason = "some moment to count from; which one does not matter")]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// Tables that hold nothing but a ruleset.
pub(crate) fn holding(ruleset: &Ruleset) -> FakeTables {
    let mut tables = FakeTables::new(Layout::Single);
    tables.ensure_jumps(&proxier::jump::jumps(), &Found::default()).unwrap();
    let mut input = Vec::new();
    for table in [Table::Filter, Table::Nat] {
        text::begin(table, &mut input);
        ruleset.chains(table).for_each(|chain| text::declare(chain, &mut input));
        let rules = ruleset.rules().filter(|placed| placed.table == table);
        rules.for_each(|placed| text::append(&placed.chain, &placed.rule, &mut input));
        text::commit(&mut input);
    }
    tables.restore(&input).unwrap();
    tables
}
