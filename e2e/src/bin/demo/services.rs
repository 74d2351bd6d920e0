//! Turns Services into a table of who answered how often, and shows one scaled to zero and back.
//!
//! Does not know how the cluster was made.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::Family;
use e2e::cluster::Cluster;
use e2e::netns::Netns;
use e2e::request::{Answer, Protocol, Request};
use e2e::wait::Watch;
use serde_yaml::Value;

/// Requests in each row. That one of three pods is never chosen has a chance of less than one in 10^9.
const TIMES: usize = 60;

/// What comes later than this was waited for.
const AT_ONCE: Duration = Duration::from_millis(500);

/// One address of a Service, in both families.
struct Target {
    name: &'static str,
    v4: &'static str,
    v6: &'static str,
}

const CLUSTER_IP: Target = Target { name: "cluster IP", v4: "10.96.0.10:80", v6: "[fd00:10:96::10]:80" };
const NODE_PORT: Target = Target { name: "node port", v4: "192.168.50.2:31080", v6: "[fd00:50::2]:31080" };
const LOAD_BALANCER: Target =
    Target { name: "load balancer", v4: "192.168.60.10:80", v6: "[fd00:60::10]:80" };
const LOCAL_LOAD_BALANCER: Target =
    Target { name: "load balancer, Local", v4: "192.168.60.20:80", v6: "[fd00:60::20]:80" };

const TARGETS: [Target; 3] = [CLUSTER_IP, NODE_PORT, LOAD_BALANCER];

/// What should become of the client's address.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Source {
    Kept,
    Masqueraded,
}

/// Tells the chapter; fails at the first answer that is not as it should be.
pub(crate) fn tell(cluster: &mut Cluster, out: &mut impl Write) -> Result<()> {
    writeln!(out, "Service web has three endpoints. {TIMES} requests each, from outside the cluster:\n")?;
    head(out)?;
    for target in &TARGETS {
        rows(&cluster.client, target, Source::Masqueraded, &["a", "b", "c"], out)?;
    }
    writeln!(out, "\nService web-local has the same endpoints and externalTrafficPolicy: Local:\n")?;
    head(out)?;
    rows(&cluster.client, &LOCAL_LOAD_BALANCER, Source::Kept, &["a", "b", "c"], out)?;
    writeln!(
        out,
        "\nFrom pod c to web. When the answer comes from c itself, its address has to be replaced:\n"
    )?;
    head(out)?;
    hairpin_rows(cluster, out)?;

    scale(cluster, 0)?;
    writeln!(out, "\nweb is scaled to zero:\n")?;
    refusals(&cluster.client, out)?;

    scale(cluster, 2)?;
    writeln!(out, "\nweb is scaled back to two:\n")?;
    head(out)?;
    for target in &TARGETS {
        rows(&cluster.client, target, Source::Masqueraded, &["a", "b"], out)?;
    }
    writeln!(out)?;
    Ok(())
}

fn head(out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "  {:<21}{:<21}{:<9}{:>4}{:>4}{:>4}   client's address",
        "to", "address", "protocol", "a", "b", "c"
    )?;
    Ok(())
}

/// A row for each protocol and family.
fn rows(client: &Netns, target: &Target, source: Source, pods: &[&str], out: &mut impl Write) -> Result<()> {
    for (family, protocol) in variants() {
        let answers = target.request(family, protocol).ask_often(client, TIMES)?;
        let row = target.row(family, protocol, &answers, source);
        writeln!(out, "{row}")?;
        ensure!(servers(&answers).keys().eq(pods), "expected answers of {pods:?} only: {answers:?}");
        let expected = source == Source::Kept;
        ensure!(
            answers.iter().all(|answer| answer.keeps_address() == expected),
            "a wrong address: {answers:?}"
        );
    }
    Ok(())
}

/// As [`rows`], from a pod that is an endpoint itself.
fn hairpin_rows(cluster: &Cluster, out: &mut impl Write) -> Result<()> {
    let pod = cluster.pods.last().context("there are pods")?;
    for (family, protocol) in variants() {
        let answers = CLUSTER_IP.request(family, protocol).ask_often(&pod.netns, TIMES)?;
        let row = CLUSTER_IP.row(family, protocol, &answers, Source::Kept);
        writeln!(out, "{row}, except by c")?;
        let right = |answer: &Answer| {
            answer.server().is_some_and(|name| answer.keeps_address() == (name != pod.name))
        };
        ensure!(servers(&answers).len() == 3 && answers.iter().all(right), "a wrong address: {answers:?}");
    }
    Ok(())
}

fn refusals(client: &Netns, out: &mut impl Write) -> Result<()> {
    for target in &TARGETS {
        for (family, protocol) in variants() {
            let took = Watch::start();
            let answer = target.request(family, protocol).ask(client)?;
            let at_once = took.elapsed() < AT_ONCE;
            writeln!(
                out,
                "  {:<21}{:<21}{:<9}{answer} at once",
                target.name,
                target.address(family).to_string(),
                protocol.to_string()
            )?;
            ensure!(
                answer == Answer::Refused && at_once,
                "expected a refusal at once: {answer} after {took}"
            );
        }
    }
    Ok(())
}

fn variants() -> impl Iterator<Item = (Family, Protocol)> {
    Family::ALL.into_iter().flat_map(|family| Protocol::ALL.map(|protocol| (family, protocol)))
}

/// How often each pod answered.
fn servers(answers: &[Answer]) -> BTreeMap<&str, usize> {
    let mut servers = BTreeMap::new();
    for server in answers.iter().filter_map(Answer::server) {
        *servers.entry(server).or_default() += 1;
    }
    servers
}

impl Target {
    fn address(&self, family: Family) -> SocketAddr {
        let text = match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        };
        text.parse().expect("the addresses above are addresses")
    }

    fn request(&self, family: Family, protocol: Protocol) -> Request {
        Request::new(protocol, self.address(family))
    }

    fn row(&self, family: Family, protocol: Protocol, answers: &[Answer], source: Source) -> String {
        let counts = servers(answers);
        let [a, b, c] = ["a", "b", "c"].map(|name| counts.get(name).copied().unwrap_or_default());
        let source = match source {
            Source::Kept => "kept",
            Source::Masqueraded => "the node's",
        };
        let (address, protocol) = (self.address(family).to_string(), protocol.to_string());
        format!("  {:<21}{address:<21}{protocol:<9}{a:>4}{b:>4}{c:>4}   {source}", self.name)
    }
}

/// Leaves the first `count` endpoints in the slices of web, and adds the others back from the original manifests.
fn scale(cluster: &mut Cluster, count: usize) -> Result<()> {
    for name in ["web-v4.yaml", "web-v6.yaml"] {
        let original =
            std::fs::read_to_string(crate::input().join("objects").join(name)).context("read a manifest")?;
        let mut slice: Value = serde_yaml::from_str(&original).with_context(|| format!("read {name}"))?;
        let endpoints = slice["endpoints"].as_sequence_mut().context("a slice has endpoints")?;
        endpoints.truncate(count);
        cluster.manifests.put(name, &serde_yaml::to_string(&slice).context("write a manifest")?)?;
    }
    cluster.settle()
}
