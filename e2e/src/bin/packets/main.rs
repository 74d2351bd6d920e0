//! Turns stories about Services into real packets and into verdicts, a line for each story.
//!
//! Does not know the rules: only who must answer whom, and which address must be seen.

mod affinity;
mod backend_of_node;
mod expect;
mod external_policy;
mod hairpin;
mod internal_policy;
mod loopback;
mod masquerade;
mod refusal;
mod restart;
mod sctp;
mod service;
mod source_ranges;
mod terminating;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{ArgMatches, Command};
use e2e::backend::Backend;
use e2e::choice;
use e2e::netns;
use e2e::series::{self, Test};

type Story = fn(Backend) -> Result<()>;

const STORIES: [(&str, Story); 22] = [
    ("a pod that reaches itself", hairpin::to_itself),
    ("a pod among the endpoints", hairpin::among_others),
    ("masquerade what comes from outside", masquerade::from_outside),
    ("masquerade everything", masquerade::everything),
    ("masquerade nothing without a detector", masquerade::without_detector),
    ("session affinity, refreshed and expired", affinity::expiry),
    ("session affinity to an endpoint that goes", affinity::endpoint_goes),
    ("source ranges of a load balancer", source_ranges::load_balancer),
    ("external policy Local with local endpoints", external_policy::with_local_endpoints),
    ("external policy Local without local endpoints", external_policy::without_local_endpoints),
    ("internal policy Local", internal_policy::local),
    ("terminating endpoints as the last resort", terminating::last_resort),
    ("terminating endpoints of this node only", terminating::of_this_node),
    ("refused or dropped", refusal::refused_or_dropped),
    ("node ports on loopback", loopback::on_and_off),
    ("SCTP through raw sockets", sctp::handshake),
    ("rules that stay when the proxy ends", restart::rules_stay),
    ("the backend with the kubelet's hint", backend_of_node::hint),
    ("the backend with the kubelet's canary", backend_of_node::canary),
    ("the backend with rules", backend_of_node::rules),
    ("the backend of the flag", backend_of_node::flag),
    ("the only backend", backend_of_node::plain_only),
];

fn main() -> ExitCode {
    series::exit_code("packets", run_all(&arguments().get_matches()))
}

fn arguments() -> Command {
    Command::new("packets")
        .about("Runs kube-proxy on a small cluster of network namespaces and sends real packets")
        .arg(choice::backend())
        .arg(choice::story())
}

/// Whether all stories held on all backends.
fn run_all(matches: &ArgMatches) -> Result<bool> {
    let chosen = choice::story_name(matches);
    let stories: Vec<(&str, Story)> = STORIES.into_iter().filter(|(name, _)| name.contains(chosen)).collect();
    ensure!(!stories.is_empty(), "no story is called {chosen}");
    netns::sweep();
    let mut all_hold = true;
    for backend in choice::backends(matches) {
        let tests = stories.iter().map(|(name, tell)| Test::new(*name, move || tell(backend))).collect();
        all_hold &= series::run(tests, &format!("hold ({backend})"), &mut std::io::stdout())?;
    }
    Ok(all_hold)
}
