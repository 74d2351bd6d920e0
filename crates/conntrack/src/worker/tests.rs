//! The thread over a fake kernel: prompt, merging, and ended by a drop.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Worker;
use crate::fake::Fake;
use crate::flow::{Entry, Family, Flow};
use crate::generation::Cause;
use crate::kernel::{Count, Dumped, Error, Kernel, Outcome, Scope};
use crate::report::{End, Occasion, Report};
use crate::sample::{entry, generation};

const NEW: &str = "dns 10.96.0.10:53 = 10.1.0.8:53";
const STALE: &str = "10.0.0.1:40001>10.96.0.10:53>10.1.0.7:53";

fn start(kernel: &Arc<Mutex<Fake>>) -> (Worker, Receiver<Report>) {
    let (sender, reports) = channel();
    let worker = Worker::start(kernel.clone(), move |report| sender.send(report).unwrap()).unwrap();
    (worker, reports)
}

#[test]
fn a_commit_is_worked_off_at_once_and_reported() {
    let kernel = Arc::new(Mutex::new(Fake::new([entry(STALE)])));
    let (worker, reports) = start(&kernel);
    let begin = Instant::now();
    worker.committed(Family::V4, generation(NEW), Cause::FirstSync);
    let report = reports.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!((report.findings.deleted(), report.pending), (1, 0));
    assert!(kernel.lock().unwrap().entries.is_empty());
}

#[test]
fn the_loop_does_not_wait_for_a_pass_and_requests_merge() {
    let kernel = Arc::new(Mutex::new(Fake::new([entry(STALE)])));
    let (worker, reports) = start(&kernel);
    let busy = kernel.lock().unwrap();
    let begin = Instant::now();
    for backends in 0..100 {
        let text = format!("dns 10.96.0.10:53 = 10.1.1.{backends}:53");
        worker.committed(Family::V4, generation(&text), Cause::Incremental);
    }
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
    drop(busy);
    let mut seen = Vec::new();
    while let Ok(report) = reports.recv_timeout(Duration::from_millis(1500)) {
        seen.push(report);
    }
    seen.retain(|report| matches!(report.occasion, Occasion::Commit(_)));
    assert!((1..=2).contains(&seen.len()), "{}", seen.len());
    assert_eq!(kernel.lock().unwrap().entries.len(), 0);
}

#[test]
fn dropping_it_ends_the_thread_at_once() {
    let kernel = Arc::new(Mutex::new(Fake::new([])));
    let (worker, _reports) = start(&kernel);
    worker.committed(Family::V4, generation(NEW), Cause::FirstSync);
    let begin = Instant::now();
    drop(worker);
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(Arc::strong_count(&kernel), 1);
}

/// A table so big that its dump takes ten seconds; says when it began.
struct Endless(Sender<()>);

impl Kernel for Endless {
    fn count(&mut self) -> Result<Count, Error> {
        Ok(Count { entries: 1, buckets: None })
    }

    fn dump(&mut self, _: Scope, each: &mut dyn FnMut(&Entry) -> ControlFlow<()>) -> Result<Dumped, Error> {
        self.0.send(()).unwrap();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(10) {
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
    let (sender, reports) = channel();
    let worker = Worker::start(Endless(began), move |report| sender.send(report).unwrap()).unwrap();
    worker.committed(Family::V4, generation("dns 10.96.0.10:53 = 10.1.0.7:53"), Cause::FirstSync);
    beginning.recv().unwrap();
    let begin = Instant::now();
    drop(worker);
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    let report = reports.recv().unwrap();
    assert_eq!((report.findings.end, report.failure), (End::Stopped, None));
}
