//! Stories about what `/livez` says.

use std::time::Duration;

use anyhow::Result;
use e2e::backend::Backend;
use e2e::faults::Fault;

use crate::cluster::service;
use crate::stage::{PATIENCE, Stage};

/// A first sync that fails is tried again, and after twice `syncPeriod` health tells.
pub(crate) fn first_sync(backend: Backend) -> Result<()> {
    let stage = Stage::new(backend)?.with_sync_period(Duration::from_secs(3));
    let services = [service(0)];
    stage.put(&services)?;
    stage.faults.set("-restore", Fault::Say(1, "iptables-restore: not today"))?;
    let proxy = stage.start()?;
    stage.faults.wait_for(PATIENCE, 1)?;
    stage.wait_for_health(503)?;
    proxy.wait_for_log(PATIENCE, "failures=2")?;
    stage.faults.clear()?;
    stage.wait_for_answer(&proxy, &services[0])?;
    stage.wait_for_health(200)
}
