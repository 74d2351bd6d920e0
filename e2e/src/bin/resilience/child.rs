//! Stories about tools: killed, hung, out of memory, cut short, exchanged.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::faults::Fault;

use crate::cluster::{endpoint, service};
use crate::stage::{PATIENCE, Stage, from_scratch};

const SHORT: Duration = Duration::from_secs(5);

/// Each fault is logged in its own words, costs no rule, and is got over.
pub(crate) fn fails(backend: Backend) -> Result<()> {
    let stage = Stage::new(backend)?;
    let (mut services, proxy) = stage.at_work()?;
    let faults: [(&str, Fault, &str); 5] = [
        ("-restore", Fault::Kill, "signal: 9"),
        (
            "-restore",
            Fault::Say(4, "line 3: RULE_APPEND failed (Cannot allocate memory): rule in chain X"),
            "not possible at the moment",
        ),
        (
            "-restore",
            Fault::Say(
                4,
                "Another app is currently holding the xtables lock; still -1s 0us time ahead to have a chance to grab the lock...",
            ),
            "not possible at the moment",
        ),
        ("-restore", Fault::Say(1, ""), "exit status: 1"),
        ("-save", Fault::Cut(60), "COMMIT is missing"),
    ];
    for (number, (tool, fault, words)) in faults.into_iter().enumerate() {
        let before = stage.rules()?;
        stage.faults.set(tool, fault)?;
        if tool == "-save" {
            // What is there is read back only after a failure.
            stage.faults.set("-restore", Fault::Kill)?;
        }
        services[1].endpoints = vec![endpoint(10 + number)];
        stage.put(&services)?;
        stage.faults.wait_for(PATIENCE, 2)?;
        if tool == "-save" {
            stage.faults.set(tool, fault)?;
            stage.faults.wait_for(PATIENCE, 4)?;
        }
        proxy.wait_for_log(PATIENCE, words)?;
        ensure!(stage.rules()? == before, "{words}: the rules did not stay");
        stage.expect_answer(&services[0])?;
        stage.faults.clear()?;
        stage.wait_for_rules(&proxy, &from_scratch(backend, &services)?).context(words)?;
    }
    Ok(())
}

/// A tool that never ends is killed, and meanwhile health tells.
pub(crate) fn hangs(backend: Backend) -> Result<()> {
    let stage = Stage::new(backend)?.with_sync_period(SHORT);
    let (mut services, proxy) = stage.at_work()?;
    stage.wait_for_health(200)?;
    stage.faults.set("-restore", Fault::Hang)?;
    services[1].endpoints = vec![endpoint(10)];
    stage.put(&services)?;
    stage.faults.wait_for(PATIENCE, 1)?;
    stage.wait_for_health(503)?;
    stage.expect_answer(&services[0])?;
    stage.faults.clear()?;
    proxy.wait_for_log(PATIENCE, "did not end within 60 s, and was killed")?;
    stage.wait_for_rules(&proxy, &from_scratch(backend, &services)?)?;
    stage.wait_for_health(200)
}

/// Tools of the other variant see none of the rules: all are written again, where those tools write.
pub(crate) fn switch(backend: Backend) -> Result<()> {
    let other = if backend == Backend::Nft { Backend::Legacy } else { Backend::Nft };
    let stage = Stage::new(backend)?.with_sync_period(SHORT);
    let services: Vec<_> = (0..3).map(service).collect();
    stage.put(&services)?;
    let proxy = stage.start()?;
    stage.wait_for_answer(&proxy, &services[0])?;
    let before = stage.rules()?;
    stage.faults.tools.switch_to(other)?;
    proxy.wait_for_log(PATIENCE, "write to another part of the kernel")?;
    ensure!(stage.rules()? == before, "the old rules did not stay");
    stage.faults.real.switch_to(other)?;
    let wanted = from_scratch(other, &services)?;
    stage.wait_for_rules(&proxy, &wanted)?;
    stage.expect_answer(&services[0])?;
    // What is noticed follows the tools.
    stage.restore(Family::V4, "*nat\n-D KUBE-MARK-MASQ 1\nCOMMIT\n")?;
    stage.wait_for_rules(&proxy, &wanted)
}
