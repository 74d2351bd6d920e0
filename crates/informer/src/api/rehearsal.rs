//! Turns the bytes that a server could have sent about one resource into news, without a wire: for tests of what may come.
//!
//! Knows nothing of HTTP; pieces of an answer are the caller's.

use super::ask::{Initial, Pause, Shortness};
use super::failure::Failure;
use super::list::List;
use super::resource::Resource;
use super::watch::Watch;
use crate::change::Batch;

/// List and watch of one resource.
#[derive(Debug)]
pub struct Rehearsal(Watch);

impl Rehearsal {
    /// Nothing is known yet.
    pub fn new(resource: Resource) -> Self {
        Self(Watch::new(resource, Initial::List))
    }

    /// The body of a list arrived in these pieces. Tells what became known.
    ///
    /// # Errors
    /// It is no list; then nothing became known, and everything is asked for anew.
    pub fn list<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Batch, Failure> {
        let read = self.read_list(pieces);
        self.after(read)
    }

    /// The body of a watch has these lines, and then ends. Tells what became known.
    ///
    /// # Errors
    /// A line is no event, an error, or out of order; what the lines before it said counts.
    pub fn watch<'a>(&mut self, lines: impl IntoIterator<Item = &'a [u8]>) -> (Batch, Result<(), Failure>) {
        let read = lines.into_iter().try_for_each(|line| self.0.line(line));
        let _pause: Pause = match &read {
            Ok(()) => self.0.ended(Shortness::Full),
            Err(failure) => self.0.failed(failure),
        };
        (self.0.take(), read)
    }

    fn read_list<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Failure> {
        let mut list = List::default();
        for piece in pieces {
            list.push(piece, |item| self.0.item(item)).map_err(|no| Failure::Garbled(no.to_string()))?;
        }
        let frame = list.finish().map_err(|no| Failure::Garbled(no.to_string()))?;
        self.0.page(frame.metadata)
    }

    fn after(&mut self, read: Result<(), Failure>) -> Result<Batch, Failure> {
        if let Err(failure) = read {
            let _pause: Pause = self.0.failed(&failure);
            return Err(failure);
        }
        Ok(self.0.take())
    }
}
