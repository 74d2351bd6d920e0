//! The thread that deletes stale conntrack entries, and what it has to say.

use std::sync::Arc;

use anyhow::{Context, Result};
use conntrack::netlink::Netlink;
use conntrack::report::Report;
use conntrack::worker::Worker;
use tracing::{error, info, warn};

use crate::metrics::ConntrackMetrics;

/// Starts the thread.
///
/// # Errors
/// No thread could be started.
pub(crate) fn look_after(metrics: ConntrackMetrics) -> Result<Arc<Worker>> {
    let tell = move |report| {
        metrics.passed(&report);
        log(&report);
    };
    let worker = Worker::start(Netlink::new(), tell).context("can't start a thread")?;
    Ok(Arc::new(worker))
}

fn log(report: &Report) {
    let findings = &report.findings;
    if findings.deleted() + findings.gone() > 0 {
        info!("{report}");
    } else {
        info!(v = 4, "{report}");
    }
    for stale in &findings.stale {
        info!(v = 4, "{stale}");
    }
    for warning in &findings.warnings {
        warn!("{warning}");
    }
    if let Some(failure) = &report.failure
        && failure.first
    {
        let retry = failure.retry_in;
        error!(err = %findings.end, retryIn = ?retry, "Could not look at conntrack entries; rules are not affected");
    }
}
