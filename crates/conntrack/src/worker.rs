//! A thread that looks at the conntrack table after commits, so that rules never wait for it.
//!
//! The sync loop hands it what was committed and goes on; what was done comes back as reports.

#![expect(clippy::disallowed_methods, reason = "the agenda is told the time here")]

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::agenda::Agenda;
use crate::filter::Filtering;
use crate::flow::Family;
use crate::generation::{Cause, Generation};
use crate::kernel::Kernel;
use crate::pass::{self, Rules, Surroundings, Task};
use crate::report::Report;

/// The thread. Dropping it ends it: what it is doing is abandoned within a moment. If the kernel does not answer, the
/// thread is left behind, and ends by itself when that is given up.
#[derive(Debug)]
pub struct Worker {
    inbox: Option<Sender<Note>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread tells, on itself.
#[derive(Clone, Debug)]
pub enum News {
    /// So many front ends of a family wait for their first look, or are being looked at.
    Pending {
        /// The family.
        family: Family,
        /// How many.
        front_ends: usize,
    },
    /// A pass ended.
    Pass(Report),
}

/// What the thread is told.
enum Note {
    Writing(Family),
    Unchanged(Family),
    Committed { family: Family, generation: Generation, cause: Cause },
    Failed { family: Family, generation: Generation },
}

const HOUR: Duration = Duration::from_secs(3600);
/// How long a drop waits for the thread.
const FAREWELL: Duration = Duration::from_secs(1);
const GLANCE: Duration = Duration::from_millis(1);
/// How long a pass waits until rules are written that began to be written after it. Then it is given up, and the
/// other family has its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl Worker {
    /// Starts the thread, in the network namespace of the caller. `tell` is called on it, and `addresses` before each
    /// pass: all addresses that the node has, if that is known.
    pub fn start<K, A, T>(kernel: K, addresses: A, tell: T) -> io::Result<Worker>
    where
        K: Kernel + Send + 'static,
        A: FnMut() -> Option<BTreeSet<IpAddr>> + Send + 'static,
        T: FnMut(News) + Send + 'static,
    {
        let (sender, inbox) = channel();
        let stopping = Arc::new(AtomicBool::new(false));
        let agenda = Agenda::new(jittered_hour());
        let stop = stopping.clone();
        let desk = Desk { agenda, inbox, stopping: stop, addresses, tell, told: BTreeMap::new() };
        let thread = Builder::new().name("conntrack".into()).spawn(move || desk.work(kernel))?;
        Ok(Worker { inbox: Some(sender), stopping, thread: Some(thread) })
    }

    /// To be called before any rule of a family is written. Returns at once.
    ///
    /// No flow of the family is judged from here on until one of the other calls tells how it ended.
    pub fn writing(&self, family: Family) {
        self.send(Note::Writing(family));
    }

    /// To be called if rules were written that make no difference to UDP. Returns at once.
    pub fn unchanged(&self, family: Family) {
        self.send(Note::Unchanged(family));
    }

    /// To be called after each commit that succeeded, once both caches are synced. Returns at once.
    ///
    /// `generation` is the whole of what was committed for the family, not the difference.
    pub fn committed(&self, family: Family, generation: Generation, cause: Cause) {
        self.send(Note::Committed { family, generation, cause });
    }

    /// To be called after each commit that failed while it was being written, with what it should have become.
    /// Returns at once. Until a commit succeeds, only flows are deleted that are wrong by what was committed last and by
    /// all that failed since.
    pub fn failed(&self, family: Family, generation: Generation) {
        self.send(Note::Failed { family, generation });
    }

    fn send(&self, note: Note) {
        if let Some(inbox) = &self.inbox {
            // It fails only if the thread panicked, and then there is nobody to look at it.
            let _ = inbox.send(note);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.inbox = None;
        let Some(thread) = self.thread.take() else { return };
        let begin = Instant::now();
        while !thread.is_finished() && begin.elapsed() < FAREWELL {
            sleep(GLANCE);
        }
        if thread.is_finished() {
            // A panic was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// What the thread owns besides the kernel.
struct Desk<A, T> {
    agenda: Agenda,
    inbox: Receiver<Note>,
    stopping: Arc<AtomicBool>,
    addresses: A,
    tell: T,
    /// The numbers of pending front ends that were told last.
    told: BTreeMap<Family, usize>,
}

impl<A: FnMut() -> Option<BTreeSet<IpAddr>>, T: FnMut(News)> Desk<A, T> {
    fn work(mut self, mut kernel: impl Kernel) {
        let mut filtering = Filtering::default();
        while !self.stopping() {
            let now = Instant::now();
            let next = self.agenda.next().map_or(HOUR, |next| next.saturating_duration_since(now));
            match self.inbox.recv_timeout(next) {
                Ok(note) => self.take_down(note),
                Err(RecvTimeoutError::Timeout) => self.pass(&mut kernel, &mut filtering),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn pass(&mut self, kernel: &mut impl Kernel, filtering: &mut Filtering) {
        if let Some(addresses) = (self.addresses)() {
            self.agenda.is_at(Instant::now(), &addresses);
        }
        let assignments = self.agenda.begin(Instant::now());
        let tasks: Vec<Task> = assignments.iter().map(|assignment| assignment.task.clone()).collect();
        if tasks.is_empty() {
            return;
        }
        let findings = pass::run(kernel, &tasks, filtering, self);
        for (assignment, findings) in assignments.into_iter().zip(findings) {
            let report = self.agenda.finish(Instant::now(), assignment, findings);
            let family = report.family;
            (self.tell)(News::Pass(report));
            self.tell_pending(family);
        }
    }

    fn take_down(&mut self, note: Note) {
        let family = match note {
            Note::Writing(family) => {
                self.agenda.writing(family);
                family
            }
            Note::Unchanged(family) => {
                self.agenda.unchanged(family);
                family
            }
            Note::Committed { family, generation, cause } => {
                self.agenda.committed(Instant::now(), family, &generation, cause);
                family
            }
            Note::Failed { family, generation } => {
                self.agenda.failed(family, &generation);
                family
            }
        };
        self.tell_pending(family);
    }

    fn tell_pending(&mut self, family: Family) {
        let front_ends = self.agenda.pending(family);
        if self.told.insert(family, front_ends) != Some(front_ends) {
            (self.tell)(News::Pending { family, front_ends });
        }
    }
}

impl<A: FnMut() -> Option<BTreeSet<IpAddr>>, T: FnMut(News)> Surroundings for Desk<A, T> {
    fn rules(&mut self, family: Family) -> Rules {
        while let Ok(note) = self.inbox.try_recv() {
            self.take_down(note);
        }
        let deadline = Instant::now() + LONGEST_WAIT;
        loop {
            let rules = self.agenda.rules(family);
            if matches!(rules, Rules::Committed(..)) {
                return rules;
            }
            match self.inbox.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(note) => self.take_down(note),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return rules,
            }
        }
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn cpu(&self) -> Duration {
        Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
    }
}

/// Nodes that were started together shall not look at everything together.
fn jittered_hour() -> Duration {
    let percent = u32::try_from(RandomState::new().hash_one("full look") % 21).expect("less than 21");
    HOUR * (90 + percent) / 100
}

#[cfg(test)]
mod tests;
