//! Which endpoints of a service port this node uses: traffic policies, hints, fallback to terminating ones.
//!
//! Knows nothing of chains and rules.

use compact_str::CompactString;

use crate::endpoint::Endpoint;
use crate::service::ServicePort;

/// This node, as far as the choice of endpoints depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThisNode {
    /// `metadata.name`.
    pub name: CompactString,
    /// The label `topology.kubernetes.io/zone`; empty if absent.
    pub zone: CompactString,
}

/// The endpoints in use, as indices into the list that was asked about, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// For traffic with policy Cluster.
    pub cluster: Vec<usize>,
    /// For traffic with policy Local.
    pub local: Vec<usize>,
    /// All that some traffic may reach.
    pub reachable: Vec<usize>,
    /// Whether a usable endpoint exists anywhere in the cluster.
    pub any: bool,
}

/// Chooses among the endpoints of a service port.
pub fn categorize(endpoints: &[Endpoint], port: &ServicePort, node: &ThisNode) -> Topology {
    let mode = if port.uses_cluster_endpoints() { mode(endpoints, node) } else { Mode::Anywhere };
    let cluster = if port.uses_cluster_endpoints() { cluster(endpoints, mode, node) } else { Vec::new() };
    let (local, falls_back) =
        if port.uses_local_endpoints() { local(endpoints) } else { (Vec::new(), false) };

    let usable_anywhere = port.uses_local_endpoints()
        && endpoints.iter().any(|endpoint| endpoint.ready || endpoint.is_draining());
    let any = usable_anywhere || !cluster.is_empty();

    let local_is_subset = mode == Mode::Anywhere && !falls_back;
    let reachable = if !port.uses_local_endpoints() || (port.uses_cluster_endpoints() && local_is_subset) {
        cluster.clone()
    } else if !port.uses_cluster_endpoints() {
        local.clone()
    } else {
        union(&cluster, &local)
    };
    Topology { cluster, local, reachable, any }
}

/// What the hints of the ready endpoints ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Anywhere,
    SameNode,
    SameZone,
}

/// Hints count only if every ready endpoint has them and some endpoint is meant for this node or zone.
fn mode(endpoints: &[Endpoint], node: &ThisNode) -> Mode {
    let ready = || endpoints.iter().filter(|endpoint| endpoint.ready);
    let all_hinted = |hints: fn(&Endpoint) -> bool| ready().all(hints);
    if all_hinted(|endpoint| !endpoint.node_hints.is_empty())
        && ready().any(|endpoint| is_for_node(endpoint, node))
    {
        Mode::SameNode
    } else if all_hinted(|endpoint| !endpoint.zone_hints.is_empty())
        && ready().any(|endpoint| is_for_zone(endpoint, node))
    {
        Mode::SameZone
    } else {
        Mode::Anywhere
    }
}

fn is_for_node(endpoint: &Endpoint, node: &ThisNode) -> bool {
    endpoint.node_hints.contains(&node.name)
}

fn is_for_zone(endpoint: &Endpoint, node: &ThisNode) -> bool {
    endpoint.zone_hints.contains(&node.zone)
}

fn cluster(endpoints: &[Endpoint], mode: Mode, node: &ThisNode) -> Vec<usize> {
    let is_meant = |endpoint: &Endpoint| match mode {
        Mode::Anywhere => true,
        Mode::SameNode => is_for_node(endpoint, node),
        Mode::SameZone => is_for_zone(endpoint, node),
    };
    let ready = indices(endpoints, |endpoint| endpoint.ready && is_meant(endpoint));
    if ready.is_empty() {
        indices(endpoints, |endpoint| endpoint.serving && endpoint.terminating)
    } else {
        ready
    }
}

/// Hints do not count here. The flag tells that nothing local was ready.
fn local(endpoints: &[Endpoint]) -> (Vec<usize>, bool) {
    let ready = indices(endpoints, |endpoint| endpoint.local && endpoint.ready);
    if !ready.is_empty() {
        return (ready, false);
    }
    let draining = indices(endpoints, |endpoint| endpoint.local && endpoint.is_draining());
    let falls_back = !draining.is_empty();
    (draining, falls_back)
}

fn indices(endpoints: &[Endpoint], wanted: impl Fn(&Endpoint) -> bool) -> Vec<usize> {
    (0..endpoints.len()).filter(|&index| wanted(&endpoints[index])).collect()
}

fn union(one: &[usize], other: &[usize]) -> Vec<usize> {
    let mut union = [one, other].concat();
    union.sort_unstable();
    union.dedup();
    union
}
