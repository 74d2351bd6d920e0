//! Turns stories about bad days of a node into verdicts, a line for each story.
//!
//! Does not know how the daemon gets over them: only what works on, and what is said about it.

mod api;
mod child;
mod cluster;
mod drift;
mod flush;
mod health;
mod lock;
mod poison;
mod privilege;
mod quarantine;
mod restart;
mod stage;
mod storm;
mod tool;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Arg, ArgMatches, Command, value_parser};
use e2e::backend::Backend;
use e2e::choice;
use e2e::netns;
use e2e::series::{self, Test};

type Story = fn(Backend) -> Result<()>;

/// So many at once: most of the time is spent waiting.
const PARALLEL: usize = 4;

/// Those that take long come first.
const STORIES: [(&str, Story); 21] = [
    ("a tool that hangs", child::hangs),
    ("a refusal is told", quarantine::is_told),
    ("fifty refused of a thousand", poison::fifty_of_a_thousand),
    ("a flush under load", flush::under_load),
    ("a lock that is held at the start", lock::at_the_start),
    ("others write all the time", storm::blows_over),
    ("rules that are taken away", drift::is_mended),
    ("jumps in another order", drift::another_order),
    ("few privileges", privilege::are_few),
    ("privileges that are missing", privilege::are_needed),
    ("odd words", words::never_reach_a_command_line),
    ("a change that is refused", poison::a_change),
    ("a tool that fails", child::fails),
    ("tools of the other variant", child::switch),
    ("a first sync that fails", health::first_sync),
    ("a tool that is missing", tool::is_missing),
    ("a tool that does nothing", tool::is_idle),
    ("a tool that floods", tool::floods),
    ("a tool of another backend", tool::is_of_another_backend),
    ("killed between two COMMITs, at the first sync", restart::first_sync),
    ("killed between two COMMITs, at a change", restart::change),
];

fn main() -> ExitCode {
    series::exit_code("resilience", run_all(&arguments().get_matches()))
}

fn arguments() -> Command {
    Command::new("resilience")
        .about("Lets objects, tools and the daemon itself fail in network namespaces")
        .arg(choice::backend())
        .arg(
            Arg::new("lock-seconds")
                .long("lock-seconds")
                .help("how long somebody else holds the lock, besides the time that the tools wait for it")
                .value_parser(value_parser!(u64))
                .default_value("12"),
        )
        .arg(choice::story())
}

/// Whether all stories held on all backends.
fn run_all(matches: &ArgMatches) -> Result<bool> {
    let chosen = choice::story_name(matches);
    netns::sweep();
    let backends = choice::backends(matches);
    let long = matches.get_one::<u64>("lock-seconds").copied().map_or(Duration::ZERO, Duration::from_secs);
    let locked = move |backend| lock::is_held(backend, long);
    let both =
        |name: &'static str| backends.iter().map(move |backend| (format!("{name} ({backend})"), *backend));
    let mut tests: Vec<_> =
        both("a lock that is held").map(|(name, backend)| Test::new(name, move || locked(backend))).collect();
    for (name, tell) in &STORIES {
        tests.extend(both(name).map(|(name, backend)| Test::new(name, move || tell(backend))));
    }
    tests.retain(|test| test.name().contains(chosen));
    ensure!(!tests.is_empty(), "no story is called {chosen}");
    series::run_at_once(PARALLEL, tests, "hold", &mut std::io::stdout())
}
