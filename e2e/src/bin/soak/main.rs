//! Turns seeds into random histories of changes and faults that the real daemon lives through, and into figures.
//!
//! Does not know what happens in a history; what must hold in each of them is in `check`.
#![expect(clippy::disallowed_methods, reason = "a soak takes as long as it is told to")]

mod check;
mod fault;
mod history;
mod object;
mod stage;
mod traffic;
mod wanted;

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Arg, ArgMatches, Command, value_parser};
use e2e::choice;
use e2e::netns;

use check::Figures;
use history::History;

fn main() -> ExitCode {
    match soak(&arguments().get_matches()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Command {
    let number = |name: &'static str| Arg::new(name).long(name).value_parser(value_parser!(u64));
    Command::new("soak")
        .about(
            "Lets kube-proxy live through random changes and faults, and checks rules and traffic after each",
        )
        .arg(number("seconds").default_value("60").help("begin no history after so many seconds"))
        .arg(
            number("seed")
                .default_value("1")
                .help("the seed of the first history; the next one has the next"),
        )
        .arg(number("histories").help("so many histories, however long they take"))
        .arg(choice::backend())
}

/// Stops at the first history in which something does not hold.
fn soak(matches: &ArgMatches) -> Result<()> {
    let number = |name: &str| matches.get_one::<u64>(name).copied();
    let first = number("seed").unwrap_or_default();
    let end = Instant::now() + Duration::from_secs(number("seconds").unwrap_or_default());
    let only = choice::only_backend(matches);
    netns::sweep();
    let mut figures = Figures::default();
    let mut seed = first;
    while number("histories").map_or(Instant::now() < end, |count| seed < first + count) {
        let history = History::of(seed, only);
        eprintln!("seed {seed} ({}, {} Services around)", history.backend, history.crowd);
        let lived = check::live_through(&history, &mut figures);
        lived.with_context(|| format!("run again with --seed {seed} --histories 1\n{history}"))?;
        seed += 1;
    }
    figures.prove_something()?;
    let histories = seed - first;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{figures}\n{histories} of {histories} histories hold").context("print")
}
