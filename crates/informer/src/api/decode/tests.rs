//! Objects as servers write them, good and bad, and the types of k8s-openapi as the yardstick.

mod yardstick;

use super::{Meaning, Reading, object, version};
use crate::api::resource::Resource;
use crate::cache::{Key, Object};
use crate::object::NamespacedName;

fn slice(rest: &str) -> Reading {
    let json = format!(
        r#"{{"metadata":{{"name":"web-1","namespace":"demo","labels":{{"kubernetes.io/service-name":"web"}},"managedFields":[{{"x":[1,{{"y":null}}]}}]{rest}"#
    );
    object(Resource::EndpointSlices, json.as_bytes())
}

fn fingerprint(reading: &Reading) -> u64 {
    let Meaning::Is(Object::EndpointSlice(slice)) = &reading.meaning else { panic!("{reading:?}") };
    slice.fingerprint
}

#[test]
fn the_same_version_is_the_same_slice_in_a_list_and_in_a_watch() {
    let rest = |version: &str| format!(r#","uid":"u","resourceVersion":"{version}"}},"addressType":"IPv4""#);
    let in_list = slice(&format!("{}}}", rest("7")));
    let in_watch =
        slice(&format!(r#"{},"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1"}}"#, rest("7")));
    assert_eq!(in_list, in_watch);
    assert_ne!(fingerprint(&in_list), fingerprint(&slice(&format!("{}}}", rest("8")))));
    // Without a version the bytes have to do.
    let plain = slice(r#"},"addressType":"IPv4"}"#);
    assert_ne!(fingerprint(&plain), fingerprint(&slice(r#"},"addressType":"IPv4","x":1}"#)));
}

#[test]
fn what_cannot_be_read_is_named() {
    for (json, about, field, has_key) in [
        (
            r#"{"metadata":{"name":"web","namespace":"demo"},"spec":{"ports":[{"port":80},{"port":"http"}]}}"#,
            "Service demo/web",
            "spec.ports[1].port",
            true,
        ),
        (r#"{"metadata":{"name":"web","namespace":"demo"},"spec":"x"}"#, "Service demo/web", "spec", true),
        (r#"{"metadata":{"name":5},"spec":{}}"#, "Service", "metadata.name", false),
        (r#"{"metadata":{"name":"WEB","namespace":"demo"}}"#, "Service demo/WEB", "metadata.name", false),
        ("{}", "Service /", "metadata.name", false),
        ("7", "Service", "", false),
    ] {
        let Reading { meaning, complaints } = object(Resource::Services, json.as_bytes());
        let key = has_key.then(|| Key::Service(NamespacedName::new("demo", "web")));
        assert_eq!(meaning, Meaning::Unreadable(key), "{json}");
        assert_eq!(complaints.len(), 1, "{json}");
        assert_eq!(complaints[0].object, about, "{json}");
        assert!(complaints[0].field.trim_end_matches('.').starts_with(field), "{json}: {:?}", complaints[0]);
    }
}

#[test]
fn what_a_proxy_does_not_want() {
    let headless = r#"{"metadata":{"name":"web","namespace":"demo"},"spec":{"clusterIP":"None"}}"#;
    let key = Key::Service(NamespacedName::new("demo", "web"));
    assert_eq!(object(Resource::Services, headless.as_bytes()).meaning, Meaning::Unwanted(key));
}

#[test]
fn versions() {
    assert_eq!(version(br#"{"metadata":{"resourceVersion":"12"}}"#), "12");
    assert_eq!(version(br#"{"metadata":{}}"#), "");
    assert_eq!(version(b"nothing"), "");
}
