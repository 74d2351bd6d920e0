//! One family at work: its proxier, its tables, its pace, its canary.
//!
//! Knows nothing of the other family and of where changes come from.

mod hand_over;
mod log;
mod lookout;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conntrack::generation::Cause;
use conntrack::worker::Worker;
use informer::change::Change;
use jiff::Timestamp;
use proxier::family::Family;
use proxier::host;
use proxier::option::Host;
use proxier::plan::Attempt;
use proxier::proxier::{Kind, Proxier, Report};
use proxier::tables::Tables;
use tracing::error;

use self::lookout::{Canary, Notice};
use crate::aside::aside;
use crate::earplug::Earplug;
use crate::event::{Events, Happening};
use crate::frontends::Frontends;
use crate::guard::Guard;
use crate::health::node_port;
use crate::memory;
use crate::metrics::FamilyMetrics;
use crate::pace::{Gathering, Pace};
use crate::phase::{Phases, Timed};
use crate::refused;
use crate::serve::{self, NodePorts, SharedHealth};

/// Everything that belongs to one family.
pub(crate) struct FamilySync<T> {
    proxier: Proxier,
    tables: T,
    host: Host,
    host_look: HostLook,
    pace: Pace,
    canary: Canary,
    guard: Guard,
    notice: Notice,
    earplug: Option<Arc<Earplug>>,
    /// Whether everything that existed at the start was told; no rule is written before.
    is_synced: bool,
    frontends: Frontends,
    flows: Option<Arc<Worker>>,
    /// Why the next commit is not just one more.
    cause: Cause,
    outlook: Outlook,
}

/// Where the outside sees how the family does.
pub(crate) struct Outlook {
    pub(crate) metrics: FamilyMetrics,
    pub(crate) health: SharedHealth,
    pub(crate) events: Events,
    pub(crate) node_ports: NodePorts,
}

/// How the host is looked at for each sync.
#[derive(Clone, Copy, Debug)]
struct HostLook {
    addresses: fn() -> io::Result<Vec<IpAddr>>,
    ensure_counters: fn(&mut Host),
}

impl Default for HostLook {
    fn default() -> Self {
        Self { addresses: host::addresses, ensure_counters: host::ensure_counters }
    }
}

impl<T: Tables + Send> FamilySync<T> {
    /// `sync_period` is the interval at which flushes are looked for; `flows` is told what was
    /// committed, unless stale flows are to be left alone. Nobody tells of foreign changes yet.
    pub(crate) fn new(
        proxier: Proxier,
        tables: T,
        min_sync_period: Duration,
        sync_period: Duration,
        flows: Option<Arc<Worker>>,
        outlook: Outlook,
    ) -> Self {
        Self {
            proxier,
            tables,
            host: Host::default(),
            host_look: HostLook::default(),
            pace: Pace::new(min_sync_period),
            canary: Canary::new(sync_period),
            guard: Guard::default(),
            notice: Notice::Looks,
            earplug: None,
            is_synced: false,
            frontends: Frontends::default(),
            flows,
            cause: Cause::FirstSync,
            outlook,
        }
    }

    pub(crate) fn family(&self) -> Family {
        self.proxier.world().family()
    }

    pub(crate) fn apply(&mut self, change: &Change) {
        self.is_synced |= *change == Change::Synced;
        let touched = self.proxier.apply(change);
        self.outlook.metrics.changed(change, touched.as_ref());
    }

    /// The loop starts.
    pub(crate) fn started(&self) {
        self.outlook.metrics.started(Timestamp::now());
        self.outlook.health.lock().updated(self.family(), serve::now());
    }

    /// When there is something to do.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        let canary = self.canary.next_look(now);
        // The pace alone decides after a failure, and once a sync was asked for: what is due has to wait for its turn.
        let is_paced = self.pace.failures() > 0 || self.pace.next().is_some();
        let retry = self.proxier.next_try().filter(|_| !is_paced);
        [self.pace.next(), self.next_suspicion(), retry].into_iter().flatten().fold(canary, Instant::min)
    }

    /// Does what is due.
    pub(crate) fn turn(&mut self, clock: fn() -> Instant) {
        self.outlook.health.lock().busy(self.family(), clock());
        self.work(clock);
        self.outlook.metrics.waited_for_lock(self.tables.lock_wait());
        self.outlook.health.lock().idle(self.family());
    }

    fn work(&mut self, clock: fn() -> Instant) {
        let now = clock();
        if self.canary.next_look(now) <= now {
            self.look_for_canary(now);
        }
        if self.next_suspicion().is_some_and(|at| at <= now) {
            self.proxier.suspect();
        }
        // After a failure everything is due, but not before its time.
        let is_wanted = if self.pace.failures() == 0 { self.proxier.is_due(now) } else { self.is_dirty() };
        if self.is_synced && is_wanted && self.pace.ask(now) {
            self.outlook.metrics.queued(Timestamp::now());
            self.outlook.health.lock().queued(self.family(), now);
        }
        if self.pace.next().is_some_and(|at| at <= now) {
            self.sync(clock);
        }
    }

    /// How long a change that waits to be written waits for others.
    pub(crate) fn gathering(&self) -> Option<Gathering> {
        let is_waiting = self.is_dirty() && self.proxier.installed().is_some();
        is_waiting.then(|| self.pace.gathering())
    }

    fn is_dirty(&self) -> bool {
        self.proxier.world().is_dirty()
    }

    fn sync(&mut self, clock: fn() -> Instant) {
        let begin = clock();
        self.look_at_host(begin);
        let kind = if self.proxier.is_full_due(begin) { Kind::Full } else { Kind::Partial };
        self.outlook.metrics.sync_begins();
        let reason = self.reason(kind);
        let layout = self.tables.layout();
        if self.guard.since().is_some() {
            self.tables.look_anew();
        }
        let (family, metrics) = (self.proxier.world().family(), &self.outlook.metrics);
        let attempted = |attempt: &Attempt| metrics.restoring(attempt);
        let health = &self.outlook.health;
        let advanced = || health.lock().advanced(family, clock());
        let flows = self.flows.as_deref();
        let mut tables = Timed::new(&mut self.tables, family, flows, clock, &attempted, &advanced)
            .with_earplug(self.earplug.as_deref());
        let mut sync = || self.proxier.sync(&mut tables, &self.host, begin);
        let result = match kind {
            Kind::Full => aside(sync),
            Kind::Partial => sync(),
        };
        let phases = tables.phases;
        self.tables.rest();
        if self.tables.layout() != layout {
            error!(ipFamily = %self.family(), "The iptables tools write to another part of the kernel than before; the rules in the old one stay until they are removed or the node restarts");
        }
        let end = clock();
        self.proxier.took(begin, end - begin);
        match result {
            Ok(report) => {
                self.pace.succeeded(begin, end);
                self.mended(&report, begin, end);
                self.look_after_flows(&report, phases, clock);
                log::success(self.family(), reason, &report, phases, end - begin);
                self.show(&report, end - begin, phases);
            }
            Err(error) => {
                self.pace.failed(begin, end);
                self.remember(Cause::AfterFailure);
                self.look_after_attempt(phases);
                self.outlook.metrics.sync_failed(kind, end - begin, phases);
                log::failure(self.family(), &error, self.pace.failures());
            }
        }
        if kind == Kind::Full {
            self.proxier.settle();
            memory::give_back();
        }
    }

    /// What the outside is told of a sync that succeeded.
    fn show(&mut self, report: &Report, elapsed: Duration, phases: Phases) {
        let outlook = &mut self.outlook;
        outlook.metrics.sync_succeeded(report, elapsed, phases, Timestamp::now());
        refused::tell(self.proxier.world().family(), report, &outlook.events);
        outlook.health.lock().updated(self.proxier.world().family(), serve::now());
        for error in outlook.node_ports.set(&node_port::checks(self.proxier.world())) {
            error!(ipFamily = %self.proxier.world().family(), err = %error, "Failed to start healthcheck");
            outlook.events.tell(Happening::from(&error));
        }
    }

    /// Why there is a sync.
    fn reason(&self, kind: Kind) -> &'static str {
        match (self.cause, kind) {
            (Cause::FirstSync, _) => "first sync",
            (Cause::AfterFailure, _) => "the sync before failed",
            (Cause::AfterFlush, _) => "rules were taken away",
            (Cause::Incremental, Kind::Full) if self.guard.since().is_some() => "somebody changed rules",
            (Cause::Incremental, Kind::Full) => "regular look at what is there",
            (Cause::Incremental, Kind::Partial) => "changes",
        }
    }

    fn look_at_host(&mut self, now: Instant) {
        self.list_addresses();
        if self.proxier.is_full_due(now) {
            (self.host_look.ensure_counters)(&mut self.host);
        }
    }

    fn list_addresses(&mut self) {
        match (self.host_look.addresses)() {
            Ok(addresses) => self.host.addresses = addresses,
            Err(error) => {
                error!(ipFamily = %self.family(), err = %error, "Could not list the node's addresses")
            }
        }
    }
}

#[cfg(test)]
mod tests;
