//! What is wrong with a configuration, and every problem at once.

mod address;
mod logging;
mod number;

use super::*;
use crate::duration::Duration;
use crate::gate::Gate;

/// Everything that is wrong with the default after a change.
fn wrong(change: impl FnOnce(&mut Config)) -> String {
    let mut config = Config::default();
    change(&mut config);
    match config.check() {
        Ok(_) => String::new(),
        Err(problems) => problems.to_string(),
    }
}

fn checked(change: impl FnOnce(&mut Config)) -> Checked {
    let mut config = Config::default();
    change(&mut config);
    config.check().unwrap()
}

fn wrong_logging(gates: &[(&str, bool)], change: impl FnOnce(&mut Config)) -> String {
    let set = gates.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let mut config = Config::default();
    change(&mut config);
    match config.check_logging(&Gates::new(&set).unwrap().0) {
        Ok(()) => String::new(),
        Err(problems) => problems.to_string(),
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn the_default_is_fine() {
    let checked = checked(|_| {});
    assert_eq!(checked.bind_address.to_string(), "0.0.0.0");
    assert_eq!(checked.healthz_bind_address.unwrap().to_string(), "0.0.0.0:10256");
    assert_eq!(checked.metrics_bind_address.unwrap().to_string(), "127.0.0.1:10249");
    assert_eq!(checked.node_port_addresses, NodePortAddresses::All);
    assert_eq!(checked.detect_local, DetectLocal::ClusterCidr(vec![]));
    assert_eq!(checked.masquerade_mark, 0x4000);
    assert_eq!(wrong_logging(&[], |_| {}), "");
}

#[test]
fn all_problems_are_collected() {
    assert_eq!(
        wrong(|c| {
            c.iptables.masquerade_bit = 32;
            c.conntrack.min = -1;
            c.oom_score_adj = 1001;
        }),
        "[KubeProxyConfiguration.KubeProxyIPTablesConfiguration.MasqueradeBit: Invalid value: 32: \
         must be within the range [0, 31], \
         KubeProxyConfiguration.KubeProxyLinuxConfiguration.KubeProxyConntrackConfiguration.Min: \
         Invalid value: -1: must be greater than or equal to 0, \
         KubeProxyConfiguration.KubeProxyLinuxConfiguration.OOMScoreAdj: Invalid value: 1001: \
         must be within the range [-1000, 1000]]"
    );
}

#[test]
fn only_the_iptables_mode() {
    for mode in ["ipvs", "nftables"] {
        assert_eq!(
            wrong(|c| c.mode = mode.into()),
            format!(
                "KubeProxyConfiguration.Mode.ProxyMode: Invalid value: \"{mode}\": \
                 this kube-proxy implements only the mode iptables"
            )
        );
    }
    for mode in ["kernelspace", "IPTables", "userspace"] {
        assert_eq!(
            wrong(|c| c.mode = mode.into()),
            format!(
                "KubeProxyConfiguration.Mode.ProxyMode: Invalid value: \"{mode}\": \
                 there is no such mode: this kube-proxy implements only the mode iptables"
            )
        );
    }
}

#[test]
fn hidden_metrics() {
    assert_eq!(wrong(|c| c.show_hidden_metrics_for_version = "1.35".into()), "");
    assert_eq!(
        wrong(|c| c.show_hidden_metrics_for_version = "1.34".into()),
        "KubeProxyConfiguration.ShowHiddenMetricsForVersion: Invalid value: \"1.34\": \
         must be empty or the previous minor version, 1.35"
    );
}

#[test]
fn feature_gates() {
    assert_eq!(
        wrong(|c| c.feature_gates = [("NFTablesProxyMode".to_owned(), false)].into()),
        "KubeProxyConfiguration.featureGates: Invalid value: {\"NFTablesProxyMode\":false}: \
         cannot set feature gate NFTablesProxyMode to false, feature is locked to true"
    );
    let checked = checked(|c| c.feature_gates = [("AllowServiceExternalIPs".to_owned(), false)].into());
    assert!(!checked.gates.is_enabled(Gate::AllowServiceExternalIPs));
}
