//! What is told beside syncs: conntrack, packets, requests, the build and the process.

use std::collections::BTreeMap;

use super::*;

#[test]
fn a_packet_counter_that_cannot_be_read_is_left_out() {
    let registry = Registry::new();
    let read = |name: &str| match name {
        "ct_state_invalid_dropped_pkts" => Ok(12),
        _ => Err(std::io::Error::other("gone")),
    };
    register_packet_counters(&registry, read).unwrap();
    let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    assert!(text.contains("kubeproxy_iptables_ct_state_invalid_dropped_packets_total 12\n"), "{text}");
    assert!(!text.contains("localhost"), "{text}");
}

#[test]
fn passes_over_conntrack_are_counted_by_end() {
    let (registry, metrics) = started();
    metrics.conntrack.pending(::conntrack::flow::Family::V4, 2);
    for end in ends() {
        metrics.conntrack.passed(&conntrack_report(end));
    }
    check(
        &registry,
        &[
            r#"kubeproxy_conntrack_reconciler_sync_duration_seconds_count{ip_family="IPv4"} 2"#,
            r#"kubeproxy_conntrack_reconciler_sync_duration_seconds_sum{ip_family="IPv4"} 0.5"#,
            r#"kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="IPv4"} 14"#,
            r#"kubeproxy_conntrack_entries_seen_total{ip_family="IPv4"} 35"#,
            r#"kubeproxy_conntrack_passes_total{cause="hourly",ip_family="IPv4"} 7"#,
            r#"kubeproxy_conntrack_failures_total{ip_family="IPv4",reason="table changed"} 1"#,
            r#"kubeproxy_conntrack_failures_total{ip_family="IPv4",reason="delete failed"} 1"#,
            r#"kubeproxy_conntrack_failures_total{ip_family="IPv4",reason="unavailable"} 1"#,
            r#"kubeproxy_conntrack_failures_total{ip_family="IPv4",reason="filter refused"} 1"#,
            r#"kubeproxy_conntrack_failures_total{ip_family="IPv4",reason="kernel"} 1"#,
            r#"kubeproxy_conntrack_pending_front_ends{ip_family="IPv4"} 2"#,
        ],
    );
}

#[test]
fn watches_are_counted_but_not_measured() {
    let (registry, metrics) = started();
    metrics.rest.requested(&exchange("GET", true, Some(200)));
    metrics.rest.requested(&exchange("GET", false, Some(200)));
    metrics.rest.requested(&exchange("POST", false, None));
    let (requests, durations) = ("rest_client_requests_total", "rest_client_request_duration_seconds");
    let host = r#"host="api.example:6443""#;
    check(
        &registry,
        &[
            &format!(r#"{requests}{{code="200",{host},method="GET"}} 2"#),
            &format!(r#"{requests}{{code="<error>",{host},method="POST"}} 1"#),
            &format!(r#"{durations}_count{{{host},verb="GET"}} 1"#),
            &format!(r#"{durations}_bucket{{{host},verb="GET",le="0.025"}} 1"#),
            &format!(r#"{durations}_bucket{{{host},verb="GET",le="0.005"}} 0"#),
            &format!(r#"rest_client_rate_limiter_duration_seconds_sum{{{host},verb="GET"}} 0.25"#),
            &format!(r#"rest_client_request_size_bytes_sum{{{host},verb="POST"}} 300"#),
            &format!(r#"rest_client_response_size_bytes_sum{{{host},verb="GET"}} 5000"#),
        ],
    );
}

#[test]
fn the_build_is_told_in_kubernetes_words() {
    let (registry, _metrics) = started();
    let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    let info = text.lines().find(|line| line.starts_with("kubernetes_build_info{")).unwrap();
    for part in [r#"git_version="v1.36.2""#, r#"major="1""#, r#"minor="36""#, r#"compiler="rustc""#] {
        assert!(info.contains(part), "{info}");
    }
    check(
        &registry,
        &[
            r#"kubeproxy_build_info{git_commit="",version="0.1.0"} 1"#,
            r#"kubernetes_feature_enabled{name="AllowServiceExternalIPs",stage=""} 1"#,
            r#"kubernetes_feature_enabled{name="ComponentFlagz",stage="BETA"} 0"#,
            r#"kubernetes_feature_enabled{name="LoggingAlphaOptions",stage="ALPHA"} 0"#,
        ],
    );
}

#[test]
fn the_process_tells_plausible_numbers() {
    let (registry, _metrics) = started();
    let values: BTreeMap<_, _> = registry
        .gather()
        .iter()
        .filter(|family| family.name().starts_with("process_"))
        .map(|family| {
            let metric = &family.get_metric()[0];
            let is_counter = family.get_field_type() == MetricType::COUNTER;
            let value =
                if is_counter { metric.get_counter().get_value() } else { metric.get_gauge().get_value() };
            (family.name().trim_start_matches("process_").to_owned(), value)
        })
        .collect();
    let (resident, virtual_memory) = (values["resident_memory_bytes"], values["virtual_memory_bytes"]);
    assert!(resident > 1e5 && resident < virtual_memory, "{values:?}");
    assert!(values["open_fds"] >= 3.0 && values["open_fds"] <= values["max_fds"], "{values:?}");
    let age = time_now() - values["start_time_seconds"];
    assert!((-2.0..36_000.0).contains(&age), "{age}");
}

fn time_now() -> f64 {
    Timestamp::now().as_duration().as_secs_f64()
}
