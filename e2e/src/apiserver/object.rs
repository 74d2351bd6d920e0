//! Keeps an object beside its text, which is made once for all who are told of it.
//!
//! Knows nothing of lists and watches.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::kind::Kind;
use super::selector::Traits;

/// An object as it is at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    kind: Kind,
    value: Value,
    traits: Traits,
    members: Bytes,
}

impl Object {
    /// The object of this kind, whatever `value` says of its kind.
    pub(super) fn new(kind: Kind, mut value: Value) -> Self {
        value["apiVersion"] = kind.api_version().into();
        value["kind"] = kind.name().into();
        let members = value.as_object().into_iter().flatten();
        let members: BTreeMap<_, _> =
            members.filter(|(name, _)| !["apiVersion", "kind"].contains(&name.as_str())).collect();
        let text = serde_json::to_vec(&members).expect("names are strings");
        let traits = Traits::of(&value);
        Self { kind, value, traits, members: Bytes::from(text).slice(1..) }
    }

    /// The same object at another version.
    pub(super) fn at(&self, version: u64) -> Self {
        let mut value = self.value.clone();
        value["metadata"]["resourceVersion"] = version.to_string().into();
        Self::new(self.kind, value)
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    /// What selectors ask of it.
    pub(super) fn traits(&self) -> &Traits {
        &self.traits
    }

    /// Its JSON behind the opening brace, without `kind` and `apiVersion`.
    pub(super) fn members(&self) -> Bytes {
        self.members.clone()
    }

    /// `metadata.resourceVersion`; none if it has none that is a number.
    pub(super) fn version(&self) -> Option<u64> {
        self.value["metadata"]["resourceVersion"].as_str()?.parse().ok()
    }
}
