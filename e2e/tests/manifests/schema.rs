//! Every document is one of its type: Kubernetes' own types, and those of others as far as we use them.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{place, text, yaml_files};

#[test]
fn every_document_survives_its_type() {
    let folders = ["manifests/base", "manifests/kind", "manifests/podmonitor", "e2e/kind"];
    let mut documents = 0;
    for path in folders.iter().flat_map(|folder| yaml_files(&place(folder))) {
        for document in serde_yaml::Deserializer::from_str(&text(&path)) {
            let value = Value::deserialize(document).unwrap();
            if let Err(lost) = check(&value) {
                panic!("{}: {lost}", path.display());
            }
            documents += 1;
        }
    }
    assert!(documents >= 15, "only {documents} documents were found");
}

#[test]
fn the_patch_for_kubeadm_changes_the_image_only() {
    let patch: Value = serde_yaml::from_str(&text(&place("manifests/kubeadm/image.yaml"))).unwrap();
    let container = &patch["spec"]["template"]["spec"]["containers"][0];
    let expected = serde_json::json!({"spec": {"template": {"spec": {"containers": [{
        "name": "kube-proxy", "image": container["image"], "imagePullPolicy": "IfNotPresent",
    }]}}}});
    assert_eq!(patch, expected);
    assert!(container["image"].as_str().is_some_and(|image| image.starts_with("localhost/kube-proxy:v")));
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
    for wrong in [
        "{containers: [{name: a, image: b, privileged: true}]}",
        "{containers: [{name: a, image: b, securityContext: {readOnlyRootFileSystem: true}}]}",
        "{containers: [{name: a}], hostNetwork: 'yes'}",
        "{}",
    ] {
        daemon_set(wrong).unwrap_err();
    }
    check(&serde_json::json!({"apiVersion": "v1", "kind": "Sevice"})).unwrap_err();
}

/// What is lost or wrong.
fn check(value: &Value) -> Result<(), String> {
    let name = |field| value[field].as_str().unwrap_or_default();
    match (name("apiVersion"), name("kind")) {
        ("v1", "ServiceAccount") => survives::<ServiceAccount>(value),
        ("v1", "Namespace") => survives::<Namespace>(value),
        ("v1", "ConfigMap") => survives::<ConfigMap>(value),
        ("v1", "Service") => survives::<Service>(value),
        ("v1", "Pod") => survives::<Pod>(value),
        ("apps/v1", "DaemonSet") => survives::<DaemonSet>(value),
        ("apps/v1", "Deployment") => survives::<Deployment>(value),
        ("rbac.authorization.k8s.io/v1", "ClusterRole") => survives::<ClusterRole>(value),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => survives::<ClusterRoleBinding>(value),
        ("monitoring.coreos.com/v1", "PodMonitor") => survives::<PodMonitor>(value),
        ("kind.x-k8s.io/v1alpha4", "Cluster") => survives::<Cluster>(value),
        // Its own test reads it.
        ("kustomize.config.k8s.io/v1beta1", "Kustomization") => Ok(()),
        (version, kind) => Err(format!("no type is known for {version} {kind}")),
    }
}

fn survives<T: DeserializeOwned + Serialize>(value: &Value) -> Result<(), String> {
    let typed: T = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    let back = serde_json::to_value(typed).map_err(|error| error.to_string())?;
    let text = |value| serde_yaml::to_string(value).map_err(|error| error.to_string());
    let (before, after) = (text(value)?, text(&back)?);
    if *value == back { Ok(()) } else { Err(e2e::canonical::diff(&before, &after)) }
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

/// Of kind.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Cluster {
    kind: String,
    api_version: String,
    networking: Networking,
    nodes: Vec<Node>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Networking {
    ip_family: String,
    kube_proxy_mode: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Node {
    role: String,
    image: String,
}
