//! The metrics of `/metrics/slis`: how often the metrics server was asked whether it lives, and what it said.
//!
//! Knows nothing of the proxy: this check is fine whenever it can be asked.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGaugeVec, Registry, Result};

use super::process;
use super::register::Register;

/// The metrics of the check `ping`. They can be set back to nothing.
pub(crate) struct Slis(Mutex<Checks>);

struct Checks {
    registry: Registry,
    last: IntGaugeVec,
    all: IntCounterVec,
}

impl Slis {
    /// Nothing was asked yet.
    ///
    /// # Errors
    /// The names clash, which does not happen.
    pub(crate) fn new() -> Result<Self> {
        Checks::new().map(|checks| Self(Mutex::new(checks)))
    }

    /// The check was made and found all well.
    pub(crate) fn checked(&self) {
        let checks = self.lock();
        checks.last.with_label_values(&["ping", "healthz"]).set(1);
        checks.all.with_label_values(&["ping", "success", "healthz"]).inc();
    }

    /// Forgets all checks.
    ///
    /// # Errors
    /// As [`Slis::new`].
    pub(crate) fn reset(&self) -> Result<()> {
        *self.lock() = Checks::new()?;
        Ok(())
    }

    /// What there is to tell.
    pub(crate) fn gather(&self) -> Vec<MetricFamily> {
        self.lock().registry.gather()
    }

    fn lock(&self) -> MutexGuard<'_, Checks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Checks {
    fn new() -> Result<Self> {
        let registry = Registry::new();
        let register = Register(&registry);
        let last = "[STABLE] Result of the last health check";
        let all = "[STABLE] Health checks, by result";
        let last = register.gauges("kubernetes_healthcheck", last, &["name", "type"])?;
        let all = register.counters("kubernetes_healthchecks_total", all, &["name", "status", "type"])?;
        let start = register.seconds(process::START_TIME.name, process::START_TIME.help)?;
        start.set(process::start_time_seconds().unwrap_or_default());
        Ok(Self { registry, last, all })
    }
}

impl fmt::Debug for Slis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slis")
    }
}
