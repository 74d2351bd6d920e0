//! Turns steps into a cluster that grows and changes.
//!
//! Does not know who follows it.

use anyhow::Result;
use e2e::command::{command, run};
use e2e::golden::node;
use e2e::manifests::Manifests;
use proxier::chain::{ChainHash, ChainName, Role};

/// Services at the beginning.
const AT_FIRST: usize = 100;
/// Services that come with a step, while it grows.
const GROWTH: usize = 5;
/// Services with other endpoints after a step.
const CHANGES: usize = 3;
/// Services that are asked over UDP; one of them changes with each step.
pub(crate) const ASKED: usize = 5;
/// The file of the Service that is refused.
const BAD: &str = "bad.yaml";

/// Services in a folder.
pub(crate) struct Cluster<'a> {
    manifests: &'a Manifests,
    services: usize,
    steps: usize,
    has_bad: bool,
}

impl<'a> Cluster<'a> {
    /// A cluster of one node and some Services.
    pub(crate) fn new(manifests: &'a Manifests) -> Result<Cluster<'a>> {
        manifests.put("node.yaml", &serde_yaml::to_string(&node::object())?)?;
        let mut cluster = Cluster { manifests, services: 0, steps: 0, has_bad: false };
        cluster.grow(AT_FIRST)?;
        Ok(cluster)
    }

    /// Some endpoints are replaced; some Services come if it grows.
    pub(crate) fn step(&mut self, grows: bool) -> Result<()> {
        self.steps += 1;
        let asked = self.steps % ASKED;
        let others =
            (0..CHANGES).map(|change| ASKED + (self.steps * 37 + change * 11) % (self.services - ASKED));
        let now = now()?;
        for number in others.chain([asked]) {
            self.manifests.put(&file(number), &service(&name(number), number, self.steps, &now))?;
        }
        if grows { self.grow(GROWTH) } else { Ok(()) }
    }

    fn grow(&mut self, services: usize) -> Result<()> {
        let now = now()?;
        for number in self.services..self.services + services {
            self.manifests.put(&file(number), &service(&name(number), number, 0, &now))?;
        }
        self.services += services;
        Ok(())
    }

    /// Lets a Service come or go that nodes refuse.
    pub(crate) fn set_bad(&mut self, is_there: bool) -> Result<()> {
        if is_there && !self.has_bad {
            self.manifests.put(BAD, &service("bad", 60_000, 0, &now()?))?;
        } else if !is_there && self.has_bad {
            self.manifests.remove(BAD)?;
        }
        self.has_bad = is_there;
        Ok(())
    }
}

/// The chain of the Service that is refused where packets come through it that must not be translated.
pub(crate) fn bad_chain() -> ChainName {
    ChainName::hashed(Role::Cluster, ChainHash::of(&["demo/bad:p", "udp"]))
}

/// The cluster IP of a Service.
pub(crate) fn address(number: usize) -> String {
    format!("10.96.{}.{}", number / 250, number % 250 + 1)
}

fn name(number: usize) -> String {
    format!("svc-{number}")
}

fn file(number: usize) -> String {
    format!("{}.yaml", name(number))
}

/// The time as annotations have it.
fn now() -> Result<String> {
    Ok(run(command("date").args(["-u", "+%FT%T.%NZ"]))?.trim().to_owned())
}

/// A Service with two endpoints, one of which is another one in each version.
fn service(name: &str, number: usize, version: usize, now: &str) -> String {
    let (high, low) = (number / 250, number % 250 + 1);
    format!(
        "\
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: demo}}
spec:
  clusterIPs: ['{}', 'fd00:10:96::{number:x}']
  ipFamilies: [IPv4, IPv6]
  ports: [{{name: p, port: 53, protocol: UDP}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {name}-4
  namespace: demo
  labels: {{kubernetes.io/service-name: {name}}}
  annotations: {{endpoints.kubernetes.io/last-change-trigger-time: '{now}'}}
addressType: IPv4
ports: [{{name: p, port: 53, protocol: UDP}}]
endpoints: [{{addresses: [10.244.{high}.{low}]}}, {{addresses: [10.245.{}.{low}]}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {name}-6
  namespace: demo
  labels: {{kubernetes.io/service-name: {name}}}
  annotations: {{endpoints.kubernetes.io/last-change-trigger-time: '{now}'}}
addressType: IPv6
ports: [{{name: p, port: 53, protocol: UDP}}]
endpoints: [{{addresses: ['fd00:10:244::{number:x}']}}, {{addresses: ['fd00:10:245:{version:x}::{number:x}']}}]
",
        address(number),
        version % 250
    )
}
