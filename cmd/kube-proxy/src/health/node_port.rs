//! Health-check node ports: which Services have one, and what it tells a load balancer.
//!
//! Knows nothing of sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU16;

use informer::object::NamespacedName;
use proxier::world::World;
use serde::Serialize;

use super::Verdict;

/// The health check of one Service in one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    /// `spec.healthCheckNodePort`.
    pub(crate) port: NonZeroU16,
    /// Addresses of ready endpoints on this node.
    pub(crate) local_endpoints: usize,
}

/// Health checks by Service.
pub(crate) type Checks = BTreeMap<NamespacedName, Check>;

/// The health checks that a family should serve.
pub(crate) fn checks(world: &World) -> Checks {
    let check = |(name, port): (&NamespacedName, NonZeroU16)| {
        (name.clone(), Check { port, local_endpoints: local_endpoints(world, name) })
    };
    world.health_checks().map(check).collect()
}

/// Several ports of one endpoint count once; one that is on its way out does not count.
fn local_endpoints(world: &World, service: &NamespacedName) -> usize {
    let endpoints = world.endpoints(service);
    let ready = endpoints.values().flatten().filter(|endpoint| endpoint.local && endpoint.ready);
    ready.map(|endpoint| endpoint.address.ip()).collect::<BTreeSet<IpAddr>>().len()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    service: Name<'a>,
    local_endpoints: usize,
    service_proxy_healthy: bool,
}

#[derive(Serialize)]
struct Name<'a> {
    namespace: &'a str,
    name: &'a str,
}

/// What a load balancer is told: 200 if this node serves the Service.
pub(crate) fn verdict(service: &NamespacedName, local_endpoints: usize, is_proxy_healthy: bool) -> Verdict {
    let NamespacedName { namespace, name } = service;
    let body =
        Body { service: Name { namespace, name }, local_endpoints, service_proxy_healthy: is_proxy_healthy };
    let mut text = Vec::new();
    let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, tabs);
    body.serialize(&mut serializer).expect("plain values make JSON");
    let code = if local_endpoints > 0 && is_proxy_healthy { 200 } else { 503 };
    Verdict { code, body: String::from_utf8(text).expect("JSON is UTF-8") }
}
