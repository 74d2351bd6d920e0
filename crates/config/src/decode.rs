//! Turns the text of a configuration file into the complete configuration.
//!
//! Strict first; unknown and duplicate fields alone are forgiven and told. Does not know where the text is from.

use std::collections::BTreeSet;

use crate::config::Config;
use crate::wire::{FieldError, FromNode, Place, Wire};
use crate::yaml::{self, Node, YamlError};

/// `apiVersion` of the only version there is.
pub const API_VERSION: &str = "kubeproxy.config.k8s.io/v1alpha1";
/// `kind` of the configuration.
pub const KIND: &str = "KubeProxyConfiguration";

/// A configuration file that could be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// What it says, with defaults for what it does not say.
    pub config: Config,
    /// What a strict reader refuses: `unknown field "iptables.bogus"`, `duplicate field "mode"`, by name.
    pub strict: Vec<String>,
    /// Whether it says a `mode`; without one, or with an empty one, the mode is iptables by default.
    pub has_mode: bool,
}

/// Why a configuration file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Neither YAML nor JSON.
    #[error("not valid YAML: {0}")]
    Syntax(String),
    /// Too large or too deep to be a configuration.
    #[error("the configuration is too large: {0}")]
    Limit(String),
    /// The document is empty, a scalar or a list.
    #[error("the document is not an object")]
    NotAnObject,
    /// `kind` or `apiVersion` is absent.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// An object of another kind or version.
    #[error("no kind {kind:?} is known for version {api_version:?}: want {KIND} of {API_VERSION}")]
    Foreign {
        /// `kind` of the document.
        kind: String,
        /// `apiVersion` of the document.
        api_version: String,
    },
    /// A value of the wrong type or beyond the range of its type.
    #[error("{path}: {reason}")]
    Field {
        /// The field, as in `conntrack.min` or `logging.vmodule[0].verbosity`.
        path: String,
        /// What it must be and what it is.
        reason: String,
    },
}

/// Reads a configuration file, YAML or JSON.
///
/// # Errors
/// Anything but unknown and duplicate fields, which are dropped and named in `Decoded::strict`; of duplicates
/// the last counts.
pub fn decode(text: &str) -> Result<Decoded, DecodeError> {
    let mut strict = BTreeSet::new();
    let mut pairs = match last_wins(yaml::read(text)?, "", &mut strict) {
        Node::Map(pairs) => pairs,
        Node::Null => Vec::new(),
        Node::Bool(_) | Node::Int(_) | Node::Float(_) | Node::Text(_) | Node::List(_) => {
            return Err(DecodeError::NotAnObject);
        }
    };
    let mut place = Place::default();
    let kind = take(&mut pairs, "kind", &mut place)?;
    let api_version = take(&mut pairs, "apiVersion", &mut place)?;
    if kind != KIND || api_version != API_VERSION {
        return Err(DecodeError::Foreign { kind, api_version });
    }
    let wire = Wire::from_node(Node::Map(pairs), &mut place)?;
    strict.extend(place.unknown.iter().map(|path| format!("unknown field {path:?}")));
    let has_mode = wire.mode.as_ref().is_some_and(|mode| !mode.is_empty());
    Ok(Decoded { config: wire.into(), strict: strict.into_iter().collect(), has_mode })
}

/// Takes a string that must be there out of the pairs.
fn take(
    pairs: &mut Vec<(String, Node)>,
    key: &'static str,
    place: &mut Place,
) -> Result<String, DecodeError> {
    let at = pairs.iter().position(|(name, _)| name == key).ok_or(DecodeError::Missing(key))?;
    place.enter(key);
    let text = String::read(pairs.remove(at).1, place)?;
    place.leave();
    text.filter(|text| !text.is_empty()).ok_or(DecodeError::Missing(key))
}

/// The tree with only the last of equal keys, naming the others.
fn last_wins(node: Node, path: &str, strict: &mut BTreeSet<String>) -> Node {
    match node {
        Node::List(list) => {
            let elements = list.into_iter().enumerate();
            Node::List(elements.map(|(i, node)| last_wins(node, &format!("{path}[{i}]"), strict)).collect())
        }
        Node::Map(pairs) => {
            let mut seen: BTreeSet<String> = BTreeSet::new();
            let mut kept = Vec::with_capacity(pairs.len());
            for (key, node) in pairs.into_iter().rev() {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                if seen.insert(key.clone()) {
                    kept.push((key, last_wins(node, &path, strict)));
                } else {
                    strict.insert(format!("duplicate field {path:?}"));
                }
            }
            kept.reverse();
            Node::Map(kept)
        }
        Node::Null | Node::Bool(_) | Node::Int(_) | Node::Float(_) | Node::Text(_) => node,
    }
}

impl From<YamlError> for DecodeError {
    fn from(error: YamlError) -> Self {
        match error {
            YamlError::Limit(limit) => Self::Limit(limit),
            YamlError::Syntax(syntax) => Self::Syntax(syntax),
        }
    }
}

impl From<FieldError> for DecodeError {
    fn from(FieldError { path, reason }: FieldError) -> Self {
        Self::Field { path, reason }
    }
}

#[cfg(test)]
mod tests;
