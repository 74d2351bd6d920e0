//! What is complained of, in which words, and the end of a complaint.

use super::*;

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
fn there_is_an_end_to_complaints() {
    let mut manifests = Manifests::default();
    let told = after(&mut manifests, "a.json", &"[]\n".repeat(100_000));
    assert_eq!(told.len(), 100);
    assert_eq!(told[99], "a.json document 100: has more faults, which are not listed");
}
