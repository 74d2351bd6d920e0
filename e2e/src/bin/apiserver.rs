//! Serves a folder of manifests as a Kubernetes API server, and says how to reach it.
//!
//! For daemons that run in network namespaces. Knows nothing of who asks.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use e2e::apiserver::{ApiServer, Folder, Options, Role};

/// Between two looks at the folder.
const PAUSE: Duration = Duration::from_millis(100);

fn main() -> Result<()> {
    let matches = command().get_matches();
    let path = |name| matches.get_one::<PathBuf>(name).expect("is required").clone();
    let server = ApiServer::start(options(&matches)?)?;
    let mut folder = Folder::new(&path("manifests"));
    folder.serve(&server)?;
    let kubeconfig = server.write_kubeconfig(&path("credentials"))?;
    say(&format!("{} {}", server.url(), kubeconfig.display()));
    let mut complaint = String::new();
    loop {
        sleep(PAUSE);
        let said = folder.serve(&server).err().map(|error| format!("{error:#}")).unwrap_or_default();
        if said != complaint {
            complaint = said;
            say(if complaint.is_empty() { "the folder is served again" } else { &complaint });
        }
    }
}

fn command() -> Command {
    let path =
        |name: &'static str| Arg::new(name).long(name).required(true).value_parser(value_parser!(PathBuf));
    Command::new("apiserver")
        .about("Serves a folder of manifests as a Kubernetes API server; prints its URL and kubeconfig")
        .arg(path("manifests").help("Folder of manifests, which may change"))
        .arg(path("credentials").help("Folder for kubeconfig, ca.crt and token"))
        .arg(
            path("role")
                .required(false)
                .help("File with the ClusterRole of clients; default: system:node-proxier"),
        )
        .arg(
            Arg::new("listen")
                .long("listen")
                .default_value("127.0.0.1:6443")
                .value_parser(value_parser!(SocketAddr))
                .help("Address and port"),
        )
        .arg(Arg::new("plain").long("plain").action(ArgAction::SetTrue).help("HTTP without TLS and token"))
}

fn options(matches: &ArgMatches) -> Result<Options> {
    let defaults = Options::default();
    let listen = *matches.get_one::<SocketAddr>("listen").expect("has a default");
    let is_plain = matches.get_flag("plain");
    let role = matches.get_one::<PathBuf>("role").map_or(Ok(defaults.role.clone()), |path| Role::read(path));
    Ok(Options {
        listen,
        has_tls: !is_plain,
        token: defaults.token.clone().filter(|_| !is_plain),
        role: role.context("read the role of clients")?,
        ..defaults
    })
}

#[expect(clippy::print_stdout, reason = "who started the program reads where the server is")]
fn say(line: &str) {
    println!("{line}");
}
