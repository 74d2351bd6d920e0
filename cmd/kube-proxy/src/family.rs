//! One family at work: its proxier, its tables, its pace, its canary.
//!
//! Knows nothing of the other family and of where changes come from.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conntrack::flow;
use conntrack::generation::Cause;
use conntrack::worker::Worker;
use informer::change::Change;
use jiff::Timestamp;
use proxier::family::Family;
use proxier::host;
use proxier::option::Host;
use proxier::proxier::{Kind, Proxier, Report};
use proxier::tables::{Tables, TablesError};
use proxier::world::Dirty;
use tracing::{error, info, warn};

use crate::event::{Events, Happening};
use crate::frontends::Frontends;
use crate::health::node_port;
use crate::log::Json;
use crate::metrics::{Failure, FamilyMetrics};
use crate::pace::Pace;
use crate::phase::{Phases, Timed};
use crate::serve::{self, NodePorts, SharedHealth};

/// How often failures are logged: each of the first so many, then one in as many.
const LOGGED_FAILURES: u32 = 8;

/// Everything that belongs to one family.
pub(crate) struct FamilySync<T> {
    proxier: Proxier,
    tables: T,
    host: Host,
    pace: Pace,
    canary: Canary,
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

/// The chain whose absence tells that somebody flushed the tables.
struct Canary {
    interval: Duration,
    /// The first one is made at once.
    next_look: Option<Instant>,
    exists: bool,
}

impl<T: Tables> FamilySync<T> {
    /// `sync_period` is the interval at which flushes are looked for; `flows` is told what was
    /// committed, unless stale flows are to be left alone.
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
            pace: Pace::new(min_sync_period),
            canary: Canary { interval: sync_period, next_look: None, exists: false },
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
        let canary = self.canary.next_look.unwrap_or(now);
        self.pace.next().map_or(canary, |sync| sync.min(canary))
    }

    /// Does what is due.
    pub(crate) fn turn(&mut self, clock: fn() -> Instant) {
        let now = clock();
        if self.canary.next_look.is_none_or(|at| at <= now) {
            self.look_for_canary(now);
        }
        // After a failure everything is due, but not before its time.
        let is_wanted = if self.pace.failures() == 0 { self.proxier.is_due(now) } else { self.is_dirty() };
        if is_wanted && self.pace.ask(now) {
            self.outlook.metrics.queued(Timestamp::now());
            self.outlook.health.lock().queued(self.family(), now);
        }
        if self.pace.next().is_some_and(|at| at <= now) {
            self.sync(clock);
        }
    }

    fn is_dirty(&self) -> bool {
        self.proxier.world().is_dirty()
    }

    fn look_for_canary(&mut self, now: Instant) {
        let family = self.family();
        self.canary.next_look = Some(now + self.canary.interval);
        match self.tables.has_canary() {
            Ok(true) => self.canary.exists = true,
            Ok(false) => {
                if self.canary.exists {
                    warn!(ipFamily = %family, "Rules were flushed by somebody else, writing them again");
                    self.proxier.forget_installed();
                    self.remember(Cause::AfterFlush);
                }
                self.canary.exists = false;
                self.make_canary();
            }
            // A held lock says nothing about the rules.
            Err(error) => warn!(ipFamily = %family, err = %error, "Could not look for the canary chain"),
        }
    }

    fn make_canary(&mut self) {
        match self.tables.ensure_canary() {
            Ok(()) => self.canary.exists = true,
            Err(error) => {
                warn!(ipFamily = %self.family(), err = %error, "Could not make the canary chain");
            }
        }
    }

    fn sync(&mut self, clock: fn() -> Instant) {
        let begin = clock();
        self.look_at_host(begin);
        let kind = if self.proxier.is_full_due(begin) { Kind::Full } else { Kind::Partial };
        self.outlook.metrics.sync_begins();
        let reason = self.reason(kind);
        let mut tables = Timed::new(&mut self.tables, self.proxier.world().family(), clock);
        let result = self.proxier.sync(&mut tables, &self.host, begin);
        let phases = tables.phases;
        let end = clock();
        match result {
            Ok(report) => {
                self.pace.succeeded(begin, end);
                self.look_after_flows(&report, clock);
                log_success(self.family(), reason, &report, phases, end - begin);
                self.show(&report, end - begin);
            }
            Err(error) => {
                self.pace.failed(begin, end);
                self.remember(Cause::AfterFailure);
                let failure = failure(&error);
                self.look_after_attempt(failure);
                self.outlook.metrics.sync_failed(kind, failure, end - begin);
                self.log_failure(&error);
            }
        }
    }

    /// What the outside is told of a sync that succeeded.
    fn show(&mut self, report: &Report, elapsed: Duration) {
        let outlook = &mut self.outlook;
        outlook.metrics.sync_succeeded(report, elapsed, Timestamp::now());
        outlook.health.lock().updated(self.proxier.world().family(), serve::now());
        for error in outlook.node_ports.set(&node_port::checks(self.proxier.world())) {
            error!(ipFamily = %self.proxier.world().family(), err = %error, "Failed to start healthcheck");
            outlook.events.tell(Happening::from(&error));
        }
    }

    /// Conntrack entries are looked at after the rules are there, by a thread of its own.
    fn look_after_flows(&mut self, report: &Report, clock: fn() -> Instant) {
        let cause = std::mem::replace(&mut self.cause, Cause::Incremental);
        let Some(flows) = &self.flows else { return };
        let begin = clock();
        let differs = self.frontends.take_in(&self.proxier, &report.changed, &self.host);
        if differs || cause != Cause::Incremental {
            flows.committed(flow_family(self.family()), self.frontends.generation(), cause);
            info!(v = 3, ipFamily = %self.family(), took = ?(clock() - begin), "Handed over to the conntrack thread");
        }
    }

    /// A restore that failed may have been in place in part, and have let in flows.
    fn look_after_attempt(&self, failure: Failure) {
        if let (Some(flows), Failure::Restore) = (&self.flows, failure) {
            let attempted = Frontends::attempted(&self.proxier, &self.host);
            flows.failed(flow_family(self.family()), attempted);
        }
    }

    /// The first commit looks at everything anyway, whatever happens before it.
    fn remember(&mut self, cause: Cause) {
        if self.cause != Cause::FirstSync {
            self.cause = cause;
        }
    }

    /// Why there is a sync.
    fn reason(&self, kind: Kind) -> &'static str {
        match (self.cause, kind) {
            (Cause::FirstSync, _) => "first sync",
            (Cause::AfterFailure, _) => "the sync before failed",
            (Cause::AfterFlush, _) => "rules were flushed",
            (Cause::Incremental, Kind::Full) => "regular look at what is there",
            (Cause::Incremental, Kind::Partial) => "changes",
        }
    }

    fn look_at_host(&mut self, now: Instant) {
        match host::addresses() {
            Ok(addresses) => self.host.addresses = addresses,
            Err(error) => {
                error!(ipFamily = %self.family(), err = %error, "Could not list the node's addresses")
            }
        }
        if self.proxier.is_full_due(now) {
            host::ensure_counters(&mut self.host);
        }
    }

    fn log_failure(&self, error: &TablesError) {
        let failures = self.pace.failures();
        if failures <= LOGGED_FAILURES || failures.is_multiple_of(LOGGED_FAILURES) {
            error!(ipFamily = %self.family(), err = %error, failures, "Sync failed; what is programmed stays");
        }
    }
}

fn failure(error: &TablesError) -> Failure {
    let (TablesError::Busy { command, .. }
    | TablesError::Refused { command, .. }
    | TablesError::Missing { command, .. }
    | TablesError::Unreadable { command, .. }) = error;
    if command.contains("tables-restore") { Failure::Restore } else { Failure::Look }
}

fn flow_family(family: Family) -> flow::Family {
    match family {
        Family::V4 => flow::Family::V4,
        Family::V6 => flow::Family::V6,
    }
}

fn log_success(family: Family, reason: &str, report: &Report, phases: Phases, elapsed: Duration) {
    let kind = match report.kind {
        Kind::Full => "full",
        Kind::Partial => "partial",
    };
    info!(
        v = 2,
        ipFamily = %family,
        kind,
        reason,
        elapsed = ?elapsed,
        look = ?phases.look,
        jumps = ?phases.jumps,
        plan = ?phases.plan(elapsed),
        restore = ?phases.restore,
        servicePorts = report.service_ports,
        rendered = report.rendered,
        filterRulesWritten = report.written.filter_rules,
        natRulesWritten = report.written.nat_rules,
        chainsDeleted = report.written.deleted_chains,
        filterRules = report.filter_rules,
        natRules = report.nat_rules,
        "SyncProxyRules complete"
    );
    if let Dirty::Services(services) = &report.changed {
        let services = services.iter().map(ToString::to_string);
        info!(v = 4, ipFamily = %family, services = %Json(services.collect::<Vec<_>>()), "Services rendered anew");
    }
}
