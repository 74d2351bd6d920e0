//! A change of the cluster's state: what a source tells and a world takes in.
//!
//! Knows nothing of lists, watches and files.

use std::collections::BTreeSet;
use std::sync::Arc;

use compact_str::CompactString;

use crate::object::{Complaint, EndpointSlice, NamespacedName, Node, Service, Subject};

/// One object that is different, or one fact about the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A Service exists in this form.
    SetService(Arc<Service>),
    /// There is no such Service, or it is not proxied (any more): headless, ExternalName, labelled
    /// with `service.kubernetes.io/service-proxy-name`.
    DeleteService(NamespacedName),
    /// An EndpointSlice exists in this form.
    SetEndpointSlice(Arc<EndpointSlice>),
    /// There is no such EndpointSlice, or it is not of interest.
    DeleteEndpointSlice(NamespacedName),
    /// A Node exists in this form.
    SetNode(Arc<Node>),
    /// There is no such Node.
    DeleteNode(CompactString),
    /// Everything that existed at the start has been told.
    Synced,
}

/// Changes that became known together, and what was wrong with their objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// In the order in which they apply.
    pub changes: Vec<Change>,
    /// Fields and documents that could not be used.
    pub complaints: Vec<Complaint>,
    /// Objects of which something could not be used, and which are gone, or of which everything can be used; whatever
    /// `complaints` say of them was before.
    pub mended: Vec<Arc<Subject>>,
}

impl Batch {
    /// Whether it tells nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.complaints.is_empty() && self.mended.is_empty()
    }

    /// Appends what became known later.
    pub fn extend(&mut self, later: Self) {
        self.changes.extend(later.changes);
        self.complain(later.complaints);
        self.mended.extend(later.mended);
    }

    /// Adds what is wrong as of now.
    pub(crate) fn complain(&mut self, complaints: Vec<Complaint>) {
        if !self.mended.is_empty() {
            let flawed: BTreeSet<_> =
                complaints.iter().filter_map(|complaint| complaint.about.as_ref()).collect();
            self.mended.retain(|subject| !flawed.contains(subject));
        }
        self.complaints.extend(complaints);
    }

    /// The Node of this name as it was told of last, if it was.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.changes.iter().rev().find_map(|change| {
            if let Change::SetNode(node) = change
                && node.name == name
            {
                Some(node.as_ref())
            } else {
                None
            }
        })
    }
}
