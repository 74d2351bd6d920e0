//! From a listening socket to answers: accepts connections, and has hyper read and write them.
//!
//! Knows nothing of pages: it is given a function from request to answer.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tracing::error;

use super::answer::{Answer, Request};

/// What one listener grants to its clients.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections at a time.
    pub(super) connections: usize,
    /// How long a client may take to ask, the first time and between two requests.
    pub(super) header: Duration,
}

/// Enough for every load balancer and scraper, and little enough to bear from everybody else.
pub(super) const LIMITS: Limits = Limits { connections: 256, header: Duration::from_secs(60) };

/// How long a client may take to send what a page reads.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// More of a request than any page reads.
const LONGEST_BODY: usize = 1024;
/// Pause when the system has no connection to give, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The connections of one listener; they end with it.
#[derive(Debug)]
struct Connections {
    limits: Limits,
    open: VecDeque<AbortHandle>,
}

/// Accepts and answers until it is dropped, which closes the listener and cuts its connections.
pub(super) async fn accept<P>(listener: TcpListener, pages: Arc<P>, limits: Limits)
where
    P: Fn(&Request) -> Answer + Send + Sync + 'static,
{
    let mut connections = Connections { limits, open: VecDeque::new() };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => connections.add(stream, Arc::clone(&pages)),
            Err(error) => {
                error!(err = %error, "Can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Connections {
    /// Where there are too many, the oldest gives way: whoever asks anew is answered.
    fn add<P>(&mut self, stream: TcpStream, pages: Arc<P>)
    where
        P: Fn(&Request) -> Answer + Send + Sync + 'static,
    {
        self.open.retain(|connection| !connection.is_finished());
        let is_full = self.open.len() >= self.limits.connections;
        if let Some(oldest) = self.open.pop_front_if(|_| is_full) {
            oldest.abort();
        }
        self.open.push_back(tokio::spawn(serve(stream, pages, self.limits.header)).abort_handle());
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.open.iter().for_each(AbortHandle::abort);
    }
}

async fn serve<P>(stream: TcpStream, pages: Arc<P>, header_timeout: Duration)
where
    P: Fn(&Request) -> Answer + Send + Sync + 'static,
{
    let service = service_fn(|request| {
        let pages = Arc::clone(&pages);
        async move { Ok::<_, Infallible>(respond(&*pages, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // As kube-proxy writes them; not every script that looks for one ignores case.
        .title_case_headers(true)
        .header_read_timeout(header_timeout)
        .serve_connection(TokioIo::new(stream), service);
    // Clients may leave whenever they like.
    let _ended = connection.await;
}

async fn respond(
    pages: impl Fn(&Request) -> Answer,
    request: hyper::Request<Incoming>,
) -> Response<Full<Bytes>> {
    let Answer { code, headers, body } = pages(&read(request).await);
    let mut response = Response::new(Full::new(Bytes::from(body)));
    // Nothing here may panic: that would end the whole daemon.
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn read(request: hyper::Request<Incoming>) -> Request {
    let (head, body) = request.into_parts();
    Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        accept: all(&head.headers, ACCEPT),
        takes_gzip: all(&head.headers, ACCEPT_ENCODING).split(',').any(is_gzip),
        body: read_body(&head.method, body).await,
    }
}

/// All values of a header, as one list.
fn all(headers: &HeaderMap, name: hyper::header::HeaderName) -> String {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    values.join(",")
}

/// One element of `Accept-Encoding`.
fn is_gzip(coding: &str) -> bool {
    let mut parts = coding.split(';').map(str::trim);
    let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
    let weight = parts.next().and_then(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
    is_named && weight != Some(0.0)
}

/// What cannot be read in time, or is too long, counts as nothing.
async fn read_body(method: &Method, body: Incoming) -> Vec<u8> {
    if method != Method::PUT {
        return Vec::new();
    }
    let whole = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, LONGEST_BODY).collect());
    whole.await.ok().and_then(Result::ok).map(|body| body.to_bytes().to_vec()).unwrap_or_default()
}
