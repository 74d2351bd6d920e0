//! Turns label and field selectors into whether an object is meant.
//!
//! Knows nothing of requests.

use serde_json::Value;

/// A label selector and a field selector, as their parameters read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) namespace: Option<String>,
    pub(super) labels: String,
    pub(super) fields: String,
}

impl Selector {
    /// Whether the object is meant.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let namespace = object["metadata"]["namespace"].as_str();
        self.namespace.as_deref().is_none_or(|wanted| namespace == Some(wanted))
            && requirements(&self.labels).all(|one| one.holds(|key| labels[key].as_str()))
            && requirements(&self.fields).all(|one| one.holds(|path| Some(field(object, path))))
    }
}

/// A field that is absent is empty.
fn field<'a>(object: &'a Value, path: &str) -> &'a str {
    path.split('.').fold(object, |value, name| &value[name]).as_str().unwrap_or_default()
}

enum Requirement<'a> {
    Exists(&'a str),
    Missing(&'a str),
    Equals(&'a str, &'a str),
    Differs(&'a str, &'a str),
}

fn requirements(text: &str) -> impl Iterator<Item = Requirement<'_>> {
    text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(|text| {
        if let Some((key, value)) = text.split_once("!=") {
            Requirement::Differs(key, value)
        } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            Requirement::Equals(key, value)
        } else if let Some(key) = text.strip_prefix('!') {
            Requirement::Missing(key)
        } else {
            Requirement::Exists(text)
        }
    })
}

impl Requirement<'_> {
    fn holds<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> bool {
        match *self {
            Self::Exists(key) => value(key).is_some(),
            Self::Missing(key) => value(key).is_none(),
            Self::Equals(key, wanted) => value(key) == Some(wanted),
            Self::Differs(key, unwanted) => value(key) != Some(unwanted),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Selector;

    #[test]
    fn selectors() {
        let object = json!({
            "metadata": {"name": "web", "namespace": "demo", "labels": {"a": "1", "empty": ""}},
            "spec": {"clusterIP": "None"},
        });
        for (labels, fields, expected) in [
            ("", "", true),
            ("!b", "", true),
            ("!a", "", false),
            ("!empty", "", false),
            ("a", "metadata.name=web", true),
            ("a=1,!b", "metadata.name==web,metadata.namespace=demo", true),
            ("a!=1", "", false),
            ("b!=1", "", true),
            ("", "spec.clusterIP!=None", false),
            ("", "spec.type!=None", true),
            ("", "metadata.name=other", false),
        ] {
            let selector = Selector { namespace: None, labels: labels.to_owned(), fields: fields.to_owned() };
            assert_eq!(selector.matches(&object), expected, "{labels} {fields}");
        }
        let elsewhere = Selector { namespace: Some("other".to_owned()), ..Selector::default() };
        assert!(!elsewhere.matches(&object));
    }
}
