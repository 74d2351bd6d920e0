//! Small changes at a daemon that has nothing else to do, each beside a restore that changes nothing.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::daemon::Daemon;
use crate::figure::{Figure, Floor, What, seconds};
use crate::node::Node;
use crate::object::{PORT, service, slice};
use crate::rules::Rules;
use crate::scale::{cluster_ip, pod_ip};
use crate::tables::Tables;

/// So many Services change in a burst.
const BURST: usize = 100;
/// Services before this one are written by hand and never changed.
const UNTOUCHED: usize = BURST;
/// From here on one endpoint at a time changes; before it, all in bursts.
const LONE: usize = UNTOUCHED + BURST;

/// What changes are measured on.
pub(crate) struct Scene<'a> {
    node: &'a Node,
    rules: &'a Rules,
    runs: usize,
    /// The same rules where no daemon is: it would notice that somebody else writes.
    twin: Tables,
}

impl Scene<'_> {
    /// Makes what is needed besides the node, whose rules these are.
    pub(crate) fn new<'a>(node: &'a Node, rules: &'a Rules, runs: usize) -> Result<Scene<'a>> {
        let twin = Tables::new(node.backend)?;
        twin.restore(&rules.input(node.backend))?;
        Ok(Scene { node, rules, runs, twin })
    }

    /// One endpoint is replaced by another one.
    pub(crate) fn endpoint(&self, daemon: &mut Daemon) -> Result<Vec<Figure>> {
        let scale = self.node.scale;
        let (mut floor, mut took, mut cpu) = (Vec::new(), Vec::new(), Duration::ZERO);
        for run in 0..self.runs {
            floor.push(self.no_op()?);
            daemon.rest()?;
            let number = LONE + run * 37 % (scale.services - LONE);
            let before = daemon.usage()?.cpu;
            took.push(self.sync_after(daemon, || self.node.set(slice(scale, number, run + 1)))?);
            daemon.rest()?;
            cpu += daemon.usage()?.cpu.saturating_sub(before);
        }
        let mean = cpu.as_secs_f64() / self.runs as f64;
        let floor = Floor::new(NO_OP, floor);
        Ok(vec![
            Figure::new(What::Endpoint, seconds(took), floor, self.at()),
            Figure::new(What::EndpointCpu, vec![mean], None, self.at()),
        ])
    }

    /// A Service comes, whose slice is there already, and goes.
    pub(crate) fn service(&self, daemon: &mut Daemon) -> Result<Vec<Figure>> {
        let scale = self.node.scale;
        let (mut floor, mut added, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..self.runs {
            let number = scale.services + run;
            self.node.set(slice(scale, number, 0))?;
            daemon.rest()?;
            floor.push(self.no_op()?);
            daemon.rest()?;
            added.push(self.sync_after(daemon, || self.node.set(service(number)))?);
            floor.push(self.no_op()?);
            daemon.rest()?;
            deleted.push(self.sync_after(daemon, || {
                self.node.delete_service(number);
                Ok(())
            })?);
            // A sync that may be held back, and the time after it.
            self.node.delete_slice(number);
            daemon.rest()?;
            daemon.rest()?;
        }
        let floor = Floor::new(NO_OP, floor);
        Ok(vec![
            Figure::new(What::ServiceAdded, seconds(added), floor.clone(), self.at()),
            Figure::new(What::ServiceDeleted, seconds(deleted), floor, self.at()),
        ])
    }

    /// Many Services have an endpoint replaced at once.
    pub(crate) fn burst(&self, daemon: &mut Daemon) -> Result<Vec<Figure>> {
        let by_hand = self.many_again()?;
        let (mut floor, mut took, mut syncs) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..self.runs.div_ceil(2) {
            floor.push(self.twin.restore(&by_hand)?);
            daemon.rest()?;
            let begin = daemon.now();
            for number in UNTOUCHED..UNTOUCHED + BURST {
                self.node.set(slice(self.node.scale, number, run + 1))?;
            }
            let (mut rendered, mut count) = (0, 0);
            while rendered < BURST {
                let sync = daemon.next_sync()?;
                rendered += sync.rendered;
                count += 1;
                if rendered >= BURST {
                    took.push(sync.at.saturating_sub(begin));
                }
            }
            syncs.push(f64::from(count));
        }
        let floor = Floor::new("100 Services again, by hand", floor);
        Ok(vec![
            Figure::new(What::Burst, seconds(took), floor, self.at()),
            Figure::new(What::BurstSyncs, syncs, None, self.at()),
        ])
    }

    fn at(&self) -> (crate::scale::Scale, e2e::backend::Backend) {
        (self.node.scale, self.node.backend)
    }

    /// The time from just before the change to the end of its sync.
    fn sync_after(&self, daemon: &mut Daemon, change: impl FnOnce() -> Result<()>) -> Result<Duration> {
        let begin = daemon.now();
        change()?;
        let sync = daemon.next_sync()?;
        ensure!(sync.written > 0, "a sync that wrote nothing came in between");
        sync.at.checked_sub(begin).context("a sync ended before its change")
    }

    /// Writes the chain of one endpoint again as it is.
    fn no_op(&self) -> Result<Duration> {
        let chain = self.rules.endpoint(&destination(0))?;
        self.twin.restore(&self.rules.again(&[chain]))
    }

    /// Writes the chains of many Services, and one of their endpoints each, again as they are.
    fn many_again(&self) -> Result<String> {
        let mut chains = Vec::new();
        for number in 0..UNTOUCHED {
            let first = self.node.scale.endpoints_of(number).start;
            chains.push(self.rules.endpoint(&destination(first))?);
            chains.push(self.rules.service(&cluster_ip(number))?);
        }
        chains.sort_by(|one, other| other.cmp(one));
        Ok(self.rules.again(&chains))
    }
}

/// What small changes are measured against.
const NO_OP: &str = "one chain as it is";

fn destination(endpoint: usize) -> String {
    format!("{}:{PORT}", pod_ip(endpoint))
}
