//! Turns what the daemon did into Prometheus metrics; the names are kube-proxy's, ours beyond them are few.
//!
//! Knows nothing of HTTP, and owns no registry: the caller passes one in.

mod bucket;
mod build;
mod conntrack;
mod family;
mod flaw;
mod packet_counter;
mod process;
mod register;
mod rest;
mod sampled;
mod slis;
mod sync;
#[cfg(test)]
mod tests;

use prometheus::{IntCounterVec, Registry};

pub(crate) use conntrack::ConntrackMetrics;
pub(crate) use family::FamilyMetrics;
pub(crate) use flaw::FlawMetrics;
pub(crate) use packet_counter::register_packet_counters;
pub(crate) use process::start_time_seconds;
pub(crate) use rest::RestMetrics;
pub(crate) use slis::Slis;

use config::Gates;
use jiff::Timestamp;
use proxier::family::Family;
use register::Register;
use sync::SyncMetrics;

use crate::built::Build;

/// Every metric that somebody records into. Clones record into the same metrics.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    sync: SyncMetrics,
    /// What passes over the conntrack table saw and did.
    pub(crate) conntrack: ConntrackMetrics,
    /// Objects of which something cannot be used.
    pub(crate) flaws: FlawMetrics,
    /// Requests to the API server.
    pub(crate) rest: RestMetrics,
    /// Answers of the health server.
    pub(crate) health: HealthMetrics,
}

/// Answers of the health server, by path and code.
#[derive(Clone, Debug)]
pub(crate) struct HealthMetrics {
    healthz: IntCounterVec,
    livez: IntCounterVec,
}

impl Metrics {
    /// Registers everything but the packet counters, which not every kernel has.
    ///
    /// # Errors
    /// The registry has some of them already.
    pub(crate) fn new(registry: &Registry, build: &Build, gates: &Gates) -> prometheus::Result<Self> {
        let register = Register(registry);
        build::register(&register, build, gates)?;
        process::register(&register)?;
        Ok(Self {
            sync: SyncMetrics::new(&register)?,
            conntrack: ConntrackMetrics::new(&register)?,
            flaws: FlawMetrics::new(&register)?,
            rest: RestMetrics::new(&register)?,
            health: HealthMetrics::new(&register)?,
        })
    }

    /// The metrics of one family's syncs. Trigger times before `start`, that of this process, do not count.
    pub(crate) fn of_family(&self, family: Family, start: Timestamp) -> FamilyMetrics {
        FamilyMetrics::new(family, self.sync.clone(), start)
    }
}

impl HealthMetrics {
    fn new(register: &Register) -> prometheus::Result<Self> {
        let healthz = "[ALPHA] Answers to /healthz on the health server, by code";
        let livez = "[ALPHA] Answers to /livez on the health server, by code";
        Ok(Self {
            healthz: register.counters("kubeproxy_proxy_healthz_total", healthz, &["code"])?,
            livez: register.counters("kubeproxy_proxy_livez_total", livez, &["code"])?,
        })
    }

    /// The server is about to listen, so its counters exist: an alert on an increase does not see a first step that
    /// comes with the series.
    pub(crate) fn serves(&self) {
        for answers in [&self.healthz, &self.livez] {
            for code in ["200", "503"] {
                let _exists = answers.with_label_values(&[code]);
            }
        }
    }

    /// `/healthz` was answered.
    pub(crate) fn answered_healthz(&self, code: u16) {
        self.healthz.with_label_values(&[code.to_string()]).inc();
    }

    /// `/livez` was answered.
    pub(crate) fn answered_livez(&self, code: u16) {
        self.livez.with_label_values(&[code.to_string()]).inc();
    }
}
