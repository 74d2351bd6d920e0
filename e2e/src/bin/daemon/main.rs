//! Turns stories about the daemon as a whole into verdicts, a line for each story: the real binary, fed by an API server
//! over TLS, in network namespaces.
//!
//! Does not know the rules: only what must be left of them, and what the daemon tells the outside.

mod command_line;
mod deployment;
mod event;
mod full_sync;
mod load;
mod network;
mod node;
mod object;
mod outage;
mod pages;
mod server;
mod service_account;
mod stage;
mod start;
mod swap;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command};
use e2e::backend::Backend;
use e2e::choice;
use e2e::netns;
use e2e::series::{self, Test};

fn main() -> ExitCode {
    series::exit_code("daemon", run_all(&arguments().get_matches()))
}

fn arguments() -> Command {
    Command::new("daemon")
        .about("Runs kube-proxy as operators do, fed by an API server, in network namespaces")
        .arg(choice::story())
        .arg(
            Arg::new("every-case")
                .long("every-case")
                .action(ArgAction::SetTrue)
                .help("takes over from every recorded rule set, not only from some"),
        )
}

type Once = fn() -> Result<()>;
type OfBackend = fn(Backend) -> Result<()>;
type Story = Box<dyn FnOnce() -> Result<()> + Send>;

/// Stories that run at the same time: most of them wait.
const PARALLEL: usize = 4;

/// Stories to which the backend does not matter. The long ones first.
const STORIES: [(&str, Once); 21] = [
    ("full syncs of many Services under traffic", full_sync::under_traffic),
    ("a Node that never comes", node::never_comes),
    ("a Node that comes late", node::comes_late),
    ("a Node that changes", node::changes),
    ("pod CIDRs that change", node::pod_cidrs),
    ("the name of the Node", node::name),
    ("kubeadm's ConfigMap and DaemonSet", deployment::kubeadm),
    ("kind's ConfigMap", deployment::kind),
    ("signals while a tool waits for the lock", deployment::while_a_tool_waits),
    ("a lock that is held outside of the container", deployment::a_lock_from_outside),
    ("a service account that rotates", service_account::rotates),
    ("a service account that is incomplete", service_account::is_incomplete),
    ("--init-only", start::init_only),
    ("a host without ip6tables", start::without_ipv6),
    ("a host without iptables", start::without_iptables),
    ("/healthz and /livez", pages::health),
    ("Services that may not be read", pages::without_services),
    ("a health-check node port", pages::node_port),
    ("/metrics, /proxyMode and /configz", pages::metrics),
    ("Events", event::posted),
    ("command lines that end at once", command_line::ends),
];

/// Stories for each backend.
const OF_BACKEND: [(&str, OfBackend); 3] = [
    ("no API server at a start", outage::at_start),
    ("an API server that was away", outage::later),
    ("rules that somebody flushed", start::flushed),
];

/// Whether all stories held.
fn run_all(matches: &ArgMatches) -> Result<bool> {
    let chosen = choice::story_name(matches);
    let cases = if matches.get_flag("every-case") {
        swap::every_case()?
    } else {
        swap::CASES.map(str::to_owned).to_vec()
    };
    let mut stories: Vec<(String, Story)> =
        STORIES.iter().map(|(name, tell)| ((*name).to_owned(), Box::new(tell) as Story)).collect();
    for backend in Backend::ALL {
        for case in cases.clone() {
            let name = format!("takes over from upstream: {case} ({backend})");
            stories.push((name, Box::new(move || swap::under_traffic(backend, &case))));
        }
        for (name, tell) in OF_BACKEND {
            stories.push((format!("{name} ({backend})"), Box::new(move || tell(backend))));
        }
    }
    stories.retain(|(name, _)| name.contains(chosen));
    ensure!(!stories.is_empty(), "no story is called {chosen}");
    netns::sweep();
    let tests = stories.into_iter().map(|(name, tell)| Test::new(name, tell)).collect();
    series::run_at_once(PARALLEL, tests, "hold (daemon)", &mut std::io::stdout())
}
