//! kpctl: shows what kube-proxy would do on a node, without a daemon, without root, without doing it.

mod render;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command, value_parser};
use proxier::family::Family;

fn main() -> ExitCode {
    let matches = command().get_matches();
    let result = match matches.subcommand() {
        Some(("render", matches)) => render::run(&request(matches)),
        _ => Err(anyhow::anyhow!("no such subcommand")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kpctl: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    let path = |name| Arg::new(name).long(name).value_parser(value_parser!(PathBuf));
    let render = Command::new("render")
        .about("Prints what a full sync would feed to iptables-restore and ip6tables-restore")
        .arg(
            path("manifests")
                .required(true)
                .value_name("DIR")
                .help("Services, EndpointSlices and perhaps the Node, as YAML or JSON files"),
        )
        .arg(path("config").value_name("FILE").help("KubeProxyConfiguration; its defaults if absent"))
        .arg(
            Arg::new("node")
                .long("node")
                .value_name("NAME")
                .help("The node to render for; this host's name if absent"),
        )
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

fn request(matches: &ArgMatches) -> render::Request {
    let text = |name| matches.get_one::<String>(name).cloned();
    render::Request {
        manifests: matches.get_one::<PathBuf>("manifests").cloned().unwrap_or_default(),
        config: matches.get_one::<PathBuf>("config").cloned(),
        node: text("node"),
        family: text("family").map(|family| if family == "IPv4" { Family::V4 } else { Family::V6 }),
    }
}
