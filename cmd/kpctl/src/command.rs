//! Turns what was typed into requests.
//!
//! Does not know how they are met.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};
use informer::object::Protocol;
use proxier::family::Family;
use proxier::trace::Packet;

use crate::cluster::Place;
use crate::explain::{self, Rules};
use crate::render;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  nothing can be printed, and why is on stderr
  2  the command line makes no sense
  3  done, but some of the manifests or of the configuration cannot be used; stderr names it";

const EXPLAIN_HELP: &str = "\
Only rules of kube-proxy are looked at; those of others, before and behind them, are not. Conditions on connections and
marks never hold for a first packet. Where a condition is on the interface by which a packet comes in, it is taken to hold.

Exit codes are those of kpctl render.";

/// Everything that can be typed.
pub(crate) fn command() -> Command {
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
    let explain = Command::new("explain")
        .about("Walks a packet through the rules, and tells what becomes of it and why")
        .after_help(EXPLAIN_HELP)
        .arg(manifests())
        .args(about_node().map(|argument| argument.conflicts_with("save")))
        .arg(path("save").value_name("FILE").help(
            "What iptables-save or ip6tables-save printed, in place of manifests; - for standard input",
        ))
        .group(ArgGroup::new("rules").args(["manifests", "save"]).required(true))
        .arg(
            Arg::new("node-address")
                .long("node-address")
                .value_name("IP")
                .value_parser(value_parser!(IpAddr))
                .action(ArgAction::Append)
                .help("An address of the node; without any, those of this host and of the Node object"),
        )
        .arg(positional("source", "SOURCE-IP").value_parser(value_parser!(IpAddr)))
        .arg(positional("destination", "DESTINATION-IP").value_parser(value_parser!(IpAddr)))
        .arg(positional("port", "PORT/PROTOCOL").help("As in 53/UDP; TCP if no protocol is named"));
    Command::new("kpctl")
        .about("Shows what kube-proxy would do on a node, without doing it")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(render)
        .subcommand(explain)
}

fn positional(name: &'static str, value: &'static str) -> Arg {
    Arg::new(name).value_name(value).required(true)
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

pub(crate) fn render_request(matches: &ArgMatches) -> render::Request {
    let family = matches.get_one::<String>("family");
    render::Request {
        place: place(matches),
        family: family.map(|family| if family == "IPv4" { Family::V4 } else { Family::V6 }),
    }
}

pub(crate) fn explain_request(matches: &ArgMatches) -> Result<explain::Request> {
    let ip = |name| *matches.get_one::<IpAddr>(name).expect("is required");
    let (port, protocol) = port(matches.get_one::<String>("port").expect("is required"))?;
    let rules = match matches.get_one::<PathBuf>("save") {
        Some(path) => Rules::Saved(path.clone()),
        None => Rules::Wanted(place(matches)),
    };
    Ok(explain::Request {
        rules,
        node_addresses: matches.get_many::<IpAddr>("node-address").into_iter().flatten().copied().collect(),
        packet: Packet { source: ip("source"), protocol, destination: (ip("destination"), port).into() },
    })
}

fn port(text: &str) -> Result<(u16, Protocol)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "TCP"));
    let protocol = match protocol.to_uppercase().as_str() {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        "SCTP" => Protocol::Sctp,
        _ => bail!("{protocol:?} is not TCP, UDP or SCTP"),
    };
    Ok((port.parse().with_context(|| format!("{port:?} is not a port"))?, protocol))
}

fn place(matches: &ArgMatches) -> Place {
    Place {
        manifests: matches.get_one::<PathBuf>("manifests").cloned().unwrap_or_default(),
        config: matches.get_one::<PathBuf>("config").cloned(),
        node: matches.get_one::<String>("node").cloned(),
    }
}
