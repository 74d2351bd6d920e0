//! Every document is one of its type: Kubernetes' own types, and those of others as far as we use them.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{documents, place, yaml_files};

#[test]
fn every_document_survives_its_type() {
    let folders =
        ["manifests/base", "manifests/kind", "manifests/podmonitor", "manifests/demo/objects", "e2e/kind"];
    let mut paths: Vec<_> = folders.iter().flat_map(|folder| yaml_files(&place(folder))).collect();
    paths.push(place("manifests/observability/prometheusrule.yaml"));
    let mut count = 0;
    for path in paths {
        for document in documents(&path) {
            if let Err(mistakes) = check(&document) {
                panic!("{}: {mistakes}", path.display());
            }
            count += 1;
        }
    }
    assert!(count >= 25, "only {count} documents were found");
}

#[test]
fn mistakes_are_found() {
    let daemon_set = |pod: &str| {
        let text = format!(
            "{{apiVersion: apps/v1, kind: DaemonSet, metadata: {{name: a}}, \
             spec: {{selector: {{}}, template: {{spec: {pod}}}}}}}"
        );
        check(&serde_yaml::from_str(&text).unwrap())
    };
    daemon_set("{containers: [{name: a, image: b}]}").unwrap();
    let pod = "spec.template.spec";
    for (wrong, expected) in [
        (
            "{containers: [{name: a, image: b}, {name: c, image: d, privileged: true}]}",
            format!("{pod}.containers[1].privileged is lost"),
        ),
        (
            "{containers: [{name: a, image: b, securityContext: {readOnlyRootFileSystem: true}}], hostnetwork: true}",
            format!(
                "{pod}.containers[0].securityContext.readOnlyRootFileSystem is lost, {pod}.hostnetwork is lost"
            ),
        ),
        (
            "{containers: [{name: a}], hostNetwork: 'yes'}",
            "invalid type: string \"yes\", expected a boolean".to_owned(),
        ),
        ("{}", format!("{pod}.containers is not there before")),
    ] {
        assert_eq!(daemon_set(wrong).unwrap_err(), expected);
    }
    let unknown = check(&serde_json::json!({"apiVersion": "v1", "kind": "Sevice"}));
    assert_eq!(unknown.unwrap_err(), "no type is known for v1 Sevice");
}

/// What is lost or wrong.
pub(crate) fn check(value: &Value) -> Result<(), String> {
    let name = |field| value[field].as_str().unwrap_or_default();
    match (name("apiVersion"), name("kind")) {
        ("v1", "ServiceAccount") => survives::<ServiceAccount>(value),
        ("v1", "Namespace") => survives::<Namespace>(value),
        ("v1", "ConfigMap") => survives::<ConfigMap>(value),
        ("v1", "Service") => survives::<Service>(value),
        ("v1", "Pod") => survives::<Pod>(value),
        ("v1", "Node") => survives::<Node>(value),
        ("discovery.k8s.io/v1", "EndpointSlice") => survives::<EndpointSlice>(value),
        ("apps/v1", "DaemonSet") => survives::<DaemonSet>(value),
        ("apps/v1", "Deployment") => survives::<Deployment>(value),
        ("rbac.authorization.k8s.io/v1", "ClusterRole") => survives::<ClusterRole>(value),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => survives::<ClusterRoleBinding>(value),
        ("monitoring.coreos.com/v1", "PodMonitor") => survives::<PodMonitor>(value),
        ("monitoring.coreos.com/v1", "PrometheusRule") => survives::<PrometheusRule>(value),
        ("kind.x-k8s.io/v1alpha4", "Cluster") => survives::<Cluster>(value),
        // Its own test reads it.
        ("kustomize.config.k8s.io/v1beta1", "Kustomization") => Ok(()),
        (version, kind) => Err(format!("no type is known for {version} {kind}")),
    }
}

fn survives<T: DeserializeOwned + Serialize>(value: &Value) -> Result<(), String> {
    let typed: T = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    let back = serde_json::to_value(typed).map_err(|error| error.to_string())?;
    let mut mistakes = Vec::new();
    compare(value, &back, "", &mut mistakes);
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes.join(", ")) }
}

/// Each place at which a value is not what it was before.
fn compare(before: &Value, after: &Value, path: &str, mistakes: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let below =
                |field: &str| if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
            for (field, value) in before {
                match after.get(field) {
                    Some(after) => compare(value, after, &below(field), mistakes),
                    None => mistakes.push(format!("{} is lost", below(field))),
                }
            }
            let added = after.keys().filter(|field| !before.contains_key(*field));
            mistakes.extend(added.map(|field| format!("{} is not there before", below(field))));
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                compare(before, after, &format!("{path}[{index}]"), mistakes);
            }
        }
        _ if before == after => {}
        _ => mistakes.push(format!("{path} is {before}, and then {after}")),
    }
}

// === types of others, as far as we use them ===

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PodMonitor {
    api_version: String,
    kind: String,
    metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
    spec: PodMonitorSpec,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PodMonitorSpec {
    job_label: String,
    selector: k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector,
    pod_metrics_endpoints: Vec<PodMetricsEndpoint>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct PodMetricsEndpoint {
    path: String,
    interval: String,
    relabelings: Vec<RelabelConfig>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RelabelConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    source_labels: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replacement: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PrometheusRule {
    api_version: String,
    kind: String,
    metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
    spec: PrometheusRuleSpec,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct PrometheusRuleSpec {
    groups: Vec<RuleGroup>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RuleGroup {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    expr: String,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pending: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// Of kind.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Cluster {
    kind: String,
    api_version: String,
    networking: Networking,
    nodes: Vec<ClusterNode>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Networking {
    ip_family: String,
    kube_proxy_mode: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ClusterNode {
    role: String,
    image: String,
}
