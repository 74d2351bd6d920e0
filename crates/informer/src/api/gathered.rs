//! Turns the items of a list, as they come in, into a difference to what was known.
//!
//! Knows nothing of how lists are asked for.

use std::collections::BTreeMap;

use super::decode::{self, Meaning};
use super::known::Known;
use super::resource::Resource;
use crate::cache::Key;
use crate::change::{Batch, Change};
use crate::object::Complaint;

/// A list that is not complete yet.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The last that was said of each object.
    objects: BTreeMap<Key, (Meaning, Vec<Complaint>)>,
    /// Objects that cannot be read, so much that nobody can say which they are.
    nameless: Vec<Complaint>,
}

impl Gathered {
    /// This object exists in this form.
    pub(super) fn set(&mut self, resource: Resource, bytes: &[u8]) {
        let reading = decode::object(resource, bytes);
        let key = match &reading.meaning {
            Meaning::Is(object) => object.key(),
            Meaning::Unwanted(key) | Meaning::Unreadable(Some(key)) => key.clone(),
            Meaning::Unreadable(None) => return self.nameless.extend(reading.complaints),
        };
        self.objects.insert(key, (reading.meaning, reading.complaints));
    }

    /// There is no such object any more.
    pub(super) fn delete(&mut self, resource: Resource, bytes: &[u8]) {
        if let Some(key) = decode::key(resource, bytes) {
            self.objects.remove(&key);
        }
    }

    /// This is all there is. What is known is not complained of again, unless it cannot be read at all.
    pub(super) fn complete(self, known: &mut Known) -> Batch {
        let mut about = BTreeMap::new();
        let mut list = Vec::with_capacity(self.objects.len() + self.nameless.len());
        for (key, (meaning, complaints)) in self.objects {
            if !complaints.is_empty() {
                about.insert(key, complaints);
            }
            list.push(meaning);
        }
        list.extend(self.nameless.iter().map(|_| Meaning::Unreadable(None)));
        let unreadable: Vec<Key> = list.iter().filter_map(Meaning::unreadable_key).cloned().collect();
        let changes = known.replace(list);
        let told = changes.iter().filter_map(key).chain(unreadable);
        let complaints = told.filter_map(|key| about.remove(&key)).flatten().chain(self.nameless).collect();
        Batch { changes, complaints }
    }
}

/// The key of the object that is different.
fn key(change: &Change) -> Option<Key> {
    match change {
        Change::SetNode(node) => Some(Key::Node(node.name.clone())),
        Change::SetService(service) => Some(Key::Service(service.name.clone())),
        Change::SetEndpointSlice(slice) => Some(Key::EndpointSlice(slice.name.clone())),
        Change::DeleteNode(name) => Some(Key::Node(name.clone())),
        Change::DeleteService(name) => Some(Key::Service(name.clone())),
        Change::DeleteEndpointSlice(name) => Some(Key::EndpointSlice(name.clone())),
        Change::Synced => None,
    }
}
