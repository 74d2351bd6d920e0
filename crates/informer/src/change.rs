//! A change of the cluster's state: what a source tells and a world takes in.
//!
//! Knows nothing of lists, watches and files.

use std::sync::Arc;

use compact_str::CompactString;

use crate::object::{Complaint, EndpointSlice, NamespacedName, Node, Service};

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
}

impl Batch {
    /// Appends what became known later.
    pub fn extend(&mut self, later: Self) {
        self.changes.extend(later.changes);
        self.complaints.extend(later.complaints);
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
