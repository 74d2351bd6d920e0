//! Files come, change, break and go, and the changes follow.

mod complaint;
mod history;

use std::ffi::OsStr;

use super::Manifests;
use crate::change::{Batch, Change};

/// The changes in short, then the complaints.
fn told(batch: Batch) -> Vec<String> {
    let changes = batch.changes.iter().map(|change| match change {
        Change::SetService(service) => format!("+{} {}", service.name, service.cluster_ips.v4.unwrap()),
        Change::DeleteService(name) => format!("-{name}"),
        Change::SetEndpointSlice(slice) => format!("+slice {} of {}", slice.name, slice.service),
        Change::DeleteEndpointSlice(name) => format!("-slice {name}"),
        Change::SetNode(node) => format!("+node {}", node.name),
        Change::DeleteNode(name) => format!("-node {name}"),
        Change::Synced => "synced".to_owned(),
    });
    changes.chain(batch.complaints.iter().map(ToString::to_string)).collect()
}

/// What is told once the file says this.
fn after(manifests: &mut Manifests, file: &str, text: &str) -> Vec<String> {
    manifests.put(OsStr::new(file), text.as_bytes());
    told(manifests.changes())
}

fn after_removal(manifests: &mut Manifests, file: &str) -> Vec<String> {
    manifests.remove(OsStr::new(file));
    told(manifests.changes())
}

fn service(name: &str, cluster_ip: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  clusterIP: {cluster_ip}\n"
    )
}

#[test]
fn every_kind_and_every_list() {
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s1, labels: {kubernetes.io/service-name: web}}\naddressType: IPv4\n";
    let endpoints = "apiVersion: v1\nkind: Endpoints\nmetadata: {name: old}\nsubsets: [{addresses: [{ip: 10.1.0.1}, {ip: 'fd00::1'}], ports: [{port: 80}]}]\n";
    let lists = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ServiceList", "items": [{"metadata": {"name": "l1"}, "spec": {"clusterIP": "10.0.0.1"}}]},
        {"apiVersion": "v1", "kind": "NodeList", "items": [{"metadata": {"name": "n2"}}]},
        {"apiVersion": "v1", "kind": "EndpointsList", "items": [{"metadata": {"name": "e1"}, "subsets": [{"addresses": [{"ip": "10.1.0.1"}]}]}]},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSliceList", "items":
          [{"metadata": {"name": "s2", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv6"}, null]},
        {"apiVersion": "v1", "kind": "List", "items": null}, {"apiVersion": "v1", "kind": "List"}]}"#;
    let others = "apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n---\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: k}\nspec: {clusterIP: 10.0.0.1}\n---\nnull\n";
    let node = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n";
    let text = [slice, endpoints, lists, others, node].join("\n---\n");
    assert_eq!(
        after(&mut Manifests::default(), "all.yaml", &text),
        [
            "+node n1",
            "+node n2",
            "+default/l1 10.0.0.1",
            "+slice default/e1-mirrored-ipv4-0 of e1",
            "+slice default/old-mirrored-ipv4-0 of old",
            "+slice default/old-mirrored-ipv6-0 of old",
            "+slice default/s1 of web",
            "+slice default/s2 of web",
        ]
    );
}

/// A dump of a cluster holds both; the slices know more.
#[test]
fn endpoints_of_a_service_with_slices_do_not_count() {
    let endpoints = "apiVersion: v1\nkind: Endpoints\nmetadata: {name: web}\nsubsets: [{addresses: [{ip: 10.1.0.1}], ports: [{port: 80}]}]\n";
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-x, labels: {kubernetes.io/service-name: web}}\naddressType: IPv4\n";
    let mut manifests = Manifests::default();
    assert_eq!(after(&mut manifests, "a.yaml", endpoints), ["+slice default/web-mirrored-ipv4-0 of web"]);
    let both = ["-slice default/web-mirrored-ipv4-0", "+slice default/web-x of web"];
    assert_eq!(after(&mut manifests, "b.yaml", slice), both);
    let back = ["+slice default/web-mirrored-ipv4-0 of web", "-slice default/web-x"];
    assert_eq!(after_removal(&mut manifests, "b.yaml"), back);
}

#[test]
fn what_is_not_proxied_is_deleted() {
    let mut manifests = Manifests::default();
    after(&mut manifests, "a.yaml", &service("web", "10.0.0.1"));
    assert_eq!(after(&mut manifests, "a.yaml", &service("web", "None")), ["-default/web"]);
    assert_eq!(after(&mut manifests, "a.yaml", &service("web", "10.0.0.1")), ["+default/web 10.0.0.1"]);
}
