//! What is wrong with a configuration, in the form in which Kubernetes tells it.
//!
//! Does not know the rules; that is `validate`.

use std::fmt;

/// One value that may not be as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The value is out of its range or form.
    #[error("{path}: Invalid value: {value}: {reason}")]
    Invalid {
        /// The field, by Kubernetes' internal names.
        path: String,
        /// The value: text in quotes, numbers bare, lists as JSON.
        value: String,
        /// What it must be.
        reason: String,
    },
    /// The value is none of a closed set.
    #[error("{path}: Unsupported value: {value:?}: supported values: {}", quoted(.supported))]
    Unsupported {
        /// The field, by Kubernetes' internal names.
        path: String,
        /// The value.
        value: String,
        /// The whole set.
        supported: &'static [&'static str],
    },
}

/// Everything that is wrong, at least one problem, in the order of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [only] => only.fmt(f),
            several => {
                let texts: Vec<String> = several.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", texts.join(", "))
            }
        }
    }
}

impl std::error::Error for Problems {}

/// Collects problems below a common path.
#[derive(Debug)]
pub(crate) struct Collector {
    root: &'static str,
    problems: Vec<Problem>,
}

impl Collector {
    pub(crate) fn below(root: &'static str) -> Self {
        Self { root, problems: Vec::new() }
    }

    pub(crate) fn invalid(&mut self, path: &str, value: impl Shown, reason: &str) {
        let path = format!("{}.{path}", self.root);
        self.problems.push(Problem::Invalid { path, value: value.shown(), reason: reason.to_owned() });
    }

    pub(crate) fn unsupported(&mut self, path: &str, value: &str, supported: &'static [&'static str]) {
        let path = format!("{}.{path}", self.root);
        self.problems.push(Problem::Unsupported { path, value: value.to_owned(), supported });
    }

    /// Complains unless the value is at least its type's zero.
    pub(crate) fn at_least_zero<T: Shown + Default + PartialOrd>(&mut self, path: &str, value: T) {
        if value < T::default() {
            self.invalid(path, value, "must be greater than or equal to 0");
        }
    }

    /// Complains unless the value is more than its type's zero.
    pub(crate) fn more_than_zero<T: Shown + Default + PartialOrd>(&mut self, path: &str, value: T) {
        if value <= T::default() {
            self.invalid(path, value, "must be greater than 0");
        }
    }

    /// The value, if nothing was wrong.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Problems> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(Problems(self.problems)),
        }
    }
}

/// A value as a problem shows it.
pub(crate) trait Shown {
    fn shown(&self) -> String;
}

impl Shown for i32 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for u32 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for bool {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for &str {
    fn shown(&self) -> String {
        format!("{self:?}")
    }
}

impl Shown for crate::duration::Duration {
    fn shown(&self) -> String {
        format!("\"{self}\"")
    }
}

/// A list or a map, as JSON.
pub(crate) struct Json<'a, T>(pub(crate) &'a T);

impl<T: serde::Serialize> Shown for Json<'_, T> {
    fn shown(&self) -> String {
        serde_json::to_string(self.0).expect("strings and booleans are valid JSON")
    }
}

fn quoted(values: &[&str]) -> String {
    values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", ")
}
