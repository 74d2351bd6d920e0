//! EDGE: the HTTP servers of the daemon: health, metrics, and one per health-check node port.
//!
//! Knows nothing of how health and metrics come about: it asks for them when it is asked.
#![expect(clippy::disallowed_methods, reason = "answers tell the time at which they are given")]

mod answer;
mod connection;
mod health_page;
mod listen;
mod metrics_page;
mod node_port;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Zoned;
use tokio::runtime::{Builder, Handle};
use tracing::{error, info};

use crate::health::{Health, Moment};
use crate::metrics::HealthMetrics;

use answer::{Answer, Request};
pub(crate) use listen::ListenError;
pub(crate) use metrics_page::{Debug, MetricsPages};
pub(crate) use node_port::{NodePorts, addresses};

/// How long after a failure an address is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Health as the loop writes and the servers read it.
#[derive(Clone, Debug)]
pub(crate) struct SharedHealth(Arc<Mutex<Health>>);

impl SharedHealth {
    /// Shares this.
    pub(crate) fn new(health: Health) -> Self {
        Self(Arc::new(Mutex::new(health)))
    }

    /// Locks it, for a moment only.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Health> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// This moment.
pub(crate) fn now() -> Moment {
    Moment { instant: Instant::now(), wall: Zoned::now() }
}

/// What becomes of an address that cannot be listened on: `bindAddressHardFail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnListenFailure {
    /// It is logged and tried again.
    Retry,
    /// The process should end.
    End,
}

/// A failure to listen that should end the process.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// Of the health server; Event `FailedToStartProxierHealthcheck`.
    #[error("healthz server failed: {0}")]
    Health(ListenError),
    /// Of the metrics server; Event `FailedToStartMetricServer`.
    #[error("{0}")]
    Metrics(ListenError),
}

/// The threads on which all servers run, until the process ends.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    /// Of health pages, whose answers take no time.
    runtime: Handle,
    /// Of the metrics server: making its pages takes a while, and no probe should wait for that.
    metrics: Handle,
    on_failure: OnListenFailure,
    retry: Duration,
}

impl Servers {
    /// Starts the threads; nothing listens yet.
    ///
    /// # Errors
    /// The system has no thread or no file descriptors left.
    pub(crate) fn start(on_failure: OnListenFailure) -> io::Result<Self> {
        Ok(Self { runtime: runtime("health")?, metrics: runtime("metrics")?, on_failure, retry: RETRY })
    }

    /// Serves `/healthz` and `/livez` at this address (`healthzBindAddress`). `failed` is told of a failure that
    /// should end the process.
    pub(crate) fn serve_health(
        &self,
        address: SocketAddr,
        health: SharedHealth,
        metrics: HealthMetrics,
        failed: impl FnOnce(ServeError) + Send + 'static,
    ) {
        let pages = move |request: &Request| health_page::answer(&health, &metrics, request, &now());
        let failed = move |error| failed(ServeError::Health(error));
        self.runtime.spawn(self.clone().keep(Server::Health, address, pages, failed));
    }

    /// Serves metrics and what else tells about the daemon at this address (`metricsBindAddress`). `failed` is
    /// told of a failure that should end the process.
    pub(crate) fn serve_metrics(
        &self,
        address: SocketAddr,
        pages: MetricsPages,
        failed: impl FnOnce(ServeError) + Send + 'static,
    ) {
        let pages = move |request: &Request| pages.answer(request, &now());
        let failed = move |error| failed(ServeError::Metrics(error));
        self.metrics.spawn(self.clone().keep(Server::Metrics, address, pages, failed));
    }

    /// Listens, and tries again for ever if that fails, unless failure is to be the end.
    async fn keep(
        self,
        server: Server,
        address: SocketAddr,
        pages: impl Fn(&Request) -> Answer + Send + Sync + 'static,
        failed: impl FnOnce(ListenError),
    ) {
        let listener = loop {
            match listen::shared(address).map_err(|error| error.of(server.name(), address)) {
                Ok(listener) => break listener,
                Err(error) => {
                    server.log(&error);
                    if self.on_failure == OnListenFailure::End {
                        return failed(error);
                    }
                }
            }
            tokio::time::sleep(self.retry).await;
        };
        info!(v = 3, server = server.name(), address = %address, "Listening");
        connection::accept(listener, Arc::new(pages), connection::LIMITS).await;
    }
}

/// Whatever is asynchronous, on a thread of its own.
fn runtime(thread: &str) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let forever = move || runtime.block_on(std::future::pending::<()>());
    thread::Builder::new().name(thread.to_owned()).spawn(forever)?;
    Ok(handle)
}

/// The two servers that belong to the daemon as a whole.
#[derive(Clone, Copy, Debug)]
enum Server {
    Health,
    Metrics,
}

impl Server {
    fn name(self) -> &'static str {
        match self {
            Self::Health => "proxy healthz",
            Self::Metrics => "metrics server",
        }
    }

    fn log(self, error: &ListenError) {
        match self {
            Self::Health => error!(err = %error, "Healthz server failed"),
            Self::Metrics => error!(err = %error, "starting metrics server failed"),
        }
    }
}
