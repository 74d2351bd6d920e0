//! Turns packet counters of the kernel (nfacct) into metrics, read whenever somebody asks.
//!
//! Knows nothing of how the kernel is asked: the caller does that.

use std::io;

use prometheus::{Registry, Result};
use proxier::render::{INVALID_COUNTER, LOCALHOST_COUNTER};
use tracing::error;

use super::sampled::{Described, Kind, Sampled, Samples};

static INVALID: Described = Described {
    name: "kubeproxy_iptables_ct_state_invalid_dropped_packets_total",
    kind: Kind::Counter,
    help: "[ALPHA] Packets that were dropped because conntrack calls them invalid",
};
static LOCALHOST: Described = Described {
    name: "kubeproxy_iptables_localhost_nodeports_accepted_packets_total",
    kind: Kind::Counter,
    help: "[ALPHA] Packets to node ports on loopback addresses that were let in",
};

/// Registers the counters; to be called if the kernel has such. `read` tells the packets of the counter of this
/// name; where it fails, the metric is left out of the answer.
///
/// # Errors
/// The registry has them already.
pub(crate) fn register_packet_counters(
    registry: &Registry,
    read: impl Fn(&str) -> io::Result<u64> + Send + Sync + 'static,
) -> Result<()> {
    let look = move || -> Samples {
        let counters = [(&INVALID, INVALID_COUNTER), (&LOCALHOST, LOCALHOST_COUNTER)];
        counters.into_iter().filter_map(|(metric, name)| Some((metric, packets(&read, name)?))).collect()
    };
    registry.register(Box::new(Sampled::new(&[&INVALID, &LOCALHOST], look)?))
}

fn packets(read: impl Fn(&str) -> io::Result<u64>, name: &str) -> Option<f64> {
    match read(name) {
        Ok(packets) => Some(packets as f64),
        Err(error) => {
            error!(err = %error, counter = name, "Failed to read a packet counter");
            None
        }
    }
}
