//! Turns the registry into docs/reference/metrics.md, and fails if that page says something else.
//!
//! `UPDATE_EXPECT=1 cargo test -p kube-proxy reference` writes the page anew.

use std::collections::BTreeMap;
use std::fmt::Write;

use expect_test::expect_file;
use prometheus::proto::{MetricFamily, MetricType};

use super::{record_everything, started};
use crate::metrics::Slis;

const HEAD: &str = "\
# Metrics

Every metric on `/metrics` and `/metrics/slis`, generated from the code. Names, types, labels and buckets of the metrics that upstream's
kube-proxy has as well are upstream's; dashboards and alerts for it work unchanged.
";

const SLIS: &str = "
## On /metrics/slis

`DELETE /metrics/slis` sets them back. The check is `ping`, of `/healthz` on the metrics server; there is no other one.

| metric | type | labels | meaning |
|---|---|---|---|
";

const TAIL: &str = "
## What upstream shows and this kube-proxy does not

| metrics | why |
|---|---|
| `go_*`, except `go_goroutines` (the number of threads) | there is no Go runtime |
| `kubeproxy_sync_proxy_rules_nftables_*` | mode nftables only |
| `apiserver_*`, `aggregator_*` | linked into upstream's binary by accident; always zero |
| `workqueue_*`, `leader_election_*`, `informer_*` | registered by upstream, never with a value |
| `registered_metrics_total`, `hidden_metrics_total`, `disabled_metrics_total`, `cardinality_enforcement_*` | about upstream's own metrics library |
| `rest_client_request_retries_total` | no request is repeated by itself: a list or watch that fails begins anew, and is counted in `rest_client_requests_total` |
| `rest_client_exec_plugin_*`, `rest_client_transport_*` | internals of upstream's client library |
";

/// Prefixes of names that only this kube-proxy has.
const OURS: &[&str] = &[
    "kubeproxy_conntrack_entries_seen",
    "kubeproxy_conntrack_failures",
    "kubeproxy_conntrack_passes",
    "kubeproxy_conntrack_pending",
    "kubeproxy_drift",
    "kubeproxy_iptables_backend",
    "kubeproxy_iptables_lock",
    "kubeproxy_iptables_restore_blocks",
    "kubeproxy_objects",
    "kubeproxy_quarantined",
    "kubeproxy_sync_phase",
];

#[test]
fn the_page_has_every_metric() {
    let (registry, metrics) = started();
    record_everything(&metrics);
    let mut sections: BTreeMap<&str, String> = BTreeMap::new();
    for family in registry.gather() {
        let rows = sections.entry(section(family.name())).or_default();
        writeln!(rows, "{}", row(&family)).expect("memory takes all");
    }
    let mut page = HEAD.to_owned();
    for (title, rows) in sections {
        write!(
            page,
            "\n## {}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n{rows}",
            &title[2..]
        )
        .expect("memory takes all");
    }
    page.push_str(&slis());
    page.push_str(TAIL);
    expect_file!["../../../../../docs/reference/metrics.md"].assert_eq(&page);
}

/// The section of the other page.
fn slis() -> String {
    let checks = Slis::new().expect("no names clash");
    checks.checked();
    let rows = checks.gather().iter().map(|family| row(family) + "\n").collect::<String>();
    format!("{SLIS}{rows}")
}

/// The first letter gives the order.
fn section(name: &str) -> &'static str {
    match name.split('_').next() {
        Some("kubeproxy") if name == "kubeproxy_build_info" => "d The process and the build",
        Some("kubeproxy") if OURS.iter().any(|ours| name.starts_with(ours)) => "b Rules: only here",
        Some("kubeproxy") => "a Rules",
        Some("rest") => "c Requests to the API server",
        _ => "d The process and the build",
    }
}

fn row(family: &MetricFamily) -> String {
    let kind = match family.get_field_type() {
        MetricType::COUNTER => "counter",
        MetricType::GAUGE => "gauge",
        MetricType::HISTOGRAM => "histogram",
        MetricType::SUMMARY | MetricType::UNTYPED => panic!("{}", family.name()),
    };
    let labels: Vec<_> =
        family.get_metric()[0].get_label().iter().map(|label| format!("`{}`", label.name())).collect();
    let help = family.help().split_once("] ").map_or(family.help(), |(_, text)| text);
    format!("| `{}` | {kind} | {} | {} |", family.name(), labels.join(", "), help.replace('|', "\\|"))
}
