//! Fills in what the API server fills in when an object is created.
//!
//! Knows only the fields that a proxy reads.

use serde_json::{Value, json};

/// The object as the API server would store it.
pub fn complete(mut object: Value) -> Value {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    match kind.as_str() {
        "Service" => service(&mut object),
        "EndpointSlice" => {
            ports(&mut object["ports"]);
            names(&mut object["ports"]);
        }
        _ => {}
    }
    if matches!(kind.as_str(), "Service" | "EndpointSlice") {
        default(&mut object["metadata"], "namespace", json!("default"));
    }
    object
}

fn service(object: &mut Value) {
    let spec = &mut object["spec"];
    default(spec, "type", json!("ClusterIP"));
    default(spec, "sessionAffinity", json!("None"));
    if spec["sessionAffinity"] == "ClientIP" {
        default(&mut spec["sessionAffinityConfig"]["clientIP"], "timeoutSeconds", json!(10800));
    }
    ports(&mut spec["ports"]);
    if spec["type"] == "ExternalName" {
        return;
    }
    default(spec, "internalTrafficPolicy", json!("Cluster"));
    let is_external = spec["type"] != "ClusterIP" || !spec["externalIPs"].is_null();
    if is_external {
        default(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    match spec["clusterIP"].as_str().map(str::to_owned) {
        Some(address) => default(spec, "clusterIPs", json!([address])),
        None => {
            let first = spec["clusterIPs"][0].clone();
            default(spec, "clusterIP", first);
        }
    }
    let addresses = spec["clusterIPs"].as_array().cloned().unwrap_or_default();
    let families: Vec<&str> = addresses
        .iter()
        .filter_map(Value::as_str)
        .filter(|address| *address != "None")
        .map(|address| if address.contains(':') { "IPv6" } else { "IPv4" })
        .collect();
    let policy = if families.len() > 1 { "RequireDualStack" } else { "SingleStack" };
    if !families.is_empty() {
        default(spec, "ipFamilies", json!(families));
        default(spec, "ipFamilyPolicy", json!(policy));
    }
}

fn ports(ports: &mut Value) {
    for port in ports.as_array_mut().into_iter().flatten() {
        default(port, "protocol", json!("TCP"));
    }
}

/// A slice's port without a name gets the empty one, which is that of an unnamed Service port.
fn names(ports: &mut Value) {
    for port in ports.as_array_mut().into_iter().flatten() {
        default(port, "name", json!(""));
    }
}

fn default(object: &mut Value, name: &str, value: Value) {
    if object[name].is_null() && !value.is_null() {
        object[name] = value;
    }
}
