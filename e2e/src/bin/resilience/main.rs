//! Turns stories about bad days of a node into verdicts, a line for each story.
//!
//! Does not know how the daemon gets over them: only what works on, and what is said about it.

mod child;
mod cluster;
mod health;
mod poison;
mod restart;
mod stage;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Arg, ArgMatches, Command};
use e2e::backend::Backend;
use e2e::netns;
use e2e::series::{self, Test};

type Story = fn(Backend) -> Result<()>;

const STORIES: [(&str, Story); 9] = [
    ("a tool that hangs", child::hangs),
    ("fifty refused of a thousand", poison::fifty_of_a_thousand),
    ("a change that is refused", poison::a_change),
    ("a tool that fails", child::fails),
    ("a lock that is held", child::lock),
    ("tools of the other variant", child::switch),
    ("a first sync that fails", health::first_sync),
    ("killed between two COMMITs, at the first sync", restart::first_sync),
    ("killed between two COMMITs, at a change", restart::change),
];

fn main() -> ExitCode {
    match run_all(&arguments().get_matches()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("resilience: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Command {
    Command::new("resilience")
        .about("Lets objects, tools and the daemon itself fail in network namespaces")
        .arg(Arg::new("backend").long("backend").help("only this backend").value_parser(["nft", "legacy"]))
        .arg(Arg::new("story").long("story").help("only stories with this text in their name"))
}

/// Whether all stories held on all backends.
fn run_all(matches: &ArgMatches) -> Result<bool> {
    let chosen = matches.get_one::<String>("story").map_or("", String::as_str);
    netns::sweep();
    let backends = Backend::chosen(matches.get_one::<String>("backend").map(String::as_str));
    let stories = STORIES.iter().filter(|(name, _)| name.contains(chosen));
    // Both backends at once: much of the time is spent waiting.
    let both = stories.flat_map(|(name, tell)| backends.iter().map(move |backend| (name, tell, *backend)));
    let tests: Vec<_> = both
        .map(|(name, tell, backend)| Test::new(format!("{name} ({backend})"), move || tell(backend)))
        .collect();
    ensure!(!tests.is_empty(), "no story is called {chosen}");
    series::run(tests, "hold", &mut std::io::stdout())
}
