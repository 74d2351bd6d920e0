//! Turns a shared object into one that stands in a sorted set where its name belongs: the set needs no keys.
//!
//! Knows nothing of what else is in an object.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::sync::Arc;

use super::{EndpointSlice, NamespacedName, Service};

/// An object with a namespace and a name.
pub trait Named {
    /// Namespace and name.
    fn name(&self) -> &NamespacedName;
}

impl Named for Service {
    fn name(&self) -> &NamespacedName {
        &self.name
    }
}

impl Named for EndpointSlice {
    fn name(&self) -> &NamespacedName {
        &self.name
    }
}

/// An object, compared by its name only.
#[derive(Clone, Debug)]
pub struct ByName<T>(pub Arc<T>);

impl<T: Named> Borrow<NamespacedName> for ByName<T> {
    fn borrow(&self) -> &NamespacedName {
        self.0.name()
    }
}

impl<T: Named> PartialEq for ByName<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name()
    }
}

impl<T: Named> Eq for ByName<T> {}

impl<T: Named> PartialOrd for ByName<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Named> Ord for ByName<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.name().cmp(other.0.name())
    }
}
