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

/// A type that a field can have.
pub(crate) trait FromNode: Sized {
    /// What a value that is not `null` says.
    fn from_node(node: Node, place: &mut Place) -> Result<Self, FieldError>;

    /// What a value says; `null` says nothing.
    fn read(node: Node, place: &mut Place) -> Result<Option<Self>, FieldError> {
        if node == Node::Null { Ok(None) } else { Self::from_node(node, place).map(Some) }
    }
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

    pub(crate) fn map(&self, node: Node) -> Result<Vec<(String, Node)>, FieldError> {
        let Node::Map(pairs) = node else { return Err(self.wrong("an object", &node)) };
        Ok(pairs)
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
    fn from_node(node: Node, place: &mut Place) -> Result<Self, FieldError> {
        let Node::Text(text) = node else { return Err(place.wrong("a string", &node)) };
        Ok(text)
    }
}

impl FromNode for bool {
    fn from_node(node: Node, place: &mut Place) -> Result<Self, FieldError> {
        let Node::Bool(value) = node else { return Err(place.wrong("true or false", &node)) };
        Ok(value)
    }
}

impl FromNode for i32 {
    fn from_node(node: Node, place: &mut Place) -> Result<Self, FieldError> {
        integer(&node).ok_or_else(|| place.wrong("a 32-bit integer", &node))
    }
}

impl FromNode for u32 {
    fn from_node(node: Node, place: &mut Place) -> Result<Self, FieldError> {
        integer(&node).ok_or_else(|| place.wrong("an unsigned 32-bit integer", &node))
    }
}

fn integer<T: TryFrom<i64>>(node: &Node) -> Option<T> {
    let whole = match node {
        Node::Int(value) => *value,
        // `5.0` is an integer that a machine wrote; all of this range is exact.
        Node::Float(value) if value.fract() == 0.0 && value.abs() < 4_294_967_296.0 => *value as i64,
        Node::Float(_) | Node::Null | Node::Bool(_) | Node::Text(_) | Node::List(_) | Node::Map(_) => {
            return None;
        }
    };
    T::try_from(whole).ok()
}

impl FromNode for f32 {
    fn from_node(node: Node, place: &mut Place) -> Result<Self, FieldError> {
        let value = match node {
            Node::Int(value) => Some(value as f32),
            Node::Float(value) => Some(value as f32),
            Node::Null | Node::Bool(_) | Node::Text(_) | Node::List(_) | Node::Map(_) => None,
        };
        value.filter(|value| value.is_finite()).ok_or_else(|| place.wrong("a 32-bit number", &node))
    }
}

impl FromNode for Duration {
    fn from_node(node: Node, place: &mut Place) -> Result<Self, FieldError> {
        let Node::Text(text) = node else {
            return Err(place.wrong("a duration such as \"30s\"", &node));
        };
        text.parse().map_err(|error| place.error(error))
    }

    fn read(node: Node, place: &mut Place) -> Result<Option<Self>, FieldError> {
        Self::from_node(node, place).map(Some)
    }
}

impl FromNode for Nullable<Duration> {
    fn from_node(node: Node, place: &mut Place) -> Result<Self, FieldError> {
        Duration::from_node(node, place).map(Self)
    }
}

impl FromNode for FlushFrequency {
    fn from_node(node: Node, place: &mut Place) -> Result<Self, FieldError> {
        if let Node::Int(nanos) = node {
            return Ok(Self::Nanoseconds(Duration::from_nanos(nanos)));
        }
        Duration::from_node(node, place).map(Self::Text)
    }
}

impl FromNode for Quantity {
    fn from_node(node: Node, place: &mut Place) -> Result<Self, FieldError> {
        let text = match node {
            Node::Int(value) => value.to_string(),
            Node::Float(value) => value.to_string(),
            other @ (Node::Null | Node::Bool(_) | Node::Text(_) | Node::List(_) | Node::Map(_)) => {
                String::from_node(other, place)?
            }
        };
        text.parse().map_err(|error| place.error(error))
    }
}

impl<T: FromNode + Default> FromNode for Vec<T> {
    fn from_node(node: Node, place: &mut Place) -> Result<Self, FieldError> {
        let Node::List(elements) = node else { return Err(place.wrong("a list", &node)) };
        let mut list = Self::new();
        for (index, element) in elements.into_iter().enumerate() {
            place.path.push(format!("[{index}]"));
            list.push(T::read(element, place)?.unwrap_or_default());
            place.leave();
        }
        Ok(list)
    }
}

impl FromNode for BTreeMap<String, bool> {
    fn from_node(node: Node, place: &mut Place) -> Result<Self, FieldError> {
        let mut map = Self::new();
        for (key, value) in place.map(node)? {
            place.enter(&key);
            map.insert(key, bool::read(value, place)?.unwrap_or_default());
            place.leave();
        }
        Ok(map)
    }
}
