//! Turns "these are all objects that exist" and "this object is so" into changes.
//!
//! Knows nothing of where objects come from, nor of those that a proxy does not want to see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use compact_str::CompactString;

use crate::change::Change;
use crate::object::{ByName, EndpointSlice, Named, NamespacedName, Node, Service};

#[cfg(test)]
mod tests;

/// Kind and name of an object, ordered as changes are told: what a Service needs to know of a Node,
/// then Services, then their slices.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A Node.
    Node(CompactString),
    /// A Service.
    Service(NamespacedName),
    /// An EndpointSlice.
    EndpointSlice(NamespacedName),
}

/// An object that a proxy wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A Node.
    Node(Arc<Node>),
    /// A Service.
    Service(Arc<Service>),
    /// An EndpointSlice.
    EndpointSlice(Arc<EndpointSlice>),
}

impl Object {
    /// Kind and name of the object.
    pub fn key(&self) -> Key {
        match self {
            Self::Node(node) => Key::Node(node.name.clone()),
            Self::Service(service) => Key::Service(service.name.clone()),
            Self::EndpointSlice(slice) => Key::EndpointSlice(slice.name.clone()),
        }
    }

    fn place(&self) -> Place<'_> {
        match self {
            Self::Node(node) => Place::Node(&node.name),
            Self::Service(service) => Place::Service(&service.name),
            Self::EndpointSlice(slice) => Place::EndpointSlice(&slice.name),
        }
    }
}

/// A [`Key`] that belongs to somebody else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'a> {
    Node(&'a str),
    Service(&'a NamespacedName),
    EndpointSlice(&'a NamespacedName),
}

impl<'a> Place<'a> {
    /// None of what concerns no object.
    fn of(change: &'a Change) -> Option<Self> {
        match change {
            Change::SetNode(node) => Some(Self::Node(&node.name)),
            Change::DeleteNode(name) => Some(Self::Node(name)),
            Change::SetService(service) => Some(Self::Service(&service.name)),
            Change::DeleteService(name) => Some(Self::Service(name)),
            Change::SetEndpointSlice(slice) => Some(Self::EndpointSlice(&slice.name)),
            Change::DeleteEndpointSlice(name) => Some(Self::EndpointSlice(name)),
            Change::Synced => None,
        }
    }

    fn key(self) -> Key {
        match self {
            Self::Node(name) => Key::Node(name.into()),
            Self::Service(name) => Key::Service(name.clone()),
            Self::EndpointSlice(name) => Key::EndpointSlice(name.clone()),
        }
    }
}

/// All objects known to exist, of the kinds that one source tells of.
///
/// A source that lists each kind by itself keeps one cache per kind.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    nodes: BTreeMap<CompactString, Arc<Node>>,
    services: BTreeSet<ByName<Service>>,
    slices: BTreeSet<ByName<EndpointSlice>>,
}

impl Cache {
    /// Exactly these objects exist. Tells what is new, different or gone, in the order of the keys;
    /// of several objects with one key the last one counts.
    pub fn replace(&mut self, objects: impl IntoIterator<Item = Object>) -> Vec<Change> {
        let mut objects: Vec<Object> = objects.into_iter().collect();
        objects.reverse();
        objects.sort_by(|one, other| one.place().cmp(&other.place()));
        objects.dedup_by(|later, first| later.place() == first.place());
        let exists = |place: &Place| objects.binary_search_by(|object| object.place().cmp(place)).is_ok();
        let gone: Vec<Key> = self.places().filter(|place| !exists(place)).map(Place::key).collect();
        let mut changes: Vec<Change> = gone.iter().filter_map(|key| self.delete(key)).collect();
        changes.extend(objects.into_iter().filter_map(|object| self.set(object)));
        changes.sort_by(|one, other| Place::of(one).cmp(&Place::of(other)));
        changes
    }

    /// This object exists in this form; none if that was known.
    pub fn set(&mut self, object: Object) -> Option<Change> {
        match object {
            Object::Node(node) if self.nodes.get(&node.name) == Some(&node) => None,
            Object::Node(node) => {
                self.nodes.insert(node.name.clone(), Arc::clone(&node));
                Some(Change::SetNode(node))
            }
            Object::Service(service) => put(&mut self.services, service).map(Change::SetService),
            Object::EndpointSlice(slice) => put(&mut self.slices, slice).map(Change::SetEndpointSlice),
        }
    }

    /// There is no such object, or a proxy does not want to see it; none if that was known.
    pub fn delete(&mut self, key: &Key) -> Option<Change> {
        match key {
            Key::Node(name) => self.nodes.remove_entry(name).map(|(name, _)| Change::DeleteNode(name)),
            Key::Service(name) => {
                self.services.take(name).map(|service| Change::DeleteService(service.0.name.clone()))
            }
            Key::EndpointSlice(name) => {
                self.slices.take(name).map(|slice| Change::DeleteEndpointSlice(slice.0.name.clone()))
            }
        }
    }

    /// Everything, in the order of the keys.
    #[cfg(test)]
    pub(crate) fn objects(&self) -> Vec<Object> {
        let nodes = self.nodes.values().cloned().map(Object::Node);
        let services = self.services.iter().map(|service| Object::Service(Arc::clone(&service.0)));
        let slices = self.slices.iter().map(|slice| Object::EndpointSlice(Arc::clone(&slice.0)));
        nodes.chain(services).chain(slices).collect()
    }

    fn places(&self) -> impl Iterator<Item = Place<'_>> {
        let nodes = self.nodes.keys().map(|name| Place::Node(name));
        let services = self.services.iter().map(|service| Place::Service(&service.0.name));
        nodes.chain(services).chain(self.slices.iter().map(|slice| Place::EndpointSlice(&slice.0.name)))
    }
}

/// Nothing if it was there in this form.
fn put<T: Named + Eq>(objects: &mut BTreeSet<ByName<T>>, object: Arc<T>) -> Option<Arc<T>> {
    if objects.get(object.name()).is_some_and(|known| known.0 == object) {
        return None;
    }
    objects.replace(ByName(Arc::clone(&object)));
    Some(object)
}
