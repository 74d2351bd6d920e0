//! Turns the answers of a server about one resource into changes, and into what to ask it next.
//!
//! The whole protocol of list and watch, without a wire: bytes of objects and lines go in, changes
//! come out. Knows nothing of HTTP, clocks and waits; it only says whether to wait.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ask::{Ask, Initial, Pause, Shortness};
use super::decode::{self, Meaning};
use super::event::{self, Event, Status};
use super::failure::Failure;
use super::gathered::Gathered;
use super::known::Known;
use super::list;
use super::resource::Resource;
use crate::change::Batch;
use crate::object::Subject;

#[cfg(test)]
mod tests;

/// Whether a watch can go on after a line.
pub(super) type Line = Result<(), Failure>;

/// List and watch of one resource.
#[derive(Debug)]
pub(super) struct Watch {
    resource: Resource,
    initial: Initial,
    known: Known,
    /// Objects that exist and of which something cannot be used.
    flawed: BTreeSet<Arc<Subject>>,
    ask: Ask,
    /// A list that is not complete yet.
    gathered: Gathered,
    /// The version up to which everything has been told; empty before the first complete list.
    reached: String,
    /// Since this watch began: whether the server has said anything that shows where it is.
    has_heard: bool,
    batch: Batch,
}

impl Watch {
    pub(super) fn new(resource: Resource, initial: Initial) -> Self {
        Self {
            resource,
            initial,
            known: Known::default(),
            flawed: BTreeSet::new(),
            ask: match initial {
                Initial::Stream => Ask::Stream,
                Initial::List => Ask::ListAny,
            },
            gathered: Gathered::default(),
            reached: String::new(),
            has_heard: false,
            batch: Batch::default(),
        }
    }

    /// What to ask the server.
    pub(super) fn ask(&self) -> &Ask {
        &self.ask
    }

    /// Whether everything that existed at the start has been told.
    pub(super) fn is_synced(&self) -> bool {
        !self.reached.is_empty()
    }

    /// What became known since the last call.
    pub(super) fn take(&mut self) -> Batch {
        std::mem::take(&mut self.batch)
    }

    /// An item of the list.
    pub(super) fn item(&mut self, bytes: &[u8]) {
        self.gathered.set(self.resource, bytes);
    }

    /// All items of a page have been told, and this stands around them.
    pub(super) fn page(&mut self, metadata: list::Metadata) -> Result<(), Failure> {
        if !metadata.token.is_empty() {
            self.ask = Ask::ListContinued(metadata.token);
            return Ok(());
        }
        self.complete(metadata.resource_version)?;
        self.ask = Ask::Watch(self.reached.clone());
        Ok(())
    }

    /// The server's data has this version.
    pub(super) fn probed(&mut self, version: &str) -> Result<(), Failure> {
        self.check_order(version)?;
        self.ask = Ask::Watch(self.reached.clone());
        Ok(())
    }

    /// A line of the watch.
    ///
    /// # Errors
    /// When the watch is of no use any more.
    pub(super) fn line(&mut self, line: &[u8]) -> Line {
        let event = event::parse(line).map_err(|_| Failure::Garbled("a line is no event".to_owned()))?;
        match (event, self.ask == Ask::Stream) {
            (Event::Error(status), _) => Err(Failure::Told(status)),
            (Event::Set(object), true) => {
                self.gathered.set(self.resource, object);
                Ok(())
            }
            (Event::Deleted(object), true) => {
                self.gathered.delete(self.resource, object);
                Ok(())
            }
            (Event::Bookmark { version, ends_initial_events: true }, true) => {
                self.complete(version)?;
                self.ask = Ask::Watch(self.reached.clone());
                self.has_heard = true;
                Ok(())
            }
            (Event::Bookmark { .. }, true) => Ok(()),
            (Event::Set(object), false) => self.set(object),
            (Event::Deleted(object), false) => self.deleted(object),
            (Event::Bookmark { version, .. }, false) => self.reach(&version),
        }
    }

    /// The watch was ended by the server in good order; `is_short` if that was sooner than a watch
    /// should last.
    pub(super) fn ended(&mut self, is_short: Shortness) -> Pause {
        if self.ask == Ask::Stream {
            return self.failed(&Failure::Cut("ended before everything was told".to_owned()));
        }
        // A server whose data went back waits in silence for the version that it is asked for.
        self.ask = if self.has_heard { Ask::Watch(self.reached.clone()) } else { Ask::Probe };
        self.has_heard = false;
        match is_short {
            Shortness::Short => Pause::BackOff(None),
            Shortness::Full => Pause::None,
        }
    }

    /// What was asked came to nothing, or the watch broke off.
    pub(super) fn failed(&mut self, failure: &Failure) -> Pause {
        self.gathered = Gathered::default();
        self.has_heard = false;
        let ask = std::mem::replace(&mut self.ask, Ask::Stream);
        let (ask, pause) = match (ask, failure) {
            // Too busy for a stream is too busy for a list.
            (Ask::Stream, Failure::Refused(status) | Failure::Told(status)) if status.code == 429 => {
                (Ask::Stream, back_off(failure))
            }
            // What cannot be streamed, for now or because of what is in between, can be listed perhaps.
            (Ask::Stream, Failure::Refused(status)) if is_transient(status) => {
                (self.list(), back_off(failure))
            }
            // Not offered here: not a failure, so no wait.
            (Ask::Stream, Failure::Refused(_)) => (self.list(), Pause::None),
            // As an etcd does that is too old for it.
            (Ask::Stream, Failure::Told(status)) if !status.is_gone() => (self.list(), Pause::None),
            (Ask::Stream, Failure::Told(_) | Failure::Cut(_) | Failure::Silent(_) | Failure::Garbled(_)) => {
                (self.list(), back_off(failure))
            }
            // Whatever the list stumbles over, the stream may not, and the other way round.
            (Ask::Stream | Ask::ListAny | Ask::ListLatest | Ask::ListContinued(_), _) => {
                (self.anew(), back_off(failure))
            }
            (Ask::Probe | Ask::Watch(_), failure) if loses_thread(failure) => {
                (self.anew(), back_off(failure))
            }
            // Who may not watch can list again and again perhaps.
            (Ask::Watch(_), Failure::Refused(status)) if status.code == 403 => {
                (self.anew(), back_off(failure))
            }
            // Who may not list may watch perhaps.
            (Ask::Probe, Failure::Refused(status)) if !is_transient(status) => {
                (Ask::Watch(self.reached.clone()), back_off(failure))
            }
            (Ask::Watch(_), Failure::Refused(status) | Failure::Told(status)) if status.code == 429 => {
                (Ask::Watch(self.reached.clone()), back_off(failure))
            }
            // What comes back may be another server, with older data.
            (Ask::Probe | Ask::Watch(_), _) => (Ask::Probe, back_off(failure)),
        };
        self.ask = ask;
        pause
    }

    /// What to ask for everything there is.
    fn anew(&self) -> Ask {
        match self.initial {
            Initial::Stream => Ask::Stream,
            Initial::List => self.list(),
        }
    }

    fn list(&self) -> Ask {
        if self.is_synced() { Ask::ListLatest } else { Ask::ListAny }
    }

    /// What was gathered is all there is, at `version`.
    fn complete(&mut self, version: String) -> Result<(), Failure> {
        if version.is_empty() {
            return Err(Failure::Garbled("a list has no resourceVersion".to_owned()));
        }
        let gathered = std::mem::take(&mut self.gathered);
        self.batch.extend(gathered.complete(&mut self.known, &mut self.flawed));
        self.reached = version;
        Ok(())
    }

    fn set(&mut self, object: &[u8]) -> Line {
        self.reach(&decode::version(object))?;
        let reading = decode::object(self.resource, object);
        let is_useless = !matches!(reading.meaning, Meaning::Is(_));
        let change = self.known.set(reading.meaning);
        if reading.complaints.is_empty() {
            self.mended(object);
        }
        self.flawed.extend(reading.complaints.iter().filter_map(|complaint| complaint.about.clone()));
        if change.is_some() || is_useless {
            self.batch.complain(reading.complaints);
        }
        self.batch.changes.extend(change);
        Ok(())
    }

    fn deleted(&mut self, object: &[u8]) -> Line {
        self.reach(&decode::version(object))?;
        self.mended(object);
        let key = decode::key(self.resource, object);
        self.batch.changes.extend(key.and_then(|key| self.known.delete(key)));
        Ok(())
    }

    /// There is nothing to complain of any more.
    fn mended(&mut self, object: &[u8]) {
        // Most of the time nothing is flawed.
        if !self.flawed.is_empty() {
            let subject = decode::subject(self.resource, object);
            self.batch.mended.extend(subject.and_then(|subject| self.flawed.take(&subject)));
        }
    }

    fn reach(&mut self, version: &str) -> Line {
        self.check_order(version)?;
        self.has_heard = true;
        if !version.is_empty() && self.reached != version {
            version.clone_into(&mut self.reached);
            self.ask = Ask::Watch(self.reached.clone());
        }
        Ok(())
    }

    /// Versions only grow. One that does not is a repeated or late event, of which nobody can say
    /// what it means for what was told, or comes from a server whose data went back.
    fn check_order(&self, version: &str) -> Line {
        let is_older = |(seen, reached): (u128, u128)| seen < reached;
        if number(version).zip(number(&self.reached)).is_some_and(is_older) {
            return Err(Failure::Older { reached: self.reached.clone(), seen: version.to_owned() });
        }
        Ok(())
    }
}

/// Objects of all kinds that are served today have decimal versions; others are not compared.
fn number(version: &str) -> Option<u128> {
    version.parse().ok()
}

/// Whether the same request can succeed later. What is forbidden can as well, but not as long as nobody allows it.
fn is_transient(status: &Status) -> bool {
    matches!(status.code, 401 | 408 | 410 | 429 | 500..)
}

/// Whether nothing but everything anew leads on from there.
fn loses_thread(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(status) | Failure::Told(status) => {
            status.is_gone() || matches!(status.code, 400 | 422)
        }
        Failure::Older { .. } => true,
        Failure::Unreachable(_) | Failure::Cut(_) | Failure::Silent(_) | Failure::Garbled(_) => false,
    }
}

fn back_off(failure: &Failure) -> Pause {
    Pause::BackOff(failure.status().and_then(Status::retry_after))
}
