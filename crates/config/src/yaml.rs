//! Turns YAML or JSON text into a plain tree, and such a tree back into text.
//!
//! The only module that knows the YAML library. Does not know what the fields mean.

mod write;

use std::cell::Cell;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

pub(crate) use write::write;

/// No ConfigMap is larger.
const MAX_BYTES: usize = 1 << 20;
/// The library's time grows with the square of the depth of brackets.
const MAX_BRACKETS: usize = 64;
/// Aliases can make a small text into a huge tree.
const MAX_NODES: usize = 1 << 16;

/// What a YAML or JSON text says, without any opinion on it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the text; may hold a key twice when it was just read.
    Map(Vec<(String, Node)>),
}

/// Why a text has no tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum YamlError {
    #[error("{0}")]
    Limit(String),
    #[error("{0}")]
    Syntax(String),
}

/// The first document of a text; an empty text is `Null`.
pub(crate) fn read(text: &str) -> Result<Node, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_BYTES {
        return Err(YamlError::Limit(format!("larger than {MAX_BYTES} bytes")));
    }
    if brackets(text) > MAX_BRACKETS {
        return Err(YamlError::Limit(format!("nested more than {MAX_BRACKETS} brackets deep")));
    }
    let Some(document) = serde_yaml::Deserializer::from_str(text).next() else {
        return Ok(Node::Null);
    };
    let budget = Cell::new(MAX_NODES);
    Tree { text, budget: &budget }.deserialize(document).map_err(|error| {
        if budget.get() == 0 {
            YamlError::Limit(format!("more than {MAX_NODES} values, counting what aliases repeat"))
        } else {
            YamlError::Syntax(error.to_string())
        }
    })
}

/// The greatest number of brackets open at once, counting also those in strings, but not in lines of comment.
fn brackets(text: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for byte in text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(str::bytes) {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

// === reading ===

#[derive(Clone, Copy)]
struct Tree<'a> {
    text: &'a str,
    budget: &'a Cell<usize>,
}

impl Tree<'_> {
    /// What an unquoted word means in YAML 1.1, which has more booleans than the library.
    fn resolve(&self, word: &str) -> Node {
        match word {
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" if !self.is_quoted(word) => {
                Node::Bool(true)
            }
            "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" if !self.is_quoted(word) => {
                Node::Bool(false)
            }
            other => Node::Text(other.to_owned()),
        }
    }

    /// A borrowed string is a part of the text, so the byte before it tells whether quotes surround it.
    fn is_quoted(&self, part: &str) -> bool {
        let start = part.as_ptr().addr().wrapping_sub(self.text.as_ptr().addr());
        let before = start.checked_sub(1).and_then(|at| self.text.as_bytes().get(at));
        matches!(before, Some(b'\'' | b'"'))
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let left = self.budget.get().checked_sub(1).ok_or_else(|| de::Error::custom("too many values"))?;
        self.budget.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a plain value without a tag")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(i64::try_from(value).map_or(Node::Float(value as f64), Node::Int))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Float(value as f64))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Float(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Node, E> {
        Ok(self.resolve(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = seq.next_element_seed(self)? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut pairs = Vec::new();
        while let Some((key, value)) = map.next_entry_seed(self, self)? {
            pairs.push((key_text(key)?, value));
        }
        Ok(Node::Map(pairs))
    }
}

fn key_text<E: de::Error>(key: Node) -> Result<String, E> {
    match key {
        Node::Text(text) => Ok(text),
        Node::Bool(value) => Ok(value.to_string()),
        Node::Int(value) => Ok(value.to_string()),
        Node::Float(value) => Ok(value.to_string()),
        Node::Null | Node::List(_) | Node::Map(_) => Err(E::custom("a key must be a string")),
    }
}

/// JSON in the order of the tree.
impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => serializer.collect_seq(list),
            Self::Map(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests;
