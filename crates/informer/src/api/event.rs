//! Turns one line of a watch into an event.
//!
//! Knows nothing of what the object in it says, nor of what happened before.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::object::raw::or_default;

#[cfg(test)]
mod tests;

/// What a line of a watch says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// `ADDED` or `MODIFIED`, with the object's JSON.
    Set(&'a [u8]),
    /// `DELETED`, with the JSON of the object's last state.
    Deleted(&'a [u8]),
    /// `BOOKMARK`: everything up to here has been told.
    Bookmark {
        /// `metadata.resourceVersion`.
        version: String,
        /// Whether everything that existed at the start has been told with this.
        ends_initial_events: bool,
    },
    /// `ERROR`.
    Error(Status),
}

/// A line that is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoEvent;

/// What a server says when it does not do what was asked: `Status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Status {
    /// `code`: the HTTP status.
    #[serde(deserialize_with = "or_default")]
    pub code: u16,
    /// `reason`: one word for programs.
    #[serde(deserialize_with = "or_default")]
    pub reason: String,
    /// `message`: for people.
    #[serde(deserialize_with = "or_default")]
    pub message: String,
    #[serde(deserialize_with = "or_default")]
    details: Details,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    #[serde(deserialize_with = "or_default")]
    retry_after_seconds: u64,
}

impl Status {
    /// The status in the body of an answer, or one made from the HTTP status alone.
    pub(super) fn of_answer(code: u16, body: &[u8]) -> Self {
        let status = serde_json::from_slice::<Self>(body).ok().filter(|status| !status.reason.is_empty());
        let message = || String::from_utf8_lossy(&body[..body.len().min(LONGEST_MESSAGE)]).trim().to_owned();
        let status = status.unwrap_or_else(|| Self { message: message(), ..Self::default() });
        Self { code, ..status }
    }

    /// `details.retryAfterSeconds`.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.details.retry_after_seconds;
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    /// With the HTTP header `Retry-After` in seconds, which counts more than the body.
    pub(super) fn with_retry_after(mut self, seconds: Option<u64>) -> Self {
        self.details.retry_after_seconds = seconds.unwrap_or(self.details.retry_after_seconds);
        self
    }

    /// Whether the version that was asked for is too old to go on from.
    pub(super) fn is_gone(&self) -> bool {
        self.code == 410 || self.reason == "Expired" || self.reason == "Gone"
    }
}

/// The longest text of an answer that is no `Status` to repeat.
const LONGEST_MESSAGE: usize = 200;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Bookmark {
    #[serde(deserialize_with = "or_default")]
    metadata: BookmarkMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BookmarkMetadata {
    #[serde(deserialize_with = "or_default")]
    resource_version: String,
    annotations: Option<BTreeMap<String, String>>,
}

/// The event on a line.
pub(super) fn parse(line: &[u8]) -> Result<Event<'_>, NoEvent> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|_| NoEvent)?;
    let object = line.object.get().as_bytes();
    match line.event_type.as_ref() {
        "ADDED" | "MODIFIED" => Ok(Event::Set(object)),
        "DELETED" => Ok(Event::Deleted(object)),
        "BOOKMARK" => {
            let Bookmark { metadata } = serde_json::from_slice(object).map_err(|_| NoEvent)?;
            let annotations = metadata.annotations.unwrap_or_default();
            let ends_initial_events =
                annotations.get("k8s.io/initial-events-end").is_some_and(|value| value == "true");
            Ok(Event::Bookmark { version: metadata.resource_version, ends_initial_events })
        }
        "ERROR" => serde_json::from_slice(object).map(Event::Error).map_err(|_| NoEvent),
        _ => Err(NoEvent),
    }
}
