//! Objects for tests, as short as they can be.

use serde_json::{Value, json};

/// The Service `demo/name` with cluster IP 10.0.0.`last`.
pub(crate) fn service(name: &str, last: u8) -> Value {
    let address = format!("10.0.0.{last}");
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "demo", "labels": {"app": name}},
        "spec": {
            "type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "ipFamilies": ["IPv4"],
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}],
            "selector": {"app": name}, "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
        },
        "status": {"loadBalancer": {}},
    })
}

/// The EndpointSlice `demo/name-1` of the Service `demo/name` with the endpoint 10.1.0.`last`.
pub(crate) fn slice(name: &str, last: u8) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{name}-1"), "namespace": "demo",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": [{
            "addresses": [format!("10.1.0.{last}")],
            "conditions": {"ready": true, "serving": true, "terminating": false},
            "nodeName": "n", "targetRef": {"kind": "Pod", "name": "p"},
        }],
        "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
    })
}

/// The Node `name` in the zone `zone`.
pub(crate) fn node(name: &str, zone: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}},
        "spec": {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24"]},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.168.0.1"}]},
    })
}
