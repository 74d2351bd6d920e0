//! Stories about objects whose rules are refused.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::canonical::diff;
use e2e::faults::Fault;
use e2e::proxy::Proxy;

use crate::cluster::{Service, endpoint, service};
use crate::stage::{PATIENCE, Stage, from_scratch};

const SERVICES: usize = 1000;
const OF_EACH_KIND: usize = 5;
/// So many Services lie between two that are poisoned.
const DISTANCE: usize = SERVICES / (OF_EACH_KIND * KINDS.len());
/// How long the first sync may take that finds them all.
const LONG: Duration = Duration::from_secs(400);

/// Who refuses a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RefusedBy {
    /// The daemon, when it reads the object.
    Parser,
    /// iptables-restore, when it reads the rule.
    Tool,
    /// The kernel: somebody else leads packets of a hook that must not be translated into a chain with this prefix.
    Kernel { chain: &'static str, hook: &'static str },
}

/// What is wrong with a Service, and by whom it is refused.
type Kind = (&'static str, fn(&mut Service), RefusedBy);

const KINDS: [Kind; 10] = [
    (
        "port-too-large",
        |service| service.port = "name: p, port: 70000, protocol: TCP".to_owned(),
        RefusedBy::Parser,
    ),
    (
        "unknown-protocol",
        |service| service.port = "name: p, port: 80, protocol: ICMP".to_owned(),
        RefusedBy::Parser,
    ),
    ("no-address", |service| service.cluster_ip = "10.96.0.300".to_owned(), RefusedBy::Parser),
    (
        "quoted-port-name",
        |service| service.port = "name: 'p\" -j ACCEPT', port: 80, protocol: TCP".to_owned(),
        RefusedBy::Parser,
    ),
    ("Upper-Case", |_| {}, RefusedBy::Parser),
    (
        "unknown-option",
        |service| {
            service.spec =
                ", sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 4242}}"
                    .to_owned();
        },
        RefusedBy::Tool,
    ),
    ("cluster-chain", |_| {}, RefusedBy::Kernel { chain: "KUBE-SVC-", hook: "POSTROUTING" }),
    (
        "local-chain",
        |service| service.spec = ", internalTrafficPolicy: Local".to_owned(),
        RefusedBy::Kernel { chain: "KUBE-SVL-", hook: "POSTROUTING" },
    ),
    (
        "external-chain",
        |service| {
            service.spec = format!(", externalIPs: ['192.168.60.{}']", service.number % 250);
        },
        RefusedBy::Kernel { chain: "KUBE-EXT-", hook: "INPUT" },
    ),
    (
        "firewall-chain",
        |service| {
            service.spec = ", type: LoadBalancer, loadBalancerSourceRanges: ['192.168.50.0/24']".to_owned();
            service.status =
                format!("loadBalancer: {{ingress: [{{ip: '192.168.61.{}'}}]}}", service.number % 250);
        },
        RefusedBy::Kernel { chain: "KUBE-FW-", hook: "INPUT" },
    ),
];

/// All Services, and for those that are poisoned by what.
fn cluster() -> Vec<(Service, Option<RefusedBy>)> {
    let one = |number: usize| {
        let mut service = service(number);
        if !number.is_multiple_of(DISTANCE) {
            return (service, None);
        }
        let (name, poison, refused_by) = KINDS[number / DISTANCE % KINDS.len()];
        service.name = format!("{name}-{number}");
        poison(&mut service);
        (service, Some(refused_by))
    };
    (0..SERVICES).map(one).collect()
}

/// The 950 others work after the first sync, and each of the 50 is named.
pub(crate) fn fifty_of_a_thousand(backend: Backend) -> Result<()> {
    let cluster = cluster();
    let all: Vec<_> = cluster.iter().map(|(service, _)| service.clone()).collect();
    let good: Vec<_> =
        cluster.iter().filter(|(_, by)| by.is_none()).map(|(service, _)| service.clone()).collect();
    ensure!((all.len(), good.len()) == (1000, 950), "{} of {}", good.len(), all.len());
    let expected = from_scratch(backend, &good)?;
    let chains = chains(backend, &all)?;

    let stage = Stage::new(backend)?.with_api()?;
    let strays = lead_astray(&stage, &cluster, &chains)?;
    stage.faults.set("-restore", Fault::Refuse("--seconds 4242 "))?;
    stage.put(&all)?;
    let proxy = stage.start()?;
    let first = "SyncProxyRules complete\" ipFamily=\"IPv4\" kind=\"full\" reason=\"first sync\"";
    proxy.wait_for_log(LONG, first)?;
    let found = without_strangers(&stage.rules()?, &strays);
    ensure!(found == expected, "other rules:\n{}\n{}", diff(&expected, &found), proxy.log_tail());
    for service in good.iter().step_by(19) {
        stage.expect_answer(service)?;
    }
    are_named(&stage, &proxy, &cluster)
}

/// Each is named in the log, is counted, and has a Warning Event: those that the daemon could not know by what was refused,
/// the others by what it cannot use of them.
fn are_named(stage: &Stage, proxy: &Proxy, cluster: &[(Service, Option<RefusedBy>)]) -> Result<()> {
    let log = proxy.log()?;
    let (mut left_out, mut ignored) = (Vec::new(), Vec::new());
    for (service, refused_by) in cluster {
        let Some(refused_by) = refused_by else { continue };
        let line = match refused_by {
            RefusedBy::Parser => {
                ignored.push(&service.name);
                service.name.clone()
            }
            RefusedBy::Tool | RefusedBy::Kernel { .. } => {
                left_out.push(&service.name);
                format!("servicePort=\"kp/{}:p\"", service.name)
            }
        };
        let is_named = log.lines().any(|text| text.starts_with(['W', 'E']) && text.contains(&line));
        ensure!(is_named, "no line names {line}:\n{}", proxy.log_tail());
    }
    let counted = stage.metric("kubeproxy_quarantined_service_ports{ip_family=\"IPv4\"}")?;
    ensure!((counted, left_out.len()) == (25.0, 25), "{counted} are counted, {left_out:?} are left out");
    let counted = stage.metric("kubeproxy_objects_with_ignored_fields{kind=\"Service\"}")?;
    ensure!((counted, ignored.len()) == (25.0, 25), "{counted} are counted, {ignored:?} are ignored in part");
    let complaints = log.lines().filter(|line| line.contains("Left out a service port")).count();
    ensure!(complaints == 25, "{complaints} lines for 25 service ports");
    for service in left_out {
        stage.api()?.wait_for_event("RulesRefused", service, &format!("left out kp/{service}:p"))?;
    }
    for service in ignored {
        let words = format!("ignores what it cannot use of Service kp/{service}: ");
        stage.api()?.wait_for_event("FieldsIgnored", service, &words)?;
    }
    Ok(())
}

/// The chains of every Service by their prefix, as a daemon names them that nobody refuses.
fn chains(backend: Backend, all: &[Service]) -> Result<BTreeMap<(String, &'static str), String>> {
    let rules = from_scratch(backend, all)?;
    let mut chains = BTreeMap::new();
    for rule in rules.lines() {
        let Some((_, comment)) = rule.split_once("--comment \"kp/") else { continue };
        let Some((name, _)) = comment.split_once(":p ") else { continue };
        for prefix in ["KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-"] {
            let chain = rule.split(' ').find(|word| word.starts_with(prefix));
            chains.extend(chain.map(|chain| ((name.to_owned(), prefix), chain.to_owned())));
        }
    }
    Ok(chains)
}

/// Somebody else leads packets of other hooks into chains of ours that do not exist yet. Tells which.
fn lead_astray(
    stage: &Stage,
    cluster: &[(Service, Option<RefusedBy>)],
    chains: &BTreeMap<(String, &'static str), String>,
) -> Result<Vec<String>> {
    let mut strays = Vec::new();
    let mut declared = ":STRANGER-INPUT - [0:0]\n:STRANGER-POSTROUTING - [0:0]\n".to_owned();
    let mut rules = "-A INPUT -j STRANGER-INPUT\n-A POSTROUTING -j STRANGER-POSTROUTING\n".to_owned();
    for (service, refused_by) in cluster {
        let Some(RefusedBy::Kernel { chain, hook }) = refused_by else { continue };
        let name = chains.get(&(service.name.clone(), *chain));
        let name = name.with_context(|| format!("{} has no {chain}", service.name))?;
        strays.push(format!(":{name} -"));
        declared += &format!(":{name} - [0:0]\n");
        rules += &format!("-A STRANGER-{hook} -j {name}\n");
    }
    stage.restore(Family::V4, &format!("*nat\n{declared}{rules}COMMIT\n"))?;
    Ok(strays)
}

/// The rules without those of others, and without the chains that others hold on to.
fn without_strangers(rules: &str, strays: &[String]) -> String {
    let is_ours = |line: &&str| !line.contains("STRANGER") && !strays.iter().any(|stray| stray == line);
    rules.lines().filter(is_ours).map(|line| format!("{line}\n")).collect()
}

/// A change that is refused leaves the old rules in place, until it is taken back or accepted.
pub(crate) fn a_change(backend: Backend) -> Result<()> {
    let stage = Stage::new(backend)?;
    let mut services: Vec<_> = (0..20).map(service).collect();
    stage.put(&services)?;
    let proxy = stage.start()?;
    let before = from_scratch(backend, &services)?;
    stage.wait_for_rules(&proxy, &before)?;

    stage.faults.set("-restore", Fault::Refuse("--to-destination 10.244.0.20:"))?;
    services[7].endpoints = vec![endpoint(19)];
    services[8].endpoints = vec![endpoint(3)];
    stage.put(&services)?;
    proxy.wait_for_log(PATIENCE, "servicePort=\"kp/web-7:p\"")?;
    let mut expected = services.clone();
    expected[7].endpoints = service(7).endpoints;
    stage.wait_for_rules(&proxy, &from_scratch(backend, &expected)?)?;
    stage.expect_answer(&services[7])?;

    services[7].endpoints = vec![endpoint(4)];
    stage.put(&services)?;
    stage.wait_for_rules(&proxy, &from_scratch(backend, &services)?)?;
    proxy.wait_for_log(PATIENCE, "Programmed a service port that had been refused")?;
    let counted = stage.metric("kubeproxy_quarantined_service_ports{ip_family=\"IPv4\"}")?;
    ensure!(counted == 0.0, "{counted} are left out");
    Ok(())
}
