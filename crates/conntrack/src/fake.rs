//! A table in memory that can be told to misbehave as kernels do.
//!
//! Knows nothing of front ends: like the kernel, it only holds entries.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use crate::flow::{Entry, Family, Flow, Protocol};
use crate::kernel::{Count, Dumped, Error, Kernel, Outcome, Scope};

/// A connection tracking table in memory. Everything is public: tests fill it, break it and look at it.
#[derive(Clone, Debug)]
pub struct Fake {
    /// The entries, in the order of a dump.
    pub entries: Vec<Entry>,
    /// Hash buckets.
    pub buckets: u32,
    /// What it does with the UDP filter.
    pub filter: FilterSupport,
    /// What goes wrong in the next dumps, one each.
    pub faults: VecDeque<Fault>,
    /// Errors that the next counts return, one each.
    pub count_errors: VecDeque<Error>,
    /// Errors that the next deletes return, one each.
    pub delete_errors: VecDeque<Error>,
    /// An answer given to every delete, without deleting anything.
    pub delete_answer: Option<Outcome>,
    /// What was asked so far.
    pub calls: Vec<Call>,
}

/// How well a kernel knows the restriction of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterSupport {
    /// Linux 5.8 and later.
    Works,
    /// Older ones.
    Ignored,
    /// Refused with EINVAL.
    Refused,
}

/// What goes wrong in one dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It fails before the first entry.
    Fail(Error),
    /// All entries come, but the kernel says that it was interrupted.
    Interrupt,
    /// The hash table is resized: one of so many entries is missing, and nothing says so but the bucket count.
    Resize {
        /// Which entries are missing: each so-and-so-many-th.
        missing_each: usize,
    },
    /// A packet that was under way leaves its entries right after the dump.
    InFlight(Vec<Entry>),
}

/// What was asked of the fake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A count.
    Count,
    /// A dump.
    Dump(Scope),
    /// A delete of so many entries.
    Delete(usize),
}

const EINVAL: i32 = 22;

impl Fake {
    /// A table that behaves.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Fake {
        Fake {
            entries: entries.into_iter().collect(),
            buckets: 1024,
            filter: FilterSupport::Works,
            faults: VecDeque::new(),
            count_errors: VecDeque::new(),
            delete_errors: VecDeque::new(),
            delete_answer: None,
            calls: Vec::new(),
        }
    }

    /// How many dumps were asked for.
    pub fn dumps(&self) -> usize {
        self.calls.iter().filter(|call| matches!(call, Call::Dump(_))).count()
    }

    fn shows(&self, scope: Scope, entry: &Entry) -> bool {
        match (scope, self.filter) {
            (Scope::Everything, _) => true,
            (Scope::Udp(family), FilterSupport::Works) => is_udp_of(family, entry),
            // The family selection is older than the filter.
            (Scope::Udp(family), _) => entry.family() == Some(family),
        }
    }

    fn take(&mut self, flow: &Flow) -> Outcome {
        let same = |entry: &Entry| {
            entry.flow().is_some_and(|f| f.orig == flow.orig && f.zone == flow.zone && f.id == flow.id)
        };
        match self.entries.iter().position(same) {
            Some(index) => {
                self.entries.remove(index);
                Outcome::Deleted
            }
            None => Outcome::Gone,
        }
    }
}

fn is_udp_of(family: Family, entry: &Entry) -> bool {
    entry.protocol() == Some(Protocol::UDP) && entry.family() == Some(family)
}

impl Kernel for Fake {
    fn count(&mut self) -> Result<Count, Error> {
        self.calls.push(Call::Count);
        if let Some(error) = self.count_errors.pop_front() {
            return Err(error);
        }
        let entries = u32::try_from(self.entries.len()).expect("a fake table is small");
        Ok(Count { entries, buckets: NonZeroU32::new(self.buckets) })
    }

    fn dump(
        &mut self,
        scope: Scope,
        each: &mut dyn FnMut(&Entry) -> ControlFlow<()>,
    ) -> Result<Dumped, Error> {
        self.calls.push(Call::Dump(scope));
        if self.filter == FilterSupport::Refused && scope != Scope::Everything {
            return Err(Error::FilterRefused { errno: EINVAL });
        }
        let fault = self.faults.pop_front().unwrap_or(Fault::None);
        let mut missing_each = usize::MAX;
        match &fault {
            Fault::Fail(error) => return Err(error.clone()),
            Fault::Resize { missing_each: each } => missing_each = *each,
            Fault::None | Fault::Interrupt | Fault::InFlight(_) => {}
        }
        for (index, entry) in self.entries.iter().enumerate() {
            let missing = (index + 1).is_multiple_of(missing_each);
            if !missing && self.shows(scope, entry) && each(entry).is_break() {
                return Ok(Dumped::Abandoned);
            }
        }
        Ok(self.after_dump(fault))
    }

    fn delete(&mut self, flows: &[Flow]) -> Result<Vec<Outcome>, Error> {
        self.calls.push(Call::Delete(flows.len()));
        if let Some(error) = self.delete_errors.pop_front() {
            return Err(error);
        }
        Ok(flows.iter().map(|flow| self.delete_answer.unwrap_or_else(|| self.take(flow))).collect())
    }
}

impl Fake {
    fn after_dump(&mut self, fault: Fault) -> Dumped {
        match fault {
            Fault::Interrupt => return Dumped::Doubtful,
            Fault::Resize { .. } => self.buckets *= 2,
            Fault::InFlight(entries) => self.entries.extend(entries),
            Fault::None | Fault::Fail(_) => {}
        }
        Dumped::Whole
    }
}

/// A fake that a test still sees while a worker uses it.
impl Kernel for Arc<Mutex<Fake>> {
    fn count(&mut self) -> Result<Count, Error> {
        self.lock().expect("no test panics while it holds the fake").count()
    }

    fn dump(
        &mut self,
        scope: Scope,
        each: &mut dyn FnMut(&Entry) -> ControlFlow<()>,
    ) -> Result<Dumped, Error> {
        self.lock().expect("no test panics while it holds the fake").dump(scope, each)
    }

    fn delete(&mut self, flows: &[Flow]) -> Result<Vec<Outcome>, Error> {
        self.lock().expect("no test panics while it holds the fake").delete(flows)
    }
}
