//! Turns the metadata of an object into its name, if a Kubernetes object may be called so.
//!
//! Names end up in comments of rules, so nothing odd may pass: no quotes, blanks, line breaks or
//! text without end. Knows nothing of which objects exist.

use std::fmt;

use compact_str::CompactString;

use super::complaint::{Complaint, Subject};
use super::raw;

/// Namespace and name of an object; printed `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespacedName {
    /// `metadata.namespace`; empty for cluster-wide objects.
    pub namespace: CompactString,
    /// `metadata.name`.
    pub name: CompactString,
}

impl NamespacedName {
    /// The name of the object `name` in `namespace`.
    pub fn new(namespace: impl Into<CompactString>, name: impl Into<CompactString>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl raw::Service {
    /// Namespace and name, also of a Service that is not proxied.
    ///
    /// # Errors
    /// When a Service cannot be called so.
    pub fn name(&self) -> Result<NamespacedName, Complaint> {
        namespaced("Service", &self.metadata, is_label, LABEL)
    }
}

impl raw::EndpointSlice {
    /// Namespace and name, also of a slice that is not of interest.
    ///
    /// # Errors
    /// When an EndpointSlice cannot be called so.
    pub fn name(&self) -> Result<NamespacedName, Complaint> {
        namespaced("EndpointSlice", &self.metadata, is_subdomain, SUBDOMAIN)
    }
}

impl raw::Endpoints {
    /// Namespace and name, which are those of the Service.
    ///
    /// # Errors
    /// When a Service cannot be called so.
    pub fn name(&self) -> Result<NamespacedName, Complaint> {
        namespaced("Endpoints", &self.metadata, is_label, LABEL)
    }
}

impl raw::Node {
    /// The name.
    ///
    /// # Errors
    /// When a Node cannot be called so.
    pub fn name(&self) -> Result<CompactString, Complaint> {
        let name = &self.metadata.name;
        if is_subdomain(name) {
            return Ok(name.clone());
        }
        Err(Complaint::of(Subject::new("Node", "", name), "metadata.name", name, SUBDOMAIN))
    }
}

/// What [`is_label`] asks for.
const LABEL: &str = "is not a DNS label: lower-case letters, digits and inner dashes, at most 63";
/// What [`is_subdomain`] asks for.
const SUBDOMAIN: &str = "is not a DNS name: DNS labels joined by dots, at most 253 characters";

/// Whether `text` is a DNS label as Kubernetes wants it.
pub(crate) fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_label_of_any_length(text)
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label_of_any_length)
}

fn is_label_of_any_length(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn namespaced(
    kind: &'static str,
    metadata: &raw::Metadata,
    is_name: fn(&str) -> bool,
    rule: &str,
) -> Result<NamespacedName, Complaint> {
    let raw::Metadata { namespace, name, .. } = metadata;
    let subject = || Subject::new(kind, namespace, name);
    if !is_name(name) {
        return Err(Complaint::of(subject(), "metadata.name", name, rule));
    }
    if !is_label(namespace) {
        return Err(Complaint::of(subject(), "metadata.namespace", namespace, LABEL));
    }
    Ok(NamespacedName::new(namespace.clone(), name.clone()))
}
