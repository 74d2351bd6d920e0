//! The thread that deletes stale conntrack entries, and what it has to say.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use conntrack::flow;
use conntrack::netlink::Netlink;
use conntrack::report::Report;
use conntrack::worker::{News, Worker};
use proxier::family::Family;
use proxier::host;
use tracing::{error, info, warn};

use crate::metrics::ConntrackMetrics;

/// Starts the thread.
///
/// # Errors
/// No thread could be started.
pub(crate) fn look_after(metrics: ConntrackMetrics) -> Result<Arc<Worker>> {
    let tell = move |news| match news {
        News::Pending { family, front_ends } => metrics.pending(family, front_ends),
        News::Pass(report) => {
            metrics.passed(&report);
            log(&report);
        }
    };
    let addresses = || host::addresses().ok().map(BTreeSet::from_iter);
    let worker = Worker::start(Netlink::new(), addresses, tell).context("can't start a thread")?;
    Ok(Arc::new(worker))
}

/// The same family in the words of the other crate.
pub(crate) fn family(family: Family) -> flow::Family {
    match family {
        Family::V4 => flow::Family::V4,
        Family::V6 => flow::Family::V6,
    }
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
        && failure.is_news
    {
        let retry = failure.retry_in;
        error!(err = %findings.end, retryIn = ?retry, "Could not look at conntrack entries; rules are not affected");
    }
}
