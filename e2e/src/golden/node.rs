//! Turns the description of the recordings' node into a namespace with its addresses, and into its Node object.
//!
//! Does not know what is programmed on it.

use anyhow::{Context, Result};
use serde_yaml::Value;

use crate::netns::Netns;

/// The object as it is before a case patches it.
const NODE: &str = include_str!("node.yaml");

/// Every link has its other end in the same namespace; nothing is ever sent.
const LINKS: &str = "\
link add eth0 type veth peer name eth0-end
link add eth1 type veth peer name eth1-end
link add api0 type veth peer name api0-end
link set eth0-end up
link set eth1-end up
link set api0-end up
link set eth0 up
link set eth1 up
link set api0 up
addr add 10.200.0.2/24 dev eth0
addr add fd00:200::2/64 dev eth0 nodad
addr add 192.168.7.2/24 dev eth1
addr add 169.254.77.2/30 dev api0
";

/// A fresh namespace with the node's addresses.
///
/// # Errors
/// If it cannot be made: it needs root.
pub fn namespace(label: &str) -> Result<Netns> {
    let netns = Netns::new(label)?;
    netns.ip(LINKS).context("give the node its addresses")?;
    Ok(netns)
}

/// The Node object without patches.
pub fn object() -> Value {
    serde_yaml::from_str(NODE).expect("node.yaml is YAML")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::merge;

    #[test]
    fn the_node_can_move_to_another_zone() {
        let mut node = object();
        merge(
            &mut node,
            &serde_yaml::from_str("metadata: {labels: {topology.kubernetes.io/zone: b}}").unwrap(),
        );
        assert_eq!(node["metadata"]["labels"]["topology.kubernetes.io/zone"], "b");
        assert_eq!(node["spec"]["podCIDRs"][1], "fd00:10:244::/64");
    }
}
