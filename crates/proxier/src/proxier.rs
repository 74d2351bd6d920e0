//! One family from changes to installed rules: the world, what is installed, and the step between them.
//!
//! Knows nothing of when a step is due: that is the daemon's loop.

mod alike;
mod decided;
mod quarantine;
mod sieve;
mod sift;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use informer::change::Change;
use informer::object::NamespacedName;

use crate::chain::{ChainName, Table};
use crate::loss::Loss;
use crate::option::{Host, Options};
use crate::plan::{Applied, Counts, Fate, Found, Installed, Layout, StaleChains, Transaction, Wanted, plan};
use crate::render::{self, Context, RenderedPort};
use crate::service::ServicePortName;
use crate::tables::{Tables, TablesError};
use crate::world::{Dirty, World};

use decided::Decided;
use quarantine::Quarantine;
pub use sift::Refusal;
use sift::Sifted;

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
    /// What was installed when somebody was suspected of having changed it.
    suspected: Option<Installed>,
    /// A digest of the rules as they were read back when they were right, if nothing was written since.
    glimpsed: Option<u64>,
    last_full: Option<Instant>,
    last_deletion: Option<Instant>,
    quarantine: Quarantine,
    /// What syncs decided and found out that failed afterwards.
    untold: Decided,
}

/// Whether all was written, or what differed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Everything, whatever was installed.
    Full,
    /// What differed from what is installed.
    Partial,
}

/// What can be told of the rules without rendering any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glimpse {
    /// They are what was written.
    Unchanged,
    /// Somebody changed them.
    Changed,
    /// There is nothing to compare them with.
    Unknown,
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
    /// What somebody had taken away, if the rules were looked at because of such a suspicion, which a refusal is too.
    pub loss: Option<Loss>,
    /// What was refused, and left out, since the last sync that succeeded.
    pub refused: Vec<Refusal>,
    /// Service ports that were left out before, and are accepted since the last sync that succeeded.
    pub accepted: Vec<ServicePortName>,
    /// How many service ports are left out.
    pub quarantined: usize,
}

impl Proxier {
    /// A proxier that knows neither the cluster nor the tables. In large clusters a sync deletes
    /// chains that nobody wants only if none did so for `stale_interval` (`syncPeriod`).
    pub fn new(world: World, options: Options, stale_interval: Duration) -> Self {
        Self {
            world,
            options,
            stale_interval,
            installed: None,
            suspected: None,
            glimpsed: None,
            last_full: None,
            last_deletion: None,
            quarantine: Quarantine::default(),
            untold: Decided::default(),
        }
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

    /// Moves what is kept of the rules to memory of the calling thread, after a sync on another one: so what the sync
    /// needed for a time lies elsewhere, and all of it can be given back.
    pub fn settle(&mut self) {
        self.installed = self.installed.take().map(|installed| installed.settled());
    }

    /// Somebody may have changed what is installed: the next sync reads it back, writes what differs, and tells
    /// what was missing.
    pub fn suspect(&mut self) {
        self.suspected = self.installed.take().or(self.suspected.take());
    }

    /// Reads the rules back, and tells whether somebody changed them. Where that cannot be told because of a write
    /// since they were right, the answer is [`Glimpse::Unknown`]; in large clusters, where a full sync costs much,
    /// missing chains, jumps and rules are noticed then, but not changed ones.
    ///
    /// # Errors
    /// The rules cannot be read.
    pub fn glimpse(&mut self, tables: &mut impl Tables) -> Result<Glimpse, TablesError> {
        let Some(installed) = &self.installed else { return Ok(Glimpse::Unknown) };
        if self.glimpsed.is_none() && !self.world.is_large() {
            return Ok(Glimpse::Unknown);
        }
        let found = tables.look()?;
        let digest = found.digest();
        let is_other = self.glimpsed.replace(digest).is_some_and(|seen| seen != digest);
        let has_drifted = is_other || !Loss::between(installed, &found).is_empty();
        Ok(if has_drifted { Glimpse::Changed } else { Glimpse::Unchanged })
    }

    /// Whether a service port was refused and is left out: its rules in the tables, if any, are those of before.
    pub fn is_left_out(&self, port: &ServicePortName) -> bool {
        self.quarantine.holds(port)
    }

    /// Whether a sync would have something to do.
    pub fn is_due(&self, now: Instant) -> bool {
        let is_retry_due = self.next_try().is_some_and(|at| at <= now);
        self.world.is_dirty() || self.is_full_due(now) || is_retry_due
    }

    /// The sync that began then has taken that long. What it refused is tried again after a time that counts from its end.
    pub fn took(&mut self, begin: Instant, elapsed: Duration) {
        self.quarantine.took(begin, elapsed);
    }

    /// When something that was refused is tried again, if anything was.
    pub fn next_try(&self) -> Option<Instant> {
        self.quarantine.next_try()
    }

    /// Whether the next sync writes everything.
    pub fn is_full_due(&self, now: Instant) -> bool {
        let expired = self.last_full.is_none_or(|last| now.duration_since(last) > FULL_SYNC_INTERVAL);
        self.installed.is_none() || (expired && !self.world.is_large())
    }

    /// Brings the tables in line with the world. Service ports that the tools refuse are left out until they change,
    /// and tried again from time to time.
    ///
    /// # Errors
    /// A tool failed, or refused what does not depend on single service ports. What was installed is still there, in
    /// part perhaps newer; the next sync writes everything.
    pub fn sync(
        &mut self,
        tables: &mut impl Tables,
        host: &Host,
        now: Instant,
    ) -> Result<Report, TablesError> {
        let is_full = self.is_full_due(now);
        let mut dirty = self.world.take_dirty();
        let exists = |name: &ServicePortName| exists(&self.world, name);
        self.quarantine.begin(now, exists).into_iter().for_each(|service| dirty.add(service));
        let applied = match self.installed.take() {
            Some(installed) if !is_full => Applied::Known(installed),
            Some(_) | None => Applied::Found(self.look(tables)?),
        };
        self.untold.is_mixed |= !dirty.is_empty();
        self.note_loss(&applied);
        let stale = self.stale_chains(now);
        let seen = match &applied {
            Applied::Found(found) => Some(found.digest()),
            Applied::Known(_) => self.glimpsed,
        };
        let surroundings = Surroundings { host, stale, layout: Some(tables.layout()) };
        let sifted = self.sift(tables, &surroundings, now, applied, dirty.clone());
        let (installed, sifted) = sifted.inspect_err(|_| self.untold.failed())?;
        self.glimpsed = seen.filter(|_| sifted.written.commits == 0);

        self.quarantine.end(now);
        self.last_full = if is_full { Some(now) } else { self.last_full };
        self.last_deletion = if stale == StaleChains::Delete { Some(now) } else { self.last_deletion };
        let kind = if is_full { Kind::Full } else { Kind::Partial };
        let changed = if is_full { Dirty::All } else { dirty };
        let rules = sifted.written.filter_rules + sifted.written.nat_rules;
        let installed = self.installed.insert(installed);
        let report = Report::of(kind, changed, sifted, self.quarantine.len(), installed);
        let mut told = std::mem::take(&mut self.untold);
        let loss = told.told(rules);
        let Decided { refused, accepted, .. } = told;
        Ok(Report { loss, refused, accepted, ..report })
    }

    /// What a full sync would feed to iptables-restore where nothing of ours is installed.
    pub fn full_input(mut self, host: &Host) -> Vec<u8> {
        let dirty = self.world.take_dirty();
        let applied = Applied::Found(Found::default());
        let nothing = Left { fate: |_: &RenderedPort| Fate::Written, before: None, in_use: BTreeSet::new() };
        let surroundings = Surroundings { host, stale: StaleChains::Delete, layout: None };
        self.plan(&applied, &dirty, nothing, &surroundings).input
    }

    fn plan(
        &self,
        applied: &Applied,
        dirty: &Dirty,
        left: Left<impl Fn(&RenderedPort) -> Fate + Sync>,
        surroundings: &Surroundings,
    ) -> Transaction {
        let context = Context::of(&self.world, &self.options, surroundings.host);
        let services: Vec<_> = match (applied, dirty) {
            (Applied::Known(_), Dirty::Services(names)) => names.iter().collect(),
            (Applied::Found(_), _) | (_, Dirty::All) => self.world.services().map(|(name, _)| name).collect(),
        };
        let gone = self.gone(applied, dirty);
        let fixed = render::fixed(&context);
        let Surroundings { stale, layout, .. } = *surroundings;
        let Left { ref fate, before, in_use } = left;
        let render = |name: &&NamespacedName| {
            render::service(&self.world, name, &context).into_iter().map(move |port| {
                let fate = fate(&port);
                (port, fate)
            })
        };
        plan(applied, Wanted { fixed, services: &services, render, before, in_use, gone, stale, layout })
    }

    /// Reads back what is there, and hangs our chains on the built-in ones where they do not. The tools may be others
    /// than before.
    fn look(&mut self, tables: &mut impl Tables) -> Result<Found, TablesError> {
        let found = tables.look()?;
        self.options.random_fully = tables.random_fully().unwrap_or(self.options.random_fully);
        let missing = found.missing_jumps();
        if !missing.is_empty() {
            tables.ensure_jumps(&missing, &found)?;
        }
        Ok(found)
    }

    /// What is not there of what was installed when somebody was suspected. It is told at the end; a later look may miss
    /// what was deleted here meanwhile.
    fn note_loss(&mut self, applied: &Applied) {
        if let (Some(installed), Applied::Found(found)) = (self.suspected.take(), applied) {
            self.untold.lost(Loss::between(&installed, found));
        }
    }

    /// Installed service ports that do not exist any more.
    fn gone(&self, applied: &Applied, dirty: &Dirty) -> BTreeSet<ServicePortName> {
        let Applied::Known(installed) = applied else { return BTreeSet::new() };
        let before: Vec<_> = match dirty {
            Dirty::All => installed.ports().collect(),
            Dirty::Services(names) => names.iter().flat_map(|name| installed.ports_of(name)).collect(),
        };
        before.into_iter().filter(|name| !exists(&self.world, name)).cloned().collect()
    }

    fn stale_chains(&self, now: Instant) -> StaleChains {
        let is_recent =
            self.last_deletion.is_some_and(|last| now.duration_since(last) <= self.stale_interval);
        if self.world.is_large() && is_recent { StaleChains::Keep } else { StaleChains::Delete }
    }
}

/// What is the same for all transactions of one sync.
struct Surroundings<'a> {
    host: &'a Host,
    stale: StaleChains,
    layout: Option<Layout>,
}

/// What a transaction leaves out.
struct Left<'a, F> {
    fate: F,
    /// What was there before anything was tried.
    before: Option<&'a Applied>,
    in_use: BTreeSet<ChainName>,
}

fn exists(world: &World, name: &ServicePortName) -> bool {
    world.service_ports(&name.service).iter().any(|(existing, _)| existing == name)
}

impl Report {
    fn of(kind: Kind, changed: Dirty, sifted: Sifted, quarantined: usize, installed: &Installed) -> Self {
        Self {
            kind,
            changed,
            rendered: sifted.rendered,
            service_ports: installed.len(),
            written: sifted.written,
            filter_rules: installed.rules(Table::Filter),
            nat_rules: installed.rules(Table::Nat),
            no_local_endpoints_internal: installed.unreachable_internally(),
            no_local_endpoints_external: installed.unreachable_externally(),
            loss: None,
            refused: Vec::new(),
            accepted: Vec::new(),
            quarantined,
        }
    }
}

#[cfg(test)]
mod tests;
