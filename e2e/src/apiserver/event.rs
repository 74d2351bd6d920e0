//! Tells what the API server would not take of an Event.
//!
//! Knows nothing of requests.

use serde_json::Value;

/// The longest note, and the longest of the other texts, in bytes.
const LONGEST: [(&str, usize); 4] =
    [("note", 1024), ("reason", 128), ("action", 128), ("reportingInstance", 128)];

/// Checks what `events.k8s.io/v1` wants to be there and to fit.
pub(super) fn check(event: &Value) -> Result<(), String> {
    let text = |name: &str| event[name].as_str().unwrap_or_default();
    if !["Normal", "Warning"].contains(&text("type")) {
        return Err("type: Invalid value".to_owned());
    }
    for name in ["eventTime", "reason", "action", "reportingController", "reportingInstance"] {
        if text(name).is_empty() {
            return Err(format!("{name}: Required value"));
        }
    }
    if let Some((name, longest)) = LONGEST.into_iter().find(|(name, longest)| text(name).len() > *longest) {
        return Err(format!("{name}: can have at most {longest} bytes"));
    }
    let (namespace, regarding) = (&event["metadata"]["namespace"], &event["regarding"]["namespace"]);
    if namespace != regarding && !(regarding.is_null() && namespace == "default") {
        return Err(format!("involvedObject.namespace: does not match {namespace}"));
    }
    if !is_micro_time(text("eventTime")) {
        return Err("eventTime: Invalid value".to_owned());
    }
    check_series(&event["series"])
}

fn check_series(series: &Value) -> Result<(), String> {
    if series.is_null() {
        return Ok(());
    }
    if series["count"].as_u64().is_none_or(|count| count < 2) {
        return Err("series.count: should be at least 2".to_owned());
    }
    if !is_micro_time(series["lastObservedTime"].as_str().unwrap_or_default()) {
        return Err("series.lastObservedTime: Required value".to_owned());
    }
    Ok(())
}

/// RFC 3339 in UTC, with exactly six digits behind the second.
fn is_micro_time(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd.ddddddZ";
    text.len() == pattern.len()
        && text.chars().zip(pattern.chars()).all(|(char, wanted)| match wanted {
            'd' => char.is_ascii_digit(),
            other => char == other,
        })
}
