//! Keeps objects, their versions and what happened to them, as etcd and the watch cache do.
//!
//! Knows nothing of requests.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::kind::Kind;
use super::selector::Selector;

#[cfg(test)]
mod tests;

/// Kind, namespace and name.
pub(super) type Key = (Kind, String, String);

/// All objects and what happened since the last compaction.
#[derive(Debug)]
pub(super) struct Store {
    version: u64,
    /// What happened up to here is forgotten.
    compacted: u64,
    objects: BTreeMap<Key, Value>,
    history: Vec<Record>,
    created: u64,
}

/// Something that happened.
#[derive(Clone, Debug)]
struct Record {
    version: u64,
    kind: Kind,
    before: Option<Value>,
    after: Option<Value>,
}

/// What a watch tells: `ADDED`, `MODIFIED` or `DELETED`, and the object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub(super) version: u64,
    pub(super) event_type: &'static str,
    pub(super) object: Value,
}

/// The version asked for is not known any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

impl Store {
    pub(super) fn at(version: u64) -> Self {
        Self { version, compacted: 0, objects: BTreeMap::new(), history: Vec::new(), created: 0 }
    }

    /// The version of everything.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key)
    }

    /// The objects that are meant, in the order of their keys.
    pub(super) fn meant<'a>(&'a self, kind: Kind, selector: &'a Selector) -> impl Iterator<Item = &'a Value> {
        let all = self.objects.iter().filter(move |((one, ..), _)| *one == kind);
        all.map(|(_, object)| object).filter(move |object| selector.matches(object))
    }

    /// Copies of the objects that are meant.
    pub(super) fn list(&self, kind: Kind, selector: &Selector) -> Vec<Value> {
        self.meant(kind, selector).cloned().collect()
    }

    /// Creates the object or puts it in the place of the one there is; returns it as it is stored.
    pub(super) fn set(&mut self, kind: Kind, mut object: Value) -> Value {
        let key = key(kind, &object);
        let before = self.objects.get(&key).cloned();
        self.version += 1;
        object["apiVersion"] = kind.api_version().into();
        object["kind"] = kind.name().into();
        if before.is_none() {
            self.created += 1;
        }
        complete(&mut object, before.as_ref(), self.version, self.created);
        self.objects.insert(key, object.clone());
        self.history.push(Record { version: self.version, kind, before, after: Some(object.clone()) });
        object
    }

    /// Deletes the object and returns its last state, if it was there.
    pub(super) fn delete(&mut self, key: &Key) -> Option<Value> {
        let before = self.objects.remove(key)?;
        self.version += 1;
        let record = Record { version: self.version, kind: key.0, before: Some(before.clone()), after: None };
        self.history.push(record);
        Some(before)
    }

    /// Forgets what happened until this moment.
    pub(super) fn compact(&mut self) {
        self.history.clear();
        self.compacted = self.version;
    }

    /// The same objects, but as of another `version`, with nothing before it: a restored backup.
    pub(super) fn restore(&mut self, version: u64) {
        self.version = version;
        self.compact();
        for object in self.objects.values_mut() {
            let own = object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok());
            let own: u64 = own.unwrap_or(version);
            object["metadata"]["resourceVersion"] = own.min(version).to_string().into();
        }
    }

    /// What happened after `version`, as one sees it who watches what is meant.
    pub(super) fn after(&self, version: u64, kind: Kind, selector: &Selector) -> Result<Vec<Event>, Gone> {
        if version < self.compacted {
            return Err(Gone);
        }
        let records = self.history.iter().filter(|record| record.version > version && record.kind == kind);
        Ok(records.filter_map(|record| record.seen(selector)).collect())
    }
}

impl Record {
    /// An object that is not meant any more is gone for who watches.
    fn seen(&self, selector: &Selector) -> Option<Event> {
        let is_meant =
            |object: &Option<Value>| object.as_ref().is_some_and(|object| selector.matches(object));
        let (event_type, object) = match (is_meant(&self.before), is_meant(&self.after)) {
            (false, false) => return None,
            (false, true) => ("ADDED", &self.after),
            (true, true) => ("MODIFIED", &self.after),
            (true, false) => ("DELETED", &self.before),
        };
        let mut object = object.clone()?;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        Some(Event { version: self.version, event_type, object })
    }
}

/// The key of an object; what has no namespace is in `default` if its kind needs one.
pub(super) fn key(kind: Kind, object: &Value) -> Key {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    let namespace = if kind.is_namespaced() { text("namespace") } else { String::new() };
    let namespace =
        if kind.is_namespaced() && namespace.is_empty() { "default".to_owned() } else { namespace };
    (kind, namespace, text("name"))
}

/// Fills in what a server adds to the metadata of each object.
fn complete(object: &mut Value, before: Option<&Value>, version: u64, created: u64) {
    let kept =
        |name: &str| before.map(|before| before["metadata"][name].clone()).filter(|value| !value.is_null());
    let uid = kept("uid").unwrap_or_else(|| format!("00000000-0000-4000-8000-{created:012x}").into());
    let since = kept("creationTimestamp").unwrap_or_else(|| "2026-01-01T00:00:00Z".into());
    let fields = json!([{
        "manager": "e2e", "operation": "Update", "apiVersion": object["apiVersion"], "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:labels": {}}, "f:spec": {".": {}, "f:ports": {}}},
    }]);
    let metadata = &mut object["metadata"];
    metadata["resourceVersion"] = version.to_string().into();
    for (name, value) in [("uid", uid), ("creationTimestamp", since), ("managedFields", fields)] {
        if metadata[name].is_null() {
            metadata[name] = value;
        }
    }
}
