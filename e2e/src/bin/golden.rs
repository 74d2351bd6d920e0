//! Turns the recorded cases into a line each, and into an exit status: 0 if the real binary reproduces all of them.
//!
//! Does not know how a case is run.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, mpsc};
use std::thread;

use anyhow::{Context, Result, ensure};
use clap::{Arg, ArgMatches, Command};
use e2e::backend::Backend;
use e2e::golden::{self, Case};
use e2e::netns;
use e2e::wait::Watch;

/// Cases that run at the same time.
const PARALLEL: usize = 2;

struct Outcome {
    name: String,
    took: Watch,
    verdict: Result<()>,
}

fn main() -> ExitCode {
    let matches = arguments().get_matches();
    match run_all(&matches) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("golden: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Command {
    Command::new("golden")
        .about("Runs kube-proxy on recorded cases and compares the rules. Cases: $GOLDEN_DIR, or e2e/golden")
        .arg(Arg::new("backend").long("backend").help("only this backend").value_parser(["nft", "legacy"]))
        .arg(Arg::new("case").long("case").help("only the case of this name"))
}

/// Whether all cases were equal on all backends.
fn run_all(matches: &ArgMatches) -> Result<bool> {
    let folder = std::env::var_os("GOLDEN_DIR").map_or_else(own_cases, PathBuf::from);
    let mut folders = golden::cases(&folder)?;
    if let Some(name) = matches.get_one::<String>("case") {
        folders.retain(|case| case.ends_with(name));
        ensure!(!folders.is_empty(), "no case {name} in {}", folder.display());
    }
    let chosen = matches.get_one::<String>("backend");
    let backends =
        Backend::ALL.into_iter().filter(|backend| chosen.is_none_or(|name| *name == backend.to_string()));
    netns::sweep();
    let mut all_equal = true;
    for backend in backends {
        all_equal &= run_backend(&folders, backend)?;
    }
    Ok(all_equal)
}

fn own_cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// Runs all cases on one backend; prints each as it ends.
fn run_backend(folders: &[PathBuf], backend: Backend) -> Result<bool> {
    let queue = Mutex::new(folders.iter());
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..PARALLEL {
            let (queue, sender) = (&queue, sender.clone());
            scope.spawn(move || {
                while let Some(folder) = next(queue) {
                    sender.send(run_case(folder, backend)).expect("outcomes are read to the end");
                }
            });
        }
        drop(sender);
        print(receiver, folders.len(), backend)
    })
}

fn next<'a>(queue: &Mutex<std::slice::Iter<'a, PathBuf>>) -> Option<&'a PathBuf> {
    queue.lock().expect("taking from the queue does not panic").next()
}

fn run_case(folder: &Path, backend: Backend) -> Outcome {
    let took = Watch::start();
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let verdict = Case::read(folder).and_then(|case| golden::run(&case, backend));
    Outcome { name, took, verdict }
}

fn print(outcomes: mpsc::Receiver<Outcome>, total: usize, backend: Backend) -> Result<bool> {
    let mut out = io::stdout().lock();
    let mut equal = 0;
    for Outcome { name, took, verdict } in outcomes {
        match verdict {
            Ok(()) => {
                equal += 1;
                writeln!(out, "ok    {name} ({backend}, {took})")
            }
            Err(error) => writeln!(out, "FAIL  {name} ({backend}, {took})\n{error:#}\n"),
        }
        .context("print")?;
    }
    writeln!(out, "{equal} of {total} equal ({backend})").context("print")?;
    Ok(equal == total)
}
