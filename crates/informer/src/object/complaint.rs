//! What is wrong with an object, said so that whoever wrote it finds the place.
//!
//! Knows nothing of where it is reported.

use std::fmt;

/// One field of one object that cannot be used; the rest of the object counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    /// Kind and name, as in `Service demo/web`; in a directory of manifests after the file and the
    /// document, as in `web.yaml document 2: Service demo/web`.
    pub object: String,
    /// Path of the field, as in `spec.ports[0].port`.
    pub field: String,
    /// The value as it was given; a long one is cut short.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Complaint {
    pub(crate) fn new(
        object: impl fmt::Display,
        field: impl fmt::Display,
        value: impl fmt::Display,
        reason: impl fmt::Display,
    ) -> Self {
        Self {
            object: object.to_string(),
            field: field.to_string(),
            value: shortened(&value.to_string()),
            reason: reason.to_string(),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {:?}: {}", self.object, self.field, self.value, self.reason)
    }
}

/// Longest value that a complaint repeats in full, in characters.
const LONGEST_VALUE: usize = 100;

/// `value` cut to what a log line can bear.
pub(crate) fn shortened(value: &str) -> String {
    match value.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value.to_owned(),
    }
}

/// The complaints about one object, as they come up.
#[derive(Debug)]
pub(crate) struct Complaints {
    object: String,
    list: Vec<Complaint>,
}

impl Complaints {
    pub(crate) fn about(object: impl fmt::Display) -> Self {
        Self { object: object.to_string(), list: Vec::new() }
    }

    pub(crate) fn add(&mut self, field: impl fmt::Display, value: impl fmt::Display, reason: &str) {
        self.list.push(Complaint::new(&self.object, field, value, reason));
    }

    pub(crate) fn into_list(self) -> Vec<Complaint> {
        self.list
    }
}
