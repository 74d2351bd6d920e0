//! Turns times without an API server into rules that stay, and into no more changes than there were.
//!
//! Does not know the wire: its faults are tests of their own.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::apiserver::Kind;
use e2e::backend::{Backend, Family};
use e2e::canonical::{canonical, diff};

use crate::object;
use crate::stage::{CONFIG, SYNCED, Stage};

/// So long nothing happens that must not happen.
const A_WHILE: Duration = Duration::from_millis(1500);

fn started(backend: Backend) -> Result<Stage> {
    let mut stage = Stage::new(backend)?;
    stage.set(object::NODE)?;
    for (name, host, pod) in [("a", 10, 11), ("b", 20, 21), ("c", 30, 31)] {
        stage.set(&object::service(name, host, pod))?;
    }
    stage.start(CONFIG, &[])?;
    stage.explained(stage.commits(1))?;
    Ok(stage)
}

/// A start without an API server leaves what a former run has written, and takes it over when the server comes.
pub(crate) fn at_start(backend: Backend) -> Result<()> {
    let mut stage = started(backend)?;
    stage.stop()?;
    let before = rules(&stage)?;
    stage.server.stop();
    stage.start(CONFIG, &[])?;
    let came = stays(&mut stage, &before).and_then(|()| {
        stage.node.inside(|| stage.server.resume())?;
        stage.commits(1)?;
        for line in stage.lines(SYNCED)? {
            let nothing = line.contains("filterRulesWritten=0 natRulesWritten=0 chainsDeleted=0");
            ensure!(nothing, "the sync wrote something: {line}");
        }
        is_as(&stage, &before)?;
        stage.set(&object::slices("a", &[("node1", 12)]))?;
        stage.rules_hold(Family::V4, "10.244.0.12:8080", true)
    });
    stage.explained(came)?;
    stage.stop()
}

fn stays(stage: &mut Stage, before: &str) -> Result<()> {
    stage.says("Watching failed", 1)?;
    sleep(A_WHILE);
    stage.proxy()?.is_running()?;
    ensure!(stage.lines(SYNCED)?.is_empty(), "it synced without an API server");
    is_as(stage, before)
}

/// A server that was away: nothing is lost meanwhile, and its new list is a difference, not a new beginning.
pub(crate) fn later(backend: Backend) -> Result<()> {
    let mut stage = started(backend)?;
    let before = rules(&stage)?;
    let commits = stage.lines(SYNCED)?.len();
    stage.server.stop();
    let away = stage.says("Watching failed", 1).and_then(|()| {
        sleep(A_WHILE);
        is_as(&stage, &before)
    });
    stage.explained(away)?;

    // While it is away somebody deletes, changes and creates; what happened in between it cannot tell any more.
    stage.server.delete(Kind::Service, "demo", "a");
    stage.server.delete(Kind::EndpointSlice, "demo", "a-ipv4");
    stage.server.delete(Kind::EndpointSlice, "demo", "a-ipv6");
    stage.set(&object::slices("b", &[("node1", 22)]))?;
    stage.set(&object::service("d", 40, 41))?;
    stage.server.compact();
    stage.node.inside(|| stage.server.resume())?;
    let back = stage
        .rules_hold(Family::V4, "demo/a", false)
        .and_then(|()| stage.rules_hold(Family::V4, "10.244.0.22:8080", true))
        .and_then(|()| stage.rules_hold(Family::V4, "10.244.0.21:8080", false))
        .and_then(|()| stage.rules_hold(Family::V4, "10.244.0.41:8080", true))
        .and_then(|()| stage.rules_hold(Family::V6, "demo/a", false))
        .and_then(|()| stage.rules_hold(Family::V6, "[fd00:10:244::22]:8080", true))
        .and_then(|()| stage.rules_hold(Family::V6, "[fd00:10:244::21]:8080", false))
        .and_then(|()| stage.rules_hold(Family::V6, "[fd00:10:244::41]:8080", true))
        .and_then(|()| {
            for line in &stage.lines(SYNCED)?[commits..] {
                ensure!(line.contains("kind=\"partial\""), "the new list was no difference: {line}");
            }
            Ok(())
        });
    stage.explained(back)?;
    let expected = rules(&stage)?;
    stage.stop()?;

    // From scratch the same comes out.
    stage.start(CONFIG, &[])?;
    let same = stage.commits(1).and_then(|()| is_as(&stage, &expected));
    stage.explained(same)?;
    stage.stop()
}

fn rules(stage: &Stage) -> Result<String> {
    let [v4, v6] = Family::ALL.map(|family| canonical(&stage.tools.save(&stage.node, family)?));
    Ok(v4.context("IPv4 rules")? + &v6.context("IPv6 rules")?)
}

fn is_as(stage: &Stage, before: &str) -> Result<()> {
    let found = rules(stage)?;
    ensure!(found == before, "the rules have changed\n{}", diff(before, &found));
    Ok(())
}
