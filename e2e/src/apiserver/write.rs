//! Creates, replaces and merges objects, as clients ask for it.
//!
//! Knows nothing of who is told of it.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use serde_json::Value;

use super::asked::Asked;
use super::body::{self, Pieces};
use super::kind::{Kind, Place};
use super::state::State;
use super::status::{self, Refusal};
use super::{event, store, text};

impl Asked {
    /// Creates, replaces or merges one object.
    pub(super) fn write(
        &self,
        place: &Place,
        state: &mut State,
        headers: &HeaderMap,
        content: &Bytes,
    ) -> Result<Pieces, Refusal> {
        let name = place.name.clone().unwrap_or_default();
        let key = (place.kind, place.namespace.clone().unwrap_or_default(), name);
        if self.method == Method::PATCH {
            check_patch_type(headers)?;
        }
        let bad = |error: serde_json::Error| status::failure(400, "BadRequest", &error.to_string());
        let mut object: Value = serde_json::from_slice(content).map_err(bad)?;
        if self.method == Method::PATCH {
            let stored = state.store.get(&key).ok_or_else(|| status::not_found(place))?;
            let mut whole = stored.value().clone();
            merge(&mut whole, object);
            object = whole;
        }
        if let (Some(namespace), Some(metadata)) = (&place.namespace, object["metadata"].as_object_mut()) {
            metadata.entry("namespace").or_insert_with(|| namespace.as_str().into());
        }
        if self.method == Method::POST && state.store.get(&store::key(place.kind, &object)).is_some() {
            let message = format!("{} already exists", place.kind.plural());
            return Err(status::failure(409, "AlreadyExists", &message).into());
        }
        if place.kind == Kind::Event {
            event::check(&object).map_err(|message| status::failure(422, "Invalid", &message))?;
        }
        Ok(body::whole(text::whole(&state.set(place.kind, object))))
    }
}

/// Patches of objects that the server knows are strategic or plain merges.
fn check_patch_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if ["application/strategic-merge-patch+json", "application/merge-patch+json"].contains(&given) {
        return Ok(());
    }
    let message = "the body of the request was in an unknown format";
    Err(status::failure(415, "UnsupportedMediaType", message).into())
}

/// A JSON merge patch, which is what a strategic one comes to for Events.
fn merge(object: &mut Value, patch: Value) {
    let Value::Object(members) = patch else {
        *object = patch;
        return;
    };
    for (name, value) in members {
        if value.is_null() {
            object.as_object_mut().map(|object| object.remove(&name));
        } else {
            merge(&mut object[name], value);
        }
    }
}
