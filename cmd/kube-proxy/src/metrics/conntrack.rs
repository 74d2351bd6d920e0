//! Turns reports of passes over the conntrack table into metrics: two of kube-proxy's names, the others ours.
//!
//! Knows nothing of when passes are made.

use conntrack::flow::Family;
use conntrack::generation::Cause;
use conntrack::kernel::Error;
use conntrack::report::{End, Occasion, Report};
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec, Result};

use super::bucket;
use super::register::Register;

/// What can cause a pass.
const OCCASIONS: [Occasion; 6] = [
    Occasion::Hourly,
    Occasion::Settle,
    Occasion::Commit(Cause::Incremental),
    Occasion::Commit(Cause::AfterFailure),
    Occasion::Commit(Cause::AfterFlush),
    Occasion::Commit(Cause::FirstSync),
];

/// Why a pass is not completed.
const CHANGED: &str = "table changed";
const DELETE_FAILED: &str = "delete failed";
const UNAVAILABLE: &str = "unavailable";
const FILTER_REFUSED: &str = "filter refused";
const KERNEL: &str = "kernel";

/// What passes over the conntrack table saw and did.
#[derive(Clone, Debug)]
pub(crate) struct ConntrackMetrics {
    durations: HistogramVec,
    deleted: IntCounterVec,
    seen: IntCounterVec,
    passes: IntCounterVec,
    pending: IntGaugeVec,
    failures: IntCounterVec,
}

impl ConntrackMetrics {
    pub(super) fn new(register: &Register) -> Result<Self> {
        const FAMILY: &[&str] = &["ip_family"];
        Ok(Self {
            durations: register.histograms(
                "kubeproxy_conntrack_reconciler_sync_duration_seconds",
                "[ALPHA] Seconds that completed passes over the conntrack table took",
                FAMILY,
                bucket::sync(),
            )?,
            deleted: register.counters(
                "kubeproxy_conntrack_reconciler_deleted_entries_total",
                "[ALPHA] Stale conntrack entries that were deleted, or gone before they could be",
                FAMILY,
            )?,
            seen: register.counters(
                "kubeproxy_conntrack_entries_seen_total",
                "[ALPHA] Conntrack entries that were judged, counted anew in each dump",
                FAMILY,
            )?,
            passes: register.counters(
                "kubeproxy_conntrack_passes_total",
                "[ALPHA] Passes over the conntrack table, by what caused them",
                &["cause", "ip_family"],
            )?,
            pending: register.gauges(
                "kubeproxy_conntrack_pending_front_ends",
                "[ALPHA] Addresses of Services whose conntrack entries wait for a look",
                FAMILY,
            )?,
            failures: register.counters(
                "kubeproxy_conntrack_failures_total",
                "[ALPHA] Passes over the conntrack table that were not completed, by reason",
                &["reason", "ip_family"],
            )?,
        })
    }

    /// Flows of a family are looked after from here on, so its counters exist: an alert on an increase does not see
    /// a first step that comes with the series.
    pub(crate) fn looks_after(&self, family: Family) {
        let family = family.to_string();
        for counters in [&self.deleted, &self.seen] {
            let _exists = counters.with_label_values(&[&family]);
        }
        for occasion in OCCASIONS {
            let _exists = self.passes.with_label_values(&[&occasion.to_string(), &family]);
        }
        for reason in [CHANGED, DELETE_FAILED, UNAVAILABLE, FILTER_REFUSED, KERNEL] {
            let _exists = self.failures.with_label_values(&[reason, &family]);
        }
    }

    /// So many front ends of a family wait for a look.
    pub(crate) fn pending(&self, family: Family, front_ends: usize) {
        let front_ends = i64::try_from(front_ends).expect("front ends fit in memory");
        self.pending.with_label_values(&[&family.to_string()]).set(front_ends);
    }

    /// A pass ended. One that was stopped by shutdown does not count.
    pub(crate) fn passed(&self, report: &Report) {
        let (family, findings) = (report.family.to_string(), &report.findings);
        if findings.end == End::Stopped {
            return;
        }
        if is_completed(&findings.end) {
            self.durations.with_label_values(&[&family]).observe(findings.duration.as_secs_f64());
        }
        // An entry that is gone is as good as deleted.
        let deleted = u64::try_from(findings.deleted() + findings.gone()).expect("entries fit in memory");
        self.deleted.with_label_values(&[&family]).inc_by(deleted);
        self.seen.with_label_values(&[&family]).inc_by(findings.seen());
        self.passes.with_label_values(&[report.occasion.to_string().as_str(), &family]).inc();
        if let Some(reason) = failure(&findings.end) {
            self.failures.with_label_values(&[reason, &family]).inc();
        }
    }
}

/// Whether the table was listed to the end and every stale entry was tried: upstream measures no other pass.
fn is_completed(end: &End) -> bool {
    match end {
        End::Complete | End::Busy => true,
        End::Stopped | End::Overtaken | End::Doubtful | End::Failed(_) => false,
    }
}

fn failure(end: &End) -> Option<&'static str> {
    match end {
        End::Complete | End::Stopped | End::Overtaken => None,
        End::Doubtful => Some(CHANGED),
        End::Busy => Some(DELETE_FAILED),
        End::Failed(Error::Unavailable { .. }) => Some(UNAVAILABLE),
        End::Failed(Error::FilterRefused { .. }) => Some(FILTER_REFUSED),
        End::Failed(Error::TryAgain { .. }) => Some(KERNEL),
    }
}
