//! Turns what happens in one family into metrics: changes, requests for a sync, and how syncs end.
//!
//! Knows nothing of the other family, and reads no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use informer::change::Change;
use informer::object::{EndpointSlice, NamespacedName};
use jiff::Timestamp;
use proxier::endpoint;
use proxier::family::Family;
use proxier::loss::Loss;
use proxier::plan::Attempt;
use proxier::proxier::{Kind, Report};

use super::sync::SyncMetrics;
use crate::phase::Phases;

/// What a look at the rules found.
const NOTHING_MISSING: &str = "nothing missing";
const RULES_MISSING: &str = "rules missing";

/// What others take away.
const JUMPS: &str = "jumps";
const CHAINS: &str = "chains";
const RULES: &str = "rules";

/// One family's part of the metrics, and what of the family waits for a sync.
#[derive(Debug)]
pub(crate) struct FamilyMetrics {
    family: Family,
    label: String,
    metrics: SyncMetrics,
    /// Trigger times before it are those of changes that the initial state brought.
    start: Timestamp,
    /// Services that changed since a sync began.
    services: BTreeSet<NamespacedName>,
    /// Trigger times of changes of endpoints since a sync began.
    waiting: BTreeMap<NamespacedName, Vec<Timestamp>>,
    /// Trigger times that the current sync has taken in.
    in_sync: Vec<Timestamp>,
}

impl FamilyMetrics {
    pub(super) fn new(family: Family, metrics: SyncMetrics, start: Timestamp) -> Self {
        Self {
            family,
            label: family.to_string(),
            metrics,
            start,
            services: BTreeSet::new(),
            waiting: BTreeMap::new(),
            in_sync: Vec::new(),
        }
    }

    /// What iptables writes to, as its version tells.
    pub(crate) fn uses_backend(&self, backend: &str) {
        self.metrics.rules.backend.with_label_values(&[backend, &self.label]).set(1);
    }

    /// The loop starts. The histogram that dashboards list instances by exists from here on, and every counter: an
    /// alert on an increase does not see a first step that comes with the series.
    pub(crate) fn started(&self, now: Timestamp) {
        let SyncMetrics { durations, rules, drift, lock_wait, .. } = &self.metrics;
        let _exists = durations.network_programming.with_label_values(&[&self.label]);
        for counters in [&rules.failures, &rules.partial_failures, &rules.blocks] {
            let _exists = counters.with_label_values(&[&self.label]);
        }
        for found in [NOTHING_MISSING, RULES_MISSING] {
            let _exists = drift.looks.with_label_values(&[found, &self.label]);
        }
        for what in [JUMPS, CHAINS, RULES] {
            let _exists = drift.mended.with_label_values(&[what, &self.label]);
        }
        let _exists = lock_wait.with_label_values(&[&self.label]);
        self.queued(now);
    }

    /// A sync was asked for.
    pub(crate) fn queued(&self, now: Timestamp) {
        self.metrics.times.queued.with_label_values(&[&self.label]).set(seconds(now));
    }

    /// A change arrived. `touched` is the Service whose rules it may change, absent if it changes none.
    pub(crate) fn changed(&mut self, change: &Change, touched: Option<&NamespacedName>) {
        match change {
            Change::SetService(_) | Change::DeleteService(_) => self.service_changed(touched),
            Change::SetEndpointSlice(slice) => self.slice_set(slice, touched),
            Change::DeleteEndpointSlice(_) => self.slice_deleted(touched),
            Change::SetNode(_) | Change::DeleteNode(_) | Change::Synced => {}
        }
    }

    /// A sync begins: nothing is pending any more.
    pub(crate) fn sync_begins(&mut self) {
        self.services.clear();
        self.in_sync = std::mem::take(&mut self.waiting).into_values().flatten().collect();
        self.metrics.changes.services_pending.set(0);
        self.metrics.changes.endpoints_pending.set(0);
    }

    /// The tools have waited so long for their lock, since the process started.
    pub(crate) fn waited_for_lock(&self, waited: Duration) {
        let seconds = self.metrics.lock_wait.with_label_values(&[&self.label]);
        seconds.inc_by((waited.as_secs_f64() - seconds.get()).max(0.0));
    }

    /// Rules are about to be given to iptables-restore, whatever becomes of it.
    pub(crate) fn restoring(&self, attempt: &Attempt) {
        let rules = &self.metrics.rules;
        for (gauges, table, count) in [
            (&rules.total, "filter", attempt.filter_rules),
            (&rules.total, "nat", attempt.nat_rules),
            (&rules.last, "filter", attempt.written.filter_rules),
            (&rules.last, "nat", attempt.written.nat_rules),
        ] {
            gauges.with_label_values(&[table, &self.label]).set(number(count));
        }
    }

    /// A sync succeeded, which took `elapsed`.
    pub(crate) fn sync_succeeded(
        &mut self,
        report: &Report,
        elapsed: Duration,
        phases: Phases,
        now: Timestamp,
    ) {
        self.sync_ended(report.kind, elapsed, phases);
        self.metrics.times.succeeded.with_label_values(&[&self.label]).set(seconds(now));
        self.record_rules(report);
        report.loss.iter().for_each(|loss| self.record_loss(loss));
        let delays = self.metrics.durations.network_programming.with_label_values(&[&self.label]);
        for trigger in self.in_sync.drain(..) {
            delays.observe(now.duration_since(trigger).as_secs_f64());
        }
    }

    /// A sync failed after `elapsed`. The trigger times that it took in are lost.
    pub(crate) fn sync_failed(&mut self, kind: Kind, elapsed: Duration, phases: Phases) {
        self.sync_ended(kind, elapsed, phases);
        self.in_sync.clear();
        if kind == Kind::Partial {
            self.metrics.rules.partial_failures.with_label_values(&[&self.label]).inc();
        }
    }

    fn sync_ended(&self, kind: Kind, elapsed: Duration, phases: Phases) {
        let durations = &self.metrics.durations;
        let of_kind = match kind {
            Kind::Full => &durations.full,
            Kind::Partial => &durations.partial,
        };
        for histogram in [&durations.all, of_kind] {
            histogram.with_label_values(&[&self.label]).observe(elapsed.as_secs_f64());
        }
        let failures = self.metrics.rules.failures.with_label_values(&[&self.label]);
        failures.inc_by(phases.failures.into());
        for (phase, took) in phases.named(elapsed) {
            durations.phases.with_label_values(&[phase, &self.label]).observe(took.as_secs_f64());
        }
    }

    /// The rules were looked at because somebody was suspected of having changed them.
    fn record_loss(&self, loss: &Loss) {
        let drift = &self.metrics.drift;
        let found = if loss.is_empty() { NOTHING_MISSING } else { RULES_MISSING };
        drift.looks.with_label_values(&[found, &self.label]).inc();
        for (what, count) in [(JUMPS, loss.jumps.len()), (CHAINS, loss.chains.len()), (RULES, loss.rules)] {
            let count = u64::try_from(count).expect("what fits in memory fits in 64 bits");
            drift.mended.with_label_values(&[what, &self.label]).inc_by(count);
        }
    }

    fn record_rules(&self, report: &Report) {
        let rules = &self.metrics.rules;
        let Report { written, filter_rules, nat_rules, .. } = *report;
        self.restoring(&Attempt { written, filter_rules, nat_rules });
        for (gauges, by, count) in [
            (&rules.no_local_endpoints, "internal", report.no_local_endpoints_internal),
            (&rules.no_local_endpoints, "external", report.no_local_endpoints_external),
        ] {
            gauges.with_label_values(&[by, &self.label]).set(number(count));
        }
        let blocks = u64::try_from(report.written.commits).expect("what fits in memory fits in 64 bits");
        rules.blocks.with_label_values(&[&self.label]).inc_by(blocks);
        rules.quarantined.with_label_values(&[&self.label]).set(number(report.quarantined));
    }

    fn service_changed(&mut self, touched: Option<&NamespacedName>) {
        let changes = &self.metrics.changes;
        changes.services.inc();
        self.services.extend(touched.cloned());
        changes.services_pending.set(number(self.services.len()));
    }

    fn slice_set(&mut self, slice: &EndpointSlice, touched: Option<&NamespacedName>) {
        if !endpoint::is_of_family(slice, self.family) {
            return;
        }
        self.metrics.changes.endpoints.inc();
        let Some(service) = touched else { return };
        self.metrics.changes.endpoints_pending.inc();
        let trigger =
            slice.last_change_trigger_time.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
        if let Some(trigger) = trigger.filter(|trigger| *trigger > self.start) {
            self.waiting.entry(service.clone()).or_default().push(trigger);
        }
    }

    /// A slice that touches nothing was not of this family.
    fn slice_deleted(&mut self, touched: Option<&NamespacedName>) {
        let Some(service) = touched else { return };
        self.metrics.changes.endpoints.inc();
        self.metrics.changes.endpoints_pending.inc();
        self.waiting.remove(service);
    }
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

fn number(count: usize) -> i64 {
    i64::try_from(count).expect("what fits in memory fits in 63 bits")
}
