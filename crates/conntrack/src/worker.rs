//! A thread that looks at the conntrack table after commits, so that rules never wait for it.
//!
//! The sync loop hands it what was committed and goes on; what was done comes back as reports.

#![expect(clippy::disallowed_methods, reason = "the agenda is told the time here")]

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::agenda::Agenda;
use crate::filter::Filtering;
use crate::flow::Family;
use crate::generation::{Cause, Generation};
use crate::kernel::Kernel;
use crate::pass::{self, Surroundings, Task};
use crate::report::Report;
use crate::snapshot::Snapshot;

/// The thread. Dropping it ends it: what it is doing is abandoned within a moment.
#[derive(Debug)]
pub struct Worker {
    inbox: Option<Sender<Commit>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Commit {
    family: Family,
    generation: Generation,
    result: Result<Cause, Failed>,
}

/// The commit failed, and may be in place in part.
struct Failed;

const HOUR: Duration = Duration::from_secs(3600);

impl Worker {
    /// Starts the thread, in the network namespace of the caller. `on_report` is called on it after each pass.
    pub fn start<K, R>(kernel: K, on_report: R) -> io::Result<Worker>
    where
        K: Kernel + Send + 'static,
        R: FnMut(Report) + Send + 'static,
    {
        let (sender, inbox) = channel();
        let stopping = Arc::new(AtomicBool::new(false));
        let desk = Desk { agenda: Agenda::new(jittered_hour()), inbox, stopping: stopping.clone() };
        let thread = Builder::new().name("conntrack".into()).spawn(move || desk.work(kernel, on_report))?;
        Ok(Worker { inbox: Some(sender), stopping, thread: Some(thread) })
    }

    /// To be called after each commit that succeeded, once both caches are synced. Returns at once.
    ///
    /// `generation` is the whole of what was committed for the family, not the difference.
    pub fn committed(&self, family: Family, generation: Generation, cause: Cause) {
        self.send(Commit { family, generation, result: Ok(cause) });
    }

    /// To be called after each commit that failed while it was being written, with what it should have become.
    /// Returns at once. Nothing is looked at before a commit succeeds, but it will then be known what flows may have
    /// been let in meanwhile.
    pub fn failed(&self, family: Family, generation: Generation) {
        self.send(Commit { family, generation, result: Err(Failed) });
    }

    fn send(&self, commit: Commit) {
        if let Some(inbox) = &self.inbox {
            // It fails only if the thread panicked, and then there is nobody to look at it.
            let _ = inbox.send(commit);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.inbox = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// What the thread owns besides the kernel.
struct Desk {
    agenda: Agenda,
    inbox: Receiver<Commit>,
    stopping: Arc<AtomicBool>,
}

impl Desk {
    fn work(mut self, mut kernel: impl Kernel, mut on_report: impl FnMut(Report)) {
        let mut filtering = Filtering::default();
        while !self.stopping() {
            let now = Instant::now();
            let next = self.agenda.next().map_or(HOUR, |next| next.saturating_duration_since(now));
            match self.inbox.recv_timeout(next) {
                Ok(commit) => self.note(commit),
                Err(RecvTimeoutError::Timeout) => self.pass(&mut kernel, &mut filtering, &mut on_report),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn pass(
        &mut self,
        kernel: &mut impl Kernel,
        filtering: &mut Filtering,
        on_report: &mut impl FnMut(Report),
    ) {
        let assignments = self.agenda.begin(Instant::now());
        let tasks: Vec<Task> = assignments.iter().map(|assignment| assignment.task.clone()).collect();
        if tasks.is_empty() {
            return;
        }
        let findings = pass::run(kernel, &tasks, filtering, self);
        for (assignment, findings) in assignments.into_iter().zip(findings) {
            on_report(self.agenda.finish(Instant::now(), assignment, findings));
        }
    }

    fn note(&mut self, commit: Commit) {
        let Commit { family, generation, result } = commit;
        match result {
            Ok(cause) => self.agenda.committed(Instant::now(), family, &generation, cause),
            Err(Failed) => self.agenda.failed(family, &generation),
        }
    }
}

impl Surroundings for Desk {
    fn newest(&mut self, family: Family) -> Option<Arc<Snapshot>> {
        while let Ok(commit) = self.inbox.try_recv() {
            self.note(commit);
        }
        self.agenda.snapshot(family)
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
