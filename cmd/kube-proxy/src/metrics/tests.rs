//! What recording does to values, read as a scraper reads them.

mod observability;
mod reference;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ::conntrack::flow::{Flow, Protocol, Status, Tuple, Zone};
use ::conntrack::generation::Cause;
use ::conntrack::kernel::{Error, Outcome};
use ::conntrack::report::{End, Findings, Occasion, Stale};
use ::conntrack::stale::{Delete, Keep, Verdict};
use config::Gates;
use informer::api::Exchange;
use informer::change::Change;
use informer::object::{AddressType, EndpointSlice, NamespacedName};
use jiff::Timestamp;
use prometheus::proto::{Metric, MetricFamily, MetricType};
use prometheus::{Registry, TextEncoder};
use proxier::chain::{ChainName, Table};
use proxier::family::Family;
use proxier::loss::Loss;
use proxier::plan::Counts;
use proxier::proxier::{Kind, Report};
use proxier::world::Dirty;

use super::*;
use crate::phase::Phases;

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

#[test]
fn trigger_times_become_delays_once_rules_are_written() {
    let (registry, metrics) = started();
    let mut v4 = metrics.of_family(Family::V4, time(1000));
    let (web, api) = (NamespacedName::new("demo", "web"), NamespacedName::new("demo", "api"));
    // Too old, unreadable, of the other family, without effect: none of them counts.
    v4.changed(&slice("1970-01-01T00:16:39Z", AddressType::Ipv4), Some(&web));
    v4.changed(&slice("yesterday", AddressType::Ipv4), Some(&web));
    v4.changed(&slice("1970-01-01T00:33:20Z", AddressType::Ipv6), None);
    v4.changed(&slice("1970-01-01T00:33:20Z", AddressType::Ipv4), None);
    // Dropped with the slice.
    v4.changed(&slice("1970-01-01T00:33:20Z", AddressType::Ipv4), Some(&api));
    v4.changed(&Change::DeleteEndpointSlice(NamespacedName::new("demo", "api-x")), Some(&api));
    // These two do.
    v4.changed(&slice("1970-01-01T00:33:20.5Z", AddressType::Ipv4), Some(&web));
    v4.changed(&slice("1970-01-01T00:33:10Z", AddressType::Ipv4), Some(&web));
    let pending = "kubeproxy_sync_proxy_rules_endpoint_changes_pending";
    check(&registry, &[&format!("{pending} 6"), "kubeproxy_sync_proxy_rules_endpoint_changes_total 7"]);

    v4.sync_begins();
    check(&registry, &[&format!("{pending} 0")]);
    v4.sync_succeeded(&report(Kind::Partial), Duration::ZERO, Phases::default(), time(2001));
    let delays = "kubeproxy_network_programming_duration_seconds";
    check(
        &registry,
        &[
            &format!(r#"{delays}_bucket{{ip_family="IPv4",le="0.5"}} 1"#),
            &format!(r#"{delays}_sum{{ip_family="IPv4"}} 11.5"#),
            &format!(r#"{delays}_count{{ip_family="IPv4"}} 2"#),
        ],
    );
}

#[test]
fn trigger_times_are_lost_with_a_failed_sync() {
    let (registry, metrics) = started();
    let mut v4 = metrics.of_family(Family::V4, time(0));
    let web = NamespacedName::new("demo", "web");
    v4.changed(&slice("1970-01-01T00:33:20Z", AddressType::Ipv4), Some(&web));
    v4.sync_begins();
    v4.sync_failed(Kind::Partial, Duration::ZERO, Phases::default());
    v4.sync_begins();
    v4.sync_succeeded(&report(Kind::Full), Duration::ZERO, Phases::default(), time(3000));
    check(&registry, &[r#"kubeproxy_network_programming_duration_seconds_count{ip_family="IPv4"} 0"#]);
}

#[test]
fn a_service_that_changes_twice_is_pending_once_and_both_families_count_it() {
    let (registry, metrics) = started();
    let web = NamespacedName::new("demo", "web");
    let gone = Change::DeleteService(web.clone());
    let (mut v4, mut v6) = (metrics.of_family(Family::V4, time(0)), metrics.of_family(Family::V6, time(0)));
    v4.changed(&gone, Some(&web));
    v6.changed(&gone, None);
    v4.changed(&gone, Some(&web));
    check(
        &registry,
        &[
            "kubeproxy_sync_proxy_rules_service_changes_total 3",
            "kubeproxy_sync_proxy_rules_service_changes_pending 1",
        ],
    );
    v4.sync_begins();
    check(&registry, &["kubeproxy_sync_proxy_rules_service_changes_pending 0"]);
}

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

#[test]
fn nothing_is_registered_twice() {
    let (registry, _metrics) = started();
    assert!(Metrics::new(&registry, &Build::default(), &Gates::default()).is_err());
}

// === helpers of the tests ===

fn started() -> (Registry, Metrics) {
    let registry = Registry::new();
    let build = Build { release: "v1.36.2".into(), version: "0.1.0".into(), ..Build::default() };
    let gates = Gates::new(&[("ComponentFlagz".to_owned(), false)].into()).unwrap().0;
    let metrics = Metrics::new(&registry, &build, &gates).unwrap();
    register_packet_counters(&registry, |_| Ok(1)).unwrap();
    (registry, metrics)
}

fn record_everything(metrics: &Metrics) {
    let mut family = metrics.of_family(Family::V4, time(0));
    family.uses_backend("nf_tables");
    family.started(time(1));
    let loss = Some(Loss::default());
    let report = Report { loss, ..report(Kind::Full) };
    family.sync_succeeded(&report, Duration::ZERO, Phases::default(), time(1));
    family.sync_failed(Kind::Partial, Duration::ZERO, Phases::default());
    family.waited_for_lock(Duration::ZERO);
    metrics.conntrack.passed(&conntrack_report(End::Busy));
    metrics.conntrack.pending(::conntrack::flow::Family::V4, 2);
    metrics.health.answered_healthz(200);
    metrics.health.answered_livez(503);
    metrics.rest.requested(&exchange("POST", false, Some(200)));
    metrics.flaws.show(["Service"]);
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

fn ends() -> impl Iterator<Item = End> {
    let failed = [
        Error::Unavailable { what: "count", errno: 1 },
        Error::FilterRefused { errno: 22 },
        Error::TryAgain { what: "dump", errno: 105 },
    ];
    let ends = [End::Complete, End::Stopped, End::Overtaken, End::Doubtful, End::Busy];
    ends.into_iter().chain(failed.map(End::Failed))
}

/// Each line is one of the exposition.
fn check(registry: &Registry, lines: &[&str]) {
    let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "no {line} in\n{text}");
    }
}

fn report(kind: Kind) -> Report {
    Report {
        kind,
        changed: Dirty::nothing(),
        rendered: 0,
        service_ports: 0,
        written: Counts { filter_rules: 1, nat_rules: 2, ..Counts::default() },
        filter_rules: 7,
        nat_rules: 40,
        no_local_endpoints_internal: 3,
        no_local_endpoints_external: 4,
        loss: None,
        refused: Vec::new(),
        accepted: Vec::new(),
        quarantined: 2,
    }
}

/// One entry deleted and one gone, of five; one more was refused.
fn conntrack_report(end: End) -> ::conntrack::report::Report {
    let outcomes = [Outcome::Deleted, Outcome::Gone, Outcome::Refused(22)];
    let findings = Findings {
        end,
        duration: Duration::from_millis(250),
        verdicts: [(Verdict::Keep(Keep::Serving), 2), (Verdict::Delete(Delete::NotServing), 3)].into(),
        stale: outcomes.map(stale).into(),
        ..Findings::default()
    };
    ::conntrack::report::Report {
        family: ::conntrack::flow::Family::V4,
        occasion: Occasion::Hourly,
        findings,
        pending: 2,
        failure: None,
    }
}

fn stale(outcome: Outcome) -> Stale {
    let [client, address, backend] =
        ["10.0.0.1:40001", "10.96.0.10:53", "10.1.0.7:53"].map(|text| text.parse().unwrap());
    let tuple = |from, to| Tuple::new(Protocol::UDP, from, to).unwrap();
    let flow = Flow {
        orig: tuple(client, address),
        reply: tuple(backend, client),
        status: Status::default(),
        id: 1,
        zone: Zone::Default,
    };
    Stale { flow, reason: Delete::NotServing, outcome: Some(outcome) }
}

fn exchange(method: &str, is_watch: bool, code: Option<u16>) -> Exchange {
    Exchange {
        method: method.parse().unwrap(),
        host: "api.example:6443".to_owned(),
        is_watch,
        code,
        took: Duration::from_millis(10),
        waited: Duration::from_millis(250),
        sent: if method == "POST" { 300 } else { 0 },
        received: code.map(|_| 5000),
    }
}

fn slice(trigger: &str, address_type: AddressType) -> Change {
    Change::SetEndpointSlice(
        EndpointSlice {
            name: NamespacedName::new("demo", "web-x"),
            service: "web".into(),
            address_type,
            ports: Vec::new(),
            endpoints: Vec::new(),
            fingerprint: 0,
            last_change_trigger_time: Some(trigger.into()),
        }
        .into(),
    )
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn time_now() -> f64 {
    Timestamp::now().as_duration().as_secs_f64()
}
