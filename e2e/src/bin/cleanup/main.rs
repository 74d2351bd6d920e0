//! Turns stories about nodes that kube-proxy leaves into verdicts, a line for each story.
//!
//! Does not know how the rules go: only what must be left of them, and how soon.

mod foreign;
mod host;
mod ipvs;
mod many;
mod mixed;
mod nftables;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Arg, ArgMatches, Command, value_parser};
use e2e::backend::Backend;
use e2e::choice;
use e2e::netns;
use e2e::series::{self, Test};

type Story = fn(Backend) -> Result<()>;

const STORIES: [(&str, Story); 8] = [
    ("a mixed cluster", mixed::leaves_what_is_of_others),
    ("a host that never saw kube-proxy", foreign::nothing_to_do),
    ("a host without tools", foreign::no_tools),
    ("a jump that somebody else made", foreign::jump_of_somebody_else),
    ("chains of IPVS mode", ipvs::chains_and_interface),
    ("a host without IPVS", ipvs::without_ipvs),
    ("the table of nftables mode", nftables::cleanup),
    ("the table of nftables mode at a start", nftables::start),
];

fn main() -> ExitCode {
    series::exit_code("cleanup", run_all(&arguments().get_matches()))
}

fn arguments() -> Command {
    Command::new("cleanup")
        .about("Runs kube-proxy --cleanup on hosts with all kinds of leftovers, in network namespaces")
        .arg(choice::backend())
        .arg(choice::story())
        .arg(
            Arg::new("services")
                .long("services")
                .help("how many Services, of five endpoints each, must go within 10 seconds")
                .value_parser(value_parser!(usize))
                .default_value("1000"),
        )
}

/// Whether all stories held on all backends.
fn run_all(matches: &ArgMatches) -> Result<bool> {
    let chosen = choice::story_name(matches);
    let services = *matches.get_one::<usize>("services").expect("it has a default");
    netns::sweep();
    let mut all_hold = true;
    for backend in choice::backends(matches) {
        let mut tests: Vec<_> =
            STORIES.iter().map(|(name, tell)| (*name, Test::new(*name, move || tell(backend)))).collect();
        let many = "many Services";
        tests.push((many, Test::new(many, move || many::go_in_time(backend, services))));
        let tests: Vec<_> =
            tests.into_iter().filter(|(name, _)| name.contains(chosen)).map(|(_, test)| test).collect();
        ensure!(!tests.is_empty(), "no story is called {chosen}");
        all_hold &= series::run(tests, &format!("hold ({backend})"), &mut std::io::stdout())?;
    }
    Ok(all_hold)
}
