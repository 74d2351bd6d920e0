//! The first sync of a daemon: its time, its memory, against the same rules written by hand.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::daemon::Daemon;
use crate::figure::{Figure, Floor, What, seconds};
use crate::node::Node;
use crate::rules::Rules;
use crate::sync::Sync;
use crate::usage::Usage;

/// When the first sync has become history.
const SETTLED: Duration = Duration::from_secs(3);

/// A daemon on a node without rules, when it has written all.
pub(crate) fn run(node: &Node) -> Result<(Daemon, Sync)> {
    node.tables.reset()?;
    let mut daemon = Daemon::start(node)?;
    let sync = daemon.next_sync()?;
    ensure!(sync.rendered == node.scale.services, "the first sync has {} service ports", sync.rendered);
    Ok((daemon, sync))
}

/// Measures so many first syncs; `rules` are those that a daemon has written.
pub(crate) fn measure(node: &Node, rules: &Rules, runs: usize) -> Result<Vec<Figure>> {
    let input = rules.input(node.backend);
    let (mut floor, mut syncs, mut done, mut settled) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        node.tables.reset()?;
        floor.push(node.tables.restore(&input)?);
        ensure!(node.tables.save()?.1 == *rules, "the input by hand leads to other rules");
        let (daemon, sync) = run(node)?;
        done.push(daemon.usage()?);
        syncs.push(sync);
        sleep(SETTLED);
        settled.push(daemon.usage()?);
        daemon.stop()?;
    }
    let at = (node.scale, node.backend);
    let floor = Floor::new("the same rules by hand", floor);
    let of = |usages: &[Usage], value: fn(&Usage) -> f64| usages.iter().map(value).collect();
    let times = |time: fn(&Sync) -> Duration| seconds(syncs.iter().map(time).collect());
    Ok(vec![
        Figure::new(What::FirstStart, times(|sync| sync.at), floor.clone(), at),
        Figure::new(What::FirstSync, times(|sync| sync.elapsed), floor, at),
        Figure::new(What::FirstCpu, of(&done, |usage| usage.cpu.as_secs_f64()), None, at),
        Figure::new(What::Peak, of(&done, |usage| usage.peak), None, at),
        Figure::new(What::Steady, of(&settled, |usage| usage.resident), None, at),
    ])
}
