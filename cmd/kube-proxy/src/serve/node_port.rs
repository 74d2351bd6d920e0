//! The servers of health-check node ports of one family: opened, moved and closed as Services come and go.
//!
//! Knows nothing of which Services have one: it is told after each sync.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use informer::object::NamespacedName;
use proxier::family::Family;
use proxier::option::NodePortAddresses;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::{error, info};

use super::answer::{Answer, Request};
use super::listen::{StepError, of_one_family};
use super::{Servers, SharedHealth, connection, now};
use crate::event::Happening;
use crate::health::node_port::{Check, Checks, verdict};

/// The servers of one family. They are closed when it is dropped.
#[derive(Debug)]
pub(crate) struct NodePorts {
    runtime: Handle,
    addresses: Vec<IpAddr>,
    /// Absent if there is no health server; the proxy is taken for healthy then.
    health: Option<SharedHealth>,
    open: BTreeMap<NamespacedName, Server>,
}

/// The server of one Service.
#[derive(Debug)]
struct Server {
    port: NonZeroU16,
    local_endpoints: Arc<AtomicUsize>,
    listeners: Listeners,
}

/// The listeners of one server, one per address.
#[derive(Debug, Default)]
struct Listeners(Vec<JoinHandle<()>>);

/// A health-check node port that cannot be opened; Event `FailedToStartServiceHealthcheck`. It is tried again
/// when the ports are set next.
#[derive(Debug, thiserror::Error)]
#[error("failed to start healthcheck of {service} on port {port}: {source}")]
pub(crate) struct ListenFailure {
    /// The Service.
    pub(crate) service: NamespacedName,
    /// `spec.healthCheckNodePort`.
    pub(crate) port: NonZeroU16,
    source: StepError,
}

impl From<&ListenFailure> for Happening {
    fn from(failure: &ListenFailure) -> Self {
        let ListenFailure { service, port, source } = failure;
        Self::HealthCheckFailed { service: service.clone(), port: *port, cause: source.to_string() }
    }
}

/// Where health-check node ports listen: everywhere, or on each of the host's addresses that `nodePortAddresses`
/// names. `host` are all addresses of the host.
pub(crate) fn addresses(
    family: Family,
    node_port_addresses: &NodePortAddresses,
    host: io::Result<Vec<IpAddr>>,
) -> Vec<IpAddr> {
    let everywhere = match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    match (node_port_addresses, host) {
        (NodePortAddresses::All, _) => vec![everywhere],
        (within @ NodePortAddresses::Within(_), Ok(host)) => within.matching(&host),
        (NodePortAddresses::Within(_), Err(error)) => {
            error!(ipFamily = %family, err = %error, "Can't list addresses, health-check node ports listen on all");
            vec![everywhere]
        }
    }
}

impl Servers {
    /// No health-check node ports yet, to be opened on these addresses. `health` is absent if there is no health
    /// server.
    pub(crate) fn node_ports(&self, addresses: Vec<IpAddr>, health: Option<SharedHealth>) -> NodePorts {
        NodePorts { runtime: self.runtime.clone(), addresses, health, open: BTreeMap::new() }
    }
}

impl NodePorts {
    /// Serves exactly these, and tells what could not be opened. Must not be called from an async task.
    pub(crate) fn set(&mut self, wanted: &Checks) -> Vec<ListenFailure> {
        let runtime = self.runtime.clone();
        // All are closed before any is opened: a port may go from one Service to another.
        runtime.block_on(self.close_unwanted(wanted));
        let _context = runtime.enter();
        let new = wanted.iter().filter(|(service, _)| !self.open.contains_key(service));
        let opened: Vec<_> = new.map(|(service, check)| self.open(service, check)).collect();
        let mut failures = Vec::new();
        for result in opened {
            match result {
                Ok((service, server)) => drop(self.open.insert(service, server)),
                Err(failure) => failures.push(failure),
            }
        }
        for (service, server) in &self.open {
            let check = wanted.get(service).expect("what is unwanted was closed");
            server.local_endpoints.store(check.local_endpoints, Ordering::Relaxed);
        }
        failures
    }

    async fn close_unwanted(&mut self, wanted: &Checks) {
        let is_wanted = |service: &NamespacedName, server: &mut Server| {
            wanted.get(service).is_some_and(|check| check.port == server.port)
        };
        let closed: Vec<_> =
            self.open.extract_if(.., |service, server| !is_wanted(service, server)).collect();
        for (service, server) in closed {
            info!(v = 2, service = %service, port = server.port, "Closing healthcheck");
            server.listeners.close().await;
        }
    }

    fn open(
        &self,
        service: &NamespacedName,
        check: &Check,
    ) -> Result<(NamespacedName, Server), ListenFailure> {
        let sockets: Result<Vec<TcpListener>, _> =
            self.addresses.iter().map(|ip| of_one_family(SocketAddr::new(*ip, check.port.get()))).collect();
        let sockets =
            sockets.map_err(|source| ListenFailure { service: service.clone(), port: check.port, source })?;
        info!(v = 2, service = %service, port = check.port, "Opening healthcheck");
        let local_endpoints = Arc::new(AtomicUsize::new(0));
        let pages = Arc::new(self.pages(service.clone(), Arc::clone(&local_endpoints)));
        let listeners = sockets
            .into_iter()
            .map(|socket| tokio::spawn(connection::accept(socket, Arc::clone(&pages), connection::LIMITS)));
        let listeners = Listeners(listeners.collect());
        Ok((service.clone(), Server { port: check.port, local_endpoints, listeners }))
    }

    /// Every path and every method gets the same answer.
    fn pages(
        &self,
        service: NamespacedName,
        local_endpoints: Arc<AtomicUsize>,
    ) -> impl Fn(&Request) -> Answer + Send + Sync + use<> {
        let health = self.health.clone();
        move |_| {
            let is_healthy = health.as_ref().is_none_or(|health| health.lock().is_healthy(now().instant));
            let count = local_endpoints.load(Ordering::Relaxed);
            let verdict = verdict(&service, count, is_healthy);
            Answer::json(verdict.code, verdict.body)
                .with("X-Load-Balancing-Endpoint-Weight", count.to_string())
        }
    }
}

impl Listeners {
    /// Returns once the ports are free.
    async fn close(mut self) {
        for listener in &mut self.0 {
            listener.abort();
            let _aborted = listener.await;
        }
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}
