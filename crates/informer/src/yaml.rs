//! Turns the text of one YAML or JSON document into a value, within bounds.
//!
//! The one module that knows the YAML library. Knows nothing of Kubernetes.

mod nesting;
mod value;

use serde_json::Value;

use value::Checked;

#[cfg(test)]
mod tests;

/// The longest document, in bytes.
pub(crate) const LONGEST: usize = 4 << 20;

/// The deepest nesting of lists and maps. The YAML library is quadratic in the depth of brackets.
pub(crate) const DEEPEST: usize = 64;

/// Where and why a text is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// Line, counted from 1, if it is known.
    pub(crate) line: Option<usize>,
    /// What is wrong there.
    pub(crate) reason: String,
}

impl SyntaxError {
    fn somewhere(reason: impl Into<String>) -> Self {
        Self { line: None, reason: reason.into() }
    }
}

/// The values in `text`: one of YAML, or any number of JSON one after the other.
///
/// What follows an error is lost, what stands before it is not.
pub(crate) fn parse(text: &str) -> Vec<Result<Value, SyntaxError>> {
    if text.len() > LONGEST {
        return vec![Err(SyntaxError::somewhere(format!("is longer than {LONGEST} bytes")))];
    }
    if text.trim_start().starts_with(['{', '[']) {
        let values = parse_json(text);
        // What starts as JSON may still be YAML: `{name: web}`.
        if !matches!(values.first(), Some(Err(_))) {
            return values;
        }
    }
    vec![parse_yaml(text)]
}

fn parse_json(text: &str) -> Vec<Result<Value, SyntaxError>> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<Checked>();
    let value = |value: Result<Checked, serde_json::Error>| {
        value.map(|checked| checked.0).map_err(|error| SyntaxError {
            line: Some(error.line()),
            reason: without_place(error.to_string(), error.line(), error.column()),
        })
    };
    values.map(value).collect()
}

fn parse_yaml(text: &str) -> Result<Value, SyntaxError> {
    if nesting::deepest(text) > DEEPEST {
        return Err(SyntaxError::somewhere(value::too_deep()));
    }
    let value = serde_yaml::from_str::<Checked>(text);
    value.map(|checked| checked.0).map_err(|error| match error.location() {
        Some(at) => SyntaxError {
            line: Some(at.line()),
            reason: without_place(error.to_string(), at.line(), at.column()),
        },
        None => SyntaxError::somewhere(error.to_string()),
    })
}

/// The message without the line and column that are said elsewhere.
fn without_place(message: String, line: usize, column: usize) -> String {
    message.replace(&format!(" at line {line} column {column}"), "")
}
