//! The metrics of syncs, each with the label `ip_family`, and those of changes, which both families share.
//!
//! Knows only names, labels and buckets; what is recorded when is `family`.

use prometheus::{
    CounterVec, GaugeVec, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Result,
};

use super::bucket;
use super::register::Register;

const FAMILY: &[&str] = &["ip_family"];

/// The metrics of syncs and of the changes that they take in.
#[derive(Clone, Debug)]
pub(super) struct SyncMetrics {
    pub(super) durations: Durations,
    pub(super) times: Times,
    pub(super) rules: Rules,
    pub(super) changes: Changes,
    pub(super) drift: Drift,
    pub(super) lock_wait: CounterVec,
}

/// How long syncs took, and how long changes waited for them.
#[derive(Clone, Debug)]
pub(super) struct Durations {
    pub(super) all: HistogramVec,
    pub(super) full: HistogramVec,
    pub(super) partial: HistogramVec,
    pub(super) phases: HistogramVec,
    pub(super) network_programming: HistogramVec,
}

/// When syncs were asked for, and when one succeeded.
#[derive(Clone, Debug)]
pub(super) struct Times {
    pub(super) queued: GaugeVec,
    pub(super) succeeded: GaugeVec,
}

/// What syncs wrote, or failed to write.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) backend: IntGaugeVec,
    pub(super) total: IntGaugeVec,
    pub(super) last: IntGaugeVec,
    pub(super) failures: IntCounterVec,
    pub(super) partial_failures: IntCounterVec,
    pub(super) no_local_endpoints: IntGaugeVec,
    pub(super) quarantined: IntGaugeVec,
    pub(super) blocks: IntCounterVec,
}

/// What others changed of the rules.
#[derive(Clone, Debug)]
pub(super) struct Drift {
    pub(super) looks: IntCounterVec,
    pub(super) mended: IntCounterVec,
}

/// Changes of objects: all, and those that no sync has taken in.
#[derive(Clone, Debug)]
pub(super) struct Changes {
    pub(super) services: IntCounter,
    pub(super) services_pending: IntGauge,
    pub(super) endpoints: IntCounter,
    pub(super) endpoints_pending: IntGauge,
}

impl SyncMetrics {
    pub(super) fn new(register: &Register) -> Result<Self> {
        Ok(Self {
            durations: Durations::new(register)?,
            times: Times::new(register)?,
            rules: Rules::new(register)?,
            changes: Changes::new(register)?,
            drift: Drift::new(register)?,
            lock_wait: register.seconds_counted_by(
                "kubeproxy_iptables_lock_wait_seconds_total",
                "[ALPHA] Seconds that tools of the legacy variant waited for the xtables lock; those of nf_tables need none",
                FAMILY,
            )?,
        })
    }
}

impl Durations {
    fn new(register: &Register) -> Result<Self> {
        let sync = |name, help| register.histograms(name, help, FAMILY, bucket::sync());
        let delay =
            "[ALPHA] Seconds from a change of endpoints in the cluster to the rules for it on this node";
        Ok(Self {
            all: sync("kubeproxy_sync_proxy_rules_duration_seconds", "[ALPHA] Seconds that syncs took")?,
            full: sync(
                "kubeproxy_sync_full_proxy_rules_duration_seconds",
                "[ALPHA] Seconds that syncs took which wrote everything",
            )?,
            partial: sync(
                "kubeproxy_sync_partial_proxy_rules_duration_seconds",
                "[ALPHA] Seconds that syncs took which wrote what differed",
            )?,
            phases: register.histograms(
                "kubeproxy_sync_phase_duration_seconds",
                "[ALPHA] Seconds that phases of syncs took: look (iptables-save), jumps (iptables), plan (rendering and comparing), restore (iptables-restore)",
                &["phase", "ip_family"],
                bucket::sync(),
            )?,
            network_programming: register.histograms(
                "kubeproxy_network_programming_duration_seconds",
                delay,
                FAMILY,
                bucket::network_programming(),
            )?,
        })
    }
}

impl Times {
    fn new(register: &Register) -> Result<Self> {
        Ok(Self {
            queued: register.seconds_by(
                "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds",
                "[ALPHA] When a sync was asked for last",
                FAMILY,
            )?,
            succeeded: register.seconds_by(
                "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
                "[ALPHA] When a sync succeeded last",
                FAMILY,
            )?,
        })
    }
}

impl Rules {
    fn new(register: &Register) -> Result<Self> {
        Ok(Self {
            backend: register.gauges(
                "kubeproxy_iptables_backend",
                "[ALPHA] Always 1; the label tells what in the kernel iptables writes to: nf_tables or legacy",
                &["backend", "ip_family"],
            )?,
            total: register.gauges(
                "kubeproxy_sync_proxy_rules_iptables_total",
                "[ALPHA] Rules of the proxy in a table",
                &["table", "ip_family"],
            )?,
            last: register.gauges(
                "kubeproxy_sync_proxy_rules_iptables_last",
                "[ALPHA] Rules that the last sync wrote to a table",
                &["table", "ip_family"],
            )?,
            failures: register.counters(
                "kubeproxy_sync_proxy_rules_iptables_restore_failures_total",
                "[ALPHA] Runs of iptables-restore that failed, also in a sync that succeeds without the rules that are refused",
                FAMILY,
            )?,
            partial_failures: register.counters(
                "kubeproxy_sync_proxy_rules_iptables_partial_restore_failures_total",
                "[ALPHA] Syncs that failed to write what differed; the next one writes everything",
                FAMILY,
            )?,
            no_local_endpoints: register.gauges(
                "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
                "[ALPHA] Service ports with a traffic policy of Local and endpoints elsewhere only",
                &["traffic_policy", "ip_family"],
            )?,
            quarantined: register.gauges(
                "kubeproxy_quarantined_service_ports",
                "[ALPHA] Service ports whose rules are refused, and left out",
                FAMILY,
            )?,
            blocks: register.counters(
                "kubeproxy_iptables_restore_blocks_total",
                "[ALPHA] Blocks, each with a COMMIT of its own, in which successful syncs wrote",
                FAMILY,
            )?,
        })
    }
}

impl Drift {
    fn new(register: &Register) -> Result<Self> {
        Ok(Self {
            looks: register.counters(
                "kubeproxy_drift_looks_total",
                "[ALPHA] Looks at the rules because somebody may have changed them, by what was found",
                &["found", "ip_family"],
            )?,
            mended: register.counters(
                "kubeproxy_drift_mended_total",
                "[ALPHA] Jumps and chains that somebody took away, and rules that were written to mend it",
                &["what", "ip_family"],
            )?,
        })
    }
}

impl Changes {
    fn new(register: &Register) -> Result<Self> {
        Ok(Self {
            services: register.counter(
                "kubeproxy_sync_proxy_rules_service_changes_total",
                "[ALPHA] Changes of Services, counted once per IP family; not what upstream counts again every configSyncPeriod",
            )?,
            services_pending: register.gauge(
                "kubeproxy_sync_proxy_rules_service_changes_pending",
                "[ALPHA] Services with changes that no sync has taken in",
            )?,
            endpoints: register.counter(
                "kubeproxy_sync_proxy_rules_endpoint_changes_total",
                "[ALPHA] Changes of EndpointSlices; not what upstream counts again every configSyncPeriod",
            )?,
            endpoints_pending: register.gauge(
                "kubeproxy_sync_proxy_rules_endpoint_changes_pending",
                "[ALPHA] Changes of EndpointSlices that no sync has taken in",
            )?,
        })
    }
}
