//! Turns requests into answers of the API server, with the credentials of this moment.
//!
//! Knows nothing of watches. Files with certificates and tokens rotate: they are looked at before
//! each request, and when one has changed, a new client with new connections takes over.

#![expect(clippy::disallowed_methods, reason = "an edge: it measures answers and waits its turn")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Version};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;

use super::bucket::Bucket;
use super::connection::{ConnectError, Connection};
use super::live::{Live, Next};
use super::timing::Timing;
use super::transport;
use crate::api::event::Status;
use crate::api::failure::Failure;

/// One request and how it was answered, for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The HTTP method.
    pub method: Method,
    /// `name:port` of the server.
    pub host: String,
    /// Whether it is a watch, which has no end that could be measured.
    pub is_watch: bool,
    /// The HTTP status; none if there was no answer.
    pub code: Option<u16>,
    /// From the request until the answer was read, or until that of a watch began.
    pub took: Duration,
    /// Before the request, for its turn.
    pub waited: Duration,
    /// Bytes of the request's body.
    pub sent: usize,
    /// Bytes of the answer's body, as far as it was read; none if there was no answer, and for a watch.
    pub received: Option<usize>,
}

/// What happens between a client and its server, for metrics and logs.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// A request is over, however it ended.
    Exchange(&'a Exchange),
    /// Certificates or tokens have changed and cannot be read; those from before stay in use.
    Unreadable(&'a ConnectError),
    /// Credentials are not complete after so long: a plugin or a file system takes its time, and nothing can be asked
    /// before.
    Waiting(Duration),
}

/// The API server, as one client sees it. Clones share connections and limits.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

struct Shared {
    connection: Connection,
    timing: Timing,
    observe: Box<dyn Fn(Observation<'_>) + Send + Sync>,
    bucket: Option<Mutex<Bucket>>,
    live: tokio::sync::Mutex<Live>,
}

/// After so long it is said that credentials are waited for.
const LONG_WAIT: Duration = Duration::from_secs(10);

/// The longest answer that is read as a whole, in bytes.
const LONGEST_ANSWER: usize = 4 << 20;

impl Server {
    /// Reads the files that `connection` names. No request is made: whether the server is there shows
    /// later. `observe` is told of each request, and of credentials that cannot be read anew.
    ///
    /// # Errors
    /// When there is no telling which server to ask, or with which credentials, or the limit of requests makes
    /// no sense.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn connect(
        connection: Connection,
        timing: Timing,
        observe: impl Fn(Observation<'_>) + Send + Sync + 'static,
    ) -> Result<Self, ConnectError> {
        if connection.qps > 0.0 && connection.burst == 0 {
            return Err(ConnectError::NoBurst);
        }
        let mut next = Next::start(connection.clone(), timing.clone());
        let live = match tokio::time::timeout(LONG_WAIT, next.live()).await {
            Ok(live) => live?,
            Err(_) => {
                observe(Observation::Waiting(LONG_WAIT));
                next.live().await?
            }
        };
        let bucket = Bucket::new(connection.qps, connection.burst, Instant::now()).map(Mutex::new);
        let live = tokio::sync::Mutex::new(live);
        let observe = Box::new(observe);
        Ok(Self { shared: Arc::new(Shared { connection, timing, observe, bucket, live }) })
    }

    /// What is not as it should be with what was read last, and can still work: a Pod's service account without
    /// certificate authority, a variable that names no proxy.
    pub async fn doubts(&self) -> Vec<String> {
        self.shared.live.lock().await.doubts.clone()
    }

    /// Sends a request with a path for its URI and reads the whole answer, for what is small.
    ///
    /// Waits its turn as `qps` and `burst` say. Tries once.
    ///
    /// # Errors
    /// When there is no answer, or one other than success.
    pub async fn call(&self, request: Request<Vec<u8>>) -> Result<Vec<u8>, Failure> {
        let waited = self.turn().await;
        let mut answer = self.send(request, waited).await?;
        let rest = tokio::time::timeout(self.shared.timing.answer, answer.whole()).await;
        rest.map_err(|_| Failure::Silent(self.shared.timing.answer))?
    }

    pub(super) fn timing(&self) -> &Timing {
        &self.shared.timing
    }

    /// Begins to read what is at this path. Lists wait their turn, watches do not.
    pub(super) async fn open(&self, path: &str, is_watch: IsWatch) -> Result<Answer, Failure> {
        let waited = match is_watch {
            IsWatch::Yes => Duration::ZERO,
            IsWatch::No => self.turn().await,
        };
        let request = Request::get(path).header(ACCEPT, "application/json").body(Vec::new());
        let request = request.map_err(|error| Failure::Unreachable(error.to_string()))?;
        self.send(request, waited).await
    }

    /// How long the request had to wait for its turn.
    async fn turn(&self) -> Duration {
        let Some(bucket) = &self.shared.bucket else { return Duration::ZERO };
        let wait = bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        tokio::time::sleep(wait).await;
        wait
    }

    async fn send(&self, request: Request<Vec<u8>>, waited: Duration) -> Result<Answer, Failure> {
        // New credentials may come from a program or a file system that hangs.
        let client = tokio::time::timeout(self.shared.timing.answer, self.client()).await;
        let (client, host) = client.map_err(|_| Failure::Silent(self.shared.timing.answer))?;
        let method = request.method().clone();
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let sent = request.body().len();
        let (code, took, received) = (None, Duration::ZERO, None);
        let exchange = Exchange { method, host, is_watch, code, took, waited, sent, received };
        let mut running = Running { shared: Arc::clone(&self.shared), exchange, begin: Instant::now() };
        let sent =
            tokio::time::timeout(self.shared.timing.answer, client.send(request.map(Body::from))).await;
        let answer = sent.map_err(|_| Failure::Silent(self.shared.timing.answer))?;
        if answer.as_ref().is_err_and(lacks_credentials) {
            self.shared.live.lock().await.is_refused = true;
        }
        let answer = answer.map_err(|error| Failure::Unreachable(transport::with_causes(&error)))?;
        let (head, body) = answer.into_parts();
        running.exchange.code = Some(head.status.as_u16());
        let is_success = head.status.is_success();
        let running = if is_watch && is_success { None } else { Some(running.answered()) };
        let mut answer = Answer { version: head.version, body, running };
        if is_success {
            return Ok(answer);
        }
        if head.status == http::StatusCode::UNAUTHORIZED {
            self.shared.live.lock().await.is_refused = true;
        }
        let text = tokio::time::timeout(self.shared.timing.answer, answer.whole()).await;
        let status =
            Status::of_answer(head.status.as_u16(), &text.ok().and_then(Result::ok).unwrap_or_default());
        Err(Failure::Refused(status.with_retry_after(retry_after(&head.headers))))
    }

    /// The client with the credentials of this moment. Should those be half written, the one before.
    async fn client(&self) -> (Client, String) {
        let mut live = self.shared.live.lock().await;
        if live.next.is_some() || live.is_stale() {
            let Shared { connection, timing, .. } = &*self.shared;
            // Who gives up waiting leaves it to the next request.
            let next = live.next.get_or_insert_with(|| Next::start(connection.clone(), timing.clone()));
            let made = next.live().await;
            live.next = None;
            match made {
                Ok(new) => *live = new,
                Err(error) => (self.shared.observe)(Observation::Unreadable(&error)),
            }
        }
        (live.client.clone(), live.host.clone())
    }
}

/// Whether a request is a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IsWatch {
    Yes,
    No,
}

/// A successful answer whose body is still to come.
pub(super) struct Answer {
    pub(super) version: Version,
    body: Body,
    /// None of a watch, which was told when it began.
    running: Option<Running>,
}

impl Answer {
    /// The next bytes; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| Failure::Cut(transport::with_causes(&error)))?;
            if let Ok(bytes) = frame.into_data() {
                if let Some(running) = &mut self.running {
                    *running.exchange.received.get_or_insert_default() += bytes.len();
                }
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// All the rest, if it is not too long.
    async fn whole(&mut self) -> Result<Vec<u8>, Failure> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.next().await? {
            if whole.len() + bytes.len() > LONGEST_ANSWER {
                return Err(Failure::Garbled(format!("it is longer than {LONGEST_ANSWER} bytes")));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole)
    }
}

/// An exchange that is told when it is over, however it ends.
struct Running {
    shared: Arc<Shared>,
    exchange: Exchange,
    begin: Instant,
}

impl Running {
    /// There is an answer, if perhaps an empty one.
    fn answered(mut self) -> Self {
        self.exchange.received = Some(0);
        self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.exchange.took = self.begin.elapsed();
        (self.shared.observe)(Observation::Exchange(&self.exchange));
    }
}

/// Whether a request was not even sent for want of credentials, as those of `auth-provider`.
fn lacks_credentials(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Auth(_))
        || matches!(error, kube::Error::Service(error) if error.is::<kube::client::AuthError>())
}

fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}
