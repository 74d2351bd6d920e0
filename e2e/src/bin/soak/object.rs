//! Turns numbers into Services with their slices, and into the node.
//!
//! Does not know when they are told to whom.

use e2e::apiserver::{Kind, complete};
use fastrand::Rng;
use serde_json::{Value, json};

const NAMESPACE: &str = "soak";

/// The node, in zone a.
pub(crate) fn node() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": e2e::proxy::NODE, "labels": {"topology.kubernetes.io/zone": "a"}},
        "spec": {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24", "fd00:10:244::/64"]},
        "status": {"addresses": [
            {"type": "InternalIP", "address": "192.168.50.2"},
            {"type": "InternalIP", "address": "fd00:50::2"},
        ]},
    })
}

/// The Services that never change, and that are asked all the time: one behind a node port too, one with affinity.
pub(crate) fn kept() -> Vec<Value> {
    let mut first = service("keep-1", "0.11", &[80]);
    first["spec"]["type"] = json!("NodePort");
    for port in first["spec"]["ports"].as_array_mut().into_iter().flatten() {
        port["nodePort"] = json!(30011);
    }
    let mut second = service("keep-2", "0.12", &[80]);
    second["spec"]["sessionAffinity"] = json!("ClientIP");
    let endpoints = |hosts: &[usize]| hosts.iter().map(|host| endpoint(*host)).collect::<Vec<_>>();
    let mut objects = vec![first, second];
    objects.extend(slices("keep-1", &[80], &endpoints(&[11, 12])));
    objects.extend(slices("keep-2", &[80], &endpoints(&[13])));
    objects.into_iter().map(complete).collect()
}

/// One of the Services that nobody asks.
pub(crate) fn crowd(index: usize) -> Vec<Value> {
    let name = format!("crowd-{index}");
    let address = format!("{}.{}", 8 + index / 200, 1 + index % 200);
    let mut objects = vec![service(&name, &address, &[80])];
    objects.extend(slices(&name, &[80], &[endpoint(20 + index % 200), endpoint(21 + index % 200)]));
    objects.into_iter().map(complete).collect()
}

/// A Service that is another one after each round: once it is programmed, all that was said before it was heard.
pub(crate) fn marker(round: u16) -> Vec<Value> {
    let ports = [1000 + round];
    let mut objects = vec![service("marker", "0.14", &ports)];
    objects.extend(slices("marker", &ports, &[endpoint(20 + usize::from(round))]));
    objects.into_iter().map(complete).collect()
}

/// A Service that changes, in one of very many forms.
pub(crate) fn churned(index: usize, form: u64) -> Vec<Value> {
    let mut rng = Rng::with_seed(form);
    let name = name(index);
    let ports: Vec<u16> = (0..rng.u16(1..4)).map(|number| 80 + number).collect();
    let mut service = service(&name, &format!("1.{}", 10 + index), &ports);
    shape(&mut service["spec"], index, &mut rng);
    if service["spec"]["type"] == "LoadBalancer" {
        let ip = format!("192.168.60.{}", 10 + index);
        service["status"] = json!({"loadBalancer": {"ingress": [{"ip": ip}]}});
    }
    let endpoints: Vec<Value> = (0..rng.usize(..5)).map(|_| random_endpoint(&mut rng)).collect();
    let mut objects = vec![service];
    objects.extend(slices(&name, &ports, &endpoints));
    objects.into_iter().map(complete).collect()
}

/// What goes with a Service that changes.
pub(crate) fn keys(index: usize) -> Vec<(Kind, &'static str, String)> {
    let name = name(index);
    let slices = ["ipv4", "ipv6"].map(|family| (Kind::EndpointSlice, NAMESPACE, format!("{name}-{family}")));
    [(Kind::Service, NAMESPACE, name)].into_iter().chain(slices).collect()
}

fn name(index: usize) -> String {
    format!("churn-{index}")
}

fn service(name: &str, address: &str, ports: &[u16]) -> Value {
    let last = address.replace('.', ":");
    let port = |port: &u16| {
        ["TCP", "UDP"].map(|protocol| {
            let name = format!("{}-{port}", protocol.to_lowercase());
            json!({"name": name, "port": port, "targetPort": 8080, "protocol": protocol})
        })
    };
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": {
            "clusterIP": format!("10.96.{address}"),
            "clusterIPs": [format!("10.96.{address}"), format!("fd00:10:96::{last}")],
            "ports": ports.iter().flat_map(port).collect::<Vec<_>>(),
        },
    })
}

fn shape(spec: &mut Value, index: usize, rng: &mut Rng) {
    let of = |rng: &mut Rng, choices: &[&str]| choices[rng.usize(..choices.len())].to_owned();
    spec["type"] = json!(of(rng, &["ClusterIP", "ClusterIP", "NodePort", "LoadBalancer"]));
    if spec["type"] != "ClusterIP" {
        for port in spec["ports"].as_array_mut().into_iter().flatten() {
            let number = port["port"].as_u64().unwrap_or_default();
            port["nodePort"] = json!(30100 + 10 * index as u64 + number - 80);
        }
        spec["externalTrafficPolicy"] = json!(of(rng, &["Cluster", "Local"]));
    }
    if spec["type"] == "LoadBalancer" && rng.bool() {
        let odd = of(rng, &["10.0.0.0/8", "fd00::/8", "no range at all"]);
        spec["loadBalancerSourceRanges"] = json!(["192.168.0.0/16", odd]);
    }
    if rng.u8(..4) == 0 {
        spec["externalIPs"] = json!([format!("192.168.61.{}", 10 + index)]);
    }
    spec["sessionAffinity"] = json!(of(rng, &["None", "None", "ClientIP"]));
    spec["internalTrafficPolicy"] = json!(of(rng, &["Cluster", "Cluster", "Local"]));
}

/// An endpoint as a slice has it, with the host's number for an address.
fn endpoint(host: usize) -> Value {
    json!({"addresses": [host.to_string()], "nodeName": e2e::proxy::NODE, "conditions": {"ready": true}})
}

fn random_endpoint(rng: &mut Rng) -> Value {
    let mut random = endpoint(rng.usize(11..30));
    let (ready, terminating) = (rng.u8(..4) > 0, rng.u8(..6) == 0);
    random["conditions"] =
        json!({"ready": ready && !terminating, "serving": ready, "terminating": terminating});
    random["nodeName"] = json!(if rng.bool() { e2e::proxy::NODE } else { "node2" });
    if rng.u8(..5) == 0 {
        random["hints"] = json!({"forZones": [{"name": if rng.bool() { "a" } else { "b" }}]});
    }
    random
}

fn slices(service: &str, ports: &[u16], endpoints: &[Value]) -> [Value; 2] {
    let port = |port: &u16| {
        ["TCP", "UDP"].map(|protocol| {
            let name = format!("{}-{port}", protocol.to_lowercase());
            json!({"name": name, "port": 8080, "protocol": protocol})
        })
    };
    [("IPv4", "10.244.0."), ("IPv6", "fd00:10:244::")].map(|(family, network)| {
        let with_address = |endpoint: &Value| {
            let mut endpoint = endpoint.clone();
            let host = endpoint["addresses"][0].as_str().unwrap_or_default();
            endpoint["addresses"] = json!([format!("{network}{host}")]);
            endpoint
        };
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "namespace": NAMESPACE, "name": format!("{service}-{}", family.to_lowercase()),
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": family,
            "ports": ports.iter().flat_map(port).collect::<Vec<_>>(),
            "endpoints": endpoints.iter().map(with_address).collect::<Vec<_>>(),
        })
    })
}
