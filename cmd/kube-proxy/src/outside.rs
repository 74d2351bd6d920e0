//! What the outside sees of the daemon: health, metrics, and the servers that tell them.
//!
//! Knows nothing of where changes come from and of how rules are written.

use std::sync::mpsc::Sender;

use anyhow::{Context, Result};
use config::Checked;
use prometheus::Registry;
use proxier::family::Family;
use proxier::option::NodePortAddresses;
use proxier::{host, nfacct};
use tracing::error;

use crate::built::Build;
use crate::event::{Events, Happening};
use crate::family::Outlook;
use crate::health::{Health, Moment};
use crate::log::Log;
use crate::metrics::{Metrics, register_packet_counters};
use crate::serve::{self, Debug, MetricsPages, OnListenFailure, ServeError, Servers, SharedHealth};
use crate::sync::Wake;

/// What the program tells about itself.
pub(crate) struct About {
    /// The Kubernetes release that it stands in for.
    pub(crate) release: String,
    /// The command line's values, by flag.
    pub(crate) flags: Vec<(&'static str, String)>,
    pub(crate) log: Log,
}

/// Health, metrics and their servers.
pub(crate) struct Outside {
    registry: Registry,
    pub(crate) metrics: Metrics,
    pub(crate) health: SharedHealth,
    pub(crate) events: Events,
    has_health_server: bool,
    servers: Servers,
    build: Build,
    started: Moment,
}

impl Outside {
    /// Nothing listens yet.
    ///
    /// # Errors
    /// A metric cannot be registered, or no thread can be started.
    pub(crate) fn new(config: &Checked, about: &About, events: Events) -> Result<Self> {
        let registry = Registry::new();
        let build = Build::of(&about.release);
        let metrics = Metrics::new(&registry, &build, &config.gates)?;
        if nfacct::is_available() {
            register_packet_counters(&registry, nfacct::packets)?;
        } else {
            error!("The kernel has no packet counters (nfnetlink_acct); their metrics are missing");
        }
        let health = Health::new(config.config.sync_period.to_std());
        let on_failure =
            if config.config.bind_address_hard_fail { OnListenFailure::End } else { OnListenFailure::Retry };
        Ok(Self {
            registry,
            metrics,
            health: SharedHealth::new(health),
            events,
            has_health_server: config.healthz_bind_address.is_some(),
            servers: Servers::start(on_failure).context("can't start a thread")?,
            build,
            started: serve::now(),
        })
    }

    /// What one family tells, and the health-check node ports that it serves.
    pub(crate) fn of_family(&self, family: Family, node_port_addresses: &NodePortAddresses) -> Outlook {
        let addresses = serve::addresses(family, node_port_addresses, host::addresses());
        let health = self.has_health_server.then(|| self.health.clone());
        Outlook {
            metrics: self.metrics.of_family(family, self.started.wall.timestamp()),
            health: self.health.clone(),
            events: self.events.clone(),
            node_ports: self.servers.node_ports(addresses, health),
        }
    }

    /// Opens the health and the metrics server.
    ///
    /// # Errors
    /// A page cannot be made.
    pub(crate) fn serve(&self, config: &Checked, about: About, wakes: &Sender<Wake>) -> Result<()> {
        let fail = || {
            let (wakes, events) = (wakes.clone(), self.events.clone());
            move |error: ServeError| {
                events.tell(happening(&error));
                drop(wakes.send(Wake::Failed(error.into())));
            }
        };
        if let Some(address) = config.healthz_bind_address {
            let counts = self.metrics.health.clone();
            counts.serves();
            self.servers.serve_health(address, self.health.clone(), counts, fail());
        }
        let Some(address) = config.metrics_bind_address else { return Ok(()) };
        let (registry, build) = (self.registry.clone(), (self.build.clone(), self.started.clone()));
        let mut pages = MetricsPages::new(registry, &config.config, &config.gates, about.flags, build)?;
        if config.config.enable_profiling {
            pages = pages.with_debug(Debug::new(move |level| about.log.set_verbosity(level)));
        }
        self.servers.serve_metrics(address, pages, fail());
        Ok(())
    }
}

fn happening(error: &ServeError) -> Happening {
    match error {
        ServeError::Health(cause) => Happening::HealthServerFailed { cause: cause.to_string() },
        ServeError::Metrics(cause) => Happening::MetricsServerFailed { cause: cause.to_string() },
    }
}
