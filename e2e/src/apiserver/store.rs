//! Keeps objects, their versions and what happened to them, as etcd and the watch cache do.
//!
//! Knows nothing of requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::kind::Kind;
use super::object::Object;
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
    objects: BTreeMap<Key, Arc<Object>>,
    /// In the order of their versions.
    history: Vec<Record>,
    created: u64,
}

/// Something that happened.
#[derive(Clone, Debug)]
struct Record {
    version: u64,
    kind: Kind,
    before: Option<Arc<Object>>,
    after: Option<Arc<Object>>,
}

/// What a watch tells: `ADDED`, `MODIFIED` or `DELETED`, and the object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub(super) version: u64,
    pub(super) event_type: &'static str,
    pub(super) object: Arc<Object>,
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

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.objects.get(key)
    }

    /// The objects that are meant, in the order of their keys.
    pub(super) fn list(&self, kind: Kind, selector: &Selector) -> Vec<Arc<Object>> {
        let first = (kind, String::new(), String::new());
        let all = self.objects.range(first..).take_while(|((one, ..), _)| *one == kind);
        all.map(|(_, object)| object).filter(|object| selector.matches(object.traits())).cloned().collect()
    }

    /// Creates the object or puts it in the place of the one there is; returns it as it is stored.
    pub(super) fn set(&mut self, kind: Kind, mut value: Value) -> Arc<Object> {
        let key = key(kind, &value);
        let before = self.objects.get(&key).cloned();
        self.version += 1;
        if before.is_none() {
            self.created += 1;
        }
        value["apiVersion"] = kind.api_version().into();
        complete(&mut value, before.as_deref().map(Object::value), self.version, self.created);
        let object = Arc::new(Object::new(kind, value));
        self.objects.insert(key, object.clone());
        self.history.push(Record { version: self.version, kind, before, after: Some(object.clone()) });
        object
    }

    /// Deletes the object and returns its last state, if it was there.
    pub(super) fn delete(&mut self, key: &Key) -> Option<Arc<Object>> {
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
            *object = Arc::new(object.at(object.version().map_or(version, |own| own.min(version))));
        }
    }

    /// What happened after `version`, as one sees it who watches what is meant.
    pub(super) fn after(&self, version: u64, kind: Kind, selector: &Selector) -> Result<Vec<Event>, Gone> {
        if version < self.compacted {
            return Err(Gone);
        }
        let first = self.history.partition_point(|record| record.version <= version);
        let records = self.history[first..].iter().filter(|record| record.kind == kind);
        Ok(records.filter_map(|record| record.seen(selector)).collect())
    }
}

impl Record {
    /// An object that is not meant any more is gone for who watches.
    fn seen(&self, selector: &Selector) -> Option<Event> {
        let meant =
            |object: &Option<Arc<Object>>| object.clone().filter(|object| selector.matches(object.traits()));
        let (event_type, object) = match (meant(&self.before), meant(&self.after)) {
            (None, None) => return None,
            (None, Some(after)) => ("ADDED", after),
            (Some(_), Some(after)) => ("MODIFIED", after),
            (Some(before), None) => ("DELETED", Arc::new(before.at(self.version))),
        };
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
