//! Turns `--version` into what it prints.
//!
//! Does not know what else was typed.

use crate::built::Build;

/// The Kubernetes release whose command line, configuration and rules this program has.
pub(crate) const RELEASE: &str = "v1.36.2";

/// `--version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VersionFlag {
    /// Not asked.
    Run,
    /// Asked in one line.
    Short,
    /// Asked with every detail.
    Raw,
    /// Not asked, but told what to report: a text that begins with the release.
    Report(String),
}

impl VersionFlag {
    /// Reads the value of the flag.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "raw" {
            return Ok(Self::Raw);
        }
        if let Ok(asked) = super::syntax::boolean(text) {
            return Ok(if asked { Self::Short } else { Self::Run });
        }
        let suffix = text.strip_prefix(RELEASE);
        if suffix.is_some_and(|suffix| suffix.is_empty() || suffix.starts_with(['-', '+'])) {
            return Ok(Self::Report(text.to_owned()));
        }
        Err(format!("want true, false, raw, or {RELEASE} with a suffix of your own"))
    }

    /// What to print, if it asks for anything.
    pub(super) fn answer(&self, release: &str) -> Option<String> {
        match self {
            Self::Run | Self::Report(_) => None,
            Self::Short => Some(format!("Kubernetes {release}\n")),
            Self::Raw => Some(Build::of(release).raw() + "\n"),
        }
    }

    /// As `--version` prints among all flags.
    pub(super) fn canonical(&self) -> String {
        match self {
            Self::Run => "false".to_owned(),
            Self::Short => "true".to_owned(),
            Self::Raw => "raw".to_owned(),
            Self::Report(release) => release.clone(),
        }
    }
}
