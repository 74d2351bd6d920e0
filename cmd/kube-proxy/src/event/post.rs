//! EDGE: posts Events to the API server, from a bounded queue that nobody ever waits for.
//!
//! Knows nothing of what happened. An API server that is away or refuses costs Events, never anything else.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Method, Request};
use informer::api::{Failure, Server};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::series::{Stories, Write};
use super::{Event, Happening, Reporter, Topic};

/// Events that wait to be posted, and those that wait for another try; what comes on top is dropped.
const LONGEST_QUEUE: usize = 1000;
/// How often it is looked whether a story is over.
const LOOK: Duration = Duration::from_secs(60);

/// Where whatever happens is told. Clones tell the same.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    reporter: Arc<Reporter>,
    queue: mpsc::Sender<Event>,
    dropped: Arc<AtomicU64>,
}

/// What was told and is to be posted. Without anybody who does, Events are in the log alone.
#[derive(Debug)]
pub(crate) struct Queue {
    events: mpsc::Receiver<Event>,
}

/// What is done about an API server that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// How often an Event is sent before it is dropped.
    pub(crate) tries: u32,
    /// Between two tries; up to a quarter more, by chance.
    pub(crate) pause: Duration,
}

impl Default for Patience {
    /// client-go's numbers.
    fn default() -> Self {
        Self { tries: 12, pause: Duration::from_secs(10) }
    }
}

// === impl Events ===

impl Events {
    /// Nothing is posted before [`Queue::post`].
    pub(crate) fn new(reporter: Reporter) -> (Self, Queue) {
        let (queue, events) = mpsc::channel(LONGEST_QUEUE);
        let told = Self { reporter: Arc::new(reporter), queue, dropped: Arc::default() };
        (told, Queue { events })
    }

    /// Logs it and queues an Event. Returns at once, whatever becomes of that.
    pub(crate) fn tell(&self, happening: Happening) {
        let event = self.reporter.describe(happening, Timestamp::now());
        let topic = &event.topic;
        info!(
            v = 3,
            object = %topic.regarding,
            r#type = topic.severity.name(),
            reason = topic.reason,
            action = topic.action,
            note = event.note,
            "Event occurred"
        );
        if let Err(mpsc::error::TrySendError::Full(event)) = self.queue.try_send(event) {
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            if dropped.is_power_of_two() {
                warn!(
                    reason = event.topic.reason,
                    dropped, "Too many Events wait to be posted, dropping this one"
                );
            }
        }
    }
}

// === impl Queue ===

impl Queue {
    /// The notes of what was told since this was asked last.
    #[cfg(test)]
    pub(crate) fn notes(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.events.try_recv().ok()).map(|event| event.note).collect()
    }

    /// Posts what is told, for as long as anybody might tell something.
    pub(crate) async fn post(mut self, server: &Server, patience: Patience) {
        let mut stories = Stories::default();
        let mut poster = Poster { server, patience, refusals: BTreeSet::new(), waiting: BTreeMap::new() };
        let mut looks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                event = self.events.recv() => {
                    let Some(event) = event else { return };
                    if let Some(write) = stories.add(event) {
                        poster.post(write, 1).await;
                    }
                }
                () = poster.next_try() => poster.try_again().await,
                _ = looks.tick() => {}
            }
            for write in stories.due(Timestamp::now()) {
                poster.post(write, 1).await;
            }
        }
    }
}

struct Poster<'a> {
    server: &'a Server,
    patience: Patience,
    /// The codes that were logged already: what is forbidden stays so.
    refusals: BTreeSet<u16>,
    /// What is tried again, while others pass.
    waiting: BTreeMap<Topic, Waiting>,
}

/// A write that failed for the time being.
struct Waiting {
    write: Write,
    /// The number of the next try.
    tries: u32,
    at: Instant,
}

impl Poster<'_> {
    /// Writes it, unless it is refused. If that may succeed later, it is kept for another try, until it is too old.
    async fn post(&mut self, write: Write, tries: u32) {
        let topic = &write.event().topic;
        // The newer of one story says all that the older does.
        self.waiting.remove(topic);
        let Err(failure) = self.write(&write).await else { return };
        if !is_passing(&failure) {
            return self.refused(&write, &failure);
        }
        let reason = topic.reason;
        if tries >= self.patience.tries || self.waiting.len() >= LONGEST_QUEUE {
            return error!(err = %failure, reason, tries, "Can't post an Event, dropping it");
        }
        info!(v = 4, err = %failure, tries, "Can't post an Event, trying again");
        let longer = self.patience.pause.mul_f64(chance() / 4.0);
        let at = Instant::now() + self.patience.pause + longer;
        self.waiting.insert(topic.clone(), Waiting { write, tries: tries + 1, at });
    }

    /// Waits until something is to be tried again.
    async fn next_try(&self) {
        match self.waiting.values().map(|waiting| waiting.at).min() {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Tries the one again that has waited longest.
    async fn try_again(&mut self) {
        let first = self.waiting.iter().min_by_key(|(_, waiting)| waiting.at);
        let Some(topic) = first.map(|(topic, _)| topic.clone()) else { return };
        if let Some(Waiting { write, tries, .. }) = self.waiting.remove(&topic) {
            self.post(write, tries).await;
        }
    }

    async fn write(&self, write: &Write) -> Result<(), Failure> {
        match write {
            Write::Create(event) => self.create(event, event.body(None)).await,
            Write::Count(event, series) => {
                let patch = request(Method::PATCH, event.path(), MERGE, &series.patch())?;
                match self.server.call(patch).await {
                    // The API server keeps Events for an hour.
                    Err(failure) if code(&failure) == Some(404) => {
                        self.create(event, event.body(Some(series))).await
                    }
                    result => result.map(drop),
                }
            }
        }
    }

    async fn create(&self, event: &Event, body: Value) -> Result<(), Failure> {
        match self.server.call(request(Method::POST, event.collection(), JSON, &body)?).await {
            // An answer got lost.
            Err(failure) if code(&failure) == Some(409) => Ok(()),
            result => result.map(drop),
        }
    }

    fn refused(&mut self, write: &Write, failure: &Failure) {
        let reason = write.event().topic.reason;
        if self.refusals.insert(code(failure).unwrap_or_default()) {
            error!(err = %failure, reason, "The API server refused an Event; more of the same are not logged");
        } else {
            info!(v = 4, err = %failure, reason, "The API server refused an Event");
        }
    }
}

const JSON: &str = "application/json";
const MERGE: &str = "application/strategic-merge-patch+json";

fn request(
    method: Method,
    path: String,
    content_type: &str,
    body: &Value,
) -> Result<Request<Vec<u8>>, Failure> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, content_type)
        .header(ACCEPT, JSON)
        .body(body.to_string().into_bytes());
    // Only a node name that no Node can have is no path.
    request.map_err(|error| Failure::Garbled(error.to_string()))
}

fn code(failure: &Failure) -> Option<u16> {
    failure.status().map(|status| status.code)
}

/// Whether the same request may succeed later.
fn is_passing(failure: &Failure) -> bool {
    let is_ours = matches!(failure, Failure::Garbled(_));
    // After 401 the credentials are read anew.
    !is_ours && code(failure).is_none_or(|code| code == 401 || code == 429 || code >= 500)
}

/// From 0 to 1, by chance: each has keys of its own.
fn chance() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    random as f64 / u64::MAX as f64
}
