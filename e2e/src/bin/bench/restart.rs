//! A restart with nothing changed: the daemon finds what is there and leaves it.

use anyhow::Result;

use crate::daemon::Daemon;
use crate::figure::{Figure, Floor, What, seconds};
use crate::node::Node;

/// Measures so many restarts after the one that is given; returns the last daemon.
pub(crate) fn measure(node: &Node, mut daemon: Daemon, runs: usize) -> Result<(Daemon, Vec<Figure>)> {
    let (mut floor, mut syncs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        daemon.stop()?;
        floor.push(node.tables.save()?.0);
        daemon = Daemon::start(node)?;
        syncs.push(daemon.next_sync()?);
    }
    let at = (node.scale, node.backend);
    let floor = Floor::new("iptables-save", floor);
    let started = seconds(syncs.iter().map(|sync| sync.at).collect());
    let alone = seconds(syncs.iter().map(|sync| sync.elapsed).collect());
    let written = syncs.iter().map(|sync| sync.written as f64).collect();
    let figures = vec![
        Figure::new(What::RestartStart, started, floor.clone(), at),
        Figure::new(What::RestartSync, alone, floor, at),
        Figure::new(What::RestartWritten, written, None, at),
    ];
    Ok((daemon, figures))
}
