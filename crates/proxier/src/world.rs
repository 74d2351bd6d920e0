//! Everything known of the cluster, in one family, and what of it changed since the last look.
//!
//! Knows nothing of rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use compact_str::CompactString;
use informer::change::Change;
use informer::object::{EndpointSlice, NamespacedName, Node, Service};

use crate::endpoint::{self, EndpointsByPort};
use crate::family::Family;
use crate::service::{ServicePort, ServicePortName, service_ports};
use crate::topology::ThisNode;

/// With more endpoints than this in a family, rules for endpoints carry no comments.
const LARGE_CLUSTER_ENDPOINTS: usize = 1000;

/// Which Services must be rendered again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dirty {
    /// Every one.
    All,
    /// These; they may have ceased to exist.
    Services(BTreeSet<NamespacedName>),
}

impl Dirty {
    /// Nothing to do.
    pub fn nothing() -> Self {
        Self::Services(BTreeSet::new())
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::All => false,
            Self::Services(names) => names.is_empty(),
        }
    }

    fn add(&mut self, service: NamespacedName) {
        match self {
            Self::All => {}
            Self::Services(names) => {
                names.insert(service);
            }
        }
    }
}

/// The cluster as one family sees it.
#[derive(Clone, Debug)]
pub struct World {
    family: Family,
    node: ThisNode,
    services: BTreeMap<NamespacedName, Vec<(ServicePortName, ServicePort)>>,
    slices: BTreeMap<NamespacedName, BTreeMap<CompactString, Arc<EndpointSlice>>>,
    service_of_slice: BTreeMap<NamespacedName, CompactString>,
    endpoint_counts: BTreeMap<NamespacedName, usize>,
    dirty: Dirty,
}

impl World {
    /// A world without objects, seen from the node of this name.
    pub fn new(family: Family, node_name: &str) -> Self {
        Self {
            family,
            node: ThisNode { name: node_name.into(), zone: CompactString::default() },
            services: BTreeMap::new(),
            slices: BTreeMap::new(),
            service_of_slice: BTreeMap::new(),
            endpoint_counts: BTreeMap::new(),
            dirty: Dirty::All,
        }
    }

    /// Takes in one change; tells of which Service rules may have to change, if of a single one.
    pub fn apply(&mut self, change: &Change) -> Option<NamespacedName> {
        match change {
            Change::SetService(service) => self.set_service(service),
            Change::DeleteService(name) => self.set_service_ports(name, Vec::new()),
            Change::SetEndpointSlice(slice) => self.set_slice(slice),
            Change::DeleteEndpointSlice(name) => self.delete_slice(name),
            Change::SetNode(node) => {
                self.set_node(node);
                None
            }
            // A node that is gone from the API still runs this proxy: its zone stays what it was.
            Change::DeleteNode(_) | Change::Synced => None,
        }
    }

    /// The family whose addresses count.
    pub fn family(&self) -> Family {
        self.family
    }

    /// This node.
    pub fn node(&self) -> &ThisNode {
        &self.node
    }

    /// The Services that have a cluster IP in this family, with their ports, by name.
    pub fn services(&self) -> impl Iterator<Item = (&NamespacedName, &[(ServicePortName, ServicePort)])> {
        self.services.iter().map(|(name, ports)| (name, ports.as_slice()))
    }

    /// The ports of a Service; none if it does not exist in this family.
    pub fn service_ports(&self, service: &NamespacedName) -> &[(ServicePortName, ServicePort)] {
        self.services.get(service).map_or(&[], Vec::as_slice)
    }

    /// The endpoints of a Service, by port; also of ports that the Service does not have.
    pub fn endpoints(&self, service: &NamespacedName) -> EndpointsByPort<'_> {
        let slices = self.slices.get(service).into_iter().flat_map(BTreeMap::values);
        endpoint::merge(slices.map(Arc::as_ref), self.family, &self.node.name)
    }

    /// Whether something changed since [`World::take_dirty`].
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// What changed since the last call; everything at first.
    pub fn take_dirty(&mut self) -> Dirty {
        let dirty = std::mem::replace(&mut self.dirty, Dirty::nothing());
        let changed: Vec<_> = match &dirty {
            Dirty::All => {
                self.endpoint_counts.clear();
                self.services.keys().cloned().collect()
            }
            Dirty::Services(names) => names.iter().cloned().collect(),
        };
        for name in changed {
            self.count_endpoints(name);
        }
        dirty
    }

    /// Whether rules for endpoints carry no comments, as of the last [`World::take_dirty`].
    pub fn is_large(&self) -> bool {
        self.endpoint_counts.values().sum::<usize>() > LARGE_CLUSTER_ENDPOINTS
    }

    fn set_service(&mut self, service: &Service) -> Option<NamespacedName> {
        let mut ports = service_ports(service, self.family);
        // One entry per key: the last port of a name and protocol counts.
        let mut seen = BTreeSet::new();
        ports.reverse();
        ports.retain(|(name, _)| seen.insert(name.clone()));
        ports.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.set_service_ports(&service.name, ports)
    }

    fn set_service_ports(
        &mut self,
        name: &NamespacedName,
        ports: Vec<(ServicePortName, ServicePort)>,
    ) -> Option<NamespacedName> {
        if self.service_ports(name) == ports {
            return None;
        }
        self.dirty.add(name.clone());
        if ports.is_empty() {
            self.services.remove(name);
        } else {
            self.services.insert(name.clone(), ports);
        }
        Some(name.clone())
    }

    fn set_slice(&mut self, slice: &Arc<EndpointSlice>) -> Option<NamespacedName> {
        let service = NamespacedName::new(slice.name.namespace.clone(), slice.service.clone());
        let moved = self.service_of_slice.get(&slice.name).is_some_and(|owner| *owner != slice.service);
        if !endpoint::is_of_family(slice, self.family) {
            return self.delete_slice(&slice.name);
        }
        if moved {
            self.delete_slice(&slice.name);
        }
        self.service_of_slice.insert(slice.name.clone(), slice.service.clone());
        let slices = self.slices.entry(service.clone()).or_default();
        if slices.get(&slice.name.name) == Some(slice) {
            return None;
        }
        slices.insert(slice.name.name.clone(), Arc::clone(slice));
        self.dirty.add(service.clone());
        Some(service)
    }

    fn delete_slice(&mut self, name: &NamespacedName) -> Option<NamespacedName> {
        let service = self.service_of_slice.remove(name)?;
        let service = NamespacedName::new(name.namespace.clone(), service);
        let slices = self.slices.get_mut(&service).expect("a slice is kept with its Service");
        slices.remove(&name.name);
        if slices.is_empty() {
            self.slices.remove(&service);
        }
        self.dirty.add(service.clone());
        Some(service)
    }

    fn set_node(&mut self, node: &Node) {
        let zone = node.zone.clone().unwrap_or_default();
        if node.name == self.node.name && zone != self.node.zone {
            self.node.zone = zone;
            self.dirty = Dirty::All;
        }
    }

    fn count_endpoints(&mut self, service: NamespacedName) {
        let endpoints = self.endpoints(&service);
        let count =
            |name: &ServicePortName| endpoints.get(&(name.port.as_str(), name.protocol)).map_or(0, Vec::len);
        let total = self.service_ports(&service).iter().map(|(name, _)| count(name)).sum();
        if total == 0 {
            self.endpoint_counts.remove(&service);
        } else {
            self.endpoint_counts.insert(service, total);
        }
    }
}
