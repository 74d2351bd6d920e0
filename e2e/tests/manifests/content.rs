//! What is in the manifests fits together: configuration, ports, mounts, permissions.

use config::decode;
use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetSpec};
use k8s_openapi::api::core::v1::{Container, PodSpec, Probe};
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;

use crate::{place, text};

fn spec() -> DaemonSetSpec {
    let text = text(&place("manifests/base/daemonset.yaml"));
    let daemon_set: DaemonSet = serde_yaml::from_str(&text).expect("it is a DaemonSet");
    daemon_set.spec.expect("the DaemonSet has a spec")
}

fn pod() -> PodSpec {
    spec().template.spec.expect("the template has a spec")
}

fn main_container(pod: &PodSpec) -> &Container {
    assert_eq!(pod.containers.len(), 1);
    &pod.containers[0]
}

#[test]
fn configurations_are_read_strictly_and_make_sense() {
    for overlay in ["base", "kind"] {
        let decoded = decode(&text(&place(&format!("manifests/{overlay}/config.conf")))).unwrap();
        assert_eq!(decoded.strict, Vec::<String>::new(), "{overlay}");
        assert_eq!(decoded.config.client_connection.kubeconfig, "/var/lib/kube-proxy/kubeconfig.conf");
        decoded.config.check().unwrap();
    }
}

#[test]
fn ports_are_those_that_are_listened_on() {
    let config = decode(&text(&place("manifests/base/config.conf"))).unwrap().config;
    let port = |address: &str| address.rsplit_once(':').unwrap().1.parse::<i32>().unwrap();
    let pod = pod();
    let container = main_container(&pod);
    let ports: Vec<_> =
        container.ports.iter().flatten().map(|port| (port.name.clone(), port.container_port)).collect();
    let expected = [
        (Some("healthz".to_owned()), port(&config.healthz_bind_address)),
        (Some("metrics".to_owned()), port(&config.metrics_bind_address)),
    ];
    assert_eq!(ports, expected);
    let probes = [&container.startup_probe, &container.liveness_probe, &container.readiness_probe];
    for probe in probes {
        assert_eq!(asked(probe.as_ref().unwrap()), ("/livez", IntOrString::String("healthz".to_owned())));
    }
}

/// A first sync that goes on failing is noticed before the next node gets the same version. What is not said is
/// Kubernetes' default.
#[test]
fn a_version_that_cannot_sync_does_not_go_on() {
    let config = decode(&text(&place("manifests/base/config.conf"))).unwrap().config;
    let until_unwell = 2 * i32::try_from(config.sync_period.to_std().as_secs()).unwrap();
    let pod = pod();
    let probe = main_container(&pod).readiness_probe.as_ref().unwrap();
    let until_unready = probe.period_seconds.unwrap_or(10) * probe.failure_threshold.unwrap_or(3);
    assert!(spec().min_ready_seconds.unwrap_or(0) > until_unwell + until_unready);
}

fn asked(probe: &Probe) -> (&str, IntOrString) {
    let get = probe.http_get.as_ref().expect("the probe asks over HTTP");
    (get.path.as_deref().expect("the probe names a page"), get.port.clone())
}

#[test]
fn every_mount_has_a_volume_and_every_volume_a_mount() {
    let pod = pod();
    let volumes: Vec<&str> = pod.volumes.iter().flatten().map(|volume| volume.name.as_str()).collect();
    for container in pod.containers.iter().chain(pod.init_containers.iter().flatten()) {
        let mounts: Vec<&str> =
            container.volume_mounts.iter().flatten().map(|mount| mount.name.as_str()).collect();
        assert_eq!(mounts, volumes, "{}", container.name);
    }
}

/// The init container does what needs privileges, and is the same otherwise.
#[test]
fn only_the_init_container_is_privileged() {
    let pod = pod();
    let init = &pod.init_containers.as_ref().unwrap()[0];
    let main = main_container(&pod);
    let words = |container: &Container| container.command.clone().unwrap();
    assert_eq!(words(init), [words(main), vec!["--init-only".to_owned()]].concat());
    assert_eq!((&init.image, &init.env), (&main.image, &main.env));
    let privileged = |container: &Container| container.security_context.as_ref().unwrap().privileged;
    assert_eq!((privileged(init), privileged(main)), (Some(true), Some(false)));
}

/// As upstream's DaemonSet is called by kubeadm.
#[test]
fn the_command_line_is_that_of_kubeadm() {
    let words = main_container(&pod()).command.clone().unwrap();
    let expected = [
        "/usr/local/bin/kube-proxy",
        "--config=/var/lib/kube-proxy/config.conf",
        "--hostname-override=$(NODE_NAME)",
    ];
    assert_eq!(words, expected);
}

/// Less than what `system:node-proxier` allows: other permissions would be no drop-in.
#[test]
fn permissions_are_within_those_of_upstream() {
    let text = text(&place("manifests/base/rbac.yaml"));
    let document = serde_yaml::Deserializer::from_str(&text).next().unwrap();
    let role = ClusterRole::deserialize(document).unwrap();
    let upstream = |group: &str, resource: &str| match (group, resource) {
        ("", "services") | ("discovery.k8s.io", "endpointslices") => &["list", "watch"][..],
        ("", "nodes") => &["get", "list", "watch"],
        ("" | "events.k8s.io", "events") => &["create", "patch", "update"],
        _ => &[],
    };
    for rule in role.rules.unwrap() {
        for group in rule.api_groups.as_ref().unwrap() {
            for resource in rule.resources.as_ref().unwrap() {
                let allowed = upstream(group, resource);
                assert!(rule.verbs.iter().all(|verb| allowed.contains(&verb.as_str())), "{group} {resource}");
            }
        }
    }
}
