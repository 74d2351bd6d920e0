//! The thread over a fake kernel: prompt, merging, waiting for rules that are being written, and ended by a drop.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{News, Worker};
use crate::fake::Fake;
use crate::flow::{Entry, Family, Flow};
use crate::generation::Cause;
use crate::kernel::{Count, Dumped, Error, Kernel, Outcome, Scope};
use crate::report::{End, Occasion, Report};
use crate::sample::{entry, generation};

const NEW: &str = "dns 10.96.0.10:53 = 10.1.0.8:53";
const STALE: &str = "10.0.0.1:40001>10.96.0.10:53>10.1.0.7:53";

/// Far more than anything takes here, also on a busy machine.
const LONG: Duration = Duration::from_secs(60);

fn start(kernel: impl Kernel + Send + 'static) -> (Worker, Receiver<News>) {
    let (sender, news) = channel();
    let tell = move |it| {
        // A test may have seen enough.
        let _ = sender.send(it);
    };
    (Worker::start(kernel, || None, tell).unwrap(), news)
}

fn next_report(news: &Receiver<News>) -> Report {
    loop {
        if let News::Pass(report) = news.recv_timeout(LONG).unwrap() {
            return report;
        }
    }
}

fn next_pending(news: &Receiver<News>) -> (Family, usize) {
    loop {
        if let News::Pending { family, front_ends } = news.recv_timeout(LONG).unwrap() {
            return (family, front_ends);
        }
    }
}

#[test]
fn a_commit_is_worked_off_and_reported() {
    let kernel = Arc::new(Mutex::new(Fake::new([entry(STALE)])));
    let (worker, news) = start(kernel.clone());
    worker.committed(Family::V4, generation(NEW), Cause::FirstSync);
    let report = next_report(&news);
    assert_eq!((report.findings.deleted(), report.pending), (1, 0));
    assert!(kernel.lock().unwrap().entries.is_empty());
}

#[test]
fn the_loop_does_not_wait_for_a_pass_and_requests_merge() {
    let kernel = Arc::new(Mutex::new(Fake::new([entry(STALE)])));
    let (worker, news) = start(kernel.clone());
    let busy = kernel.lock().unwrap();
    for backends in 0..100 {
        let text = format!("dns 10.96.0.10:53 = 10.1.1.{backends}:53");
        worker.committed(Family::V4, generation(&text), Cause::Incremental);
    }
    // No look can have ended yet.
    drop(busy);
    let commits = |report: &Report| matches!(report.occasion, Occasion::Commit(_));
    let mut seen = Vec::new();
    while seen.last().is_none_or(commits) {
        seen.push(next_report(&news));
    }
    // The first look may have begun with the first commits; another one has what came later, and then all is looked
    // at once more.
    assert!((2..=3).contains(&seen.len()), "{}", seen.len());
    assert_eq!(kernel.lock().unwrap().entries.len(), 0);
}

#[test]
fn pending_front_ends_are_told_as_soon_as_there_are_any() {
    let kernel = Arc::new(Mutex::new(Fake::new([])));
    let (worker, news) = start(kernel.clone());
    let busy = kernel.lock().unwrap();
    worker.committed(Family::V4, generation("a 10.96.0.10:53 10.96.0.11:53 = 10.1.0.8:53"), Cause::FirstSync);
    assert_eq!(next_pending(&news), (Family::V4, 2));
    drop(busy);
    assert_eq!(next_pending(&news), (Family::V4, 0));
}

/// A kernel that tells when it is asked for entries, and answers when it may.
struct Slow {
    table: Arc<Mutex<Fake>>,
    asked: Sender<()>,
    may: Receiver<()>,
}

impl Kernel for Slow {
    fn count(&mut self) -> Result<Count, Error> {
        self.table.count()
    }

    fn dump(
        &mut self,
        scope: Scope,
        each: &mut dyn FnMut(&Entry) -> ControlFlow<()>,
    ) -> Result<Dumped, Error> {
        self.asked.send(()).unwrap();
        // The test that would let it go on may be over.
        let _ = self.may.recv();
        self.table.dump(scope, each)
    }

    fn delete(&mut self, flows: &[Flow]) -> Result<Vec<Outcome>, Error> {
        self.table.delete(flows)
    }
}

/// A worker, its table, and what it waits for.
struct Staged {
    worker: Worker,
    news: Receiver<News>,
    table: Arc<Mutex<Fake>>,
    asked: Receiver<()>,
    may: Sender<()>,
}

fn staged() -> Staged {
    let table = Arc::new(Mutex::new(Fake::new([entry(STALE)])));
    let ((ask, asked), (may, let_go)) = (channel(), channel());
    let (worker, news) = start(Slow { table: table.clone(), asked: ask, may: let_go });
    Staged { worker, news, table, asked, may }
}

#[test]
fn a_pass_waits_for_rules_that_began_to_be_written_and_goes_by_them() {
    let Staged { worker, news, table, asked, may } = staged();
    worker.committed(Family::V4, generation(NEW), Cause::FirstSync);
    asked.recv_timeout(LONG).unwrap();
    worker.writing(Family::V4);
    may.send(()).unwrap();
    worker.committed(Family::V4, generation("dns 10.96.0.10:53 = 10.1.0.7:53"), Cause::Incremental);
    assert_eq!(next_report(&news).findings.deleted(), 0);
    assert_eq!(table.lock().unwrap().entries.len(), 1);
}

#[test]
fn what_a_pass_leaves_because_rules_are_written_for_long_is_made_up_for() {
    let Staged { worker, news, table, asked, may } = staged();
    worker.committed(Family::V4, generation(NEW), Cause::FirstSync);
    asked.recv_timeout(LONG).unwrap();
    worker.writing(Family::V4);
    may.send(()).unwrap();
    let report = next_report(&news);
    assert_eq!((report.findings.end, report.failure, report.pending), (End::Overtaken, None, 1));
    assert_eq!(table.lock().unwrap().entries.len(), 1);
    worker.unchanged(Family::V4);
    may.send(()).unwrap();
    assert_eq!(next_report(&news).findings.deleted(), 1);
}

#[test]
fn dropping_it_ends_the_thread() {
    let kernel = Arc::new(Mutex::new(Fake::new([])));
    let (worker, _news) = start(kernel.clone());
    worker.committed(Family::V4, generation(NEW), Cause::FirstSync);
    drop(worker);
    let begin = Instant::now();
    while Arc::strong_count(&kernel) > 1 {
        assert!(begin.elapsed() < LONG, "the thread has not ended");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn dropping_it_does_not_wait_for_a_kernel_that_says_nothing() {
    let Staged { worker, news, asked, may, .. } = staged();
    worker.committed(Family::V4, generation(NEW), Cause::FirstSync);
    asked.recv_timeout(LONG).unwrap();
    // If this waited for the kernel, it would never end.
    drop(worker);
    may.send(()).unwrap();
    assert_eq!(next_report(&news).findings.end, End::Stopped);
}

/// A table whose dump does not end by itself; says when it began.
struct Endless(Sender<()>);

impl Kernel for Endless {
    fn count(&mut self) -> Result<Count, Error> {
        Ok(Count { entries: 1, buckets: None })
    }

    fn dump(&mut self, _: Scope, each: &mut dyn FnMut(&Entry) -> ControlFlow<()>) -> Result<Dumped, Error> {
        self.0.send(()).unwrap();
        let begin = Instant::now();
        while begin.elapsed() < LONG {
            if each(&entry(STALE)).is_break() {
                return Ok(Dumped::Abandoned);
            }
        }
        Ok(Dumped::Whole)
    }

    fn delete(&mut self, flows: &[Flow]) -> Result<Vec<Outcome>, Error> {
        Ok(vec![Outcome::Deleted; flows.len()])
    }
}

#[test]
fn dropping_it_in_the_middle_of_a_dump_ends_the_dump() {
    let (began, beginning) = channel();
    let (worker, news) = start(Endless(began));
    worker.committed(Family::V4, generation("dns 10.96.0.10:53 = 10.1.0.7:53"), Cause::FirstSync);
    beginning.recv_timeout(LONG).unwrap();
    drop(worker);
    let report = next_report(&news);
    assert_eq!((report.findings.end, report.failure), (End::Stopped, None));
}

#[test]
fn node_ports_answer_on_no_address_that_has_left_the_node() {
    let elsewhere = "10.1.0.9:40001>192.168.0.100:30053 replied";
    let kernel = Arc::new(Mutex::new(Fake::new([entry(elsewhere), entry(STALE)])));
    let (sender, news) = channel();
    let local = || Some(["192.168.0.1".parse().unwrap()].into());
    let worker = Worker::start(kernel.clone(), local, move |it| drop(sender.send(it))).unwrap();
    let rules = generation("dns 10.96.0.10:53 30053 = 10.1.0.8:53; nodes 192.168.0.1 192.168.0.100");
    worker.committed(Family::V4, rules, Cause::FirstSync);
    assert_eq!(next_report(&news).findings.deleted(), 1);
    assert_eq!(kernel.lock().unwrap().entries, [entry(elsewhere)]);
}
