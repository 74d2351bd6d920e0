//! Turns the metrics of a proxy at work, fed by an API server, into what `promtool check metrics` says of them.
//!
//! Does not know what they mean. What promtool may complain of is listed here; anything else fails.

use std::net::SocketAddr;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Tools};
use e2e::command::command;
use e2e::golden::node;
use e2e::manifests::Manifests;
use e2e::netns::{self, Netns};
use e2e::page::Page;
use e2e::proxy::Proxy;
use e2e::series::{self, Test};
use e2e::source::{Kind, Source};
use e2e::wait;

/// How long the proxy may take until all its metrics are there.
const PATIENCE: Duration = Duration::from_secs(60);

/// The names are upstream's, and dashboards ask for them.
const ACCEPTED: [&str; 2] = [
    r#"kubeproxy_sync_proxy_rules_iptables_total non-counter metrics should not have "_total" suffix"#,
    r#"kubeproxy_sync_proxy_rules_no_local_endpoints_total non-counter metrics should not have "_total" suffix"#,
];

const CONFIG: &str = "\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clusterCIDR: 10.244.0.0/16,fd00:10:244::/48
conntrack: {maxPerCore: 0}
";

/// A Service of a policy that only other nodes can keep.
const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata: {name: dns, namespace: demo}
spec:
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10]
  ipFamilies: [IPv4]
  internalTrafficPolicy: Local
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: dns-1, namespace: demo, labels: {kubernetes.io/service-name: dns}}
addressType: IPv4
ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
endpoints: [{addresses: [10.244.1.5], nodeName: elsewhere, conditions: {ready: true}}]
";

/// Metrics that show that each part of the proxy has had something to count.
const THERE: [&str; 9] = [
    "kubeproxy_sync_proxy_rules_iptables_total{",
    "kubeproxy_sync_proxy_rules_no_local_endpoints_total{",
    "kubeproxy_sync_phase_duration_seconds_count{",
    "kubeproxy_iptables_restore_blocks_total{",
    "kubeproxy_drift_looks_total{",
    "kubeproxy_conntrack_reconciler_sync_duration_seconds_count{",
    "kubeproxy_proxy_healthz_total{",
    "rest_client_request_duration_seconds_count{",
    "process_cpu_seconds_total ",
];

fn main() -> ExitCode {
    netns::sweep();
    let tests = vec![Test::new("the metrics of a proxy at work", check)];
    let held = series::run(tests, "hold (promtool)", &mut std::io::stdout());
    series::exit_code("exposition", held)
}

fn check() -> Result<()> {
    let netns = node::namespace("metrics")?;
    let manifests = Manifests::new()?;
    manifests.put("node.yaml", &serde_yaml::to_string(&node::object()).context("write the Node")?)?;
    manifests.put("service.yaml", SERVICE)?;
    let source = Source::of(Kind::Api, manifests.path(), &netns)?;
    let mut proxy = Proxy::follow(&netns, &Tools::new(Backend::Nft)?, &source, CONFIG)?;
    let metrics = wait::until(PATIENCE, || complete(&netns))
        .with_context(|| format!("the end of kube-proxy's log:\n{}", proxy.log_tail()))?;
    proxy.stop()?;
    judge(&said(&metrics)?)
}

/// The metrics, once all are there.
fn complete(netns: &Netns) -> Result<String> {
    let page = |port: u16, path: &str| {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Page::get(netns, address, path).map(|page| page.body)
    };
    page(10256, "/healthz")?;
    page(10256, "/livez")?;
    let metrics = page(10249, "/metrics")?;
    for start in THERE {
        ensure!(metrics.lines().any(|line| line.starts_with(start)), "no {start} in\n{metrics}");
    }
    Ok(metrics)
}

/// What promtool says of the metrics. Its status tells no more: it is 3 for a complaint, 1 for text that is none.
fn said(metrics: &str) -> Result<String> {
    let file = tempfile::NamedTempFile::new().context("make a file for the metrics")?;
    std::fs::write(file.path(), metrics).context("write the metrics")?;
    let mut promtool = command("promtool");
    let input = file.reopen().context("read the metrics")?;
    let output = promtool.args(["check", "metrics"]).stdin(Stdio::from(input)).output();
    let output = output.context("run promtool (Debian's package prometheus)")?;
    ensure!(output.stdout.is_empty(), "promtool says {}", String::from_utf8_lossy(&output.stdout));
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Exactly what is accepted may be said.
fn judge(said: &str) -> Result<()> {
    let mut complaints: Vec<&str> = said.lines().collect();
    complaints.sort_unstable();
    ensure!(complaints == ACCEPTED, "promtool says {complaints:#?}, not {ACCEPTED:#?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_and_no_less_is_accepted() {
        let both = format!("{}\n{}\n", ACCEPTED[1], ACCEPTED[0]);
        assert!(judge(&both).is_ok());
        assert!(judge(ACCEPTED[0]).is_err());
        assert!(judge(&format!("{both}a_total no help text\n")).is_err());
        assert!(judge("error while linting: text format parsing error").is_err());
    }
}
