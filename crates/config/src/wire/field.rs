//! Turns one value of the file into one typed field, or says where and why it cannot be.
//!
//! Knows the types of fields and what `null` means for them, not which fields there are.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::config::FlushFrequency;
use crate::duration::Duration;
use crate::quantity::Quantity;
use crate::yaml::Node;

/// A field has a value of the wrong type or out of its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub(crate) struct FieldError {
    pub(crate) path: String,
    pub(crate) reason: String,
}

/// A type that a field can have. `None` is what `null` says: nothing.
pub(crate) trait FromNode: Sized {
    fn from_node(node: Node, place: &mut Place) -> Result<Option<Self>, FieldError>;
}

/// A duration that may be `null`; others may not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Nullable<T>(pub(crate) T);

/// Where the reader is in the tree, and which fields it found that nobody knows.
#[derive(Debug, Default)]
pub(crate) struct Place {
    path: Vec<String>,
    pub(crate) unknown: Vec<String>,
}

impl Place {
    pub(crate) fn enter(&mut self, key: &str) {
        let dot = if self.path.is_empty() { "" } else { "." };
        self.path.push(format!("{dot}{key}"));
    }

    pub(crate) fn leave(&mut self) {
        self.path.pop();
    }

    pub(crate) fn unknown(&mut self) {
        self.unknown.push(self.path.concat());
    }

    /// The pairs of a map, none for `null`.
    pub(crate) fn map(&self, node: Node) -> Result<Vec<(String, Node)>, FieldError> {
        match node {
            Node::Null => Ok(Vec::new()),
            Node::Map(pairs) => Ok(pairs),
            other => Err(self.wrong("an object", &other)),
        }
    }

    fn wrong(&self, wanted: &str, node: &Node) -> FieldError {
        let found = match node {
            Node::Null => "null".to_owned(),
            Node::Bool(value) => format!("the boolean {value}"),
            Node::Int(value) => format!("the number {value}"),
            Node::Float(value) => format!("the number {value}"),
            Node::Text(text) => format!("the string {text:?}"),
            Node::List(_) => "a list".to_owned(),
            Node::Map(_) => "an object".to_owned(),
        };
        self.error(format!("must be {wanted}, not {found}"))
    }

    fn error(&self, reason: impl Display) -> FieldError {
        FieldError { path: self.path.concat(), reason: reason.to_string() }
    }
}

impl FromNode for String {
    fn from_node(node: Node, place: &mut Place) -> Result<Option<Self>, FieldError> {
        match node {
            Node::Null => Ok(None),
            Node::Text(text) => Ok(Some(text)),
            other => Err(place.wrong("a string", &other)),
        }
    }
}

impl FromNode for bool {
    fn from_node(node: Node, place: &mut Place) -> Result<Option<Self>, FieldError> {
        match node {
            Node::Null => Ok(None),
            Node::Bool(value) => Ok(Some(value)),
            other => Err(place.wrong("true or false", &other)),
        }
    }
}

impl FromNode for i32 {
    fn from_node(node: Node, place: &mut Place) -> Result<Option<Self>, FieldError> {
        integer(node, place, "a 32-bit integer")
    }
}

impl FromNode for u32 {
    fn from_node(node: Node, place: &mut Place) -> Result<Option<Self>, FieldError> {
        integer(node, place, "an unsigned 32-bit integer")
    }
}

fn integer<T: TryFrom<i64>>(node: Node, place: &Place, wanted: &str) -> Result<Option<T>, FieldError> {
    let whole = match node {
        Node::Null => return Ok(None),
        Node::Int(value) => Some(value),
        // `5.0` is an integer that was written by a machine; all of this range is exact.
        Node::Float(value) if value.fract() == 0.0 && value.abs() < 4_294_967_296.0 => Some(value as i64),
        _ => None,
    };
    match whole.and_then(|value| T::try_from(value).ok()) {
        Some(value) => Ok(Some(value)),
        None => Err(place.wrong(wanted, &node)),
    }
}

impl FromNode for f32 {
    fn from_node(node: Node, place: &mut Place) -> Result<Option<Self>, FieldError> {
        let value = match node {
            Node::Null => return Ok(None),
            Node::Int(value) => value as f32,
            Node::Float(value) => value as f32,
            other => return Err(place.wrong("a number", &other)),
        };
        if value.is_finite() { Ok(Some(value)) } else { Err(place.wrong("a 32-bit number", &node)) }
    }
}

impl FromNode for Duration {
    fn from_node(node: Node, place: &mut Place) -> Result<Option<Self>, FieldError> {
        match node {
            Node::Text(text) => text.parse().map(Some).map_err(|error| place.error(error)),
            other => Err(place.wrong("a duration such as \"30s\"", &other)),
        }
    }
}

impl FromNode for Nullable<Duration> {
    fn from_node(node: Node, place: &mut Place) -> Result<Option<Self>, FieldError> {
        match node {
            Node::Null => Ok(None),
            other => Ok(Duration::from_node(other, place)?.map(Nullable)),
        }
    }
}

impl FromNode for FlushFrequency {
    fn from_node(node: Node, place: &mut Place) -> Result<Option<Self>, FieldError> {
        match node {
            Node::Null => Ok(None),
            Node::Int(nanos) => Ok(Some(Self::Nanoseconds(Duration::from_nanos(nanos)))),
            other => Ok(Duration::from_node(other, place)?.map(Self::Text)),
        }
    }
}

impl FromNode for Quantity {
    fn from_node(node: Node, place: &mut Place) -> Result<Option<Self>, FieldError> {
        let text = match node {
            Node::Null => return Ok(None),
            Node::Int(value) => value.to_string(),
            Node::Float(value) => value.to_string(),
            Node::Text(text) => text,
            other => return Err(place.wrong("a quantity", &other)),
        };
        text.parse().map(Some).map_err(|error| place.error(error))
    }
}

impl<T: FromNode + Default> FromNode for Vec<T> {
    fn from_node(node: Node, place: &mut Place) -> Result<Option<Self>, FieldError> {
        let elements = match node {
            Node::Null => return Ok(None),
            Node::List(elements) => elements,
            other => return Err(place.wrong("a list", &other)),
        };
        let mut list = Self::new();
        for (index, element) in elements.into_iter().enumerate() {
            place.path.push(format!("[{index}]"));
            list.push(T::from_node(element, place)?.unwrap_or_default());
            place.leave();
        }
        Ok(Some(list))
    }
}

impl FromNode for BTreeMap<String, bool> {
    fn from_node(node: Node, place: &mut Place) -> Result<Option<Self>, FieldError> {
        let mut map = Self::new();
        for (key, value) in place.map(node)? {
            place.enter(&key);
            map.insert(key, bool::from_node(value, place)?.unwrap_or_default());
            place.leave();
        }
        Ok(Some(map))
    }
}
