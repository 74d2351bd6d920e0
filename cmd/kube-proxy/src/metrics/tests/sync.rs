//! What is counted and measured of syncs.

use proxier::chain::{ChainName, Table};

use super::*;

#[test]
fn syncs_are_counted_by_kind_and_outcome() {
    let (registry, metrics) = started();
    let mut v4 = metrics.of_family(Family::V4, time(0));
    v4.sync_begins();
    let failing = |failures| Phases { failures, ..Phases::default() };
    v4.sync_succeeded(&report(Kind::Full), Duration::from_millis(3), failing(2), time(50));
    v4.sync_begins();
    v4.sync_failed(Kind::Partial, Duration::from_millis(5), failing(1));
    v4.sync_begins();
    v4.sync_failed(Kind::Full, Duration::from_millis(5), Phases::default());
    check(
        &registry,
        &[
            r#"kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"} 3"#,
            r#"kubeproxy_sync_full_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.004"} 1"#,
            r#"kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv4"} 2"#,
            r#"kubeproxy_sync_partial_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1"#,
            r#"kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"} 50"#,
            r#"kubeproxy_sync_proxy_rules_iptables_total{ip_family="IPv4",table="filter"} 7"#,
            r#"kubeproxy_sync_proxy_rules_iptables_total{ip_family="IPv4",table="nat"} 40"#,
            r#"kubeproxy_sync_proxy_rules_iptables_last{ip_family="IPv4",table="filter"} 1"#,
            r#"kubeproxy_sync_proxy_rules_iptables_last{ip_family="IPv4",table="nat"} 2"#,
            r#"kubeproxy_quarantined_service_ports{ip_family="IPv4"} 2"#,
            r#"kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="internal"} 3"#,
            r#"kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family="IPv4",traffic_policy="external"} 4"#,
            r#"kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family="IPv4"} 3"#,
            r#"kubeproxy_sync_proxy_rules_iptables_partial_restore_failures_total{ip_family="IPv4"} 1"#,
        ],
    );
}

#[test]
fn phases_add_up_to_the_sync_and_blocks_are_counted() {
    let (registry, metrics) = started();
    let mut v4 = metrics.of_family(Family::V4, time(0));
    let second = Duration::from_secs(1);
    let phases =
        Phases { look: second, jumps: Duration::ZERO, restore: 4 * second, restores: 1, failures: 0 };
    let written = Counts { commits: 3, ..Counts::default() };
    v4.sync_succeeded(&Report { written, ..report(Kind::Full) }, 7 * second, phases, time(50));
    v4.sync_failed(Kind::Full, 5 * second, phases);
    let spent =
        |phase| format!(r#"kubeproxy_sync_phase_duration_seconds_sum{{ip_family="IPv4",phase="{phase}"}}"#);
    check(
        &registry,
        &[
            &format!("{} 2", spent("look")),
            &format!("{} 0", spent("jumps")),
            &format!("{} 2", spent("plan")),
            &format!("{} 8", spent("restore")),
            r#"kubeproxy_iptables_restore_blocks_total{ip_family="IPv4"} 3"#,
        ],
    );
}

#[test]
fn the_wait_for_the_lock_only_grows() {
    let (registry, metrics) = started();
    let v4 = metrics.of_family(Family::V4, time(0));
    for millis in [250, 1500, 1500] {
        v4.waited_for_lock(Duration::from_millis(millis));
    }
    check(&registry, &[r#"kubeproxy_iptables_lock_wait_seconds_total{ip_family="IPv4"} 1.5"#]);
}

#[test]
fn what_others_took_away_is_counted_where_somebody_looked_for_it() {
    let (registry, metrics) = started();
    let mut v4 = metrics.of_family(Family::V4, time(0));
    let chain = (Table::Nat, ChainName::parse("KUBE-SERVICES"));
    let taken = Loss { chains: vec![chain], rules: 7, ..Loss::default() };
    for loss in [None, Some(Loss::default()), Some(taken.clone()), Some(taken)] {
        let report = Report { loss, ..report(Kind::Full) };
        v4.sync_succeeded(&report, Duration::ZERO, Phases::default(), time(50));
    }
    check(
        &registry,
        &[
            r#"kubeproxy_drift_looks_total{found="nothing missing",ip_family="IPv4"} 1"#,
            r#"kubeproxy_drift_looks_total{found="rules missing",ip_family="IPv4"} 2"#,
            r#"kubeproxy_drift_mended_total{ip_family="IPv4",what="jumps"} 0"#,
            r#"kubeproxy_drift_mended_total{ip_family="IPv4",what="chains"} 2"#,
            r#"kubeproxy_drift_mended_total{ip_family="IPv4",what="rules"} 14"#,
        ],
    );
}
