//! Stories about a lock that another program holds for longer than the tools wait for it.

use std::fs::File;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::wait::{self, Watch};
use rustix::fs::{FlockOperation, flock};

use crate::cluster::{endpoint, service};
use crate::stage::{PATIENCE, Stage, from_scratch};

const SHORT: Duration = Duration::from_secs(5);
/// What v1.36 and this daemon let the tools wait.
const TOOLS_WAIT: Duration = Duration::from_secs(5);

/// The nf_tables variant has no lock; what holds up the other one does not concern it.
pub(crate) fn is_held(backend: Backend, long: Duration) -> Result<()> {
    let stage = Stage::new(backend)?.with_sync_period(SHORT);
    let (mut services, proxy) = stage.at_work()?;
    let before = stage.rules()?;
    let (lock, held) = (take(&stage)?, Watch::start());
    services[1].endpoints = vec![endpoint(10)];
    stage.put(&services)?;
    if backend == Backend::Legacy {
        proxy.wait_for_log(PATIENCE, "failures=3")?;
        stage.wait_for_health(503)?;
        sleep((TOOLS_WAIT + long).saturating_sub(held.elapsed()));
        ensure!(stage.rules()? == before, "the rules did not stay");
        ensure!(!proxy.log()?.contains("wrote again"), "a held lock was taken for a flush");
        stage.expect_answer(&services[0])?;
    }
    drop(lock);
    stage.wait_for_rules(&proxy, &from_scratch(backend, &services)?)?;
    stage.wait_for_health(200)
}

/// Tools that cannot answer yet are there all the same, those of the second family too.
pub(crate) fn at_the_start(backend: Backend) -> Result<()> {
    let stage = Stage::new(backend)?.with_sync_period(SHORT);
    let services = [service(0)];
    stage.put(&services)?;
    let lock = take(&stage)?;
    let proxy = stage.start()?;
    if backend == Backend::Legacy {
        proxy.wait_for_log(PATIENCE, "err=\"iptables -S POSTROUTING")?;
        proxy.wait_for_log(PATIENCE, "err=\"ip6tables -S POSTROUTING")?;
    }
    proxy.wait_for_log(PATIENCE, "running in dual-stack mode")?;
    drop(lock);
    stage.wait_for_answer(&proxy, &services[0])?;
    wait::until(PATIENCE, || {
        let rules = stage.faults.real.save(&stage.node, Family::V6)?;
        ensure!(
            rules.contains("-A PREROUTING") && rules.contains("-j KUBE-SERVICES"),
            "no IPv6 rules:\n{rules}"
        );
        Ok(())
    })
    .with_context(|| proxy.log_tail())
}

/// Closing the file releases it.
fn take(stage: &Stage) -> Result<File> {
    let lock = File::create(stage.faults.tools.lock()).context("open the lock")?;
    flock(&lock, FlockOperation::LockExclusive).context("take the lock")?;
    Ok(lock)
}
