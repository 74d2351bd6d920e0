//! Turns lists and events into changes, keeping what was known of objects that cannot be read.
//!
//! Knows nothing of where they come from.

use std::collections::BTreeSet;

use super::decode::Meaning;
use crate::cache::{Cache, Key, Object};
use crate::change::Change;

#[cfg(test)]
mod tests;

/// All objects of one kind that were told of and not taken back.
#[derive(Debug, Default)]
pub(super) struct Known {
    cache: Cache,
    /// Told of earlier, there still, but not readable in their latest form; not in the cache.
    held: BTreeSet<Key>,
}

impl Known {
    /// Exactly these objects exist. One that cannot be read stays as it was; if nobody can say which
    /// one that is, all that are missing stay.
    pub(super) fn replace(&mut self, list: impl IntoIterator<Item = Meaning>) -> Vec<Change> {
        let mut objects = Vec::new();
        let mut unreadable = BTreeSet::new();
        let mut has_nameless = false;
        for meaning in list {
            match meaning {
                Meaning::Is(object) => objects.push(object),
                Meaning::Unreadable(Some(key)) => {
                    unreadable.insert(key);
                }
                Meaning::Unreadable(None) => has_nameless = true,
                Meaning::Unwanted(_) => {}
            }
        }
        let stays = |key: &Key| has_nameless || unreadable.contains(key);
        let mut changes = Vec::new();
        let held = std::mem::take(&mut self.held);
        // Most of the time nothing is held.
        let is_there: BTreeSet<Key> = objects.iter().filter(|_| !held.is_empty()).map(Object::key).collect();
        for key in held {
            if is_there.contains(&key) {
                // The cache tells its new form.
            } else if stays(&key) {
                self.held.insert(key);
            } else {
                changes.push(deletion(key));
            }
        }
        for change in self.cache.replace(objects) {
            match deleted(&change).filter(|key| stays(key)) {
                Some(key) => {
                    self.held.insert(key);
                }
                None => changes.push(change),
            }
        }
        changes
    }

    /// This object exists in this form.
    pub(super) fn set(&mut self, meaning: Meaning) -> Option<Change> {
        match meaning {
            Meaning::Is(object) => {
                self.held.remove(&object.key());
                self.cache.set(object)
            }
            Meaning::Unwanted(key) => self.delete(key),
            Meaning::Unreadable(_) => None,
        }
    }

    /// There is no such object.
    pub(super) fn delete(&mut self, key: Key) -> Option<Change> {
        if self.held.remove(&key) { Some(deletion(key)) } else { self.cache.delete(&key) }
    }
}

fn deletion(key: Key) -> Change {
    match key {
        Key::Node(name) => Change::DeleteNode(name),
        Key::Service(name) => Change::DeleteService(name),
        Key::EndpointSlice(name) => Change::DeleteEndpointSlice(name),
    }
}

fn deleted(change: &Change) -> Option<Key> {
    match change {
        Change::DeleteNode(name) => Some(Key::Node(name.clone())),
        Change::DeleteService(name) => Some(Key::Service(name.clone())),
        Change::DeleteEndpointSlice(name) => Some(Key::EndpointSlice(name.clone())),
        Change::SetNode(_) | Change::SetService(_) | Change::SetEndpointSlice(_) | Change::Synced => None,
    }
}
