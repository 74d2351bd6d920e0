//! Turns what a field was given into what is printed: a string to be quoted, or text that stands bare.
//!
//! Knows nothing of how either format quotes.

use std::error::Error;
use std::fmt::{self, Debug, Display, Formatter};

use serde::Serialize;
use serde::de::IgnoredAny;

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A number, a boolean, or a list or map as JSON on one line: valid JSON in any case.
    Bare(String),
    /// Anything else.
    Text(String),
}

/// Prints a value as JSON, not as a quoted string: `info!(NodeIPs = %Json(&addresses), "...")`.
///
/// For lists and maps; an `Option` prints `null` for none, as Go prints a nil list. Nothing is serialised
/// unless the line is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// Opens what [`Json`] displays. `tracing` hands over formatted text only, so the text itself must say it.
const MARK: char = '\u{1}';

// === impl Value ===

impl Value {
    /// A number or a boolean.
    pub(super) fn bare(value: impl Display) -> Self {
        Self::Bare(value.to_string())
    }

    /// A floating-point number; JSON has no word for the infinite ones.
    pub(super) fn float(value: f64) -> Self {
        if value.is_finite() { Self::bare(value) } else { Self::Text(value.to_string()) }
    }

    /// What a `%` or `?` field gives.
    pub(super) fn formatted(value: &dyn Debug) -> Self {
        let text = format!("{value:?}");
        match text.strip_prefix(MARK) {
            // Strings from the cluster may start with the mark too, and must not forge lines.
            Some(json) if is_json_line(json) => Self::Bare(json.to_owned()),
            Some(_) | None => Self::Text(text),
        }
    }

    /// An error and what caused it, `: ` between them, as Go's wrapped errors read.
    pub(super) fn error(error: &(dyn Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(source) = next {
            let cause = source.to_string();
            // Many errors already say their source.
            if !text.ends_with(&cause) {
                text.push_str(": ");
                text.push_str(&cause);
            }
            next = source.source();
        }
        Self::Text(text)
    }
}

fn is_json_line(text: &str) -> bool {
    !text.contains(char::is_control) && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

// === impl Json ===

impl<T: Serialize> Display for Json<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match serde_json::to_string(&self.0) {
            Ok(json) => write!(f, "{MARK}{json}"),
            Err(error) => write!(f, "not JSON: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io;

    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn displayed(value: impl Display) -> Value {
        Value::formatted(&format_args!("{value}"))
    }

    #[test]
    fn json_stands_bare() {
        assert_eq!(displayed(Json(["10.99.0.1", "a\nb"])), Value::Bare(r#"["10.99.0.1","a\nb"]"#.to_owned()));
        assert_eq!(displayed(Json(None::<Vec<u8>>)), Value::bare("null"));
        assert_eq!(displayed(Json(BTreeMap::from([("a", 1)]))), Value::bare(r#"{"a":1}"#));
    }

    #[test]
    fn json_that_cannot_be_is_a_string() {
        let odd = BTreeMap::from([([1u8], 1)]);
        assert_eq!(displayed(Json(odd)), text("not JSON: key must be a string"));
    }

    #[test]
    fn strings_cannot_pose_as_json() {
        assert_eq!(displayed("[1]"), text("[1]"));
        for forged in ["\u{1}x] \"y\"", "\u{1}[1,\n2]", "\u{1}"] {
            assert_eq!(displayed(forged), text(forged));
        }
    }

    #[test]
    fn errors_say_their_sources_once() {
        #[derive(Debug)]
        struct Layer(&'static str, io::Error);
        impl Display for Layer {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)
            }
        }
        impl Error for Layer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.1)
            }
        }
        let short = Layer("cannot listen", io::Error::other("in use"));
        assert_eq!(Value::error(&short), text("cannot listen: in use"));
        let full = Layer("cannot listen: in use", io::Error::other("in use"));
        assert_eq!(Value::error(&full), text("cannot listen: in use"));
    }

    #[test]
    fn floats() {
        assert_eq!(Value::float(0.5), Value::bare("0.5"));
        assert_eq!(Value::float(f64::NAN), text("NaN"));
    }
}
