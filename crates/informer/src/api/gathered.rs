//! Turns the items of a list, as they come in, into a difference to what was known.
//!
//! Knows nothing of how lists are asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::decode::{self, Meaning};
use super::known::Known;
use super::resource::Resource;
use crate::cache::Key;
use crate::change::{Batch, Change};
use crate::object::{Complaint, Subject};

/// A list that is not complete yet.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// In the order in which it was said. Of an object of which more was said the last counts.
    said: Vec<Said>,
    /// Objects that cannot be read, so much that nobody can say which they are.
    nameless: Vec<Complaint>,
}

/// What was said of one object.
#[derive(Debug)]
enum Said {
    Is(Meaning, Vec<Complaint>),
    Gone(Key),
}

impl Gathered {
    /// This object exists in this form.
    pub(super) fn set(&mut self, resource: Resource, bytes: &[u8]) {
        let decode::Reading { meaning, complaints } = decode::object(resource, bytes);
        match meaning {
            Meaning::Unreadable(None) => self.nameless.extend(complaints),
            Meaning::Is(_) | Meaning::Unwanted(_) | Meaning::Unreadable(Some(_)) => {
                self.said.push(Said::Is(meaning, complaints));
            }
        }
    }

    /// There is no such object any more.
    pub(super) fn delete(&mut self, resource: Resource, bytes: &[u8]) {
        self.said.extend(decode::key(resource, bytes).map(Said::Gone));
    }

    /// This is all there is. What is known is not complained of again, unless nothing of it can be used. `flawed` are
    /// all of which something cannot be used.
    pub(super) fn complete(mut self, known: &mut Known, flawed: &mut BTreeSet<Arc<Subject>>) -> Batch {
        self.said.reverse();
        self.said.sort_by_cached_key(Said::key);
        self.said.dedup_by(|earlier, last| earlier.key() == last.key());
        let mut about = BTreeMap::new();
        let mut list = Vec::with_capacity(self.said.len() + self.nameless.len());
        for said in self.said {
            let key = said.key();
            let Said::Is(meaning, complaints) = said else { continue };
            if let Some(key) = key.filter(|_| !complaints.is_empty()) {
                about.insert(key, complaints);
            }
            list.push(meaning);
        }
        let all = about.values().flatten().chain(&self.nameless);
        let before = std::mem::replace(flawed, all.filter_map(|complaint| complaint.about.clone()).collect());
        let mended = before.difference(flawed).cloned().collect();
        list.extend(self.nameless.iter().map(|_| Meaning::Unreadable(None)));
        let useless: Vec<Key> = list.iter().filter_map(Meaning::useless_key).cloned().collect();
        let changes = known.replace(list);
        let told = changes.iter().filter_map(key).chain(useless);
        let complaints = told.filter_map(|key| about.remove(&key)).flatten().chain(self.nameless).collect();
        Batch { changes, complaints, mended }
    }
}

impl Said {
    /// Of what kind and name it was said; known of all that was said.
    fn key(&self) -> Option<Key> {
        match self {
            Self::Is(Meaning::Is(object), _) => Some(object.key()),
            Self::Is(Meaning::Unwanted(key), _) | Self::Gone(key) => Some(key.clone()),
            Self::Is(Meaning::Unreadable(key), _) => key.clone(),
        }
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
