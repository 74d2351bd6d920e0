//! What a server says when it does not do what it is asked for.
//!
//! Knows nothing of requests.

use serde_json::{Value, json};

use super::kind::Place;

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

/// What a server says when there is no such object.
pub(super) fn not_found(place: &Place) -> Value {
    let name = place.name.as_deref().unwrap_or_default();
    failure(404, "NotFound", &format!("{} {name:?} not found", place.kind.plural()))
}

/// What is answered in the place of what was asked for.
pub(super) struct Refusal {
    /// With the HTTP status in its `code`.
    pub(super) status: Value,
    /// Header `Retry-After`, in seconds.
    pub(super) retry_after: Option<u64>,
}

impl From<Value> for Refusal {
    fn from(status: Value) -> Self {
        Self { status, retry_after: None }
    }
}
