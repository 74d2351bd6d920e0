//! One family from changes to installed rules: the world, what is installed, and the step between them.
//!
//! Knows nothing of when a step is due: that is the daemon's loop.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use informer::change::Change;
use informer::object::NamespacedName;

use crate::chain::Table;
use crate::option::{Host, Options};
use crate::plan::{Applied, Counts, Found, Installed, Layout, StaleChains, Transaction, Wanted, plan};
use crate::render::{self, Context};
use crate::service::ServicePortName;
use crate::tables::{Tables, TablesError};
use crate::world::{Dirty, World};

/// How long the rules are trusted to be what was written, outside of large clusters.
const FULL_SYNC_INTERVAL: Duration = Duration::from_secs(3600);

/// One family: everything known, and what of it is installed.
#[derive(Debug)]
pub struct Proxier {
    world: World,
    options: Options,
    stale_interval: Duration,
    /// Absent until a sync succeeded, and after one failed.
    installed: Option<Installed>,
    last_full: Option<Instant>,
    last_deletion: Option<Instant>,
}

/// Whether all was written, or what differed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Everything, whatever was installed.
    Full,
    /// What differed from what is installed.
    Partial,
}

/// What one sync did.
#[derive(Clone, Debug)]
pub struct Report {
    /// Full or partial.
    pub kind: Kind,
    /// The Services that may have changed since the sync before.
    pub changed: Dirty,
    /// Service ports that were rendered.
    pub rendered: usize,
    /// Service ports that exist.
    pub service_ports: usize,
    /// What was written; all zero if the rules were right already.
    pub written: Counts,
    /// Rules of the filter table in all.
    pub filter_rules: usize,
    /// Rules of the nat table in all.
    pub nat_rules: usize,
    /// Service ports with usable endpoints, none of which may serve traffic to the cluster IP here.
    pub no_local_endpoints_internal: usize,
    /// Service ports with usable endpoints, none of which may serve traffic from outside here.
    pub no_local_endpoints_external: usize,
}

impl Proxier {
    /// A proxier that knows neither the cluster nor the tables. In large clusters a sync deletes
    /// chains that nobody wants only if none did so for `stale_interval` (`syncPeriod`).
    pub fn new(world: World, options: Options, stale_interval: Duration) -> Self {
        Self { world, options, stale_interval, installed: None, last_full: None, last_deletion: None }
    }

    /// Takes in one change of the cluster; tells of which Service rules may have to change, if of a single one.
    pub fn apply(&mut self, change: &Change) -> Option<NamespacedName> {
        self.world.apply(change)
    }

    /// The cluster as this family sees it.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// What shapes the rules.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// What is installed, if that is known.
    pub fn installed(&self) -> Option<&Installed> {
        self.installed.as_ref()
    }

    /// Forgets what is installed: the next sync writes everything.
    pub fn forget_installed(&mut self) {
        self.installed = None;
    }

    /// Whether a sync would have something to do.
    pub fn is_due(&self, now: Instant) -> bool {
        self.world.is_dirty() || self.is_full_due(now)
    }

    /// Whether the next sync writes everything.
    pub fn is_full_due(&self, now: Instant) -> bool {
        let expired = self.last_full.is_none_or(|last| now.duration_since(last) > FULL_SYNC_INTERVAL);
        self.installed.is_none() || (expired && !self.world.is_large())
    }

    /// Brings the tables in line with the world.
    ///
    /// # Errors
    /// A tool failed. What was installed is still there, in part perhaps newer; the next sync writes
    /// everything.
    pub fn sync(
        &mut self,
        tables: &mut impl Tables,
        host: &Host,
        now: Instant,
    ) -> Result<Report, TablesError> {
        let is_full = self.is_full_due(now);
        let dirty = self.world.take_dirty();
        let applied = match self.installed.take() {
            Some(installed) if !is_full => Applied::Known(installed),
            Some(_) | None => look(tables)?,
        };
        let stale = self.stale_chains(now);
        let transaction = self.plan(&applied, &dirty, host, stale, tables.layout());
        if !transaction.is_empty() {
            tables.restore(&transaction.input)?;
        }

        self.last_full = if is_full { Some(now) } else { self.last_full };
        self.last_deletion = if stale == StaleChains::Delete { Some(now) } else { self.last_deletion };
        let (rendered, written) = (transaction.service_ports(), transaction.counts);
        let installed = self.installed.insert(applied.commit(transaction));
        let kind = if is_full { Kind::Full } else { Kind::Partial };
        let changed = if is_full { Dirty::All } else { dirty };
        Ok(Report::of(kind, changed, rendered, written, installed))
    }

    /// What a full sync would feed to iptables-restore where nothing of ours is installed.
    pub fn full_input(mut self, host: &Host) -> Vec<u8> {
        let dirty = self.world.take_dirty();
        let applied = Applied::Found(Found::default());
        self.plan(&applied, &dirty, host, StaleChains::Delete, Layout::Single).input
    }

    fn plan(
        &self,
        applied: &Applied,
        dirty: &Dirty,
        host: &Host,
        stale: StaleChains,
        layout: Layout,
    ) -> Transaction {
        let context = Context::of(&self.world, &self.options, host);
        let services: Vec<_> = match (applied, dirty) {
            (Applied::Known(_), Dirty::Services(names)) => names.iter().collect(),
            (Applied::Found(_), _) | (_, Dirty::All) => self.world.services().map(|(name, _)| name).collect(),
        };
        let ports = services.iter().flat_map(|name| render::service(&self.world, name, &context));
        let gone = self.gone(applied, dirty);
        plan(applied, Wanted { fixed: render::fixed(&context), ports, gone, stale, layout })
    }

    /// Installed service ports that do not exist any more.
    fn gone(&self, applied: &Applied, dirty: &Dirty) -> BTreeSet<ServicePortName> {
        let Applied::Known(installed) = applied else { return BTreeSet::new() };
        let before: Vec<_> = match dirty {
            Dirty::All => installed.ports().collect(),
            Dirty::Services(names) => names.iter().flat_map(|name| installed.ports_of(name)).collect(),
        };
        let exists = |name: &ServicePortName| {
            self.world.service_ports(&name.service).iter().any(|(existing, _)| existing == name)
        };
        before.into_iter().filter(|name| !exists(name)).cloned().collect()
    }

    fn stale_chains(&self, now: Instant) -> StaleChains {
        let is_recent =
            self.last_deletion.is_some_and(|last| now.duration_since(last) <= self.stale_interval);
        if self.world.is_large() && is_recent { StaleChains::Keep } else { StaleChains::Delete }
    }
}

/// Reads back what is there, and hangs our chains on the built-in ones where they do not.
fn look(tables: &mut impl Tables) -> Result<Applied, TablesError> {
    let found = tables.look()?;
    let missing = found.missing_jumps();
    if !missing.is_empty() {
        tables.ensure_jumps(&missing)?;
    }
    Ok(Applied::Found(found))
}

impl Report {
    fn of(kind: Kind, changed: Dirty, rendered: usize, written: Counts, installed: &Installed) -> Self {
        Self {
            kind,
            changed,
            rendered,
            service_ports: installed.len(),
            written,
            filter_rules: installed.rules(Table::Filter),
            nat_rules: installed.rules(Table::Nat),
            no_local_endpoints_internal: installed.unreachable_internally(),
            no_local_endpoints_external: installed.unreachable_externally(),
        }
    }
}

#[cfg(test)]
mod tests;
