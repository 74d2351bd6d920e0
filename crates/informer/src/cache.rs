//! Turns "these are all objects that exist" and "this object is so" into changes.
//!
//! Knows nothing of where objects come from, nor of those that a proxy does not want to see.

use std::collections::BTreeMap;
use std::sync::Arc;

use compact_str::CompactString;

use crate::change::Change;
use crate::object::{EndpointSlice, NamespacedName, Node, Service};

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
}

/// All objects known to exist, of the kinds that one source tells of.
///
/// A source that lists each kind by itself keeps one cache per kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    objects: BTreeMap<Key, Object>,
}

impl Cache {
    /// Exactly these objects exist. Tells what is new, different or gone, in the order of the keys;
    /// of several objects with one key the last one counts.
    pub fn replace(&mut self, objects: impl IntoIterator<Item = Object>) -> Vec<Change> {
        let objects: BTreeMap<Key, Object> =
            objects.into_iter().map(|object| (object.key(), object)).collect();
        let gone: Vec<Key> = self.objects.keys().filter(|key| !objects.contains_key(key)).cloned().collect();
        let mut changes: BTreeMap<Key, Change> =
            gone.into_iter().filter_map(|key| Some((key.clone(), self.delete(&key)?))).collect();
        for (key, object) in objects {
            changes.extend(self.set(object).map(|change| (key, change)));
        }
        changes.into_values().collect()
    }

    /// This object exists in this form; none if that was known.
    pub fn set(&mut self, object: Object) -> Option<Change> {
        let key = object.key();
        if self.objects.get(&key) == Some(&object) {
            return None;
        }
        self.objects.insert(key, object.clone());
        Some(match object {
            Object::Node(node) => Change::SetNode(node),
            Object::Service(service) => Change::SetService(service),
            Object::EndpointSlice(slice) => Change::SetEndpointSlice(slice),
        })
    }

    /// There is no such object, or a proxy does not want to see it; none if that was known.
    pub fn delete(&mut self, key: &Key) -> Option<Change> {
        let (key, _) = self.objects.remove_entry(key)?;
        Some(match key {
            Key::Node(name) => Change::DeleteNode(name),
            Key::Service(name) => Change::DeleteService(name),
            Key::EndpointSlice(name) => Change::DeleteEndpointSlice(name),
        })
    }
}
