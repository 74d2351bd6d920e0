//! Stories about a daemon that is killed between two COMMITs, wherever that may be.

use anyhow::{Context, Result, bail, ensure};
use e2e::backend::Backend;
use e2e::faults::Fault;
use e2e::proxy::Proxy;

use crate::cluster::{Service, endpoint, service};
use crate::stage::{PATIENCE, Stage, from_scratch};

/// Enough for several blocks where chains are written in blocks.
const SERVICES: usize = 150;
/// More COMMITs than any input here has.
const MOST_COMMITS: usize = 40;

/// Killed while nothing is installed yet: the next start goes on from there.
pub(crate) fn first_sync(backend: Backend) -> Result<()> {
    let services: Vec<_> = (0..SERVICES).map(service).collect();
    let expected = from_scratch(backend, &services)?;
    let mut stage = Stage::new(backend)?;
    stage.put(&services)?;
    let mut kills = 0;
    while kill_at(&mut stage, kills)? {
        kills += 1;
        ensure!(kills < MOST_COMMITS, "killed at each of {kills} COMMITs");
    }
    ensure!(kills >= 2, "only {kills} places to be killed at");
    stage.faults.clear()?;
    let proxy = stage.start()?;
    stage.wait_for_rules(&proxy, &expected)
}

/// Killed while a change is written: what worked works on, before and after the next start.
pub(crate) fn change(backend: Backend) -> Result<()> {
    let before: Vec<_> = (0..SERVICES).map(service).collect();
    let after = changed(&before);
    let expected = [from_scratch(backend, &before)?, from_scratch(backend, &after)?];
    let stage = Stage::new(backend)?;
    stage.put(&before)?;
    let mut proxy = stage.start()?;
    stage.wait_for_rules(&proxy, &expected[0])?;
    for commits in 0..MOST_COMMITS {
        // Back and forth, so that each kill meets a whole change.
        let (services, expected) =
            if commits % 2 == 0 { (&after, &expected[1]) } else { (&before, &expected[0]) };
        stage.faults.set("iptables-restore", Fault::StopAfter(commits))?;
        stage.put(services)?;
        let was_killed = ends_or(&mut proxy, |_| Ok(stage.rules()? == *expected))?;
        both(&before, &after)
            .try_for_each(|service| stage.expect_answer(service))
            .with_context(|| format!("killed after {commits} COMMITs"))?;
        stage.faults.clear()?;
        proxy = stage.start()?;
        stage.wait_for_rules(&proxy, expected).with_context(|| format!("killed after {commits} COMMITs"))?;
        if !was_killed {
            ensure!(commits >= 2, "only {commits} places to be killed at");
            return Ok(());
        }
    }
    bail!("killed at each of {MOST_COMMITS} COMMITs")
}

/// Some of those that have endpoints in both worlds, whether or not the same.
fn both<'a>(before: &'a [Service], after: &[Service]) -> impl Iterator<Item = &'a Service> {
    let is_left = |number| after.iter().any(|left| left.number == number && !left.endpoints.is_empty());
    before.iter().filter(move |service| is_left(service.number)).step_by(5)
}

/// Every third has other endpoints, every seventh none, a few are gone.
fn changed(services: &[Service]) -> Vec<Service> {
    let changed = services.iter().filter(|service| service.number % 11 != 5).map(|service| {
        let mut service = service.clone();
        match service.number {
            number if number % 3 == 1 => service.endpoints = vec![endpoint(number), endpoint(number + 7)],
            number if number % 7 == 2 => service.endpoints.clear(),
            _ => {}
        }
        service
    });
    changed.collect()
}

/// Whether the daemon was killed on its way.
fn kill_at(stage: &mut Stage, commits: usize) -> Result<bool> {
    stage.faults.set("iptables-restore", Fault::StopAfter(commits))?;
    let mut proxy = stage.start()?;
    ends_or(&mut proxy, |proxy| Ok(proxy.log()?.contains("SyncProxyRules complete\" ipFamily=\"IPv4\"")))
}

/// Whether it is killed before it has done what it should.
fn ends_or(proxy: &mut Proxy, is_done: impl Fn(&Proxy) -> Result<bool>) -> Result<bool> {
    e2e::wait::until(PATIENCE, || {
        if proxy.is_running().is_err() {
            return Ok(true);
        }
        ensure!(is_done(proxy)?, "neither killed nor done:\n{}", proxy.log_tail());
        Ok(false)
    })
}
