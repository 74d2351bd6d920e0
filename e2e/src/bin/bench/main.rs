//! Turns the release build of `kube-proxy`, at work on clusters of several sizes, into one table of what it costs.
//!
//! Knows the daemon from outside only, but for what happens in memory. Each figure stands beside what the
//! iptables tools alone take for the same end, measured in turns with it.

mod scale;

mod object;

mod rules;

mod goal;

mod figure;

mod machine;

mod report;

mod tables;

mod node;
mod sync;
mod usage;

mod daemon;

mod change;
mod first;
mod pure;
mod removal;
mod restart;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use e2e::backend::Backend;
use e2e::choice;
use e2e::netns;
use e2e::wait::Watch;

use change::Scene;
use daemon::Daemon;
use machine::Machine;
use node::Node;
use report::{Report, Session};
use scale::Scale;

const ROWS: [&str; 7] = ["pure", "first-sync", "restart", "endpoint", "service", "burst", "cleanup"];

/// Sizes that are measured unless others are asked for.
const USUAL: [usize; 3] = [1_000, 5_000, 10_000];
const LARGE: usize = 30_000;
/// Beyond this, slow rows are measured less often.
const MANY: usize = 5_000;

/// What is to be measured of one cluster.
struct Request {
    scale: Scale,
    rows: Vec<String>,
    runs: Option<usize>,
}

fn main() -> ExitCode {
    match run(&arguments().get_matches()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Command {
    let number = |name: &'static str| Arg::new(name).long(name).value_parser(value_parser!(usize));
    Command::new("bench")
        .about(
            "Measures what the release build of kube-proxy costs, in network namespaces, on an idle machine",
        )
        .arg(
            number("services")
                .action(ArgAction::Append)
                .help("how many Services; 1000, 5000 and 10000 if absent, with BENCH_LARGE=1 also 30000"),
        )
        .arg(number("endpoints").help("how many endpoints in all; five for each Service if absent"))
        .arg(number("runs").help("how often each figure is measured"))
        .arg(choice::backend())
        .arg(Arg::new("row").long("row").action(ArgAction::Append).help("only these rows").value_parser(ROWS))
        .arg(
            Arg::new("json")
                .long("json")
                .default_value("target/bench.json")
                .value_parser(value_parser!(PathBuf))
                .help("where all figures are kept; those that are measured now replace those before"),
        )
        .arg(
            Arg::new("show")
                .long("show")
                .action(ArgAction::SetTrue)
                .help("only print the table of what is kept"),
        )
}

fn run(matches: &ArgMatches) -> Result<()> {
    let path = matches.get_one::<PathBuf>("json").expect("it has a default");
    let mut report = Report::read(path)?;
    if !matches.get_flag("show") {
        netns::sweep();
        let backends = choice::backends(matches);
        for request in requests(matches)? {
            for backend in &backends {
                report.add(session(&request, *backend)?);
                report.write(path)?;
            }
        }
    }
    io::stdout().write_all(report.table().as_bytes()).context("print")
}

fn requests(matches: &ArgMatches) -> Result<Vec<Request>> {
    let rows = matches.get_many::<String>("row").map(|rows| rows.cloned().collect());
    let rows: Vec<_> = rows.unwrap_or_else(|| ROWS.map(str::to_owned).into());
    let runs = matches.get_one("runs").copied();
    let endpoints = matches.get_one::<usize>("endpoints").copied();
    let is_large = std::env::var_os("BENCH_LARGE").is_some_and(|value| value == "1");
    let services = matches.get_many("services").map(|services| services.copied().collect());
    let is_all = services.is_none() && is_large;
    let services: Vec<usize> =
        services.unwrap_or_else(|| USUAL.into_iter().chain(is_large.then_some(LARGE)).collect());
    ensure!(services.iter().all(|services| *services >= 500), "at least 500 Services are needed");
    let scale = |services| match endpoints {
        Some(endpoints) => Scale { services, endpoints },
        None => Scale::of(services),
    };
    let request = |services| Request { scale: scale(services), rows: rows.clone(), runs };
    let memory = Request { scale: goal::LARGEST, rows: vec!["first-sync".to_owned()], runs: Some(1) };
    Ok(services.into_iter().map(request).chain(is_all.then_some(memory)).collect())
}

/// Measures one cluster with one backend.
fn session(request: &Request, backend: Backend) -> Result<Session> {
    let scale = request.scale;
    let machine = Machine::look(backend)?;
    let wants = |row: &str| request.rows.iter().any(|wanted| wanted == row);
    let slow = request.runs.unwrap_or(if scale.services > MANY { 3 } else { 5 });
    let quick = request.runs.unwrap_or(11);
    let watch = Watch::start();
    let done = |row: &str| eprintln!("{scale}, {backend}: {row} ({watch})");

    let mut figures = Vec::new();
    if wants("pure") {
        figures.extend(pure::measure(scale, backend, quick)?);
        done("pure");
    }
    if request.rows.iter().all(|row| row == "pure") {
        return Ok(Session { scale, backend: backend.to_string(), machine, figures });
    }
    let node = Node::new(scale, backend)?;
    let (mut daemon, _) = first::run(&node)?;
    let rules = node.tables.save()?.1;
    done(&format!("{} chains and {} rules", rules.count().0, rules.count().1));
    if wants("first-sync") {
        daemon.stop()?;
        figures.extend(first::measure(&node, &rules, slow)?);
        done("first-sync");
        daemon = Daemon::start(&node)?;
        daemon.next_sync()?;
    }
    if wants("restart") {
        let (last, measured) = restart::measure(&node, daemon, slow)?;
        (daemon, figures) = (last, [figures, measured].concat());
        done("restart");
    }
    let scene = Scene::new(&node, &rules, quick)?;
    let changes: [(&str, Change<'_>); 3] =
        [("endpoint", Scene::endpoint), ("service", Scene::service), ("burst", Scene::burst)];
    for (row, measure) in changes.into_iter().filter(|(row, _)| wants(row)) {
        figures.extend(measure(&scene, &mut daemon)?);
        done(row);
    }
    daemon.stop()?;
    if wants("cleanup") {
        figures.extend(removal::measure(&node, &rules, slow)?);
        done("cleanup");
    }
    Ok(Session { scale, backend: backend.to_string(), machine, figures })
}

type Change<'a> = fn(&Scene<'a>, &mut Daemon) -> Result<Vec<figure::Figure>>;
