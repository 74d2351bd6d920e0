//! What is wrong with an object, said so that whoever wrote it finds the place.
//!
//! Knows nothing of where it is reported.

use std::fmt;
use std::sync::Arc;

use super::name::NamespacedName;

/// Kind and name of an object as they stand in it, whether it may be called so or not; printed `Service demo/web`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// `kind`.
    pub kind: &'static str,
    /// Namespace and name, printable and of bearable length.
    pub name: NamespacedName,
}

impl Subject {
    pub(crate) fn new(kind: &'static str, namespace: &str, name: &str) -> Self {
        Self { kind, name: NamespacedName::new(printable(namespace), printable(name)) }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            "Node" => write!(f, "Node {}", self.name.name),
            kind => write!(f, "{kind} {}", self.name),
        }
    }
}

/// One field of one object that cannot be used; the rest of the object counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    /// The object, if it can be told.
    pub about: Option<Arc<Subject>>,
    /// Kind and name, as in `Service demo/web`; in a directory of manifests after the file and the
    /// document, as in `web.yaml document 2: Service demo/web`.
    pub object: String,
    /// Path of the field, as in `spec.ports[0].port`; empty if it is about the whole.
    pub field: String,
    /// The value as it was given; a long one is cut short.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Complaint {
    /// Whatever the texts are, they come out as one line of bearable length.
    pub(crate) fn new(
        object: impl fmt::Display,
        field: impl fmt::Display,
        value: impl fmt::Display,
        reason: impl fmt::Display,
    ) -> Self {
        Self {
            about: None,
            object: printable(&object.to_string()),
            field: printable(&field.to_string()),
            value: shortened(&value.to_string(), LONGEST_VALUE),
            reason: printable(&reason.to_string()),
        }
    }
}

impl Complaint {
    /// The same of an object that can be told.
    pub(crate) fn of(
        subject: Subject,
        field: impl fmt::Display,
        value: impl fmt::Display,
        reason: impl fmt::Display,
    ) -> Self {
        let complaint = Self::new(&subject, field, value, reason);
        Self { about: Some(Arc::new(subject)), ..complaint }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, field, value, reason, .. } = self;
        write!(f, "{object}: ")?;
        if !field.is_empty() {
            write!(f, "{field}: ")?;
        }
        if !field.is_empty() || !value.is_empty() {
            write!(f, "{value:?}: ")?;
        }
        f.write_str(reason)
    }
}

/// Longest value that a complaint repeats in full, in characters.
const LONGEST_VALUE: usize = 100;

/// Longest other part of a complaint, in characters: names of the greatest length fit.
const LONGEST_TEXT: usize = 600;

fn shortened(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn printable(text: &str) -> String {
    let escaped = |char: char| if char.is_control() { char.escape_debug().to_string() } else { char.into() };
    shortened(text, LONGEST_TEXT).chars().map(escaped).collect()
}

/// The most complaints about one thing.
const MOST: usize = 100;

/// Adds a complaint unless the list is full; a full one ends by saying so.
pub(crate) fn push(list: &mut Vec<Complaint>, complaint: Complaint) {
    if list.len() + 1 < MOST {
        list.push(complaint);
    } else if list.len() < MOST {
        let more = Complaint::new(complaint.object, "", "", "has more faults, which are not listed");
        list.push(Complaint { about: complaint.about, ..more });
    }
}

/// The complaints about one object, as they come up.
#[derive(Debug)]
pub(crate) struct Complaints {
    subject: Subject,
    list: Vec<Complaint>,
}

impl Complaints {
    pub(crate) fn about(kind: &'static str, name: &NamespacedName) -> Self {
        Self { subject: Subject::new(kind, &name.namespace, &name.name), list: Vec::new() }
    }

    pub(crate) fn add(&mut self, field: impl fmt::Display, value: impl fmt::Display, reason: &str) {
        push(&mut self.list, Complaint::of(self.subject.clone(), field, value, reason));
    }

    pub(crate) fn into_list(self) -> Vec<Complaint> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::{Complaint, Complaints, NamespacedName};

    #[test]
    fn there_is_an_end_to_complaints() {
        let mut complaints = Complaints::about("Service", &NamespacedName::new("demo", "web"));
        for index in 0..1000 {
            complaints.add(format_args!("spec.externalIPs[{index}]"), "x", "is not an IP address");
        }
        let list = complaints.into_list();
        assert_eq!(list.len(), 100);
        assert_eq!(list[98].field, "spec.externalIPs[98]");
        assert_eq!(list[99].to_string(), "Service demo/web: has more faults, which are not listed");
    }

    #[test]
    fn a_complaint_is_one_line_of_bearable_length() {
        let long = "a\n".repeat(1000);
        let text = Complaint::new(&long, &long, &long, &long).to_string();
        assert!(!text.contains('\n') && text.len() < 6000, "{text}");
        assert!(text.starts_with("a\\na\\n") && text.ends_with("a\\n..."), "{text}");
    }

    #[test]
    fn what_is_unknown_is_not_printed() {
        for (field, value, expected) in [
            ("spec.type", "a\nb", "Service demo/web: spec.type: \"a\\nb\": is bad"),
            ("spec.clusterIP", "", "Service demo/web: spec.clusterIP: \"\": is bad"),
            ("", "x", "Service demo/web: \"x\": is bad"),
            ("", "", "Service demo/web: is bad"),
        ] {
            assert_eq!(Complaint::new("Service demo/web", field, value, "is bad").to_string(), expected);
        }
    }
}
