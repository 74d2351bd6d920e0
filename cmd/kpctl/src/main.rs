//! kpctl: shows what kube-proxy would do on a node, without a daemon, without root, without doing it.

mod cluster;
mod command;
mod explain;
mod render;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// How a command ended that did what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All of its input counts.
    Clean,
    /// Some of its input was left out, and named.
    Complaints,
}

/// The exit code after complaints; 1 is for failure, 2 for a command line that makes no sense.
const COMPLAINTS: u8 = 3;

fn main() -> ExitCode {
    let matches = command::command().get_matches();
    let result = match matches.subcommand() {
        Some(("render", matches)) => render::run(&command::render_request(matches)),
        Some(("explain", matches)) => {
            command::explain_request(matches).and_then(|request| explain::run(&request))
        }
        _ => Err(anyhow::anyhow!("no such subcommand")),
    };
    match result {
        Ok(Ending::Clean) => ExitCode::SUCCESS,
        Ok(Ending::Complaints) => ExitCode::from(COMPLAINTS),
        // Whoever reads has seen enough.
        Err(error) if is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

impl Ending {
    /// Names what is left out.
    pub(crate) fn with(complaints: &[String]) -> Self {
        complaints.iter().for_each(|complaint| say(complaint));
        if complaints.is_empty() { Self::Clean } else { Self::Complaints }
    }
}

/// On stderr; nobody need listen.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "kpctl: {text}");
}

fn is_closed(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
