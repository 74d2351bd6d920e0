//! Turns the image archive and the DaemonSet into containers of a real containerd, and what they do into verdicts.
//!
//! The API server is the scripted one, the network a namespace. Does not know how the image was made.

mod containerd;
mod node;
mod pod;
mod process;
mod story;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Arg, ArgMatches, Command, value_parser};
use e2e::backend::Backend;
use e2e::choice;
use e2e::netns;
use e2e::series::{self, Test};

use containerd::Containerd;
use node::Deployment;
use pod::Pod;
use story::Subject;

fn main() -> ExitCode {
    series::exit_code("image", run_all(&arguments().get_matches()))
}

fn arguments() -> Command {
    let path = |name: &'static str| Arg::new(name).long(name).value_parser(value_parser!(PathBuf));
    Command::new("image")
        .about("Runs the image in containerd as the DaemonSet says, against a scripted API server")
        .arg(path("archive").required(true).help("the image, as make image builds it"))
        .arg(path("manifests").default_value("manifests").help("the folder with base and kind"))
        .arg(choice::backend())
}

/// Whether the image did on all backends what it should.
fn run_all(matches: &ArgMatches) -> Result<bool> {
    let path = |name| matches.get_one::<PathBuf>(name).expect("is required or has a default").as_path();
    netns::sweep();
    let containerd = Containerd::start()?;
    let image = containerd.import(path("archive"))?;
    let pods = [
        (
            "base",
            Pod::read(&path("manifests").join("base/daemonset.yaml"))?,
            Deployment::base(path("manifests"))?,
        ),
        ("kubeadm", Pod::kubeadm()?, Deployment::kubeadm()),
    ];
    let backends = choice::backends(matches);
    let mut tests = Vec::new();
    for (name, pod, deployment) in &pods {
        let subject = Subject { containerd: &containerd, image: &image, name, pod, deployment };
        tests.extend(backends.iter().map(|backend| test(subject, *backend)));
    }
    series::run(tests, "hold (image)", &mut std::io::stdout())
}

fn test(subject: Subject<'_>, backend: Backend) -> Test<'_> {
    let name = format!("a pod's life from its start to --cleanup: {} ({backend})", subject.name);
    Test::new(name, move || story::life(subject, backend))
}
