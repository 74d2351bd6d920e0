//! A Kubernetes API server that says what a test wants it to say, over real HTTP.
//!
//! Lists, pages, watches, streams with bookmarks, refuses, forgets, cuts, says goodbye and falls silent as the
//! real one does. Knows nothing of who asks, and lets nobody do more than a kube-proxy may. It runs on a thread of its
//! own.

mod kind;
mod query;
mod selector;

mod event;
mod fault;
mod status;
mod store;

mod rbac;

mod state;

mod answer;
mod body;

mod certificate;
mod wire;

mod defaults;
mod kubeconfig;
mod manifests;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

pub use defaults::complete;
pub use fault::{Fault, Rule, Verb};
pub use kind::Kind;
pub use manifests::Folder;
pub use rbac::Role;
pub use state::Seen;

use crate::wait;
use certificate::{Certificates, Clients, Identity};
use selector::Selector;
use state::{Order, Shared};
use wire::{Connections, Tls};

#[cfg(test)]
mod tests;

/// How a server is.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 is any.
    pub listen: SocketAddr,
    /// Whether it has TLS.
    pub has_tls: bool,
    /// The bearer token it wants; none: it lets everybody in.
    pub token: Option<String>,
    /// Whether clients must show a certificate, besides the token if there is one.
    pub wants_certificate: bool,
    /// What clients may do.
    pub role: Role,
    /// resourceVersion at the start.
    pub version: u64,
    /// The longest page of a list.
    pub page: Option<usize>,
    /// Between two bookmarks.
    pub bookmarks: Duration,
    /// The longest watch, whatever the client asks for.
    pub longest_watch: Duration,
    /// Whether a watch ends when the client wants it to, as it should.
    pub ends_watches: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            has_tls: true,
            token: Some("e2e-token".to_owned()),
            wants_certificate: false,
            role: Role::node_proxier(),
            version: 1000,
            page: None,
            bookmarks: Duration::from_secs(60),
            longest_watch: Duration::from_secs(1800),
            ends_watches: true,
        }
    }
}

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

/// What clients need to know of the certificates.
struct Trust {
    ca_pem: String,
    client: Identity,
}

impl ApiServer {
    /// Starts a server without objects.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(options: Options) -> Result<Self> {
        let port = bind(options.listen).with_context(|| format!("bind {}", options.listen))?;
        let address = port.local_addr()?.as_socket().context("a port has an address")?;
        let listener = listen(address).with_context(|| format!("listen on {address}"))?;
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
        Ok(self.shared.state().set(kind, object))
    }

    /// Deletes the object; says whether it was there.
    pub fn delete(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        self.shared.state().delete(&(kind, namespace.to_owned(), name.to_owned())).is_some()
    }

    /// All objects of the kind.
    pub fn list(&self, kind: Kind) -> Vec<Value> {
        self.shared.state().store.list(kind, &Selector::default())
    }

    /// The resourceVersion of everything.
    pub fn version(&self) -> u64 {
        self.shared.state().store.version()
    }

    /// Forgets what happened until this moment: who asks for it hears 410.
    pub fn compact(&self) {
        let mut state = self.shared.state();
        state.store.compact();
        state.pages.clear();
    }

    /// Stops, goes back to `version` with the objects there are, as from a backup, and starts.
    ///
    /// # Errors
    /// When it cannot listen again.
    pub fn restart_at(&self, version: u64) -> Result<()> {
        self.stop();
        self.go_back(version);
        self.resume()
    }

    /// Goes back to `version` with the objects there are, while connections and watches stay open, as one
    /// whose etcd was restored under it.
    pub fn go_back(&self, version: u64) {
        self.shared.state().store.restore(version);
    }

    // === faults ===

    /// From here on this happens.
    pub fn script(&self, rule: Rule) {
        self.shared.state().script.add(rule);
    }

    /// From here on nothing goes wrong.
    pub fn clear_script(&self) {
        self.shared.state().script.clear();
    }

    /// Sends these bytes, with a line's end, to all open watches of the kind.
    pub fn tell(&self, kind: Kind, line: &str) {
        self.shared.state().order(kind, &Order::Tell(Bytes::from(format!("{line}\n"))));
    }

    /// Breaks off all watches of the kind.
    pub fn cut_watches(&self, kind: Kind) {
        self.shared.state().order(kind, &Order::Cut);
    }

    /// Ends all watches of the kind in good order.
    pub fn close_watches(&self, kind: Kind) {
        self.shared.state().order(kind, &Order::Close);
    }

    /// Ends the initial events of streams that a [`Fault::LateBookmark`] has kept waiting for it.
    pub fn end_initial_events(&self, kind: Kind) {
        self.shared.state().end_initial_events(kind);
    }

    /// Closes all connections.
    pub fn cut_connections(&self) {
        self.connections.cut();
    }

    /// Asks the clients of all connections to begin nothing more on them (HTTP/2: GOAWAY). What is under way goes on.
    pub fn say_goodbye(&self) {
        self.connections.say_goodbye();
    }

    /// All connections fall silent, but stay.
    pub fn freeze_connections(&self) {
        self.connections.freeze();
    }

    /// Closes all connections and accepts no more.
    pub fn stop(&self) {
        if let Some(accepting) = lock(&self.accepting).take() {
            accepting.abort();
            // One that it accepts at this moment is to be closed as well.
            let ended = wait::until(PATIENCE, || {
                ensure!(accepting.is_finished(), "connections are accepted still");
                Ok(())
            });
            ended.expect("the runtime runs");
        }
        self.connections.cut();
    }

    /// Accepts connections again, after [`ApiServer::stop`].
    ///
    /// # Errors
    /// When it cannot listen where it did.
    pub fn resume(&self) -> Result<()> {
        let listener = listen(self.address).with_context(|| format!("listen on {} again", self.address))?;
        self.accept(listener)
    }

    /// Makes a new authority and a new certificate for the connections to come.
    ///
    /// # Errors
    /// When none can be made.
    pub fn change_certificates(&self) -> Result<()> {
        let mut authority = lock(&self.authority);
        authority.1 += 1;
        let clients = if self.shared.options.wants_certificate { Clients::Certified } else { Clients::Any };
        let certificates = Certificates::new(self.address.ip(), authority.1, clients)?;
        authority.0 = Some(Trust { ca_pem: certificates.ca_pem, client: certificates.client });
        *lock(&self.tls) = Some(Arc::new(certificates.tls));
        Ok(())
    }

    /// The bearer token that is wanted from here on.
    pub fn change_token(&self, token: &str) {
        self.shared.state().token = Some(token.to_owned());
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

    /// The certificate authority, if there is TLS.
    pub fn ca_pem(&self) -> Option<String> {
        lock(&self.authority).0.as_ref().map(|trust| trust.ca_pem.clone())
    }

    /// Writes `ca.crt`, `token`, `client.crt`, `client.key`, as far as they are wanted, and `kubeconfig` into
    /// `directory`; returns the path of the last.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write_kubeconfig(&self, directory: &Path) -> Result<PathBuf> {
        let token = self.shared.state().token.clone();
        let wants_certificate = self.shared.options.wants_certificate;
        let authority = lock(&self.authority);
        let identity = authority.0.as_ref().filter(|_| wants_certificate).map(|trust| &trust.client);
        let ca_pem = authority.0.as_ref().map(|trust| trust.ca_pem.as_str());
        kubeconfig::write(directory, &self.url(), ca_pem, token.as_deref(), identity)
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

/// How long a busy machine may take for what is done at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A socket that others of this process may share the port with, and nobody else may.
fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bind(address)?;
    socket.listen(128)?;
    Ok(socket.into())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
