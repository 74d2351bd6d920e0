//! Files come, change, break and go, and the changes follow.

use std::ffi::OsStr;

use proptest::prelude::*;

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
fn edits_additions_and_deletions() {
    let mut manifests = Manifests::default();
    let both = service("web", "10.0.0.1") + &service("api", "10.0.0.2");
    assert_eq!(after(&mut manifests, "a.yaml", &both), ["+default/api 10.0.0.2", "+default/web 10.0.0.1"]);
    assert_eq!(after(&mut manifests, "a.yaml", &both), [""; 0]);
    assert_eq!(after(&mut manifests, "b.yaml", &service("new", "10.0.0.3")), ["+default/new 10.0.0.3"]);
    assert_eq!(
        after(&mut manifests, "a.yaml", &service("web", "10.0.0.9")),
        ["-default/api", "+default/web 10.0.0.9"]
    );
    assert_eq!(after_removal(&mut manifests, "a.yaml"), ["-default/web"]);
    assert_eq!(after(&mut manifests, "b.yaml", ""), ["-default/new"]);
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

#[test]
fn faults_name_file_document_field_and_value() {
    let bad =
        |document: &str| after(&mut Manifests::default(), "a.yaml", &format!("# head\n---\n{document}"));
    for (document, expected) in [
        ("just text", "a.yaml document 1: \"just text\": is not an object"),
        ("a: 1", "a.yaml document 1: kind: \"\": is missing"),
        ("kind: Service", "a.yaml document 1: apiVersion: \"\": is missing"),
        (
            "{apiVersion: v1, kind: [Service]}",
            "a.yaml document 1: kind: \"[\\\"Service\\\"]\": is not a name",
        ),
        (
            "{apiVersion: v1, kind: Service}",
            "a.yaml document 1: metadata.name: \"\": is not a DNS label: lower-case letters, digits and inner dashes, at most 63",
        ),
        (
            "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}, {port: http}]}}",
            "a.yaml document 1: spec.ports[1].port: \"http\": invalid type: string \"http\", expected i64",
        ),
        (
            "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Service, metadata: {name: web}, spec: 7}]}",
            "a.yaml document 1: items[0].spec: \"7\": invalid type: integer `7`, expected struct ServiceSpec",
        ),
        ("{apiVersion: v1, kind: List, items: 7}", "a.yaml document 1: items: \"7\": is not a list"),
        ("{apiVersion: v1, kind: List, items: [7]}", "a.yaml document 1: items[0]: \"7\": is not an object"),
        (
            "a: [",
            "a.yaml document 1: line 4: \"\": did not find expected node content, while parsing a flow node",
        ),
        (
            "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: x}}",
            "a.yaml document 1: Service default/web: spec.clusterIPs[0]: \"x\": is not an IPv4 address",
        ),
        (
            "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: None}}, {apiVersion: v1, kind: Service, metadata: {name: api}, spec: {}}]}",
            "a.yaml document 1: Service default/api: items[1].spec.clusterIP: \"\": is missing, so the Service is not proxied",
        ),
    ] {
        assert_eq!(bad(document), [expected], "{document}");
    }
}

/// Whoever applies such files with kubectl is told, too.
#[test]
fn misspelt_fields_and_kinds_are_named() {
    let spec = "{clusterIP: 10.0.0.1, ports: [{name: a, port: 80}, {name: b, port: 81, nodeport: 31080}], type: NodePort}";
    let web =
        format!("{{apiVersion: v1, kind: Service, metadata: {{name: web, lables: {{a: b}}}}, spec: {spec}}}");
    let slice = "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, adressType: IPv4, addressType: IPv4, \
                 metadata: {name: s1, labels: {kubernetes.io/service-name: web}}, \
                 endpoints: [{addresses: [10.1.0.1], condition: {ready: true}}]}";
    let endpoints = "{apiVersion: v1, kind: Endpoints, metadata: {name: old}, \
                     subsets: [{addresses: [{ip: 10.1.0.1, hostName: x}]}]}";
    let node =
        "{apiVersion: v1, kind: NodeList, items: [{metadata: {name: n1}, spec: {podCidr: 10.1.0.0/24}}]}";
    let kinds = "{apiVersion: v1, kind: Sevice}\n---\n{apiVersion: v1, kind: EndpointSlice}\n---\n\
                 {apiVersion: discovery.k8s.io/v1beta1, kind: EndpointSlice}\n---\n\
                 {apiVersion: v1, kind: PodList, items: [{spec: 7}]}\n---\n{apiVersion: apps/v1, kind: Anything}";
    let text = [&web, slice, endpoints, node, kinds].join("\n---\n");
    let told = after(&mut Manifests::default(), "a.yaml", &text);
    let (complaints, changes): (Vec<_>, Vec<_>) = told.iter().partition(|line| line.starts_with("a.yaml"));
    assert_eq!(
        changes,
        [
            "+node n1",
            "+default/web 10.0.0.1",
            "+slice default/old-mirrored-ipv4-0 of old",
            "+slice default/s1 of web"
        ]
    );
    let expected = [
        "1: Service default/web: metadata.lables: \"{\\\"a\\\":\\\"b\\\"}\": is not a field of Service",
        "1: Service default/web: spec.ports[1].nodeport: \"31080\": is not a field of Service",
        "2: EndpointSlice default/s1: adressType: \"IPv4\": is not a field of EndpointSlice",
        "2: EndpointSlice default/s1: endpoints[0].condition: \"{\\\"ready\\\":true}\": is not a field of EndpointSlice",
        "3: Endpoints default/old: subsets[0].addresses[0].hostName: \"x\": is not a field of Endpoints",
        "4: Node n1: items[0].spec.podCidr: \"10.1.0.0/24\": is not a field of Node",
        "5: kind: \"Sevice\": is not a kind of v1",
        "6: kind: \"EndpointSlice\": is not a kind of v1",
        "7: apiVersion: \"discovery.k8s.io/v1beta1\": is not served by Kubernetes 1.36, which has discovery.k8s.io/v1",
    ];
    assert_eq!(complaints, expected.map(|line| format!("a.yaml document {line}")).each_ref());
}

/// Whoever counts the objects that are complained of hears when there is one less.
#[test]
fn the_end_of_a_complaint_is_told() {
    let mut manifests = Manifests::default();
    manifests.put(OsStr::new("a.yaml"), service("web", "10.0.0.300").as_bytes());
    manifests.put(OsStr::new("b.yaml"), service("gone", "10.0.0.300").as_bytes());
    let about: Vec<_> = manifests.changes().complaints.into_iter().filter_map(|flaw| flaw.about).collect();
    assert_eq!(
        about.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["Service default/web", "Service default/gone"]
    );
    assert!(manifests.changes().is_empty());
    manifests.put(OsStr::new("a.yaml"), service("web", "10.0.0.3").as_bytes());
    assert_eq!(manifests.changes().mended, about[..1]);
    manifests.remove(OsStr::new("b.yaml"));
    assert_eq!(manifests.changes().mended, about[1..]);
}

/// What kubectl prints of objects in a cluster has more than a proxy reads, and nothing unknown.
#[test]
fn objects_as_clusters_have_them_are_no_reason_to_complain() {
    let web = r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "creationTimestamp": null, "generation": 1,
        "managedFields": [{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:ports": {}}}, "time": "2026-11-23T05:56:00Z"}],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b"}]},
        "spec": {"allocateLoadBalancerNodePorts": true, "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ipFamilyPolicy": "SingleStack",
        "selector": {"app": "web"}, "trafficDistribution": "PreferSameZone", "publishNotReadyAddresses": false,
        "ports": [{"name": "http", "appProtocol": "http", "port": 80, "targetPort": "http"}, {"name": "b", "port": 81, "targetPort": 81}]},
        "status": {"conditions": [], "loadBalancer": {"ingress": [{"ip": "10.9.0.1", "ipMode": "VIP", "ports": [{"port": 80, "protocol": "TCP"}]}]}}}"#;
    let node = r#"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "spec": {"providerID": "x", "unschedulable": true,
        "taints": [{"key": "a", "effect": "NoSchedule", "timeAdded": "2026-11-23T05:56:00Z"}]},
        "status": {"addresses": [{"type": "InternalIP", "address": "10.2.0.1"}], "allocatable": {"cpu": "2", "memory": "7Gi"},
        "conditions": [{"type": "Ready", "status": "True"}], "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "images": [{"names": ["a"], "sizeBytes": 1}], "nodeInfo": {"architecture": "amd64", "bootID": "", "containerRuntimeVersion": "",
        "kernelVersion": "", "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "", "operatingSystem": "linux", "osImage": "", "systemUUID": ""}}}"#;
    let told = after(&mut Manifests::default(), "a.json", &format!("{web}\n{node}"));
    assert_eq!(told, ["+node n1", "+default/web 10.0.0.1"]);
}

#[test]
fn a_bad_document_keeps_what_its_file_said() {
    let mut manifests = Manifests::default();
    let web = service("web", "10.0.0.1");
    let api = service("api", "10.0.0.2");
    after(&mut manifests, "a.yaml", &(web.clone() + &api));

    let broken = web.replace("10.0.0.1", "10.0.0.9") + "---\nkind: [\n";
    let complaint =
        "a.yaml document 2: line 9: \"\": did not find expected node content, while parsing a flow node";
    assert_eq!(after(&mut manifests, "a.yaml", &broken), ["+default/web 10.0.0.9", complaint]);
    assert_eq!(after(&mut manifests, "a.yaml", &broken), [""; 0], "it is said once");
    assert_eq!(after(&mut manifests, "b.yaml", &service("new", "10.0.0.3")), ["+default/new 10.0.0.3"]);

    // Cut off inside the first document.
    assert_eq!(after(&mut manifests, "a.yaml", &web[..web.len() - 30]).len(), 1);
    assert_eq!(after(&mut manifests, "a.yaml", &web), ["-default/api", "+default/web 10.0.0.1"]);
    assert_eq!(after(&mut manifests, "a.yaml", &broken).len(), 2, "it was right in between");
    assert_eq!(after_removal(&mut manifests, "a.yaml"), ["-default/web"]);
}

#[test]
fn a_bad_file_keeps_what_it_said() {
    let mut manifests = Manifests::default();
    after(&mut manifests, "a.yaml", &service("web", "10.0.0.1"));
    assert_eq!(after(&mut manifests, "a.yaml", "\u{0}\u{1}junk").len(), 1);
    manifests.put_unreadable(OsStr::new("a.yaml"), "cannot be read: no luck");
    assert_eq!(told(manifests.changes()), ["a.yaml: cannot be read: no luck"]);
    assert_eq!(told(manifests.changes()), [""; 0]);
    assert_eq!(after(&mut manifests, "a.yaml", &service("web", "10.0.0.1")), [""; 0]);
    assert_eq!(after_removal(&mut manifests, "a.yaml"), ["-default/web"]);
}

#[test]
fn of_two_documents_about_one_object_the_last_counts() {
    let mut manifests = Manifests::default();
    after(&mut manifests, "b.yaml", &service("web", "10.0.0.1"));
    assert_eq!(
        after(&mut manifests, "a.yaml", &service("web", "10.0.0.2")),
        [
            "b.yaml document 1: Service default/web: metadata.name: \"web\": is the object of a.yaml document 1 too; this document counts"
        ]
    );
    let twice = service("web", "10.0.0.3") + &service("web", "10.0.0.4");
    assert_eq!(
        after(&mut manifests, "c.yaml", &twice),
        [
            "+default/web 10.0.0.4",
            "c.yaml document 1: Service default/web: metadata.name: \"web\": is the object of b.yaml document 1 too; this document counts",
            "c.yaml document 2: Service default/web: metadata.name: \"web\": is the object of c.yaml document 1 too; this document counts",
        ]
    );
    assert_eq!(after(&mut manifests, "d.yaml", &service("web", "None"))[0], "-default/web");
    after_removal(&mut manifests, "d.yaml");
    after_removal(&mut manifests, "c.yaml");
    assert_eq!(after_removal(&mut manifests, "b.yaml"), ["+default/web 10.0.0.2"]);
    let other_namespace = service("web", "10.0.0.7").replace("name: web", "name: web, namespace: other");
    assert_eq!(after(&mut manifests, "e.yaml", &other_namespace), ["+other/web 10.0.0.7"]);
}

#[test]
fn a_change_of_metadata_alone_changes_a_slice() {
    let slice = |more: &str| {
        format!(
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: s, labels: {{kubernetes.io/service-name: web}}{more}}}\naddressType: IPv4\n"
        )
    };
    let mut manifests = Manifests::default();
    after(&mut manifests, "a.yaml", &slice(""));
    assert_eq!(after(&mut manifests, "a.yaml", &("# comment\n".to_owned() + &slice(""))), [""; 0]);
    assert_eq!(after(&mut manifests, "a.yaml", &slice(", generation: 2")), ["+slice default/s of web"]);
}

#[test]
fn there_is_an_end_to_complaints() {
    let mut manifests = Manifests::default();
    let told = after(&mut manifests, "a.json", &"[]\n".repeat(100_000));
    assert_eq!(told.len(), 100);
    assert_eq!(told[99], "a.json document 100: has more faults, which are not listed");
}

/// A piece of a file: good, bad, hidden, or about an object that others are about too.
fn document() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    (0..6, name, 1..4_u8).prop_map(|(kind, name, version)| match kind {
        0 => "---\nkind: [\n".to_owned(),
        1 => service(name, "None"),
        2 => format!("---\napiVersion: v1\nkind: Endpoints\nmetadata: {{name: {name}}}\nsubsets: [{{addresses: [{{ip: 10.1.0.{version}}}]}}]\n"),
        _ => service(name, &format!("10.0.0.{version}")),
    })
}

proptest! {
    /// A directory of good files is what it is, whatever it was before.
    #[test]
    fn only_the_last_version_of_good_files_counts(
        history in prop::collection::vec((0..3, prop::collection::vec(document(), 0..4)), 0..8),
        last in prop::collection::vec(prop::collection::vec(document(), 0..4), 3),
    ) {
        let mut manifests = Manifests::default();
        for (file, documents) in &history {
            after(&mut manifests, &format!("{file}.yaml"), &documents.concat());
        }
        let mut fresh = Manifests::default();
        for (file, documents) in last.iter().enumerate() {
            let good: String = documents.iter().filter(|text| !text.contains("kind: [\n")).cloned().collect();
            after(&mut manifests, &format!("{file}.yaml"), &good);
            after(&mut fresh, &format!("{file}.yaml"), &good);
        }
        prop_assert_eq!(manifests.cache.objects(), fresh.cache.objects());
    }

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut manifests = Manifests::default();
        manifests.put(OsStr::new("a.yaml"), &bytes);
        manifests.changes();
    }
}
