//! Numbers, durations and periods.

use super::*;

#[test]
fn masquerade_bit() {
    assert_eq!(checked(|c| c.iptables.masquerade_bit = 0).masquerade_mark, 1);
    assert_eq!(checked(|c| c.iptables.masquerade_bit = 31).masquerade_mark, 0x8000_0000);
    assert!(wrong(|c| c.iptables.masquerade_bit = -1).contains("MasqueradeBit: Invalid value: -1:"));
    assert_eq!(wrong(|c| c.nftables_masquerade_bit = 99), "");
}

#[test]
fn numbers_and_durations() {
    let conntrack = "KubeProxyConfiguration.KubeProxyLinuxConfiguration.KubeProxyConntrackConfiguration";
    let negative = Duration::from_millis(-1500);
    for (found, path) in [
        (wrong(|c| c.conntrack.tcp_established_timeout = negative), "TCPEstablishedTimeout"),
        (wrong(|c| c.conntrack.tcp_close_wait_timeout = negative), "TCPCloseWaitTimeout"),
        (wrong(|c| c.conntrack.udp_timeout = negative), "UDPTimeout"),
        (wrong(|c| c.conntrack.udp_stream_timeout = negative), "UDPStreamTimeout"),
    ] {
        let reason = "must be greater than or equal to 0";
        assert_eq!(found, format!("{conntrack}.{path}: Invalid value: \"-1.5s\": {reason}"));
    }
    let found = wrong(|c| c.conntrack.max_per_core = -1);
    assert!(found.starts_with(&format!("{conntrack}.MaxPerCore: Invalid value: -1: ")), "{found}");
    assert!(wrong(|c| c.oom_score_adj = -1001).contains(".OOMScoreAdj: Invalid value: -1001: "));
    assert_eq!(wrong(|c| c.oom_score_adj = -1000), "");
    let found = wrong(|c| c.client_connection.burst = -1);
    assert!(
        found.starts_with("KubeProxyConfiguration.ClientConnection.Burst: Invalid value: -1: "),
        "{found}"
    );
    let found = wrong(|c| c.config_sync_period = Duration::ZERO);
    assert_eq!(
        found,
        "KubeProxyConfiguration.ConfigSyncPeriod: Invalid value: \"0s\": must be greater than 0"
    );
}

#[test]
fn periods() {
    let secs = Duration::from_secs;
    assert_eq!(wrong(|c| c.min_sync_period = Duration::ZERO), "");
    assert_eq!(wrong(|c| c.min_sync_period = c.sync_period), "");
    assert_eq!(
        wrong(|c| c.min_sync_period = secs(-1)),
        "KubeProxyConfiguration.MinSyncPeriod: Invalid value: \"-1s\": must be greater than or equal to 0"
    );
    assert_eq!(
        wrong(|c| c.min_sync_period = secs(60)),
        "KubeProxyConfiguration.SyncPeriod: Invalid value: \"1m0s\": \
         must not be greater than the sync period of 30s"
    );
    assert_eq!(
        wrong(|c| c.sync_period = secs(0)),
        "[KubeProxyConfiguration.SyncPeriod: Invalid value: \"0s\": must be greater than 0, \
         KubeProxyConfiguration.SyncPeriod: Invalid value: \"1s\": \
         must not be greater than the sync period of 0s]"
    );
}
