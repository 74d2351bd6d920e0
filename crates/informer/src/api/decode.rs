//! Turns the JSON of one object into what a proxy keeps of it, or into what is wrong with it.
//!
//! Knows nothing of lists, watches and what was known before.

use std::sync::Arc;

use compact_str::CompactString;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::resource::Resource;
use crate::cache::{Key, Object};
use crate::object::raw::or_default;
use crate::object::{Complaint, EndpointSlice, Fingerprint, Node, Service, Subject, raw};

#[cfg(test)]
mod tests;

/// What an object means to a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is so.
    Is(Object),
    /// It is there, but a proxy does not want to see it.
    Unwanted(Key),
    /// It is there, but cannot be read; the key if it has at least a name.
    Unreadable(Option<Key>),
}

impl Meaning {
    /// The key of an object of which nothing can be used: whatever is said of it, no change comes of it.
    pub(super) fn useless_key(&self) -> Option<&Key> {
        match self {
            Self::Unreadable(key) => key.as_ref(),
            Self::Unwanted(key) => Some(key),
            Self::Is(_) => None,
        }
    }
}

/// An object that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) meaning: Meaning,
    /// What cannot be used of it.
    pub(super) complaints: Vec<Complaint>,
}

/// Reads an object of this kind.
pub(super) fn object(resource: Resource, bytes: &[u8]) -> Reading {
    let read = match resource {
        Resource::Node => node(bytes),
        Resource::Services => service(bytes),
        Resource::EndpointSlices => endpoint_slice(bytes),
    };
    read.unwrap_or_else(|complaint| unreadable(resource, bytes, complaint))
}

/// The key of the object, if it has a name.
pub(super) fn key(resource: Resource, bytes: &[u8]) -> Option<Key> {
    let raw = Named::from(bytes).metadata;
    let metadata = raw::Metadata { namespace: raw.namespace, name: raw.name, ..raw::Metadata::default() };
    match resource {
        Resource::Node => raw::Node { metadata, ..raw::Node::default() }.name().map(Key::Node),
        Resource::Services => raw::Service { metadata, ..raw::Service::default() }.name().map(Key::Service),
        Resource::EndpointSlices => {
            raw::EndpointSlice { metadata, ..raw::EndpointSlice::default() }.name().map(Key::EndpointSlice)
        }
    }
    .ok()
}

fn node(bytes: &[u8]) -> Result<Reading, Fault> {
    let raw: raw::Node = decode(bytes)?;
    let key = Key::Node(raw.name()?);
    let (node, complaints) = Node::parse(&raw);
    Ok(Reading::new(key, node.map(|node| Object::Node(Arc::new(node))), complaints))
}

fn service(bytes: &[u8]) -> Result<Reading, Fault> {
    let raw: raw::Service = decode(bytes)?;
    let key = Key::Service(raw.name()?);
    let (service, complaints) = Service::parse(&raw);
    Ok(Reading::new(key, service.map(|service| Object::Service(Arc::new(service))), complaints))
}

fn endpoint_slice(bytes: &[u8]) -> Result<Reading, Fault> {
    let raw: raw::EndpointSlice = decode(bytes)?;
    let key = Key::EndpointSlice(raw.name()?);
    let (slice, complaints) = EndpointSlice::parse(&raw, fingerprint(&raw.metadata, bytes));
    Ok(Reading::new(key, slice.map(|slice| Object::EndpointSlice(Arc::new(slice))), complaints))
}

impl Reading {
    fn new(key: Key, object: Option<Object>, complaints: Vec<Complaint>) -> Self {
        let meaning = object.map_or(Meaning::Unwanted(key), Meaning::Is);
        Self { meaning, complaints }
    }
}

/// An object has a new version whenever anything in it is different. Its bytes would not do: the
/// same object looks different in a list and in a watch.
fn fingerprint(metadata: &raw::Metadata, bytes: &[u8]) -> Fingerprint {
    if metadata.resource_version.is_empty() {
        return Fingerprint::of(bytes);
    }
    Fingerprint::of(format!("{}/{}", metadata.uid, metadata.resource_version).as_bytes())
}

/// Why an object cannot be read.
enum Fault {
    /// It has no proper name.
    Nameless(Complaint),
    /// A field is not of its type.
    Mistyped { field: String, reason: String },
}

impl From<Complaint> for Fault {
    fn from(complaint: Complaint) -> Self {
        Self::Nameless(complaint)
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|_| {
        // Again, and slower, to learn where.
        let mut json = serde_json::Deserializer::from_slice(bytes);
        match serde_path_to_error::deserialize::<_, T>(&mut json) {
            Ok(_) => Fault::Mistyped { field: String::new(), reason: "is followed by more".to_owned() },
            Err(error) => {
                Fault::Mistyped { field: error.path().to_string(), reason: error.inner().to_string() }
            }
        }
    })
}

fn unreadable(resource: Resource, bytes: &[u8], fault: Fault) -> Reading {
    let complaint = match fault {
        Fault::Nameless(complaint) => complaint,
        Fault::Mistyped { field, reason } => match subject(resource, bytes) {
            Some(subject) => Complaint::of(subject, field, "", reason),
            None => Complaint::new(kind(resource), field, "", reason),
        },
    };
    Reading { meaning: Meaning::Unreadable(key(resource, bytes)), complaints: vec![complaint] }
}

/// Kind and name of an object, if it has a name, of whatever form.
pub(super) fn subject(resource: Resource, bytes: &[u8]) -> Option<Subject> {
    let NamedMetadata { name, namespace, .. } = Named::from(bytes).metadata;
    let namespace = if resource == Resource::Node { "" } else { namespace.as_str() };
    (!name.is_empty()).then(|| Subject::new(kind(resource), namespace, &name))
}

fn kind(resource: Resource) -> &'static str {
    match resource {
        Resource::Node => "Node",
        Resource::Services => "Service",
        Resource::EndpointSlices => "EndpointSlice",
    }
}

/// What identifies an object and its version.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    #[serde(deserialize_with = "or_default")]
    metadata: NamedMetadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NamedMetadata {
    #[serde(deserialize_with = "or_default")]
    name: CompactString,
    #[serde(deserialize_with = "or_default")]
    namespace: CompactString,
    #[serde(deserialize_with = "or_default")]
    resource_version: CompactString,
}

impl From<&[u8]> for Named {
    /// Nothing of what cannot be read.
    fn from(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }
}

/// `metadata.resourceVersion` of an object.
pub(super) fn version(bytes: &[u8]) -> CompactString {
    Named::from(bytes).metadata.resource_version
}
