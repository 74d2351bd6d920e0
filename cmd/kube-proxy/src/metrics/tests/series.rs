//! Which series there are, and from when.

use std::collections::BTreeSet;

use ::conntrack::generation::Cause;
use prometheus::proto::{Metric, MetricFamily};

use super::*;

#[test]
fn a_family_that_starts_can_be_listed_by_its_histogram() {
    let (registry, metrics) = started();
    metrics.of_family(Family::V6, time(0)).started(time(100));
    check(
        &registry,
        &[
            r#"kubeproxy_network_programming_duration_seconds_count{ip_family="IPv6"} 0"#,
            r#"kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv6"} 100"#,
        ],
    );
}

/// An alert on an increase does not see a first step that comes with the series.
#[test]
fn counters_are_there_before_they_count() {
    let (registry, metrics) = started();
    let mut family = metrics.of_family(Family::V4, time(0));
    family.started(time(1));
    metrics.conntrack.looks_after(::conntrack::flow::Family::V4);
    metrics.health.serves();
    let before = counters(&registry);
    assert!(
        before.contains(r#"kubeproxy_drift_looks_total{found="rules missing",ip_family="IPv4"}"#),
        "{before:#?}"
    );

    let taken = Loss { rules: 1, ..Loss::default() };
    for loss in [Some(Loss::default()), Some(taken)] {
        family.sync_succeeded(
            &Report { loss, ..report(Kind::Full) },
            Duration::ZERO,
            Phases::default(),
            time(1),
        );
    }
    for kind in [Kind::Full, Kind::Partial] {
        family.sync_failed(kind, Duration::ZERO, Phases::default());
    }
    family.waited_for_lock(Duration::from_secs(1));
    for occasion in [Occasion::Hourly, Occasion::Settle].into_iter().chain(causes().map(Occasion::Commit)) {
        for end in ends() {
            metrics.conntrack.passed(&::conntrack::report::Report { occasion, ..conntrack_report(end) });
        }
    }
    for code in [200, 503] {
        metrics.health.answered_healthz(code);
        metrics.health.answered_livez(code);
    }
    assert_eq!(counters(&registry), before);
}

#[test]
fn nothing_is_registered_twice() {
    let (registry, _metrics) = started();
    assert!(Metrics::new(&registry, &Build::default(), &Gates::default()).is_err());
}

/// Every series of a counter, by its name and its labels.
fn counters(registry: &Registry) -> BTreeSet<String> {
    let families = registry.gather();
    let counters = families.iter().filter(|family| family.get_field_type() == MetricType::COUNTER);
    let labels = |metric: &Metric| -> Vec<_> {
        metric.get_label().iter().map(|label| format!("{}={:?}", label.name(), label.value())).collect()
    };
    let series = |family: &MetricFamily| -> Vec<_> {
        let name = family.name();
        family.get_metric().iter().map(|metric| format!("{name}{{{}}}", labels(metric).join(","))).collect()
    };
    counters.flat_map(series).collect()
}

fn causes() -> [Cause; 4] {
    [Cause::Incremental, Cause::AfterFailure, Cause::AfterFlush, Cause::FirstSync]
}
