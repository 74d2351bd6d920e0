//! Turns a series of tests into a line each, as they end, and a count at the end.
//!
//! Does not know what is tested.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::wait::Watch;

/// Tests that run at the same time, unless a series says otherwise.
const PARALLEL: usize = 2;

/// A test with a name.
pub struct Test<'a> {
    name: String,
    run: Box<dyn FnOnce() -> Result<()> + Send + 'a>,
}

impl<'a> Test<'a> {
    /// A test that holds if `run` succeeds; its error is printed if it does not.
    pub fn new(name: impl Into<String>, run: impl FnOnce() -> Result<()> + Send + 'a) -> Test<'a> {
        Test { name: name.into(), run: Box::new(run) }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }
}

struct Outcome {
    name: String,
    took: Duration,
    verdict: Result<()>,
}

/// Runs all tests, and writes of each as it ends; the last line says how many of how many did what `closing` says.
///
/// # Errors
/// If nothing can be written. A test that fails is no error, but the answer is false.
pub fn run(tests: Vec<Test>, closing: &str, out: &mut impl Write) -> Result<bool> {
    run_at_once(PARALLEL, tests, closing, out)
}

/// The same with so many tests at the same time.
///
/// # Errors
/// If nothing can be written.
pub fn run_at_once(parallel: usize, tests: Vec<Test>, closing: &str, out: &mut impl Write) -> Result<bool> {
    let total = tests.len();
    let queue = Mutex::new(tests.into_iter());
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..parallel {
            let (queue, sender) = (&queue, sender.clone());
            scope.spawn(move || {
                let next = || queue.lock().expect("taking from the queue does not panic").next();
                while let Some(test) = next() {
                    sender.send(outcome(test)).expect("outcomes are read to the end");
                }
            });
        }
        drop(sender);
        print(receiver, total, closing, out)
    })
}

/// How a program ends whose tests all held, or not, or could not be run, which is said on stderr.
pub fn exit_code(program: &str, held: Result<bool>) -> ExitCode {
    match held {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{program}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn outcome(Test { name, run }: Test) -> Outcome {
    let watch = Watch::start();
    // A panic has been printed where it happened; the other tests go on.
    let verdict = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(anyhow!("panicked")));
    Outcome { name, took: watch.elapsed(), verdict }
}

fn print(
    outcomes: mpsc::Receiver<Outcome>,
    total: usize,
    closing: &str,
    out: &mut impl Write,
) -> Result<bool> {
    let mut succeeded = 0;
    for Outcome { name, took, verdict } in outcomes {
        let took = format!("{:.1} s", took.as_secs_f64());
        match verdict {
            Ok(()) => {
                succeeded += 1;
                writeln!(out, "ok    {name} ({took})")
            }
            Err(error) => writeln!(out, "FAIL  {name} ({took})\n{error:#}\n"),
        }
        .context("print")?;
    }
    writeln!(out, "{succeeded} of {total} {closing}").context("print")?;
    Ok(succeeded == total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_and_panics_count_and_stop_nothing() {
        let ran = Mutex::new(0);
        let count = || *ran.lock().unwrap() += 1;
        let tests = vec![
            Test::new("fails", || Err(anyhow!("on purpose"))),
            Test::new("panics", || panic!("on purpose")),
            Test::new("one", || {
                count();
                Ok(())
            }),
            Test::new("two", || {
                count();
                Ok(())
            }),
        ];
        let mut out = Vec::new();
        assert!(!run(tests, "hold", &mut out).unwrap());
        assert_eq!(*ran.lock().unwrap(), 2);
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("FAIL  fails (0.0 s)\non purpose\n"), "{text}");
        assert!(text.contains("FAIL  panics (0.0 s)\npanicked\n"), "{text}");
        assert!(text.ends_with("\n2 of 4 hold\n"), "{text}");
    }

    #[test]
    fn a_series_can_hold() {
        let mut out = Vec::new();
        assert!(run(vec![Test::new("holds", || Ok(()))], "hold (nft)", &mut out).unwrap());
        assert_eq!(String::from_utf8(out).unwrap(), "ok    holds (0.0 s)\n1 of 1 hold (nft)\n");
    }
}
