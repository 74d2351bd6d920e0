//! What cannot be read stays as it was, and goes when it is gone.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::Known;
use crate::api::brief::brief;
use crate::api::decode::{self, Meaning};
use crate::api::resource::Resource;
use crate::cache::Key;

fn service(name: &str, last: u8) -> Meaning {
    let json = format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"demo"}},"spec":{{"clusterIP":"10.0.0.{last}"}}}}"#
    );
    let meaning = decode::object(Resource::Services, json.as_bytes()).meaning;
    assert!(matches!(meaning, Meaning::Is(_)));
    meaning
}

fn key(name: &str) -> Key {
    let Meaning::Is(object) = service(name, 1) else { panic!("readable") };
    object.key()
}

fn unreadable(name: &str) -> Meaning {
    Meaning::Unreadable(Some(key(name)))
}

#[test]
fn an_unreadable_object_stays_as_it_was() {
    let mut known = Known::default();
    known.replace([service("a", 1), service("b", 2)]);
    assert_eq!(brief(known.replace([unreadable("a"), service("b", 2)])), [""; 0]);
    assert_eq!(brief(known.replace([unreadable("a")])), ["-b"]);
    // Over any number of lists, until it is gone.
    assert_eq!(brief(known.replace([unreadable("a")])), [""; 0]);
    assert_eq!(brief(known.replace([])), ["-a"]);
    assert_eq!(brief(known.replace([])), [""; 0]);
}

#[test]
fn an_object_that_can_be_read_again_is_told() {
    let mut known = Known::default();
    known.replace([service("a", 1)]);
    known.replace([unreadable("a")]);
    assert_eq!(brief(known.replace([service("a", 1)])), ["+a"]);
    assert_eq!(brief(known.replace([])), ["-a"]);

    known.replace([service("a", 1)]);
    known.replace([unreadable("a")]);
    assert_eq!(brief(known.set(service("a", 2))), ["+a"]);
    assert_eq!(brief(known.delete(key("a"))), ["-a"]);
    assert_eq!(brief(known.delete(key("a"))), [""; 0]);
}

#[test]
fn events_about_unreadable_objects() {
    let mut known = Known::default();
    known.replace([service("a", 1), service("b", 1)]);
    assert_eq!(known.set(unreadable("a")), None);
    known.replace([unreadable("a"), service("b", 1)]);
    assert_eq!(brief(known.delete(key("a"))), ["-a"]);
    assert_eq!(brief(known.set(Meaning::Unwanted(key("b")))), ["-b"]);
    assert_eq!(known.set(unreadable("new")), None);
    assert_eq!(known.delete(key("new")), None);
}

#[test]
fn a_nameless_object_may_be_any_that_is_missing() {
    let mut known = Known::default();
    known.replace([service("a", 1), service("b", 1)]);
    assert_eq!(brief(known.replace([Meaning::Unreadable(None), service("b", 2)])), ["+b"]);
    assert_eq!(brief(known.replace([service("b", 2)])), ["-a"]);
}

proptest! {
    #[test]
    fn who_listens_knows_what_is_there(
        lists in prop::collection::vec(prop::collection::vec((0..4_usize, 0..4_u8), 0..6), 1..8),
    ) {
        let names = ["a", "b", "c", "d"];
        let mut known = Known::default();
        let mut listener = BTreeSet::new();
        for list in lists {
            // 0 is unreadable; the last form of an object counts.
            let forms: std::collections::BTreeMap<usize, u8> = list.into_iter().collect();
            let meanings = forms.iter().map(|(&name, &form)| match form {
                0 => unreadable(names[name]),
                form => service(names[name], form),
            });
            for change in brief(known.replace(meanings)) {
                let name = change[1..].to_owned();
                if change.starts_with('+') {
                    listener.insert(name);
                } else {
                    prop_assert!(listener.remove(&name), "{name} was not known");
                }
            }
            for (index, name) in names.into_iter().enumerate() {
                match forms.get(&index) {
                    None => prop_assert!(!listener.contains(name)),
                    Some(0) => {}
                    Some(_) => prop_assert!(listener.contains(name)),
                }
            }
        }
    }
}
