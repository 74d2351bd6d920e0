//! What a file says becomes a configuration; one file for each kind of question.

mod field;
mod refusal;
mod written;

use super::*;
use crate::config::{DetectLocalMode, FlushFrequency, ProxyMode};
use crate::duration::Duration;

const HEAD: &str = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

/// What kubeadm writes for a default cluster: every field, the unset ones as zero values or nulls.
pub(crate) const KUBEADM: &str = r#"
apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: 10.244.0.0/16
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  localhostNodePorts: null
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
    text:
      infoBufferSize: "0"
  verbosity: 0
metricsBindAddress: ""
mode: ""
nftables:
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
nodePortAddresses: null
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel:
  enableDSR: false
  forwardHealthCheckVip: false
  networkName: ""
  rootHnsEndpointName: ""
  sourceVip: ""
"#;

fn read(fields: &str) -> Config {
    let decoded = decode(&format!("{HEAD}{fields}")).unwrap_or_else(|error| panic!("{fields}: {error}"));
    assert_eq!(decoded.strict, [""; 0], "{fields}");
    decoded.config
}

fn error(fields: &str) -> String {
    match decode(&format!("{HEAD}{fields}")) {
        Ok(decoded) => panic!("{fields}: {decoded:?}"),
        Err(error) => error.to_string(),
    }
}

/// A field that is set differs from the default in this way and in no other.
#[track_caller]
fn sets(fields: &str, change: impl FnOnce(&mut Config)) {
    let mut expected = Config::default();
    change(&mut expected);
    assert_ne!(expected, Config::default(), "{fields}: the test must set something else than the default");
    assert_eq!(read(fields), expected, "{fields}");
}

#[track_caller]
fn is_default(fields: &str) {
    assert_eq!(read(fields), Config::default(), "{fields}");
}
