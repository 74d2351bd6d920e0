//! Accepts connections, with or without TLS, over HTTP/1.1 or HTTP/2, and can make them fall silent.
//!
//! Knows nothing of what is answered.

use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::answer;
use super::state::Shared;

/// All connections that are open.
#[derive(Clone, Default)]
pub(super) struct Connections {
    list: Arc<Mutex<Vec<Open>>>,
    accepted: Arc<AtomicUsize>,
}

struct Open {
    task: AbortHandle,
    goodbye: Arc<Notify>,
    is_frozen: Arc<AtomicBool>,
}

impl Connections {
    /// Closes all.
    pub(super) fn cut(&self) {
        for open in self.list().drain(..) {
            open.task.abort();
        }
    }

    /// From here on clients should begin nothing more on them.
    pub(super) fn say_goodbye(&self) {
        self.list().iter().for_each(|open| open.goodbye.notify_one());
    }

    /// How many there ever were.
    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// From here on not a byte is read from them or written to them, but they stay open.
    pub(super) fn freeze(&self) {
        for open in self.list().iter() {
            open.is_frozen.store(true, Ordering::Relaxed);
        }
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<Open>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// TLS for the connections to come; none for plain HTTP.
pub(super) type Tls = Arc<Mutex<Option<Arc<rustls::ServerConfig>>>>;

/// Serves every connection to `listener`.
pub(super) async fn serve(listener: TcpListener, tls: Tls, shared: Arc<Shared>, connections: Connections) {
    // Without an answer to be had, a test fails by itself.
    while let Ok((stream, _)) = listener.accept().await {
        // As Go has it; else what is short waits for the client's word on what came before.
        let _best_effort = stream.set_nodelay(true);
        let tls = tls.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_frozen = Arc::new(AtomicBool::new(false));
        let stream = Freezable { stream, is_frozen: is_frozen.clone() };
        let goodbye = Arc::new(Notify::new());
        let task = tokio::spawn(connection(stream, tls, shared.clone(), goodbye.clone())).abort_handle();
        connections.accepted.fetch_add(1, Ordering::Relaxed);
        let mut list = connections.list();
        list.retain(|open| !open.task.is_finished());
        list.push(Open { task, goodbye, is_frozen });
    }
}

async fn connection(
    stream: Freezable,
    tls: Option<Arc<rustls::ServerConfig>>,
    shared: Arc<Shared>,
    goodbye: Arc<Notify>,
) {
    match tls {
        None => exchange(stream, shared, &goodbye).await,
        Some(tls) => {
            if let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await {
                exchange(stream, shared, &goodbye).await;
            }
        }
    }
}

/// Answers what is asked on a connection; after a goodbye only what was asked before.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    shared: Arc<Shared>,
    goodbye: &Notify,
) {
    let service = service_fn(move |request| answer::answer(shared.clone(), request));
    let server = auto::Builder::new(TokioExecutor::new());
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    // How a connection ends is the client's to judge.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = goodbye.notified() => connection.as_mut().graceful_shutdown(),
    }
    drop(connection.await);
}

/// A connection that can fall silent while TCP keeps it up, as behind a dead load balancer.
struct Freezable {
    stream: TcpStream,
    is_frozen: Arc<AtomicBool>,
}

impl Freezable {
    fn is_frozen(&self) -> bool {
        self.is_frozen.load(Ordering::Relaxed)
    }
}

impl AsyncRead for Freezable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_frozen() { Poll::Pending } else { Pin::new(&mut self.stream).poll_read(context, buffer) }
    }
}

impl AsyncWrite for Freezable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_frozen() { Poll::Pending } else { Pin::new(&mut self.stream).poll_write(context, bytes) }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_frozen() {
            Poll::Pending
        } else {
            Pin::new(&mut self.stream).poll_write_vectored(context, slices)
        }
    }

    /// TLS hands over several records at once then.
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_frozen() { Poll::Pending } else { Pin::new(&mut self.stream).poll_flush(context) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_frozen() { Poll::Pending } else { Pin::new(&mut self.stream).poll_shutdown(context) }
    }
}
