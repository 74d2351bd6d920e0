//! Makes the bodies that a server answers with: objects, lists, events of a watch, refusals.
//!
//! Knows nothing of requests.

use bytes::Bytes;
use serde_json::{Value, json};

use super::kind::Kind;

/// A `Status` that says what went wrong.
pub(super) fn failure(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

/// What a server says when a version is asked for that it has forgotten.
pub(super) fn expired(version: u64, compacted_message: &str) -> Value {
    failure(410, "Expired", &format!("{compacted_message}: {version}"))
}

/// What a server says when a version is asked for that it has not reached.
pub(super) fn too_large(version: u64, current: u64) -> Value {
    let message = format!("Too large resource version: {version}, current: {current}");
    let mut status = failure(504, "Timeout", &message);
    status["details"] = json!({
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    });
    status
}

/// A list; its items do not say what they are, as in real ones.
pub(super) fn list(kind: Kind, version: u64, token: Option<&str>, items: Vec<Value>) -> Value {
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if let Some(token) = token {
        metadata["continue"] = token.into();
    }
    let items = items.into_iter().map(|mut item| {
        if let Some(fields) = item.as_object_mut() {
            fields.remove("kind");
            fields.remove("apiVersion");
        }
        item
    });
    json!({
        "kind": format!("{}List", kind.name()), "apiVersion": kind.api_version(),
        "metadata": metadata, "items": items.collect::<Vec<_>>(),
    })
}

/// A line of a watch.
pub(super) fn line(event_type: &str, object: &Value) -> Bytes {
    format!("{{\"type\":\"{event_type}\",\"object\":{object}}}\n").into()
}

/// Whether everything that existed at the start was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bookmark {
    Periodic,
    EndsInitialEvents,
}

/// A line that tells how far the watch is.
pub(super) fn bookmark(kind: Kind, version: u64, bookmark: Bookmark) -> Bytes {
    let mut metadata = json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
    if bookmark == Bookmark::EndsInitialEvents {
        metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    }
    let object =
        json!({"kind": kind.name(), "apiVersion": kind.api_version(), "metadata": metadata, "spec": {}});
    line("BOOKMARK", &object)
}
