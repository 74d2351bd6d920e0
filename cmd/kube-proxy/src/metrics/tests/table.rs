//! Every family against a table of names, types, labels and buckets.
//!
//! The table is the interface: dashboards and alerts are written against it.

use std::collections::BTreeSet;

use prometheus::proto::{MetricFamily, MetricType};

use super::{record_everything, started};

const NONE: &[&str] = &[];
const FAMILY: &[&str] = &["ip_family"];
const TABLE: &[&str] = &["ip_family", "table"];
const REQUEST: &[&str] = &["host", "verb"];
const SYNC: &str =
    "0.001 0.002 0.004 0.008 0.016 0.032 0.064 0.128 0.256 0.512 1.024 2.048 4.096 8.192 16.384 +Inf";
const PROGRAMMING: &str = "0 0.25 0.5 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 \
    29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 65 70 75 80 \
    85 90 95 100 105 110 115 120 150 180 210 240 270 300 +Inf";
const SECONDS: &str = "0.005 0.025 0.1 0.25 0.5 1 2 4 8 15 30 60 +Inf";
const BYTES: &str = "64 256 512 1024 4096 16384 65536 262144 1048576 4194304 16777216 +Inf";
const BUILD: &[&str] = &[
    "build_date",
    "compiler",
    "git_commit",
    "git_tree_state",
    "git_version",
    "go_version",
    "major",
    "minor",
    "platform",
];

/// Name, type, labels, and buckets or nothing.
type Row = (&'static str, &'static str, &'static [&'static str], &'static str);

const TABLE_OF_ALL: &[Row] = &[
    ("go_goroutines", "gauge", NONE, ""),
    ("kubeproxy_build_info", "gauge", &["git_commit", "version"], ""),
    ("kubeproxy_conntrack_entries_seen_total", "counter", FAMILY, ""),
    ("kubeproxy_conntrack_failures_total", "counter", &["ip_family", "reason"], ""),
    ("kubeproxy_conntrack_passes_total", "counter", &["cause", "ip_family"], ""),
    ("kubeproxy_conntrack_pending_front_ends", "gauge", FAMILY, ""),
    ("kubeproxy_conntrack_reconciler_deleted_entries_total", "counter", FAMILY, ""),
    ("kubeproxy_conntrack_reconciler_sync_duration_seconds", "histogram", FAMILY, SYNC),
    ("kubeproxy_drift_looks_total", "counter", &["found", "ip_family"], ""),
    ("kubeproxy_drift_mended_total", "counter", &["ip_family", "what"], ""),
    ("kubeproxy_iptables_backend", "gauge", &["backend", "ip_family"], ""),
    ("kubeproxy_iptables_ct_state_invalid_dropped_packets_total", "counter", NONE, ""),
    ("kubeproxy_iptables_localhost_nodeports_accepted_packets_total", "counter", NONE, ""),
    ("kubeproxy_iptables_lock_wait_seconds_total", "counter", FAMILY, ""),
    ("kubeproxy_iptables_restore_blocks_total", "counter", FAMILY, ""),
    ("kubeproxy_network_programming_duration_seconds", "histogram", FAMILY, PROGRAMMING),
    ("kubeproxy_objects_with_ignored_fields", "gauge", &["kind"], ""),
    ("kubeproxy_proxy_healthz_total", "counter", &["code"], ""),
    ("kubeproxy_proxy_livez_total", "counter", &["code"], ""),
    ("kubeproxy_quarantined_service_ports", "gauge", FAMILY, ""),
    ("kubeproxy_sync_full_proxy_rules_duration_seconds", "histogram", FAMILY, SYNC),
    ("kubeproxy_sync_partial_proxy_rules_duration_seconds", "histogram", FAMILY, SYNC),
    ("kubeproxy_sync_phase_duration_seconds", "histogram", &["ip_family", "phase"], SYNC),
    ("kubeproxy_sync_proxy_rules_duration_seconds", "histogram", FAMILY, SYNC),
    ("kubeproxy_sync_proxy_rules_endpoint_changes_pending", "gauge", NONE, ""),
    ("kubeproxy_sync_proxy_rules_endpoint_changes_total", "counter", NONE, ""),
    ("kubeproxy_sync_proxy_rules_iptables_last", "gauge", TABLE, ""),
    ("kubeproxy_sync_proxy_rules_iptables_partial_restore_failures_total", "counter", FAMILY, ""),
    ("kubeproxy_sync_proxy_rules_iptables_restore_failures_total", "counter", FAMILY, ""),
    ("kubeproxy_sync_proxy_rules_iptables_total", "gauge", TABLE, ""),
    ("kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", "gauge", FAMILY, ""),
    ("kubeproxy_sync_proxy_rules_last_timestamp_seconds", "gauge", FAMILY, ""),
    ("kubeproxy_sync_proxy_rules_no_local_endpoints_total", "gauge", &["ip_family", "traffic_policy"], ""),
    ("kubeproxy_sync_proxy_rules_service_changes_pending", "gauge", NONE, ""),
    ("kubeproxy_sync_proxy_rules_service_changes_total", "counter", NONE, ""),
    ("kubernetes_build_info", "gauge", BUILD, ""),
    ("kubernetes_feature_enabled", "gauge", &["name", "stage"], ""),
    ("process_cpu_seconds_total", "counter", NONE, ""),
    ("process_max_fds", "gauge", NONE, ""),
    ("process_network_receive_bytes_total", "counter", NONE, ""),
    ("process_network_transmit_bytes_total", "counter", NONE, ""),
    ("process_open_fds", "gauge", NONE, ""),
    ("process_resident_memory_bytes", "gauge", NONE, ""),
    ("process_start_time_seconds", "gauge", NONE, ""),
    ("process_virtual_memory_bytes", "gauge", NONE, ""),
    ("process_virtual_memory_max_bytes", "gauge", NONE, ""),
    ("rest_client_rate_limiter_duration_seconds", "histogram", REQUEST, SECONDS),
    ("rest_client_request_duration_seconds", "histogram", REQUEST, SECONDS),
    ("rest_client_request_size_bytes", "histogram", REQUEST, BYTES),
    ("rest_client_requests_total", "counter", &["code", "host", "method"], ""),
    ("rest_client_response_size_bytes", "histogram", REQUEST, BYTES),
];

#[test]
fn every_family_is_as_specified() {
    let (registry, metrics) = started();
    record_everything(&metrics);
    let found: Vec<_> = registry.gather().iter().map(described).collect();
    let expected: Vec<_> = TABLE_OF_ALL
        .iter()
        .map(|(name, kind, labels, buckets)| {
            let labels: BTreeSet<_> = labels.iter().map(|label| (*label).to_owned()).collect();
            ((*name).to_owned(), *kind, labels, (*buckets).to_owned())
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn help_begins_with_the_stability() {
    let (registry, metrics) = started();
    record_everything(&metrics);
    for family in registry.gather() {
        let (name, help) = (family.name(), family.help());
        let stability = match name.split('_').next() {
            Some("kubeproxy" | "rest") => "[ALPHA] ",
            Some("kubernetes") => "[BETA] ",
            _ => "",
        };
        let text = help.strip_prefix(stability).unwrap_or_else(|| panic!("{name}: {help}"));
        assert!(text.len() > 10 && !text.starts_with('['), "{name}: {help}");
    }
}

#[test]
fn at_first_only_metrics_without_labels_and_constant_ones_show() {
    let (registry, _metrics) = started();
    let found: BTreeSet<_> = registry.gather().iter().map(|family| family.name().to_owned()).collect();
    let constant = ["kubeproxy_build_info", "kubernetes_build_info", "kubernetes_feature_enabled"];
    let expected: BTreeSet<_> = TABLE_OF_ALL
        .iter()
        .filter(|(name, _, labels, _)| labels.is_empty() || constant.contains(name))
        .map(|(name, ..)| (*name).to_owned())
        .collect();
    assert_eq!(found, expected);
}

fn described(family: &MetricFamily) -> (String, &'static str, BTreeSet<String>, String) {
    let metric = &family.get_metric()[0];
    let labels = metric.get_label().iter().map(|label| label.name().to_owned()).collect();
    let (kind, buckets) = match family.get_field_type() {
        MetricType::COUNTER => ("counter", String::new()),
        MetricType::GAUGE => ("gauge", String::new()),
        MetricType::HISTOGRAM => {
            let bounds =
                metric.get_histogram().get_bucket().iter().map(|bucket| bucket.upper_bound().to_string());
            ("histogram", bounds.chain(["+Inf".to_owned()]).collect::<Vec<_>>().join(" "))
        }
        MetricType::SUMMARY | MetricType::UNTYPED => panic!("{}", family.name()),
    };
    (family.name().to_owned(), kind, labels, buckets)
}
