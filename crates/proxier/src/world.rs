//! Everything known of the cluster, in one family, and what of it changed since the last look.
//!
//! Knows nothing of rules.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::sync::Arc;

use compact_str::CompactString;
use informer::change::Change;
use informer::object::{ByName, EndpointSlice, NamespacedName, Node, Service};

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

    /// One more.
    pub(crate) fn add(&mut self, service: NamespacedName) {
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
    services: BTreeMap<NamespacedName, Entry>,
    slices: BTreeSet<ByName<EndpointSlice>>,
    /// Services with a health-check node port.
    health_checked: BTreeSet<NamespacedName>,
    /// The sum of those of all Services.
    endpoints: usize,
    dirty: Dirty,
}

/// What is known of a Service: itself, its slices, or both.
#[derive(Clone, Debug, Default)]
struct Entry {
    /// By name.
    ports: Box<[(ServicePortName, ServicePort)]>,
    /// By name.
    slices: Vec<Arc<EndpointSlice>>,
    /// How many endpoints its ports have, as of the last [`World::take_dirty`].
    endpoints: usize,
}

impl World {
    /// A world without objects, seen from the node of this name.
    pub fn new(family: Family, node_name: &str) -> Self {
        Self {
            family,
            node: ThisNode { name: node_name.into(), zone: CompactString::default() },
            services: BTreeMap::new(),
            slices: BTreeSet::new(),
            health_checked: BTreeSet::new(),
            endpoints: 0,
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
        let services = self.services.iter().map(|(name, entry)| (name, &*entry.ports));
        services.filter(|(_, ports)| !ports.is_empty())
    }

    /// The ports of a Service; none if it does not exist in this family.
    pub fn service_ports(&self, service: &NamespacedName) -> &[(ServicePortName, ServicePort)] {
        self.services.get(service).map_or(&[], |entry| &entry.ports)
    }

    /// The Services with a health-check node port, each with the port.
    pub fn health_checks(&self) -> impl Iterator<Item = (&NamespacedName, NonZeroU16)> {
        self.health_checked.iter().filter_map(|name| Some((name, health_check(self.service_ports(name))?)))
    }

    /// The endpoints of a Service, by port; also of ports that the Service does not have.
    pub fn endpoints(&self, service: &NamespacedName) -> EndpointsByPort<'_> {
        let entry = self.services.get(service);
        entry.map(|entry| entry.endpoints(self.family, &self.node)).unwrap_or_default()
    }

    /// Whether something changed since [`World::take_dirty`].
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// What changed since the last call; everything at first.
    pub fn take_dirty(&mut self) -> Dirty {
        let dirty = std::mem::replace(&mut self.dirty, Dirty::nothing());
        let family = self.family;
        match &dirty {
            Dirty::All => {
                self.services.values_mut().for_each(|entry| entry.count_endpoints(family));
                self.services.retain(|_, entry| !entry.is_empty());
                self.endpoints = self.services.values().map(|entry| entry.endpoints).sum();
            }
            Dirty::Services(names) => {
                for name in names {
                    let Some(entry) = self.services.get_mut(name) else { continue };
                    self.endpoints -= entry.endpoints;
                    entry.count_endpoints(family);
                    self.endpoints += entry.endpoints;
                    if entry.is_empty() {
                        self.services.remove(name);
                    }
                }
            }
        }
        dirty
    }

    /// Whether rules for endpoints carry no comments, as of the last [`World::take_dirty`].
    pub fn is_large(&self) -> bool {
        self.endpoints > LARGE_CLUSTER_ENDPOINTS
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
        if health_check(&ports).is_some() {
            self.health_checked.insert(name.clone());
        } else {
            self.health_checked.remove(name);
        }
        self.services.entry(name.clone()).or_default().ports = ports.into();
        self.dirty.add(name.clone());
        Some(name.clone())
    }

    fn set_slice(&mut self, slice: &Arc<EndpointSlice>) -> Option<NamespacedName> {
        if !endpoint::is_of_family(slice, self.family) {
            return self.delete_slice(&slice.name);
        }
        if self.slices.get(&slice.name).is_some_and(|known| known.0 == *slice) {
            return None;
        }
        // It may have belonged to another Service.
        self.delete_slice(&slice.name);
        self.slices.insert(ByName(Arc::clone(slice)));
        let service = service_of(slice);
        let slices = &mut self.services.entry(service.clone()).or_default().slices;
        let index = slices.partition_point(|other| other.name < slice.name);
        slices.insert(index, Arc::clone(slice));
        self.dirty.add(service.clone());
        Some(service)
    }

    fn delete_slice(&mut self, name: &NamespacedName) -> Option<NamespacedName> {
        let ByName(slice) = self.slices.take(name)?;
        let service = service_of(&slice);
        let entry = self.services.get_mut(&service).expect("a slice is kept with its Service");
        entry.slices.retain(|other| other.name != *name);
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
}

// === impl Entry ===

impl Entry {
    fn is_empty(&self) -> bool {
        self.ports.is_empty() && self.slices.is_empty()
    }

    fn endpoints(&self, family: Family, node: &ThisNode) -> EndpointsByPort<'_> {
        endpoint::merge(self.slices.iter().map(Arc::as_ref), family, &node.name)
    }

    fn count_endpoints(&mut self, family: Family) {
        let slices = || self.slices.iter().map(Arc::as_ref);
        let count = |(name, _): &(ServicePortName, ServicePort)| {
            endpoint::count(slices(), family, (&name.port, name.protocol))
        };
        self.endpoints = self.ports.iter().map(count).sum();
    }
}

fn service_of(slice: &EndpointSlice) -> NamespacedName {
    NamespacedName::new(slice.name.namespace.clone(), slice.service.clone())
}

/// All ports of a Service have the same.
fn health_check(ports: &[(ServicePortName, ServicePort)]) -> Option<NonZeroU16> {
    ports.iter().find_map(|(_, port)| port.health_check_node_port)
}
