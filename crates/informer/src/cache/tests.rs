//! A relist becomes the changes that lead from what was known to what there is.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Cache, Key, Object};
use crate::change::Change;
use crate::object::{AddressType, EndpointSlice, NamespacedName, Node, Service, raw};

fn service(name: &str, cluster_ip: u8) -> Object {
    let mut raw = raw::Service::default();
    raw.metadata.namespace = "demo".into();
    raw.metadata.name = name.into();
    raw.spec.cluster_ip = format!("10.0.0.{cluster_ip}").into();
    Object::Service(Arc::new(Service::parse(&raw).0.unwrap()))
}

fn slice(name: &str, fingerprint: u8) -> Object {
    Object::EndpointSlice(Arc::new(EndpointSlice {
        name: NamespacedName::new("demo", name),
        service: "web".into(),
        address_type: AddressType::Ipv4,
        ports: Vec::new(),
        endpoints: Vec::new(),
        fingerprint: fingerprint.into(),
        last_change_trigger_time: None,
    }))
}

fn node(name: &str, zone: u8) -> Object {
    let zone = Some(zone.to_string().into());
    Object::Node(Arc::new(Node {
        name: name.into(),
        zone,
        addresses: Vec::new(),
        pod_cidrs: Vec::new(),
        is_leaving: false,
    }))
}

/// `+` or `-`, the kind and the name.
fn brief(changes: &[Change]) -> Vec<String> {
    changes
        .iter()
        .map(|change| match change {
            Change::SetService(service) => format!("+Service {}", service.name),
            Change::DeleteService(name) => format!("-Service {name}"),
            Change::SetEndpointSlice(slice) => format!("+EndpointSlice {}", slice.name),
            Change::DeleteEndpointSlice(name) => format!("-EndpointSlice {name}"),
            Change::SetNode(node) => format!("+Node {}", node.name),
            Change::DeleteNode(name) => format!("-Node {name}"),
            Change::Synced => "Synced".to_owned(),
        })
        .collect()
}

#[test]
fn a_relist_tells_what_is_different_in_the_order_of_the_keys() {
    let mut cache = Cache::default();
    let changes = cache.replace([
        slice("web-1", 1),
        service("web", 1),
        service("api", 2),
        node("n", 1),
        slice("api-1", 1),
    ]);
    assert_eq!(
        brief(&changes),
        [
            "+Node n",
            "+Service demo/api",
            "+Service demo/web",
            "+EndpointSlice demo/api-1",
            "+EndpointSlice demo/web-1"
        ]
    );

    let changes = cache.replace([service("web", 9), service("new", 3), node("n", 1), slice("web-1", 1)]);
    assert_eq!(
        brief(&changes),
        ["-Service demo/api", "+Service demo/new", "+Service demo/web", "-EndpointSlice demo/api-1"]
    );

    assert_eq!(brief(&cache.replace([])).len(), 4);
    assert_eq!(cache.replace([]), []);
}

#[test]
fn what_is_known_is_no_change() {
    let mut cache = Cache::default();
    assert!(cache.set(slice("web-1", 1)).is_some());
    assert_eq!(cache.set(slice("web-1", 1)), None);
    assert!(cache.set(slice("web-1", 2)).is_some(), "metadata alone is a change of a slice");
    assert_eq!(cache.delete(&slice("other", 1).key()), None);
    assert!(cache.delete(&slice("web-1", 9).key()).is_some());
    assert_eq!(cache.delete(&slice("web-1", 9).key()), None);
}

#[test]
fn the_order_of_ports_is_a_change_of_a_slice() {
    let ports = |ports: &str| {
        let text = format!(
            "{{metadata: {{name: web-1, namespace: demo, labels: {{kubernetes.io/service-name: web}}}}, addressType: IPv4, ports: [{ports}]}}"
        );
        let raw: raw::EndpointSlice = serde_yaml::from_str(&text).unwrap();
        let (slice, _) = EndpointSlice::parse(&raw, Default::default());
        Object::EndpointSlice(Arc::new(slice.unwrap()))
    };
    let mut cache = Cache::default();
    cache.set(ports("{name: a, port: 80}, {name: b, port: 443}"));
    assert!(cache.set(ports("{name: b, port: 443}, {name: a, port: 80}")).is_some());
}

fn object() -> impl Strategy<Value = Object> {
    let name = prop::sample::select(vec!["a", "b", "c", "d"]);
    (0..3, name, 1..4_u8).prop_map(|(kind, name, version)| match kind {
        0 => service(name, version),
        1 => slice(name, version),
        _ => node(name, version),
    })
}

/// What a listener knows who has heard all changes.
fn apply(known: &mut BTreeMap<Key, Object>, changes: Vec<Change>) {
    for change in changes {
        let set = match change {
            Change::SetService(service) => Ok(Object::Service(service)),
            Change::SetEndpointSlice(slice) => Ok(Object::EndpointSlice(slice)),
            Change::SetNode(node) => Ok(Object::Node(node)),
            Change::DeleteService(name) => Err(Key::Service(name)),
            Change::DeleteEndpointSlice(name) => Err(Key::EndpointSlice(name)),
            Change::DeleteNode(name) => Err(Key::Node(name)),
            Change::Synced => panic!("a cache does not know when everything was told"),
        };
        match set {
            Ok(object) => {
                assert_ne!(known.insert(object.key(), object.clone()), Some(object), "known before")
            }
            Err(key) => assert!(known.remove(&key).is_some(), "{key:?} was not known"),
        }
    }
}

proptest! {
    #[test]
    fn following_the_changes_is_knowing_the_lists(
        lists in prop::collection::vec(prop::collection::vec(object(), 0..12), 1..6),
        single in prop::collection::vec((object(), any::<bool>()), 0..8),
    ) {
        let mut cache = Cache::default();
        let mut known = BTreeMap::new();
        for list in lists {
            let changes = cache.replace(list.clone());
            let ordered = brief(&changes).iter().map(|text| text[1..].to_owned()).collect::<Vec<_>>();
            prop_assert_eq!(ordered.iter().collect::<std::collections::BTreeSet<_>>().len(), ordered.len());
            apply(&mut known, changes);
            let expected: BTreeMap<Key, Object> = list.into_iter().map(|object| (object.key(), object)).collect();
            prop_assert_eq!(&known, &expected);

            for (object, exists) in &single {
                let change = if *exists { cache.set(object.clone()) } else { cache.delete(&object.key()) };
                apply(&mut known, change.into_iter().collect());
                prop_assert_eq!(known.get(&object.key()), exists.then_some(object));
            }
        }
    }
}
