//! Turns the acceptance scenarios of stale conntrack entries into real sockets and the real binary, a line for each.
//!
//! Does not know the rules: only where datagrams must arrive, and which entries must survive.
//!
//! A25, A45, A46 and A48 need failures inside the daemon and are tests of the crate `conntrack`; `make conntrack` runs
//! them after these. What tables of up to a million entries cost (A42, and the exact times of A33, A41 and A43) is
//! measured by `conntrack_costs`, a program of its own, which also resizes the machine's hash table for A40.

mod address;
mod bulk;
mod check;
mod endpoint;
mod flood;
mod foreign;
mod quiet;
mod resize;
mod restore;
mod trouble;

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow, ensure};
use clap::{Arg, ArgMatches, Command};
use e2e::backend::Family::{self, V4, V6};
use e2e::netns;
use e2e::series;
use e2e::wait::Watch;

/// The time that matters: of the recovery, if there is one.
type Outcome = Result<Option<Duration>>;

type Scenario = (&'static str, Family, fn(Family) -> Outcome);

/// Scenarios that run at the same time. Most of them wait most of the time.
const PARALLEL: usize = 4;

/// How often a scenario is played again that missed a time limit. Whatever else fails has failed.
const MORE_TRIES: usize = 2;

/// The long ones first.
const SCENARIOS: [Scenario; 54] = [
    ("A7", V4, endpoint::refused_for_long),
    ("A29", V4, flood::empty_to_non_empty),
    ("A44", V4, trouble::without_capability),
    ("A30", V4, flood::non_empty_to_empty),
    ("A29/legacy", V4, flood::empty_to_non_empty_in_legacy),
    ("A30/legacy", V4, flood::non_empty_to_empty_in_legacy),
    ("A28", V4, trouble::packet_in_flight),
    ("A24/after", V4, restore::fails_after_writing),
    ("A24/late", V4, restore::ends_late),
    ("A40", V4, resize::during_the_look),
    ("A1", V4, endpoint::first),
    ("A2", V4, endpoint::replaced),
    ("A3", V4, endpoint::one_of_two),
    ("A4", V4, quiet::added),
    ("A5", V4, endpoint::scaled_to_zero),
    ("A6", V4, endpoint::back_from_zero),
    ("A8", V4, address::service_deleted),
    ("A9", V4, address::cluster_ip_taken_over),
    ("A10", V4, address::load_balancer_ip_assigned),
    ("A11", V4, address::external_ip_and_node_port_added),
    ("A12", V4, address::load_balancer_ip_withdrawn),
    ("A13", V4, address::node_port_replaced),
    ("A14", V4, address::node_port_to_zero),
    ("A15", V4, foreign::to_a_port_like_a_node_port),
    ("A16", V4, foreign::to_another_nodes_node_port),
    ("A17", V4, foreign::cluster_ip_port_like_a_node_port),
    ("A18", V4, foreign::tunnel_at_an_external_ip),
    ("A19", V4, foreign::external_ip_claimed_twice),
    ("A20", V4, endpoint::target_port),
    ("A21", V4, endpoint::terminating),
    ("A22", V4, endpoint::ended),
    ("A23", V4, endpoint::not_ready),
    ("A24", V4, restore::fails),
    ("A24/legacy", V4, restore::fails_in_legacy),
    ("A26", V4, restore::flushed_rules),
    ("A26/legacy", V4, restore::flushed_rules_in_legacy),
    ("A27", V4, trouble::restart),
    ("A31/A1", V4, endpoint::first_from_the_node),
    ("A31/A2", V4, endpoint::replaced_from_the_node),
    ("A32/A1", V6, endpoint::first),
    ("A32/A2", V6, endpoint::replaced),
    ("A32/A5", V6, endpoint::scaled_to_zero),
    ("A32/A10", V6, address::load_balancer_ip_assigned),
    ("A32/A13", V6, address::node_port_replaced),
    ("A32/A15", V6, foreign::to_a_port_like_a_node_port),
    ("A34", V4, foreign::tcp_and_sctp),
    ("A35", V4, quiet::tcp_only),
    ("A36", V4, foreign::zone_copy),
    ("A37", V4, foreign::zone_to_a_dead_backend),
    ("A38", V4, quiet::policies),
    ("A38b", V4, address::local_endpoint_comes),
    ("A39", V4, endpoint::session_affinity),
    ("A47", V4, foreign::node_port_addresses),
    ("A16/moves", V4, foreign::address_moves),
];

/// The hash table is the whole machine's: with hundreds of thousands of entries in it, looks of others take longer.
const ALONE: [Scenario; 3] =
    [("A33", V4, bulk::other_family), ("A41", V4, bulk::many_stale), ("A43", V4, bulk::replacements)];

fn main() -> ExitCode {
    series::exit_code("conntrack", run_all(&arguments().get_matches()))
}

fn arguments() -> Command {
    Command::new("conntrack")
        .about("Runs kube-proxy among network namespaces and watches UDP flows across changes of Services")
        .arg(Arg::new("scenario").help("only this scenario").num_args(0..))
}

/// Whether all scenarios held.
fn run_all(matches: &ArgMatches) -> Result<bool> {
    let chosen: Vec<&String> = matches.get_many("scenario").unwrap_or_default().collect();
    let is_chosen = |(name, ..): &Scenario| chosen.is_empty() || chosen.iter().any(|chosen| chosen == name);
    let [together, alone] =
        [&SCENARIOS[..], &ALONE].map(|all| all.iter().copied().filter(is_chosen).collect::<Vec<_>>());
    ensure!(!together.is_empty() || !alone.is_empty(), "no scenario is called {chosen:?}");
    netns::sweep();
    run(&together, &alone, &mut io::stdout())
}

/// Fractions of a second decide, and others may have had the machine for that long: what is late is played again, when
/// nothing else is, and it is said.
fn run(together: &[Scenario], alone: &[Scenario], out: &mut impl Write) -> Result<bool> {
    let watch = Watch::start();
    let mut failed = play(together, PARALLEL, out)?;
    failed.extend(play(alone, 1, out)?);
    let total = together.len() + alone.len();
    let mut held = total - failed.len();
    let mut again = Vec::new();
    for (scenario, error) in failed {
        let outcome = play_again(scenario, error);
        if outcome.is_ok() {
            held += 1;
            again.push(scenario.0);
        }
        print(scenario, outcome, out).context("print")?;
    }
    let again = match again.len() {
        0 => String::new(),
        many => format!("{many} of them only when played again: {}; ", again.join(" ")),
    };
    writeln!(out, "{held} of {total} hold (conntrack, {again}{watch})").context("print")?;
    Ok(held == total)
}

/// Plays some at the same time, and returns what does not hold.
fn play<'a>(
    scenarios: &'a [Scenario],
    parallel: usize,
    out: &mut impl Write,
) -> Result<Vec<(&'a Scenario, Error)>> {
    let queue = Mutex::new(scenarios.iter());
    let (sender, outcomes) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..parallel {
            let (queue, sender) = (&queue, sender.clone());
            scope.spawn(move || {
                let next = || queue.lock().expect("taking from the queue does not panic").next();
                while let Some(scenario) = next() {
                    sender.send((scenario, attempt(scenario))).expect("outcomes are read to the end");
                }
            });
        }
        drop(sender);
        first(&outcomes, out)
    })
    .context("print")
}

/// Prints what holds as it comes, and returns what does not.
fn first<'a>(
    outcomes: &Receiver<(&'a Scenario, Result<Duration>)>,
    out: &mut impl Write,
) -> io::Result<Vec<(&'a Scenario, Error)>> {
    let mut failed = Vec::new();
    for (scenario, outcome) in outcomes {
        match outcome {
            Ok(time) => print(scenario, Ok(time), out)?,
            Err(error) => failed.push((scenario, error)),
        }
    }
    Ok(failed)
}

/// Until it is in time, but not for ever.
fn play_again(scenario: &Scenario, error: Error) -> Result<Duration> {
    let mut outcome = Err(error);
    for _ in 0..MORE_TRIES {
        let Err(error) = &outcome else { break };
        if !error.is::<check::Late>() {
            break;
        }
        eprintln!("{} once more, with the machine for itself, because: {error:#}", scenario.0);
        outcome = attempt(scenario);
    }
    outcome
}

/// A scenario that measures nothing has the time that it took.
fn attempt((_, family, play): &Scenario) -> Result<Duration> {
    let watch = Watch::start();
    // A panic has been printed where it happened; the other scenarios go on.
    let outcome =
        catch_unwind(AssertUnwindSafe(|| play(*family))).unwrap_or_else(|_| Err(anyhow!("panicked")));
    Ok(outcome?.unwrap_or_else(|| watch.elapsed()))
}

fn print((name, ..): &Scenario, outcome: Result<Duration>, out: &mut impl Write) -> io::Result<()> {
    match outcome {
        Ok(time) => writeln!(out, "{name} ok {:.2} s", time.as_secs_f64()),
        Err(error) => writeln!(out, "{name} FAIL {error:#}\n"),
    }
}
