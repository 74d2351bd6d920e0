//! `kube-proxy --cleanup`, against the same by hand.

use anyhow::{Result, ensure};

use crate::daemon::Daemon;
use crate::figure::{Figure, Floor, What, seconds};
use crate::node::Node;
use crate::rules::Rules;

/// Measures so many clean-ups of what the rules say.
pub(crate) fn measure(node: &Node, rules: &Rules, runs: usize) -> Result<Vec<Figure>> {
    let (input, removal) = (rules.input(node.backend), rules.removal(node.backend));
    let (mut floor, mut took) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        node.tables.reset()?;
        node.tables.restore(&input)?;
        floor.push(node.tables.restore(&removal)?);
        ensure!(node.tables.save()?.1.count().0 == 0, "the removal by hand leaves chains");
        node.tables.reset()?;
        node.tables.restore(&input)?;
        took.push(Daemon::clean_up(node)?);
        // KUBE-FIREWALL is the kubelet's as well, KUBE-IPTABLES-HINT its own.
        let left = node.tables.save()?.1.count().0;
        ensure!(left <= 2, "--cleanup leaves {left} chains");
    }
    let floor = Floor::new("the same by hand", floor);
    Ok(vec![Figure::new(What::Cleanup, seconds(took), floor, (node.scale, node.backend))])
}
