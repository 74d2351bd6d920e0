//! Turns an object as it is written into what of it Kubernetes does not know: its kind, or some fields.
//!
//! Knows the fields from Kubernetes' own types, and nothing of what they mean. An API server that is asked to be strict,
//! as kubectl asks, refuses such an object; here the field is named and has no effect.

use k8s_openapi::api::core::v1::{Endpoints, Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::de::DeserializeOwned;
use serde_ignored::Path;
use serde_json::Value;

use crate::document::Fault;

use super::kind::{DISCOVERY, fault, joined};

/// The kinds of `v1`, each of which has a list.
const CORE: [&str; 17] = [
    "Binding",
    "ComponentStatus",
    "ConfigMap",
    "Endpoints",
    "Event",
    "LimitRange",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "PodTemplate",
    "ReplicationController",
    "ResourceQuota",
    "Secret",
    "Service",
    "ServiceAccount",
];

/// What is wrong with a kind that is not read here: in the groups of those that are, all kinds are known.
pub(super) fn kind(api_version: &str, kind: &str) -> Option<Fault> {
    let is_core = |kind: &str| CORE.contains(&kind.strip_suffix("List").unwrap_or(kind));
    match api_version {
        "v1" if is_core(kind) => None,
        "v1" | DISCOVERY => {
            Some(fault("kind", &Value::from(kind), &format!("is not a kind of {api_version}")))
        }
        _ if api_version.starts_with("discovery.k8s.io/") => {
            let reason = format!("is not served by Kubernetes 1.36, which has {DISCOVERY}");
            Some(fault("apiVersion", &Value::from(api_version), &reason))
        }
        _ => None,
    }
}

/// The unknown fields of a Service.
pub(super) fn service(value: &Value) -> Vec<Fault> {
    unknown::<Service>(value, "Service")
}

/// The unknown fields of an EndpointSlice.
pub(super) fn endpoint_slice(value: &Value) -> Vec<Fault> {
    unknown::<EndpointSlice>(value, "EndpointSlice")
}

/// The unknown fields of Endpoints.
pub(super) fn endpoints(value: &Value) -> Vec<Fault> {
    unknown::<Endpoints>(value, "Endpoints")
}

/// The unknown fields of a Node.
pub(super) fn node(value: &Value) -> Vec<Fault> {
    unknown::<Node>(value, "Node")
}

/// A value of a wrong type ends the search: it is complained of where it is read, if it is.
fn unknown<T: DeserializeOwned>(value: &Value, kind: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let _: Result<T, _> = serde_ignored::deserialize(value, |path| {
        let (field, found) = place(&path, value);
        faults.push(fault(&field, found, &format!("is not a field of {kind}")));
    });
    faults
}

/// The path as complaints spell it, and what stands there.
fn place<'a>(path: &Path<'_>, root: &'a Value) -> (String, &'a Value) {
    match path {
        Path::Root => (String::new(), root),
        Path::Seq { parent, index } => {
            let (field, value) = place(parent, root);
            (format!("{field}[{index}]"), &value[*index])
        }
        Path::Map { parent, key } => {
            let (field, value) = place(parent, root);
            (joined(&field, key), &value[key.as_str()])
        }
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            place(parent, root)
        }
    }
}
