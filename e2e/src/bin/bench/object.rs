//! Turns the number of a Service into the objects that a real cluster has for it.
//!
//! Does not know who reads them.

use e2e::proxy::NODE;
use serde_json::{Value, json};

use crate::scale::{Scale, cluster_ip, pod_ip, replacement_ip};

/// The port of every endpoint.
pub(crate) const PORT: u16 = 8080;
/// So many Services share a namespace.
const PER_NAMESPACE: usize = 50;
const NODES: usize = 200;

/// All objects of a cluster.
pub(crate) fn all(scale: Scale) -> impl Iterator<Item = Value> {
    let of_services = (0..scale.services).flat_map(move |number| [service(number), slice(scale, number, 0)]);
    [node()].into_iter().chain(of_services)
}

/// The namespace of a Service.
pub(crate) fn namespace(service: usize) -> String {
    format!("team-{}", service / PER_NAMESPACE)
}

/// The name of a Service.
pub(crate) fn name(service: usize) -> String {
    format!("backend-{service}")
}

/// The name of a Service's slice.
pub(crate) fn slice_name(service: usize) -> String {
    format!("backend-{service}-x7k2p")
}

/// A Service with one port.
pub(crate) fn service(number: usize) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name(number),
            "namespace": namespace(number),
            "labels": labels(number),
            "annotations": {"meta.helm.sh/release-name": name(number), "meta.helm.sh/release-namespace": namespace(number)},
        },
        "spec": {
            "clusterIP": cluster_ip(number),
            "ports": [{"name": "http", "port": 80, "targetPort": PORT}],
            "selector": {"app.kubernetes.io/name": name(number)},
        },
        "status": {"loadBalancer": {}},
    })
}

/// The slice of a Service. Unless `time` is 0, its first endpoint is another one than before.
pub(crate) fn slice(scale: Scale, service: usize, time: usize) -> Value {
    let endpoints = scale.endpoints_of(service).enumerate().map(|(index, number)| {
        let is_replaced = index == 0 && time > 0;
        endpoint(service, number, if is_replaced { replacement_ip(service, time) } else { pod_ip(number) })
    });
    let endpoints: Vec<_> = endpoints.collect();
    let mut labels = labels(service);
    labels["kubernetes.io/service-name"] = name(service).into();
    labels["endpointslice.kubernetes.io/managed-by"] = "endpointslice-controller.k8s.io".into();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": slice_name(service),
            "generateName": format!("{}-", name(service)),
            "namespace": namespace(service),
            "generation": time + 1,
            "labels": labels,
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Service", "name": name(service), "uid": uid(service),
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": PORT, "protocol": "TCP"}],
        "endpoints": endpoints,
    })
}

fn endpoint(service: usize, number: usize, address: String) -> Value {
    json!({
        "addresses": [address],
        "conditions": {"ready": true, "serving": true, "terminating": false},
        "nodeName": format!("worker-{}", number % NODES),
        "zone": format!("zone-{}", number % 3),
        "targetRef": {
            "kind": "Pod", "namespace": namespace(service), "name": format!("{}-{number:x}", name(service)),
            "uid": uid(number),
        },
    })
}

fn node() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE},
        "spec": {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24"]},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.168.50.2"}]},
    })
}

fn labels(service: usize) -> Value {
    json!({
        "app.kubernetes.io/name": name(service),
        "app.kubernetes.io/instance": namespace(service),
        "app.kubernetes.io/managed-by": "Helm",
        "helm.sh/chart": "backend-1.4.2",
    })
}

fn uid(number: usize) -> String {
    format!("7d1f7c5a-0b0e-4b0c-9a43-{number:012x}")
}
