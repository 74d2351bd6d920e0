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

/// What selectors ask of an object.
///
/// Thousands are asked in a row, so it is kept apart from the rest: a name of another length is passed over without a
/// look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Traits {
    labels: Box<[Trait]>,
    /// By path; no field selector goes deeper than two names.
    fields: Box<[Trait]>,
}

type Trait = (Box<str>, Box<str>);

impl Traits {
    pub(super) fn of(object: &Value) -> Self {
        let members = object.as_object().into_iter().flatten();
        let nested = members.flat_map(|(name, member)| texts(format!("{name}."), member));
        Self {
            labels: texts(String::new(), &object["metadata"]["labels"]).collect(),
            fields: texts(String::new(), object).chain(nested).collect(),
        }
    }

    fn label(&self, key: &str) -> Option<&str> {
        find(&self.labels, key)
    }

    /// A field that is absent is empty.
    fn field(&self, path: &str) -> &str {
        find(&self.fields, path).unwrap_or_default()
    }
}

/// The members of `object` that are texts.
fn texts(prefix: String, object: &Value) -> impl Iterator<Item = Trait> {
    let members = object.as_object().into_iter().flatten();
    members.filter_map(move |(name, value)| Some((format!("{prefix}{name}").into(), value.as_str()?.into())))
}

fn find<'a>(all: &'a [Trait], name: &str) -> Option<&'a str> {
    all.iter().find(|(one, _)| **one == *name).map(|(_, value)| &**value)
}

impl Selector {
    /// Whether the object is meant.
    pub(super) fn matches(&self, traits: &Traits) -> bool {
        self.namespace.as_deref().is_none_or(|wanted| traits.field("metadata.namespace") == wanted)
            && requirements(&self.labels).all(|one| one.holds(|key| traits.label(key)))
            && requirements(&self.fields).all(|one| one.holds(|path| Some(traits.field(path))))
    }
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

    use super::{Selector, Traits};

    #[test]
    fn selectors() {
        let object = json!({
            "metadata": {"name": "web", "namespace": "demo", "labels": {"a": "1", "empty": ""}},
            "spec": {"clusterIP": "None"},
            "reason": "Started",
        });
        let traits = Traits::of(&object);
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
            ("", "reason=Started", true),
        ] {
            let selector = Selector { namespace: None, labels: labels.to_owned(), fields: fields.to_owned() };
            assert_eq!(selector.matches(&traits), expected, "{labels} {fields}");
        }
        let elsewhere = Selector { namespace: Some("other".to_owned()), ..Selector::default() };
        assert!(!elsewhere.matches(&traits));
    }
}
