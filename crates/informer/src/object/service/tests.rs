//! Which Services are proxied, and what counts of their fields.

mod address;
mod cluster_ip;
mod field;
mod port;

use super::Service;
use crate::object::raw;

/// The Service `demo/web` with this YAML below its `metadata` (indented), and the complaints about it.
fn parse(rest: &str) -> (Option<Service>, Vec<String>) {
    let text = format!("metadata: {{name: web, namespace: demo}}\n{rest}");
    let raw: raw::Service = serde_yaml::from_str(&text).unwrap();
    let (service, complaints) = Service::parse(&raw);
    (service, complaints.iter().map(ToString::to_string).collect())
}

/// The Service with cluster IP 10.0.0.1 and these fields in its `spec`, and the complaints about it.
fn with_spec(fields: &str) -> (Service, Vec<String>) {
    let (service, complaints) = parse(&format!("spec: {{clusterIP: 10.0.0.1, {fields}}}"));
    (service.unwrap(), complaints)
}

fn texts<T: ToString>(list: &[T]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}
