//! One family at work: its proxier, its tables, its pace, its canary.
//!
//! Knows nothing of the other family and of where changes come from.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conntrack::generation::Cause;
use conntrack::worker::Worker;
use informer::change::Change;
use jiff::Timestamp;
use proxier::drift::watch::Heard;
use proxier::family::Family;
use proxier::host;
use proxier::loss::Loss;
use proxier::option::Host;
use proxier::plan::{Attempt, Layout};
use proxier::proxier::{Glimpse, Kind, Proxier, Report};
use proxier::tables::{Tables, TablesError};
use proxier::world::Dirty;
use tracing::{debug, error, info, warn};

use crate::aside::aside;
use crate::event::{Events, Happening};
use crate::flows;
use crate::frontends::Frontends;
use crate::guard::Guard;
use crate::health::node_port;
use crate::log::Json;
use crate::metrics::{Failure, FamilyMetrics};
use crate::pace::{Gathering, Pace};
use crate::phase::{Phases, Timed};
use crate::refused;
use crate::serve::{self, NodePorts, SharedHealth};

/// How often failures are logged: each of the first so many, then one in as many.
const LOGGED_FAILURES: u32 = 8;

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

/// How changes that others make to the rules come to be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The kernel tells. The canary is looked for all the same.
    Told,
    /// The rules are looked at whenever the canary is.
    Looks,
}

/// The chain whose absence tells that somebody flushed the tables.
struct Canary {
    interval: Duration,
    /// The first one is made at once.
    next_look: Option<Instant>,
    exists: bool,
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
            canary: Canary { interval: sync_period, next_look: None, exists: false },
            guard: Guard::default(),
            notice: Notice::Looks,
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

    /// Whether the kernel can tell of foreign changes to these rules; that may change with the tools.
    pub(crate) fn can_be_told(&self) -> bool {
        self.tables.layout() == Layout::Blocks
    }

    /// The kernel tells of foreign changes from here on.
    pub(crate) fn listen(&mut self) {
        self.notice = Notice::Told;
    }

    /// The kernel told something. What the tools that ran for us did is no news.
    pub(crate) fn heard(&mut self, heard: Heard, now: Instant) {
        match heard {
            // What is told is of nf_tables.
            Heard::Suspicious(_) | Heard::Overrun if !self.can_be_told() => {}
            Heard::Suspicious(suspicion) if suspicion.family != self.family() => {}
            Heard::Suspicious(suspicion) if self.tables.wrote(suspicion.writer) => {}
            Heard::Suspicious(_) | Heard::Overrun => self.guard.suspect(now),
            Heard::Deaf => {
                warn!(ipFamily = %self.family(), "The kernel tells no more of foreign changes to the rules");
                self.notice = Notice::Looks;
                self.guard.suspect(now);
            }
        }
    }

    /// The loop starts.
    pub(crate) fn started(&self) {
        self.outlook.metrics.started(Timestamp::now());
        self.outlook.health.lock().updated(self.family(), serve::now());
    }

    /// When there is something to do.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        let canary = self.canary.next_look.unwrap_or(now);
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
        if self.canary.next_look.is_none_or(|at| at <= now) {
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

    /// When to look for what somebody may have taken away; a sync that looks anyway is under way after a failure.
    fn next_suspicion(&self) -> Option<Instant> {
        self.guard.next().filter(|_| self.proxier.installed().is_some())
    }

    /// How long a change that waits to be written waits for others.
    pub(crate) fn gathering(&self) -> Option<Gathering> {
        let is_waiting = self.is_dirty() && self.proxier.installed().is_some();
        is_waiting.then(|| self.pace.gathering())
    }

    fn is_dirty(&self) -> bool {
        self.proxier.world().is_dirty()
    }

    fn look_for_canary(&mut self, now: Instant) {
        self.canary.next_look = Some(now + self.canary.interval);
        self.look_at_addresses();
        match self.glimpse() {
            Ok(Glimpse::Changed) => self.guard.suspect(now),
            Ok(Glimpse::Unknown) => self.proxier.suspect(),
            Ok(Glimpse::Unchanged) => {}
            // A held lock says nothing about the rules.
            Err(error) => {
                warn!(ipFamily = %self.family(), err = %error, "Could not look for changes of the rules");
            }
        }
    }

    /// The look that is made in any case.
    fn glimpse(&mut self) -> Result<Glimpse, TablesError> {
        let existed = self.canary.exists;
        self.canary.exists = self.tables.has_canary()?;
        if !self.canary.exists {
            self.make_canary();
            return Ok(if existed { Glimpse::Changed } else { Glimpse::Unchanged });
        }
        match self.notice {
            Notice::Told if self.can_be_told() => Ok(Glimpse::Unchanged),
            Notice::Told | Notice::Looks => self.proxier.glimpse(&mut self.tables),
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
        let layout = self.tables.layout();
        if self.guard.since().is_some() {
            self.tables.look_anew();
        }
        let (family, metrics) = (self.proxier.world().family(), &self.outlook.metrics);
        let attempted = |attempt: &Attempt| metrics.restoring(attempt);
        let health = &self.outlook.health;
        let advanced = || health.lock().advanced(family, clock());
        let flows = self.flows.as_deref();
        let mut tables = Timed::new(&mut self.tables, family, flows, clock, &attempted, &advanced);
        let mut sync = || self.proxier.sync(&mut tables, &self.host, begin);
        let result = match kind {
            Kind::Full => aside(sync),
            Kind::Partial => sync(),
        };
        let phases = tables.phases;
        self.tables.rest();
        if kind == Kind::Full {
            self.proxier.settle();
        }
        if self.tables.layout() != layout {
            error!(ipFamily = %self.family(), "The iptables tools write to another part of the kernel than before; the rules in the old one stay until they are removed or the node restarts");
        }
        let end = clock();
        match result {
            Ok(report) => {
                self.pace.succeeded(begin, end);
                self.mended(&report, begin, end);
                self.look_after_flows(&report, phases, clock);
                log_success(self.family(), reason, &report, phases, end - begin);
                self.show(&report, end - begin, phases);
            }
            Err(error) => {
                self.pace.failed(begin, end);
                self.remember(Cause::AfterFailure);
                let failure = failure(&error);
                self.look_after_attempt(phases);
                self.outlook.metrics.sync_failed(kind, failure, end - begin, phases);
                self.log_failure(&error);
            }
        }
    }

    /// Tells what somebody had taken away, and decides when the next look may be.
    fn mended(&mut self, report: &Report, begin: Instant, end: Instant) {
        let since = self.guard.since();
        // Rules that were written by a look at everything may have been missing for a while, whatever else changed.
        if report.kind == Kind::Full && report.written.nat_rules > 0 && self.cause == Cause::Incremental {
            self.cause = Cause::AfterFlush;
        }
        let Some(loss) = &report.loss else {
            // After a failure everything is read back anyway, and nobody knows what was missing.
            if since.is_some() && report.kind == Kind::Full {
                self.guard.found(begin, end);
                self.make_canary();
            }
            return;
        };
        if loss.is_empty() {
            // The looks that are made in any case have their own pace.
            since.inspect(|_| self.guard.found_nothing(end));
            debug!(ipFamily = %self.family(), "Somebody changed rules near ours, nothing is missing");
            return;
        }
        self.guard.found(begin, end);
        self.remember(Cause::AfterFlush);
        // Whoever deletes chains may have deleted this one too.
        self.make_canary();
        log_loss(self.family(), loss, end - since.unwrap_or(begin));
        let happening = Happening::RulesMissing { family: self.family(), missing: loss.to_string() };
        self.outlook.events.tell(happening);
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

    /// Conntrack entries are looked at after the rules are there, by a thread of its own.
    fn look_after_flows(&mut self, report: &Report, phases: Phases, clock: fn() -> Instant) {
        // Rules that are refused may have been in place in part, until those before them were there again.
        if !report.refused.is_empty() {
            self.look_after_attempt(phases);
        }
        // The rules of a service port that is left out are not what the world says, until it is accepted.
        if !report.refused.is_empty() || !report.accepted.is_empty() {
            self.remember(Cause::AfterFailure);
        }
        let cause = std::mem::replace(&mut self.cause, Cause::Incremental);
        let Some(flows) = &self.flows else { return };
        let begin = clock();
        let family = flows::family(self.family());
        let differs = self.frontends.take_in(&self.proxier, &report.changed, &self.host);
        if differs || cause != Cause::Incremental {
            flows.committed(family, self.frontends.generation(), cause);
            info!(v = 3, ipFamily = %self.family(), took = ?(clock() - begin), "Handed over to the conntrack thread");
        } else if phases.restores > 0 {
            flows.unchanged(family);
        }
    }

    /// What was given to a restore may have been in place in part, and have let in flows.
    fn look_after_attempt(&self, phases: Phases) {
        if let (Some(flows), 1..) = (&self.flows, phases.restores) {
            let attempted = Frontends::attempted(&self.proxier, &self.host);
            flows.failed(flows::family(self.family()), attempted);
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

    /// Rules for node ports follow the addresses of the node without a sync; flows do not. While it is unknown what
    /// the rules are, there is a sync to come.
    fn look_at_addresses(&mut self) {
        let is_known = self.cause == Cause::Incremental && self.pace.failures() == 0;
        if let (Some(flows), true) = (self.flows.clone(), is_known) {
            self.list_addresses();
            if self.frontends.move_to(&self.proxier, &self.host) {
                flows.committed(flows::family(self.family()), self.frontends.generation(), self.cause);
            }
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
    | TablesError::Interrupted { command, .. }
    | TablesError::Missing { command, .. }
    | TablesError::Unreadable { command, .. }) = error;
    if command.contains("-restore") { Failure::Restore } else { Failure::Look }
}

fn log_loss(family: Family, loss: &Loss, elapsed: Duration) {
    warn!(
        ipFamily = %family,
        missing = %loss,
        elapsed = ?elapsed,
        "Rules were changed by somebody else, wrote again what was gone"
    );
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

#[cfg(test)]
mod tests;
