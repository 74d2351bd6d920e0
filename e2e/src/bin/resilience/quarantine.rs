//! A story about a Service that is refused, and what operators see of it until it is not any more.

use anyhow::{Context, Result, ensure};
use e2e::backend::Backend;
use e2e::faults::Fault;
use e2e::wait;

use crate::cluster::{endpoint, service};
use crate::stage::{PATIENCE, Stage, from_scratch};

const LEFT_OUT: &str = "kubeproxy_quarantined_service_ports{ip_family=\"IPv4\"}";

/// Event, log line and metric name it, its old rules stay, and it is tried again by itself.
pub(crate) fn is_told(backend: Backend) -> Result<()> {
    let stage = Stage::new(backend)?.with_api()?;
    let mut services: Vec<_> = (0..8).map(service).collect();
    stage.put(&services)?;
    let before = from_scratch(backend, &services)?;
    let proxy = stage.start()?;
    stage.wait_for_rules(&proxy, &before)?;

    stage.faults.set("-restore", Fault::Refuse("--to-destination 10.244.0.20:"))?;
    services[5].endpoints = vec![endpoint(19)];
    stage.put(&services)?;
    proxy.wait_for_log(PATIENCE, "Left out a service port")?;
    let log = proxy.log()?;
    let line = log.lines().find(|line| line.contains("Left out a service port")).context("just seen")?;
    for words in ["servicePort=\"kp/web-5:p\"", "--to-destination 10.244.0.20:", "faulty: unknown option"] {
        ensure!(line.starts_with('E') && line.contains(words), "no {words:?}: {line}");
    }
    for words in ["left out kp/web-5:p", "faulty: unknown option", "--to-destination 10.244.0.20:"] {
        stage.api()?.wait_for_event("RulesRefused", "web-5", words)?;
    }
    counted(&stage, 1.0)?;
    ensure!(stage.rules()? == before, "the old rules did not stay");
    stage.expect_answer(&services[5])?;

    // Nothing of it changes: after half a minute it is tried again.
    stage.faults.clear()?;
    proxy.wait_for_log(PATIENCE, "Programmed a service port that had been refused")?;
    stage.wait_for_rules(&proxy, &from_scratch(backend, &services)?)?;
    counted(&stage, 0.0)
}

fn counted(stage: &Stage, expected: f64) -> Result<()> {
    wait::until(PATIENCE, || {
        let counted = stage.metric(LEFT_OUT)?;
        ensure!(counted == expected, "{counted} are left out, not {expected}");
        Ok(())
    })
}
