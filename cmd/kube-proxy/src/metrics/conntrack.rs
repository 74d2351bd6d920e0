//! Turns reports of passes over the conntrack table into metrics: two of kube-proxy's names, the others ours.
//!
//! Knows nothing of when passes are made.

use conntrack::flow::Family;
use conntrack::kernel::Error;
use conntrack::report::{End, Report};
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec, Result};

use super::bucket;
use super::register::Register;

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
        End::Doubtful => Some("table changed"),
        End::Busy => Some("delete failed"),
        End::Failed(Error::Unavailable { .. }) => Some("unavailable"),
        End::Failed(Error::FilterRefused { .. }) => Some("filter refused"),
        End::Failed(Error::TryAgain { .. }) => Some("kernel"),
    }
}
