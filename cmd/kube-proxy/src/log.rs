//! Turns `tracing` events into kube-proxy's log lines on standard error, in klog's text format or as JSON.
//!
//! Knows neither flags nor the configuration file: the caller says which format and which levels.
//!
//! An event is written as `info!(v = 2, ipFamily = %family, numServices = 12, "SyncProxyRules complete")`.
//! What the fields mean:
//! - `v`: the level, klog's `V(2)`; 0 when absent, 6 for a `debug!` and 10 for a `trace!` without one. An
//!   `error!` is shown whatever its `v`.
//! - `err`: the error, by `err = %error` or, with its sources, `err = &error as &dyn Error`.
//! - `errCauses`: the errors that `err` lists, as [`causes`] says them; text has no need of it.
//! - `ipFamily`, and every field of the spans around the event: context, printed before the other fields.
//! - numbers and booleans are printed bare, `%` and `?` values as quoted strings, [`Json`] as it is.

mod entry;
mod go;
mod json;
mod klog;
mod level;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use tracing::callsite;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

pub(crate) use go::quoted;
use klog::Klog;
use level::Levels;
pub(crate) use value::Json;

/// How a line looks: `logging.format` of the configuration, `--logging-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// klog's own: a header and `key="value"` pairs.
    Text,
    /// One object per line.
    Json,
}

/// The log of this process, to be configured once the configuration is known, and again at any time.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    settings: Arc<RwLock<Settings>>,
}

/// What decides whether an event is shown, and how.
#[derive(Debug)]
struct Settings {
    format: Format,
    levels: Levels,
}

/// Starts logging to standard error: text, level 0, as for everything said before the configuration is read.
///
/// # Panics
///
/// When called twice: a process has one log.
pub(crate) fn init_early() -> Log {
    let log = Log::new();
    let subscriber = Registry::default().with(Klog::new(log.clone(), std::io::stderr));
    tracing::subscriber::set_global_default(subscriber).expect("the log is started once, by main");
    log
}

/// What `errCauses` holds for these errors.
pub(crate) fn causes<'a>(
    errors: impl IntoIterator<Item = &'a str>,
) -> Json<Vec<BTreeMap<&'static str, &'a str>>> {
    Json(errors.into_iter().map(|error| BTreeMap::from([("error", error)])).collect())
}

// === impl Log ===

impl Log {
    fn new() -> Self {
        let settings = Settings { format: Format::Text, levels: Levels::default() };
        Self { settings: Arc::new(RwLock::new(settings)) }
    }

    /// Sets everything: the format, `-v`, and `--vmodule` as pairs of file pattern and level.
    ///
    /// The patterns count for text only, as the configuration's validation says too.
    pub(crate) fn configure(&self, format: Format, verbosity: u32, vmodule: &[(String, u32)]) {
        let vmodule = match format {
            Format::Text => vmodule,
            Format::Json => &[],
        };
        self.change(|settings| *settings = Settings { format, levels: Levels::new(verbosity, vmodule) });
    }

    /// Changes the level alone, as `PUT /debug/flags/v` does.
    pub(crate) fn set_verbosity(&self, verbosity: u32) {
        self.change(|settings| settings.levels.set_verbosity(verbosity));
    }

    fn change(&self, edit: impl FnOnce(&mut Settings)) {
        edit(&mut self.settings.write().unwrap_or_else(PoisonError::into_inner));
        // Callsites remember whether anybody wants them, and ask again only when told to.
        callsite::rebuild_interest_cache();
    }

    fn read<T>(&self, question: impl FnOnce(&Settings) -> T) -> T {
        question(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }
}
