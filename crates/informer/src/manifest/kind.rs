//! Turns one document into the objects it holds, by its `apiVersion` and `kind`.
//!
//! Knows nothing of where the document stands. Kinds that a proxy does not read are passed over, but none that it would
//! read if it were not misspelt.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use crate::cache::Object;
use crate::document::Fault;
use crate::object::{Complaint, EndpointSlice, Fingerprint, NamespacedName, Node, Service, Subject, raw};
use crate::{default, mirror};

use super::strict;

const ENDPOINTS: &str = "Endpoints";

/// Kind and name of the object that a document is about, whether a proxy wants to see it or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    kind: &'static str,
    pub(super) name: NamespacedName,
}

impl Identity {
    /// Endpoints say again what the slices of their Service say, if it has any: then they do not count.
    pub(super) fn is_endpoints(&self) -> bool {
        self.kind == ENDPOINTS
    }

    fn subject(&self) -> Subject {
        Subject::new(self.kind, &self.name.namespace, &self.name.name)
    }

    fn complaints(&self, faults: Vec<Fault>) -> impl Iterator<Item = Complaint> {
        faults
            .into_iter()
            .map(move |Fault { field, value, reason }| Complaint::of(self.subject(), field, value, reason))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name.name)
        } else {
            write!(f, "{} {}", self.kind, self.name)
        }
    }
}

/// One object as it stands in a document.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// What it is.
    pub(super) about: Identity,
    /// What it means: nothing if it is not proxied, several slices for Endpoints.
    pub(super) objects: Vec<Object>,
    /// What cannot be used of it.
    pub(super) complaints: Vec<Complaint>,
}

/// The objects in a document; a list may hold good ones and bad ones.
pub(super) fn read(document: Value) -> Vec<Result<Found, Fault>> {
    let mut results = Vec::new();
    read_value(document, None, "", &mut results);
    results
}

/// `apiVersion` and `kind`.
type TypeMeta<'a> = (&'a str, &'a str);

/// Reads the value at `path`; elements of a typed list need not name the `implied` type.
fn read_value(
    value: Value,
    implied: Option<TypeMeta<'_>>,
    path: &str,
    results: &mut Vec<Result<Found, Fault>>,
) {
    if value.is_null() {
        return;
    }
    let (api_version, kind) = match type_meta(&value, implied) {
        Ok((api_version, kind)) => (api_version.to_owned(), kind.to_owned()),
        Err(fault) => return results.push(Err(below(path, fault))),
    };
    let found = match (api_version.as_str(), kind.as_str()) {
        ("v1", "List") => return read_items(value, None, path, results),
        ("v1", "ServiceList") => return read_items(value, Some(("v1", "Service")), path, results),
        ("v1", "EndpointsList") => return read_items(value, Some(("v1", "Endpoints")), path, results),
        ("v1", "NodeList") => return read_items(value, Some(("v1", "Node")), path, results),
        (DISCOVERY, "EndpointSliceList") => {
            return read_items(value, Some((DISCOVERY, "EndpointSlice")), path, results);
        }
        ("v1", "Service") => service(&value),
        ("v1", "Endpoints") => endpoints(&value),
        ("v1", "Node") => node(&value),
        (DISCOVERY, "EndpointSlice") => endpoint_slice(&value),
        _ => {
            let unknown = strict::kind(&api_version, &kind);
            return results.extend(unknown.map(|fault| Err(below(path, fault))));
        }
    };
    results.push(match found {
        Ok(found) => Ok(Found { complaints: all_below(path, found.complaints), ..found }),
        Err(fault) => Err(below(path, fault)),
    });
}

pub(super) const DISCOVERY: &str = "discovery.k8s.io/v1";

fn type_meta<'a>(value: &'a Value, implied: Option<TypeMeta<'a>>) -> Result<TypeMeta<'a>, Fault> {
    if !value.is_object() {
        return Err(fault("", value, "is not an object"));
    }
    let field = |field: &str, implied: Option<&'a str>| match value.get(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
        None => implied.ok_or_else(|| fault(field, &Value::Null, "is missing")),
        Some(other) => Err(fault(field, other, "is not a name")),
    };
    let kind = field("kind", implied.map(|(_, kind)| kind))?;
    let api_version = field("apiVersion", implied.map(|(api_version, _)| api_version))?;
    Ok((api_version, kind))
}

fn read_items(
    mut list: Value,
    implied: Option<TypeMeta<'_>>,
    path: &str,
    results: &mut Vec<Result<Found, Fault>>,
) {
    let items = match list.get_mut("items").map(Value::take) {
        None | Some(Value::Null) => return,
        Some(Value::Array(items)) => items,
        Some(other) => return results.push(Err(below(path, fault("items", &other, "is not a list")))),
    };
    for (index, item) in items.into_iter().enumerate() {
        read_value(item, implied, &joined(path, &format!("items[{index}]")), results);
    }
}

fn service(value: &Value) -> Result<Found, Fault> {
    let mut raw: raw::Service = decode(value)?;
    default::service(&mut raw);
    let about = Identity { kind: "Service", name: raw.name()? };
    let (service, mut complaints) = Service::parse(&raw);
    complaints.extend(about.complaints(strict::service(value)));
    let objects = service.into_iter().map(|service| Object::Service(Arc::new(service))).collect();
    Ok(Found { about, objects, complaints })
}

fn endpoint_slice(value: &Value) -> Result<Found, Fault> {
    let mut raw: raw::EndpointSlice = decode(value)?;
    default::endpoint_slice(&mut raw);
    let about = Identity { kind: "EndpointSlice", name: raw.name()? };
    let (slice, mut complaints) = EndpointSlice::parse(&raw, fingerprint(value));
    complaints.extend(about.complaints(strict::endpoint_slice(value)));
    let objects = slice.into_iter().map(|slice| Object::EndpointSlice(Arc::new(slice))).collect();
    Ok(Found { about, objects, complaints })
}

fn endpoints(value: &Value) -> Result<Found, Fault> {
    let mut raw: raw::Endpoints = decode(value)?;
    default::endpoints(&mut raw);
    let about = Identity { kind: ENDPOINTS, name: raw.name()? };
    let (slices, mut complaints) = mirror::mirror(&raw, fingerprint(value));
    complaints.extend(about.complaints(strict::endpoints(value)));
    let objects = slices.into_iter().map(|slice| Object::EndpointSlice(Arc::new(slice))).collect();
    Ok(Found { about, objects, complaints })
}

fn node(value: &Value) -> Result<Found, Fault> {
    let mut raw: raw::Node = decode(value)?;
    default::node(&mut raw);
    let about = Identity { kind: "Node", name: NamespacedName::new("", raw.name()?) };
    let (node, mut complaints) = Node::parse(&raw);
    complaints.extend(about.complaints(strict::node(value)));
    let objects = node.into_iter().map(|node| Object::Node(Arc::new(node))).collect();
    Ok(Found { about, objects, complaints })
}

fn fingerprint(value: &Value) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    serde_json::to_writer(&mut fingerprint, value).expect("hashing takes every value");
    fingerprint
}

fn decode<T: DeserializeOwned>(value: &Value) -> Result<T, Fault> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "" } else { &path };
        fault(field, at(value, error.path()), &error.inner().to_string())
    })
}

/// The value at `path`, or the last one above it that there is.
fn at<'a>(value: &'a Value, path: &serde_path_to_error::Path) -> &'a Value {
    path.iter().fold(value, |value, segment| {
        let inner = match segment {
            Segment::Seq { index } => value.get(index),
            Segment::Map { key } => value.get(key),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        inner.unwrap_or(value)
    })
}

impl From<Complaint> for Fault {
    fn from(complaint: Complaint) -> Self {
        let Complaint { field, value, reason, .. } = complaint;
        Self { field, value, reason }
    }
}

pub(super) fn fault(field: &str, value: &Value, reason: &str) -> Fault {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let value = if value.is_null() { String::new() } else { text };
    Fault { field: field.to_owned(), value, reason: reason.to_owned() }
}

fn below(path: &str, fault: Fault) -> Fault {
    Fault { field: joined(path, &fault.field), ..fault }
}

fn all_below(path: &str, mut complaints: Vec<Complaint>) -> Vec<Complaint> {
    for complaint in &mut complaints {
        complaint.field = joined(path, &complaint.field);
    }
    complaints
}

pub(super) fn joined(path: &str, field: &str) -> String {
    match (path, field) {
        ("", field) => field.to_owned(),
        (path, "") => path.to_owned(),
        (path, field) => format!("{path}.{field}"),
    }
}
