//! Stories about a daemon that is killed between two COMMITs, wherever that may be.

use anyhow::{Context, Result, ensure};
use e2e::backend::Backend;
use e2e::faults::Fault;

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
    for commits in 0..MOST_COMMITS {
        if kill_at(&mut stage, commits)? {
            kills += 1;
        } else {
            break;
        }
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
    let mut kills = 0;
    for commits in 0..MOST_COMMITS {
        // Back and forth, so that each kill meets a whole change.
        let (services, expected) =
            if commits % 2 == 0 { (&after, &expected[1]) } else { (&before, &expected[0]) };
        if commits == 0 {
            settle(&stage, &before, &expected_of(backend, &before)?)?;
        }
        stage.put(services)?;
        stage.faults.set("iptables-restore", Fault::StopAfter(commits))?;
        let mut proxy = stage.start()?;
        let was_killed = ends_or_syncs(&mut proxy)?;
        kills += usize::from(was_killed);
        // Those that are in both worlds.
        for number in [0, SERVICES / 3] {
            stage
                .expect_answer(&services[number])
                .with_context(|| format!("killed after {commits} COMMITs"))?;
        }
        drop(proxy);
        stage.faults.clear()?;
        settle(&stage, services, expected).with_context(|| format!("killed after {commits} COMMITs"))?;
        if !was_killed {
            ensure!(kills >= 2, "only {kills} places to be killed at");
            return Ok(());
        }
    }
    Ok(())
}

fn expected_of(backend: Backend, services: &[Service]) -> Result<String> {
    from_scratch(backend, services)
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

/// Runs a daemon until all is as it should be.
fn settle(stage: &Stage, services: &[Service], expected: &str) -> Result<()> {
    stage.put(services)?;
    let mut proxy = stage.start()?;
    stage.wait_for_rules(&proxy, expected)?;
    proxy.stop()?;
    Ok(())
}

/// Whether the daemon was killed on its way.
fn kill_at(stage: &mut Stage, commits: usize) -> Result<bool> {
    stage.faults.set("iptables-restore", Fault::StopAfter(commits))?;
    let mut proxy = stage.start()?;
    ends_or_syncs(&mut proxy)
}

fn ends_or_syncs(proxy: &mut e2e::proxy::Proxy) -> Result<bool> {
    e2e::wait::until(PATIENCE, || {
        if proxy.is_running().is_err() {
            return Ok(true);
        }
        let has_synced = proxy.log()?.contains("SyncProxyRules complete\" ipFamily=\"IPv4\"");
        ensure!(has_synced, "neither killed nor done:\n{}", proxy.log_tail());
        Ok(false)
    })
}
