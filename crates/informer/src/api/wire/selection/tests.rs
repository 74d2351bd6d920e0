//! The requests as they stand on the wire.

use std::time::Duration;

use super::Selection;
use crate::api::resource::Resource;

#[test]
fn requests_as_kube_proxy_makes_them() {
    let services = Selection::of(Resource::Services, "n");
    let slices = Selection::of(Resource::EndpointSlices, "n");
    let node = Selection::of(Resource::Node, "a.b-c");
    let timeout = Duration::from_secs(333);
    for (query, expected) in [
        (
            services.list_any(),
            "/api/v1/services?limit=500&resourceVersion=0&fieldSelector=spec.clusterIP%21%3DNone&labelSelector=%21service.kubernetes.io%2Fservice-proxy-name",
        ),
        (
            slices.list_latest(),
            "/apis/discovery.k8s.io/v1/endpointslices?limit=500&labelSelector=%21service.kubernetes.io%2Fheadless",
        ),
        (node.list_any(), "/api/v1/nodes?limit=500&resourceVersion=0&fieldSelector=metadata.name%3Da.b-c"),
        (
            node.list_continued("eyJ2Ijoi=+/"),
            "/api/v1/nodes?limit=500&continue=eyJ2Ijoi%3D%2B%2F&fieldSelector=metadata.name%3Da.b-c",
        ),
        (node.probe(), "/api/v1/nodes?limit=1&fieldSelector=metadata.name%3Da.b-c"),
        (
            node.stream(timeout),
            "/api/v1/nodes?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=333&fieldSelector=metadata.name%3Da.b-c",
        ),
        (
            node.watch("1234", timeout),
            "/api/v1/nodes?watch=true&allowWatchBookmarks=true&resourceVersion=1234&timeoutSeconds=333&fieldSelector=metadata.name%3Da.b-c",
        ),
    ] {
        assert_eq!(query, expected);
    }
}

#[test]
fn a_node_name_cannot_add_parameters() {
    let query = Selection::of(Resource::Node, "n&watch=true#x").probe();
    assert_eq!(query, "/api/v1/nodes?limit=1&fieldSelector=metadata.name%3Dn%26watch%3Dtrue%23x");
}
