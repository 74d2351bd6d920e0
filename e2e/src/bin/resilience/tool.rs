//! Stories about tools that are not there, or not what they seem: missing, idle, of another backend, talking without end.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::Backend;
use e2e::faults::Fault;
use e2e::proxy::Proxy;
use e2e::wait;

use crate::cluster::{Service, endpoint, service};
use crate::stage::{PATIENCE, Stage, from_scratch};

const SHORT: Duration = Duration::from_secs(5);
/// The most memory that a daemon without optimisation needs for a few Services, in bytes.
const MEMORY: u64 = 200 << 20;
/// The most where what a tool prints is kept until that is found to be too much.
const MUCH_MEMORY: u64 = 1 << 30;

/// A tool that is not there is named, costs no rule, and is missed until it is back: at the start, and later.
pub(crate) fn is_missing(backend: Backend) -> Result<()> {
    let stage = Stage::new(backend)?.with_sync_period(SHORT).with_tools_alone()?;
    let mut services: Vec<_> = (0..3).map(service).collect();
    stage.put(&services)?;
    stage.faults.remove("tables")?;
    ends_without_tools(&stage)?;
    stage.faults.put_back("tables")?;

    stage.faults.remove("-restore")?;
    let proxy = stage.start()?;
    is_missed(&stage, &proxy, 1)?;
    stage.faults.put_back("-restore")?;
    stage.wait_for_answer(&proxy, &services[0])?;
    stage.wait_for_health(200)?;

    let before = stage.rules()?;
    stage.faults.remove("-restore")?;
    change(&stage, &mut services, 10)?;
    is_missed(&stage, &proxy, 2)?;
    ensure!(stage.rules()? == before, "the rules did not stay:\n{}", proxy.log_tail());
    stage.expect_answer(&services[0])?;
    stage.faults.put_back("-restore")?;
    stage.wait_for_rules(&proxy, &from_scratch(backend, &services)?)?;
    stage.wait_for_health(200)
}

/// Whoever restarts the daemon may mend that; it says what is missing.
fn ends_without_tools(stage: &Stage) -> Result<()> {
    let mut proxy = stage.start()?;
    let status = proxy.ended(PATIENCE)?;
    let log = proxy.log()?;
    ensure!(!status.success() && log.contains("cannot run iptables "), "{status}, without a word:\n{log}");
    Ok(())
}

/// Health tells, and the log names it; so it did `times` times.
fn is_missed(stage: &Stage, proxy: &Proxy, times: usize) -> Result<()> {
    stage.wait_for_health(503)?;
    let words = ["cannot run iptables-restore: No such file or directory", "failures=2"];
    wait::until(PATIENCE, || {
        let log = proxy.log()?;
        let told = log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count();
        ensure!(told == times, "told {told} times, not {times}:\n{}", proxy.log_tail());
        Ok(())
    })
}

/// A tool that does nothing is noticed, although it says that all is well: on nf_tables at once, else when the rules are
/// looked at.
pub(crate) fn is_idle(backend: Backend) -> Result<()> {
    let stage = Stage::new(backend)?.with_sync_period(SHORT);
    let (mut services, proxy) = stage.at_work()?;
    let before = stage.rules()?;
    stage.faults.set("-restore", Fault::Say(0, ""))?;
    change(&stage, &mut services, 10)?;
    proxy.wait_for_log(
        PATIENCE,
        match backend {
            Backend::Nft => "iptables-restore: ended as if all had gone well, but nothing was written",
            Backend::Legacy => "wrote again what was gone",
        },
    )?;
    ensure!(stage.rules()? == before, "the rules did not stay:\n{}", proxy.log_tail());
    stage.expect_answer(&services[0])?;
    stage.faults.clear()?;
    stage.wait_for_rules(&proxy, &from_scratch(backend, &services)?)
}

/// Where iptables-restore alone becomes that of another backend, no Service is blamed for what it refuses.
pub(crate) fn is_of_another_backend(backend: Backend) -> Result<()> {
    let other = if backend == Backend::Nft { Backend::Legacy } else { Backend::Nft };
    let stage = Stage::new(backend)?.with_sync_period(SHORT);
    let (mut services, proxy) = stage.at_work()?;
    let before = stage.rules()?;
    stage.faults.exchange("-restore", other)?;
    services.push(service(3));
    stage.put(&services)?;
    proxy.wait_for_log(PATIENCE, "iptables-restore: writes to ")?;
    proxy.wait_for_log(PATIENCE, "failures=2")?;
    ensure!(stage.rules()? == before, "the rules did not stay:\n{}", proxy.log_tail());
    stage.expect_answer(&services[0])?;
    stage.faults.exchange("-restore", backend)?;
    stage.wait_for_rules(&proxy, &from_scratch(backend, &services)?)?;
    ensure!(!proxy.log()?.contains("Left out a service port"), "blamed a Service:\n{}", proxy.log_tail());
    Ok(())
}

/// A tool that talks without end is killed, and costs neither rules nor memory.
pub(crate) fn floods(backend: Backend) -> Result<()> {
    let stage = Stage::new(backend)?.with_sync_period(SHORT);
    let (mut services, proxy) = stage.at_work()?;
    let before = stage.rules()?;
    stage.faults.set("-restore", Fault::Flood)?;
    change(&stage, &mut services, 10)?;
    is_stopped(&proxy, "iptables-restore")?;
    // What is there is read back after a failure.
    stage.faults.set("-save", Fault::Flood)?;
    is_stopped(&proxy, "iptables-save")?;
    ensure!(proxy.peak_memory()? < MEMORY, "{} bytes", proxy.peak_memory()?);
    ensure!(stage.rules()? == before, "the rules did not stay:\n{}", proxy.log_tail());
    stage.faults.set("tables", Fault::Flood)?;
    is_stopped(&proxy, "iptables -S")?;
    ensure!(proxy.peak_memory()? < MUCH_MEMORY, "{} bytes", proxy.peak_memory()?);
    stage.expect_answer(&services[0])?;
    stage.faults.clear()?;
    stage.wait_for_rules(&proxy, &from_scratch(backend, &services)?)
}

/// What such a tool is said to have done.
fn is_stopped(proxy: &Proxy, tool: &str) -> Result<()> {
    wait::until(PATIENCE, || {
        let log = proxy.log()?;
        let is_told =
            |line: &str| line.contains(tool) && line.contains("printed without end, and was killed");
        ensure!(log.lines().any(is_told), "{tool} was not stopped:\n{}", proxy.log_tail());
        Ok(())
    })
    .context("a flood")
}

/// A Service gets another endpoint.
fn change(stage: &Stage, services: &mut [Service], number: usize) -> Result<()> {
    services[1].endpoints = vec![endpoint(number)];
    stage.put(&*services)
}
