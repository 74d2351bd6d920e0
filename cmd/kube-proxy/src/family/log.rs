//! Turns how a sync of a family ended into lines of the log.
//!
//! Decides nothing.

use std::time::Duration;

use proxier::family::Family;
use proxier::loss::Loss;
use proxier::proxier::{Kind, Report};
use proxier::tables::TablesError;
use proxier::world::Dirty;
use tracing::{error, info, warn};

use crate::log::Json;
use crate::phase::Phases;

/// How often failures are logged: each of the first so many, then one in as many.
const LOGGED_FAILURES: u32 = 8;

/// So many syncs failed in a row, the last one for this.
pub(super) fn failure(family: Family, error: &TablesError, failures: u32) {
    if failures <= LOGGED_FAILURES || failures.is_multiple_of(LOGGED_FAILURES) {
        error!(ipFamily = %family, err = %error, failures, "Sync failed; what is programmed stays");
    }
}

pub(super) fn loss(family: Family, loss: &Loss, elapsed: Duration) {
    warn!(
        ipFamily = %family,
        missing = %loss,
        elapsed = ?elapsed,
        "Rules were changed by somebody else, wrote again what was gone"
    );
}

pub(super) fn success(family: Family, reason: &str, report: &Report, phases: Phases, elapsed: Duration) {
    let kind = match report.kind {
        Kind::Full => "full",
        Kind::Partial => "partial",
    };
    info!(
        v = 2,
        ipFamily = %family,
        kind,
        reason,
        elapsed = ?elapsed,
        look = ?phases.look,
        jumps = ?phases.jumps,
        plan = ?phases.plan(elapsed),
        restore = ?phases.restore,
        servicePorts = report.service_ports,
        rendered = report.rendered,
        filterRulesWritten = report.written.filter_rules,
        natRulesWritten = report.written.nat_rules,
        chainsDeleted = report.written.deleted_chains,
        filterRules = report.filter_rules,
        natRules = report.nat_rules,
        "SyncProxyRules complete"
    );
    if let Dirty::Services(services) = &report.changed {
        let services = services.iter().map(ToString::to_string);
        info!(v = 4, ipFamily = %family, services = %Json(services.collect::<Vec<_>>()), "Services rendered anew");
    }
}
