//! Turns the life of a node into what load balancers, probes and Prometheus are told, over IPv4 and IPv6.
//!
//! Does not know how a page is made.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::thread::sleep;

use anyhow::{Context, Result, ensure};
use e2e::apiserver::{Fault, Kind, Rule, Verb};
use e2e::backend::{Backend, Family};
use e2e::page::Page;
use e2e::wait;
use http::{HeaderName, Method};
use serde_json::Value;

use crate::object;
use crate::stage::{A_WHILE, CONFIG, METRICS, PATIENCE, SYNCED, Stage};

/// All addresses of the health server: a wildcard of either family is both.
const HEALTH: [&str; 4] = ["127.0.0.1:10256", "10.200.0.2:10256", "[::1]:10256", "[fd00:200::2]:10256"];

/// The health check of the Service, at an address of each family.
const NODE_PORT: [&str; 2] = ["10.200.0.2:31234", "[fd00:200::2]:31234"];

/// A Service with a health check that the load balancer asks at each node.
pub(crate) const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: lb, namespace: demo}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  healthCheckNodePort: 31234
  clusterIP: 10.96.0.20
  clusterIPs: [10.96.0.20, 'fd00:10:96::20']
  ipFamilies: [IPv4, IPv6]
  ports: [{name: http, port: 80, targetPort: 8080, protocol: TCP, nodePort: 30020}]
status: {loadBalancer: {ingress: [{ip: 192.168.60.20}]}}
";

const LEAVING: &str = "metadata: {name: node1, deletionTimestamp: '2026-11-23T00:00:00Z'}";

/// `/healthz` follows the Node, `/livez` does not.
pub(crate) fn health() -> Result<()> {
    let mut stage = started()?;
    let told = told_health(&stage);
    stage.explained(told)?;
    stage.stop()
}

fn told_health(stage: &Stage) -> Result<()> {
    let taint = |key: &str| {
        object::NODE.replace("spec: {", &format!("spec: {{taints: [{{key: {key}, effect: NoSchedule}}], "))
    };
    let leaving = object::NODE.replace("metadata: {name: node1}", LEAVING);
    for (why, node, eligible) in [
        ("a Node", object::NODE.to_owned(), true),
        ("the cluster autoscaler's taint", taint("ToBeDeletedByClusterAutoscaler"), false),
        ("another taint", taint("node.kubernetes.io/unreachable"), true),
        ("a deletion timestamp", leaving, false),
    ] {
        stage.set(&node)?;
        wait::until(PATIENCE, || told(stage, eligible)).with_context(|| format!("with {why}"))?;
    }
    stage.server.delete(Kind::Node, "", "node1");
    stage.says("\"Node is being deleted\"", 1)?;
    told(stage, false).context("a Node that was last seen leaving")?;
    stage.set(object::NODE)?;
    wait::until(PATIENCE, || told(stage, true)).context("with the Node made anew")?;
    for address in HEALTH {
        for path in ["/", "/healthz/", "/livez/", "/metrics", "/readyz"] {
            let page = stage.page(address, path)?;
            ensure!(page.code == 404 && page.body == "404 page not found\n", "{path}: {page:?}");
            has_headers(&page, "text/plain; charset=utf-8", &[])?;
        }
        for path in ["/healthz", "/livez"] {
            let page = Page::ask(&stage.node, Method::POST, address.parse()?, path)?;
            ensure!(page.code == 200, "POST {path}: {page:?}");
        }
    }
    Ok(())
}

/// The headers of every answer, some more, and no others.
fn has_headers(page: &Page, content_type: &str, more: &[&str]) -> Result<()> {
    ensure!(page.header("content-type") == content_type, "{page:?}");
    ensure!(page.header("x-content-type-options") == "nosniff", "{page:?}");
    ensure!(page.header("content-length") == page.body.len().to_string(), "{page:?}");
    let mut expected = vec!["content-length", "content-type", "date", "x-content-type-options"];
    expected.extend(more);
    let found: BTreeSet<_> =
        page.headers.keys().map(HeaderName::as_str).filter(|name| *name != "connection").collect();
    ensure!(found == expected.into_iter().collect(), "{page:?}");
    Ok(())
}

fn told(stage: &Stage, eligible: bool) -> Result<()> {
    for address in HEALTH {
        let (health, life) = (json(stage, address, "/healthz")?, json(stage, address, "/livez")?);
        let code = if eligible { 200 } else { 503 };
        ensure!(health.0 == code && life.0 == 200, "{address}: {} and {}", health.0, life.0);
        is_exact(&health, Some(eligible)).with_context(|| format!("{address}/healthz"))?;
        is_exact(&life, None).with_context(|| format!("{address}/livez"))?;
    }
    Ok(())
}

/// The body of a healthy proxy, byte for byte.
fn is_exact((code, page, body): &(u16, Value, String), eligible: Option<bool>) -> Result<()> {
    let of = |family: &str| &page["status"][family]["lastUpdated"];
    let (v4, v6, last, now) = (of("IPv4"), of("IPv6"), &page["lastUpdated"], &page["currentTime"]);
    let eligible = eligible.map_or(String::new(), |eligible| format!("\"nodeEligible\":{eligible},"));
    let expected = format!(
        "{{\"lastUpdated\":{last},\"currentTime\":{now},{eligible}\"healthy\":true,\"status\":{{\"IPv4\":{{\"lastUpdated\":{v4},\"healthy\":true}},\"IPv6\":{{\"lastUpdated\":{v6},\"healthy\":true}}}}}}"
    );
    ensure!(*body == expected, "{body}\nis not\n{expected}");
    ensure!([v4, v6, last, now].into_iter().all(is_time), "{body}");
    let is_last = if *code == 200 { last == now } else { last == v4 || last == v6 };
    ensure!(is_last, "lastUpdated: {body}");
    Ok(())
}

/// RFC 3339 with up to nine digits behind the second, none of them a zero at the end, and the offset.
fn is_time(value: &Value) -> bool {
    let Some((date, time)) = value.as_str().and_then(|text| text.split_once('T')) else { return false };
    let at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, offset) = time.split_at(at);
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "1"));
    date.len() == 10
        && whole.len() == 8
        && (1..=9).contains(&fraction.len())
        && !fraction.ends_with('0')
        && (offset == "Z" || offset.len() == 6)
}

fn json(stage: &Stage, address: &str, path: &str) -> Result<(u16, Value, String)> {
    let page = stage.page(address, path)?;
    has_headers(&page, "application/json", &[])?;
    let value = serde_json::from_str(&page.body).with_context(|| format!("JSON: {page:?}"))?;
    Ok((page.code, value, page.body))
}

/// Where Services may not be read, the servers tell so from the start, and no rule is written until they can be.
pub(crate) fn without_services() -> Result<()> {
    let mut stage = Stage::new(Backend::Nft)?;
    stage.set(object::NODE)?;
    stage.set(&object::service("web", 10, 11))?;
    for verb in [Verb::Stream, Verb::List, Verb::Watch] {
        let message =
            "services is forbidden: User \"system:serviceaccount:kube-system:kube-proxy\" cannot list";
        let fault = Fault::Refuse { code: 403, reason: "Forbidden", message, retry_after: None };
        stage.server.script(Rule { kind: Kind::Service, verb, times: u32::MAX, fault });
    }
    stage.start(CONFIG, &[])?;
    let told = told_without_services(&stage);
    stage.explained(told)?;
    stage.stop()
}

fn told_without_services(stage: &Stage) -> Result<()> {
    wait::until(PATIENCE, || told(stage, true))?;
    let refused = "rest_client_requests_total{code=\"403\",host=\"127.0.0.1:6443\",method=\"GET\"}";
    wait::until(PATIENCE, || {
        let metrics = stage.page(METRICS, "/metrics")?;
        ensure!(metrics.body.contains(refused), "{}", metrics.body);
        Ok(())
    })?;
    // The canary is there before any rule.
    for family in Family::ALL {
        stage.rules_hold(family, ":KUBE-PROXY-CANARY", true)?;
    }
    stage.says("cannot list", 1)?;
    sleep(A_WHILE);
    for family in Family::ALL {
        let rules = stage.tools.save(&stage.node, family)?;
        ensure!(!rules.contains(":KUBE-SERVICES"), "it wrote {family} rules without Services:\n{rules}");
    }
    ensure!(stage.lines(SYNCED)?.is_empty(), "it synced without Services");
    stage.server.clear_script();
    stage.commits(1)?;
    stage.rules_hold(Family::V4, "10.244.0.11:8080", true)
}

/// The count of endpoints on this node, in each family, as they come and go.
pub(crate) fn node_port() -> Result<()> {
    let mut stage = started()?;
    let told = told_node_port(&stage);
    stage.explained(told)?;
    stage.stop()
}

fn told_node_port(stage: &Stage) -> Result<()> {
    stage.set(SERVICE)?;
    for (pods, count) in [
        (&[][..], 0),
        (&[("node1", 11), ("node2", 12)], 1),
        (&[("node1", 11), ("node1", 13), ("node2", 12)], 2),
        (&[("node2", 12)], 0),
    ] {
        stage.set(&object::slices("lb", pods))?;
        wait::until(PATIENCE, || counts(stage, count)).with_context(|| format!("with {pods:?}"))?;
    }
    stage.set(&object::slices("lb", &[("node1", 11)]))?;
    stage.set(&object::NODE.replace("metadata: {name: node1}", LEAVING))?;
    wait::until(PATIENCE, || told(stage, false))?;
    wait::until(PATIENCE, || counts(stage, 1)).context("a Node that is leaving does not matter here")?;
    stage.server.delete(Kind::Service, "demo", "lb");
    wait::until(PATIENCE, || {
        for address in NODE_PORT {
            ensure!(stage.page(address, "/").is_err(), "{address} is still open");
        }
        Ok(())
    })
}

fn counts(stage: &Stage, count: usize) -> Result<()> {
    let code = if count > 0 { 200 } else { 503 };
    let body = format!(
        "{{\n\t\"service\": {{\n\t\t\"namespace\": \"demo\",\n\t\t\"name\": \"lb\"\n\t}},\n\t\"localEndpoints\": {count},\n\t\"serviceProxyHealthy\": true\n}}"
    );
    for address in NODE_PORT {
        let page = stage.page(address, "/anything")?;
        ensure!(page.code == code && page.body == body, "{address}: {page:?}");
        ensure!(page.header("x-load-balancing-endpoint-weight") == count.to_string(), "{page:?}");
        has_headers(&page, "application/json", &["x-load-balancing-endpoint-weight"])?;
    }
    Ok(())
}

/// The metrics server, at an IPv6 address too.
pub(crate) fn metrics() -> Result<()> {
    let mut stage = Stage::new(Backend::Nft)?;
    stage.set(object::NODE)?;
    stage.set(&object::service("web", 10, 11))?;
    stage
        .start(&format!("{CONFIG}\nmetricsBindAddress: '[::]:10249'\nnodePortAddresses: [primary]\n"), &[])?;
    let told = stage.commits(1).and_then(|()| {
        let told = |at: &&str| wait::until(PATIENCE, || told_metrics(&stage, at));
        [METRICS, "[::1]:10249", "[fd00:200::2]:10249"].iter().try_for_each(told)
    });
    stage.explained(told)?;
    stage.stop()
}

fn told_metrics(stage: &Stage, at: &str) -> Result<()> {
    let page = |path: &str| -> Result<Page> {
        let page = stage.page(at, path)?;
        ensure!(page.code == 200, "{path}: {page:?}");
        Ok(page)
    };
    let text = "text/plain; charset=utf-8";
    for (path, body) in [
        ("/healthz", "ok"),
        ("/healthz?verbose", "[+]ping ok\nhealthz check passed\n"),
        ("/healthz/ping", "ok"),
        ("/proxyMode", "iptables"),
    ] {
        let page = page(path)?;
        ensure!(page.body == body, "{path}: {page:?}");
        has_headers(&page, text, &[])?;
    }
    let configz = page("/configz")?;
    has_headers(&configz, "application/json", &[])?;
    let begin = "{\"kubeproxy.config.k8s.io\":{\"kind\":\"KubeProxyConfiguration\",\"apiVersion\":\"kubeproxy.config.k8s.io/v1alpha1\",";
    ensure!(configz.body.starts_with(begin), "{configz:?}");
    ensure!(configz.body.contains("\"nodePortAddresses\":[\"primary\"]"), "{configz:?}");
    let metrics = page("/metrics")?;
    let exposition = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    ensure!(metrics.header("content-type") == exposition, "{:?}", metrics.headers);
    for line in [
        "kubeproxy_sync_proxy_rules_iptables_total{ip_family=\"IPv4\",table=\"nat\"}",
        "kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family=\"IPv6\"} ",
        "kubeproxy_sync_proxy_rules_iptables_last{ip_family=\"IPv6\",table=\"filter\"}",
        "rest_client_requests_total{code=\"200\",host=\"127.0.0.1:6443\",method=\"GET\"}",
        "kubernetes_build_info{",
    ] {
        ensure!(metrics.body.lines().any(|found| found.starts_with(line)), "{line} in\n{}", metrics.body);
    }
    for path in ["/", "/livez", "/readyz", "/debug/pprof/"] {
        let page = stage.page(at, path)?;
        ensure!(page.code == 404 && page.body == "404 page not found\n", "{path}: {page:?}");
        has_headers(&page, text, &[])?;
    }
    Ok(())
}

fn started() -> Result<Stage> {
    let mut stage = Stage::new(Backend::Nft)?;
    stage.set(object::NODE)?;
    stage.set(&object::service("web", 10, 11))?;
    stage.start(CONFIG, &[])?;
    stage.explained(stage.commits(1))?;
    wait::until(PATIENCE, || {
        let address: SocketAddr = HEALTH[0].parse().context("an address")?;
        Page::get(&stage.node, address, "/livez").map(drop)
    })?;
    Ok(stage)
}
