//! Turns the dashboard into a picture of it: two real daemons at work, a real Prometheus that asks them, a drawing.
//!
//! Does not know what the panels ask for, nor how they are drawn: that is `manifests/observability`.

mod cluster;
mod node;
mod prometheus;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use clap::{Arg, ArgMatches, Command, value_parser};
use e2e::backend::Backend;
use e2e::manifests::Manifests;
use e2e::netns;
use e2e::wait::Watch;

use cluster::Cluster;
use node::Node;
use prometheus::Prometheus;

/// Between two changes of the cluster.
const STEP: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    match draw(&arguments().get_matches()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("picture: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Command {
    let seconds = Arg::new("seconds").long("seconds").default_value("480").value_parser(value_parser!(u64));
    Command::new("picture")
        .about("Runs two daemons through an eventful time and draws the dashboard of it")
        .arg(seconds.help("how long they are watched"))
        .arg(
            Arg::new("picture").required(true).value_parser(value_parser!(PathBuf)).help("the file to write"),
        )
}

fn draw(matches: &ArgMatches) -> Result<()> {
    netns::sweep();
    let manifests = Manifests::new()?;
    let mut cluster = Cluster::new(&manifests)?;
    let mut nodes = [Node::start(Backend::Nft, &manifests)?, Node::start(Backend::Legacy, &manifests)?];
    let prometheus = Prometheus::start(&nodes)?;
    let seconds = Duration::from_secs(*matches.get_one("seconds").expect("has a default"));
    let watch = Watch::start();
    while watch.elapsed() < seconds {
        let percent = 100 * watch.elapsed().as_millis() / seconds.as_millis();
        cluster.step(percent < 30)?;
        cluster.set_bad((40..55).contains(&percent))?;
        nodes.iter_mut().try_for_each(|node| node.step(percent))?;
        sleep(STEP);
    }
    let picture = matches.get_one::<PathBuf>("picture").expect("is required");
    prometheus.draw(picture, seconds)?;
    nodes.iter_mut().try_for_each(Node::stop)
}
