//! kpctl: shows what kube-proxy would do on a node, without a daemon, without root, without doing it.

mod cluster;
mod render;

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command, value_parser};
use proxier::family::Family;

use cluster::Place;

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

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  nothing can be printed, and why is on stderr
  2  the command line makes no sense
  3  done, but some of the manifests or of the configuration cannot be used; stderr names it";

fn main() -> ExitCode {
    let matches = command().get_matches();
    let result = match matches.subcommand() {
        Some(("render", matches)) => render::run(&render_request(matches)),
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

fn command() -> Command {
    let render = Command::new("render")
        .about("Prints what a full sync would feed to iptables-restore and ip6tables-restore")
        .after_help(EXIT_CODES)
        .arg(manifests().required(true))
        .args(about_node())
        .arg(
            Arg::new("family")
                .long("family")
                .value_parser(PossibleValuesParser::new(["IPv4", "IPv6"]))
                .help("Only this family, without the comment line before it"),
        );
    Command::new("kpctl")
        .about("Shows what kube-proxy would do on a node, without doing it")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(render)
}

fn manifests() -> Arg {
    path("manifests")
        .value_name("DIR")
        .help("Services, EndpointSlices and perhaps the Node, as YAML or JSON files")
}

fn about_node() -> [Arg; 2] {
    let node = Arg::new("node").long("node").value_name("NAME");
    [
        path("config").value_name("FILE").help("KubeProxyConfiguration; its defaults if absent"),
        node.help("The node to render for; this host's name if absent"),
    ]
}

fn path(name: &'static str) -> Arg {
    Arg::new(name).long(name).value_parser(value_parser!(PathBuf))
}

fn render_request(matches: &ArgMatches) -> render::Request {
    let family = matches.get_one::<String>("family");
    render::Request {
        place: place(matches),
        family: family.map(|family| if family == "IPv4" { Family::V4 } else { Family::V6 }),
    }
}

fn place(matches: &ArgMatches) -> Place {
    Place {
        manifests: matches.get_one::<PathBuf>("manifests").cloned().unwrap_or_default(),
        config: matches.get_one::<PathBuf>("config").cloned(),
        node: matches.get_one::<String>("node").cloned(),
    }
}
