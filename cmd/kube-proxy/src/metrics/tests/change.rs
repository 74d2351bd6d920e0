//! From a change to written rules: what is pending, and how long it took.

use informer::change::Change;
use informer::object::{AddressType, EndpointSlice, NamespacedName};

use super::*;

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
