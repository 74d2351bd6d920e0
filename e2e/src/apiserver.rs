//! A Kubernetes API server that says what a test wants it to say, over real HTTP.
//!
//! Lists, pages, watches, streams with bookmarks, refuses, forgets, cuts, says goodbye and falls silent as the
//! real one does. Knows nothing of who asks, and lets nobody do more than a kube-proxy may. It runs on a thread of its
//! own.

mod kind;
mod query;
mod selector;

mod object;
mod text;

mod fault;
mod store;

mod rbac;

mod options;
mod state;

mod body;
mod status;

mod asked;
mod event;

mod list;
mod watch;
mod write;

mod answer;

mod certificate;
mod port;
mod wire;

mod credentials;
mod kubeconfig;
mod outage;

mod defaults;
mod manifests;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use socket2::Socket;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

pub use defaults::complete;
pub use fault::{Fault, Rule, Verb};
pub use kind::Kind;
pub use manifests::Folder;
pub use options::Options;
pub use rbac::Role;
pub use state::Seen;

use credentials::Trust;
use selector::Selector;
use state::Shared;
use wire::{Connections, Tls};

#[cfg(test)]
mod tests;

/// A running server; it ends when dropped.
pub struct ApiServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Holds the port while nobody listens on it.
    _port: Socket,
    connections: Connections,
    tls: Tls,
    /// What clients need to know of the certificates, if there are any, and how many there were.
    authority: Mutex<(Option<Trust>, u64)>,
    runtime: Handle,
    accepting: Mutex<Option<AbortHandle>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ApiServer {
    /// Starts a server without objects.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(options: Options) -> Result<Self> {
        let port = port::bind(options.listen).with_context(|| format!("bind {}", options.listen))?;
        let address = port.local_addr()?.as_socket().context("a port has an address")?;
        let listener = port::listen(address).with_context(|| format!("listen on {address}"))?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("start a runtime")?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("apiserver".to_owned()).spawn(move || {
            let _dropped = runtime.block_on(ended);
        })?;
        let server = Self {
            shared: Arc::new(Shared::new(options)),
            address,
            _port: port,
            connections: Connections::default(),
            tls: Tls::default(),
            authority: Mutex::default(),
            runtime: handle,
            accepting: Mutex::default(),
            end: Some(end),
            thread: Some(thread),
        };
        if server.shared.options.has_tls {
            server.change_certificates()?;
        }
        server.accept(listener)?;
        server.send_bookmarks();
        Ok(server)
    }

    fn accept(&self, listener: TcpListener) -> Result<()> {
        listener.set_nonblocking(true)?;
        let listener = {
            let _entered = self.runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let serve = wire::serve(listener, self.tls.clone(), self.shared.clone(), self.connections.clone());
        *lock(&self.accepting) = Some(self.runtime.spawn(serve).abort_handle());
        Ok(())
    }

    fn send_bookmarks(&self) {
        let shared = Arc::downgrade(&self.shared);
        let interval = self.shared.options.bookmarks;
        self.runtime.spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                let Some(shared) = shared.upgrade() else { return };
                shared.state().bookmark();
            }
        });
    }

    // === objects ===

    /// Creates or replaces the object, by its `apiVersion` and `kind`; returns it as it is stored.
    ///
    /// # Errors
    /// When its kind is not served.
    pub fn set(&self, object: Value) -> Result<Value> {
        let text = |name: &str| object[name].as_str().unwrap_or_default();
        let Some(kind) = Kind::of(text("apiVersion"), text("kind")) else {
            bail!("{} {} is not served", text("apiVersion"), text("kind"));
        };
        let object = self.shared.state().set(kind, object);
        Ok(object.value().clone())
    }

    /// Deletes the object; says whether it was there.
    pub fn delete(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        self.shared.state().delete(&(kind, namespace.to_owned(), name.to_owned())).is_some()
    }

    /// All objects of the kind.
    pub fn list(&self, kind: Kind) -> Vec<Value> {
        let objects = self.shared.state().store.list(kind, &Selector::default());
        objects.iter().map(|object| object.value().clone()).collect()
    }

    /// The resourceVersion of everything.
    pub fn version(&self) -> u64 {
        self.shared.state().store.version()
    }

    // === looking ===

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state().seen.clone()
    }

    /// How many connections were ever accepted.
    pub fn accepted(&self) -> usize {
        self.connections.accepted()
    }

    /// How many watches of the kind were ever begun.
    pub fn begun_watches(&self, kind: Kind) -> usize {
        self.shared.state().begun_watches(kind)
    }

    /// How many watches of the kind are open; one that was cut may be for a moment more.
    pub fn open_watches(&self, kind: Kind) -> usize {
        self.shared.state().open_watches(kind)
    }

    /// `https://address:port`.
    pub fn url(&self) -> String {
        let scheme = if self.shared.options.has_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.stop();
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
