//! Turns one resource of a server into news, for as long as somebody listens.
//!
//! The wire around the protocol: it asks, reads, waits and asks again. Knows nothing of other
//! resources.

#![expect(
    clippy::disallowed_methods,
    reason = "an edge: how long a watch lasted decides when to begin the next"
)]

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::Version;
use tokio::sync::mpsc::Sender;

use super::News;
use super::backoff::Backoff;
use super::selection::Selection;
use super::server::{Answer, IsWatch, Server};
use super::timing::Timing;
use crate::api::ask::{Ask, Pause, Shortness};
use crate::api::failure::Failure;
use crate::api::list::{List, Metadata, NoList};
use crate::api::watch::Watch;

/// Nobody listens any more.
struct Deaf;

/// Follows what is selected until nobody listens any more.
pub(super) async fn reflect(server: &Server, selection: Selection, news: Sender<News>) {
    let backoff = Backoff::new(server.timing().backoff);
    let watch = Watch::new(selection.resource, server.timing().initial);
    let mut reflector = Reflector { server, selection, news, watch, backoff, is_told: false };
    while reflector.turn().await.is_ok() {}
}

struct Reflector<'a> {
    server: &'a Server,
    selection: Selection,
    news: Sender<News>,
    watch: Watch,
    backoff: Backoff,
    /// Whether it was told that everything that existed at the start has been told.
    is_told: bool,
}

/// Why an exchange with the server is over.
enum End {
    Failed(Failure),
    Deaf,
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Deaf> for End {
    fn from(_: Deaf) -> Self {
        Self::Deaf
    }
}

impl Reflector<'_> {
    /// One request, its answer, and the wait after it.
    async fn turn(&mut self) -> Result<(), Deaf> {
        let (pause, failure) = match self.exchange().await {
            Ok(pause) => (pause, None),
            Err(End::Deaf) => return Err(Deaf),
            Err(End::Failed(failure)) => (self.watch.failed(&failure), Some(failure)),
        };
        self.tell().await?;
        let wait = match pause {
            Pause::None => Duration::ZERO,
            Pause::BackOff(asked) => self.backoff.after_failure(Instant::now(), asked, chance()),
        };
        if let Some(failure) = failure {
            let resource = self.selection.resource;
            self.send(News::Trouble { resource, failure, retry_in: wait }).await?;
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = self.news.closed() => Err(Deaf),
        }
    }

    async fn exchange(&mut self) -> Result<Pause, End> {
        let timing = self.server.timing();
        let seconds = timing.watch.mul_f64(1.0 + chance());
        let ask = self.watch.ask().clone();
        let path = match &ask {
            Ask::Stream => self.selection.stream(seconds),
            Ask::Watch(version) => self.selection.watch(version, seconds),
            Ask::ListAny => self.selection.list_any(),
            Ask::ListLatest => self.selection.list_latest(),
            Ask::ListContinued(token) => self.selection.list_continued(token),
            Ask::Probe => self.selection.probe(),
        };
        match ask {
            Ask::Stream | Ask::Watch(_) => self.read_watch(&path, seconds).await,
            Ask::ListAny | Ask::ListLatest | Ask::ListContinued(_) => self.read_list(&path).await,
            Ask::Probe => self.read_probe(&path).await,
        }
    }

    async fn read_list(&mut self, path: &str) -> Result<Pause, End> {
        let watch = &mut self.watch;
        let metadata = read_page(self.server, path, |item| watch.item(item)).await?;
        self.watch.page(metadata)?;
        Ok(Pause::None)
    }

    async fn read_probe(&mut self, path: &str) -> Result<Pause, End> {
        let metadata = read_page(self.server, path, |_| {}).await?;
        self.watch.probed(&metadata.resource_version)?;
        Ok(Pause::None)
    }

    /// Ends by itself soon after the server should have ended it, whatever keeps that from happening.
    async fn read_watch(&mut self, path: &str, asked: Duration) -> Result<Pause, End> {
        let answer = self.server.open(path, IsWatch::Yes).await?;
        let begin = Instant::now();
        let timing = self.server.timing();
        let mut body = Chunks::of(answer);
        let mut lines = Lines::default();
        let overdue = tokio::time::sleep(asked + timing.silence);
        tokio::pin!(overdue);
        loop {
            let limit = self.limit(&body, &lines, timing);
            let chunk = tokio::select! {
                chunk = body.next(limit) => chunk?,
                () = self.news.closed() => return Err(End::Deaf),
                () = &mut overdue => return Ok(self.watch.ended(Shortness::Full)),
            };
            let Some(chunk) = chunk else { break };
            lines.push(&chunk)?;
            while let Some(line) = lines.next() {
                self.watch.line(&line)?;
            }
            self.tell().await?;
        }
        lines.finish()?;
        let is_short = begin.elapsed() < timing.steady;
        Ok(self.watch.ended(if is_short { Shortness::Short } else { Shortness::Full }))
    }

    /// HTTP/2 notices dead connections by pings, if there are any; a watch over it may be silent between events.
    fn limit(&self, body: &Chunks, lines: &Lines, timing: &Timing) -> Option<Duration> {
        let is_pinged = body.version == Version::HTTP_2 && !timing.ping_interval.is_zero();
        let is_between = *self.watch.ask() != Ask::Stream && lines.bytes.is_empty();
        (!is_pinged || !is_between).then_some(timing.silence)
    }

    /// Tells what became known.
    async fn tell(&mut self) -> Result<(), Deaf> {
        let batch = self.watch.take();
        if !batch.is_empty() {
            self.send(News::Batch(batch)).await?;
        }
        if self.watch.is_synced() && !self.is_told {
            self.is_told = true;
            self.send(News::Listed(self.selection.resource)).await?;
        }
        Ok(())
    }

    async fn send(&self, news: News) -> Result<(), Deaf> {
        self.news.send(news).await.map_err(|_| Deaf)
    }
}

async fn read_page(server: &Server, path: &str, mut each: impl FnMut(&[u8])) -> Result<Metadata, Failure> {
    let garbled = |error: NoList| Failure::Garbled(error.to_string());
    let mut body = Chunks::of(server.open(path, IsWatch::No).await?);
    let mut list = List::default();
    while let Some(chunk) = body.next(Some(server.timing().silence)).await? {
        list.push(&chunk, &mut each).map_err(garbled)?;
    }
    Ok(list.finish().map_err(garbled)?.metadata)
}

/// The body of an answer as it arrives.
struct Chunks {
    version: Version,
    answer: Answer,
}

impl Chunks {
    fn of(answer: Answer) -> Self {
        Self { version: answer.version, answer }
    }

    /// The next bytes; none at the end.
    async fn next(&mut self, limit: Option<Duration>) -> Result<Option<Bytes>, Failure> {
        let Some(limit) = limit else { return self.answer.next().await };
        let next = tokio::time::timeout(limit, self.answer.next()).await;
        next.map_err(|_| Failure::Silent(limit))?
    }
}

/// The longest line of a watch, in bytes. etcd refuses objects of 1.5 MB.
const LONGEST_LINE: usize = 32 << 20;

/// Bytes cut into lines.
#[derive(Default)]
struct Lines {
    bytes: BytesMut,
    /// So many bytes hold no line's end.
    searched: usize,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > LONGEST_LINE {
            return Err(Failure::Garbled(format!("a line is longer than {LONGEST_LINE} bytes")));
        }
        Ok(())
    }

    /// The next complete line that says anything.
    fn next(&mut self) -> Option<Bytes> {
        loop {
            let Some(length) = self.bytes[self.searched..].iter().position(|&byte| byte == b'\n') else {
                self.searched = self.bytes.len();
                return None;
            };
            let line = self.bytes.split_to(self.searched + length + 1).freeze();
            self.searched = 0;
            if !line.trim_ascii().is_empty() {
                return Some(line);
            }
        }
    }

    /// Nothing may remain in the end.
    fn finish(self) -> Result<(), Failure> {
        match self.bytes.trim_ascii() {
            [] => Ok(()),
            _ => Err(Failure::Cut("in the middle of a line".to_owned())),
        }
    }
}

/// From 0 to 1, by chance.
fn chance() -> f64 {
    // Each has keys of its own, from the system's source of chance.
    let random = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(random >> 32).expect("32 bits are left")) / f64::from(u32::MAX)
}
