//! Turns the manifests of the demo into a story with real packets, told on standard output.
//!
//! Does not know how rules are made: it runs the real `kube-proxy` and asks its Services.

mod host;
mod services;
mod story;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use e2e::backend::Backend;
use e2e::cluster::Cluster;
use e2e::netns;
use e2e::wait::Watch;

fn main() -> ExitCode {
    match tell(&mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn tell(out: &mut impl Write) -> Result<()> {
    let took = Watch::start();
    netns::sweep();
    let before = host::rules()?;
    let mut cluster = start(out)?;

    services::tell(&mut cluster, out).context("services")?;
    story::tell(out).context("UDP")?;

    let names = cluster.namespaces();
    drop(cluster);
    for name in names {
        ensure!(!Path::new("/run/netns").join(&name).exists(), "{name} stays behind");
    }
    let after = host::rules()?;
    ensure!(before == after, "the host's own rules have changed:\n{}", host::difference(&before, &after));
    writeln!(
        out,
        "Cleaned up. The host's own iptables-save and ip6tables-save, nft and legacy, are the same as before."
    )?;
    writeln!(out, "All as expected, in {took}.")?;
    Ok(())
}

fn start(out: &mut impl Write) -> Result<Cluster> {
    let input = input();
    let config = std::fs::read_to_string(input.join("config.yaml")).context("read the configuration")?;
    let cluster = Cluster::start(Backend::Nft, &input.join("objects"), &config)?;
    writeln!(
        out,
        "A client, a node and three pods (a, b, c), each in a network namespace of its own.\n\
         On the node runs: kube-proxy --manifests manifests/demo/objects --config manifests/demo/config.yaml\n"
    )?;
    Ok(cluster)
}

fn input() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/demo")
}
