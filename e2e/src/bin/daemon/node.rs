//! Turns changes of this node's Node object into what the daemon waits for, shrugs off, or ends of.
//!
//! Does not know of health, which is another story's.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::apiserver::Kind;
use e2e::backend::{Backend, Family};
use e2e::canonical::{canonical, diff};
use e2e::proxy::Program;
use e2e::wait;

use crate::object;
use crate::stage::{A_WHILE, CONFIG, HEALTH, PATIENCE, SYNCED, Stage};

/// How long the daemon waits for the node's addresses, and some more.
const ADDRESSES: Duration = Duration::from_secs(60);

fn stage() -> Result<Stage> {
    let stage = Stage::new(Backend::Nft)?;
    stage.set(&object::service("web", 10, 11))?;
    Ok(stage)
}

/// The Node comes later, and its addresses later still.
pub(crate) fn comes_late() -> Result<()> {
    let mut stage = stage()?;
    stage.start(CONFIG, &[])?;
    let waited = wait::until(PATIENCE, || {
        ensure!(stage.server.open_watches(Kind::Node) == 1, "the Node is not watched");
        Ok(())
    });
    let waited = waited.and_then(|()| is_waiting(&stage, "without a Node"));
    let waited = waited.and_then(|()| {
        stage.set("{apiVersion: v1, kind: Node, metadata: {name: node1}}")?;
        is_waiting(&stage, "without addresses")?;
        stage.set(object::NODE)?;
        stage.commits(1)?;
        let found = stage.lines("\"Retrieved node IPs\"")?;
        ensure!(found.iter().any(|line| line.contains(r#"["10.200.0.2","fd00:200::2"]"#)), "{found:?}");
        stage.rules_hold(Family::V4, "10.244.0.11:8080", true)
    });
    stage.explained(waited)?;
    stage.stop()
}

fn is_waiting(stage: &Stage, why: &str) -> Result<()> {
    sleep(A_WHILE);
    ensure!(stage.lines(SYNCED)?.is_empty(), "it synced {why}");
    ensure!(stage.tools.save(&stage.node, Family::V4)?.is_empty(), "it wrote rules {why}");
    ensure!(stage.page(HEALTH, "/livez").is_err(), "it opened its health server {why}");
    Ok(())
}

/// The Node never comes: after half a minute the daemon goes on without it.
pub(crate) fn never_comes() -> Result<()> {
    let mut stage = stage()?;
    stage.start(CONFIG, &[])?;
    let went_on = wait::until(ADDRESSES, || {
        ensure!(!stage.lines(SYNCED)?.is_empty(), "it has not synced");
        Ok(())
    });
    let went_on = went_on.and_then(|()| {
        let found = stage.lines("\"Retrieved node IPs\"")?;
        ensure!(found.iter().any(|line| line.contains(r#"["127.0.0.1","::1"]"#)), "{found:?}");
        wait::until(PATIENCE, || {
            let [health, life] = ["/healthz", "/livez"].map(|path| stage.page(HEALTH, path));
            ensure!(health?.code == 503 && life?.code == 200, "without a Node it is alive, but not eligible");
            Ok(())
        })
    });
    stage.explained(went_on)?;
    stage.stop()
}

/// Other addresses and pod CIDRs, and a deletion: noted, but nothing ends.
pub(crate) fn changes() -> Result<()> {
    let mut stage = stage()?;
    stage.set(object::NODE)?;
    stage.start(CONFIG, &[])?;
    let noted = stage.commits(1).and_then(|()| {
        let before = canonical(&stage.tools.save(&stage.node, Family::V4)?)?;
        stage.set(&object::NODE.replace("10.200.0.2", "10.200.0.3"))?;
        stage.says("\"NodeIPs changed for the node\"", 1)?;
        stage.set(&object::NODE.replace("10.244.0.0/24", "10.244.9.0/24"))?;
        stage.server.delete(Kind::Node, "", "node1");
        stage.says("\"Node is being deleted\"", 1)?;
        // A Service that comes and goes later: whatever was to follow from all this has followed.
        stage.set(&object::service("marker", 30, 31))?;
        stage.rules_hold(Family::V4, "10.244.0.31:8080", true)?;
        stage.server.delete(Kind::Service, "demo", "marker");
        wait::until(PATIENCE, || {
            let after = canonical(&stage.tools.save(&stage.node, Family::V4)?)?;
            ensure!(before == after, "the rules have changed\n{}", diff(&before, &after));
            Ok(())
        })?;
        let health = stage.page(HEALTH, "/healthz")?;
        ensure!(health.code == 200, "a deleted Node stays as it was seen last: {health:?}");
        Ok(())
    });
    stage.explained(noted)?;
    stage.proxy()?.is_running()?;
    stage.stop()
}

/// With rules that hold the node's pod CIDRs, other ones are the end: the next start reads them.
pub(crate) fn pod_cidrs() -> Result<()> {
    let mut stage = stage()?;
    stage.set(&object::NODE.replace("spec: {", "spec: {unschedulable: true} # {"))?;
    stage.start(&format!("{CONFIG}\ndetectLocalMode: NodeCIDR\n"), &[])?;
    sleep(A_WHILE);
    ensure!(stage.lines(SYNCED)?.is_empty(), "it does not wait for pod CIDRs");
    stage.set(object::NODE)?;
    let seen = stage.commits(1).and_then(|()| stage.rules_hold(Family::V4, "! -s 10.244.0.0/24", true));
    stage.explained(seen)?;
    stage.set(&object::NODE.replace("10.244.0.0/24", "10.244.9.0/24"))?;
    let ended = stage.ends_with(1).and_then(|()| stage.says("\"PodCIDRs changed for the node\"", 1));
    stage.explained(ended)?;
    stage.rules_hold(Family::V4, "! -s 10.244.0.0/24", true)?;
    stage.start(&format!("{CONFIG}\ndetectLocalMode: NodeCIDR\n"), &[])?;
    let seen = stage.commits(1).and_then(|()| stage.rules_hold(Family::V4, "! -s 10.244.9.0/24", true));
    stage.explained(seen)
}

/// Who asks, and for which Node: what the flag says, tidied up, or else the host's.
pub(crate) fn name() -> Result<()> {
    let mut stage = stage()?;
    let config = stage.write_config(CONFIG)?;
    let config = format!("--config={}", config.display());
    let host =
        ["unshare", "--uts", "sh", "-ec", "echo Some-Host >/proc/sys/kernel/hostname; exec \"$@\"", "host"];
    for (flag, expected) in [(Some("--hostname-override= NODE7 "), "node7"), (None, "some-host")] {
        let words = [Some(config.as_str()), flag].into_iter().flatten().map(Into::into).collect();
        let through = host.map(Into::into).to_vec();
        stage.run(&Program { through, words, ..Program::new()? })?;
        let selector = format!("metadata.name%3D{expected}");
        let asked = wait::until(PATIENCE, || {
            let seen = stage.server.seen();
            let of_node = seen.iter().filter(|seen| seen.kind == Some(Kind::Node));
            let queries: Vec<_> = of_node.map(|seen| seen.query.replace('=', "%3D")).collect();
            ensure!(queries.iter().any(|query| query.contains(&selector)), "asked for {queries:?}");
            let agents: Vec<_> = seen.iter().map(|seen| seen.user_agent.as_str()).collect();
            let is_known = |agent: &&str| agent.starts_with("kube-proxy/v1.36.2 (linux/");
            ensure!(agents.iter().all(is_known), "{agents:?}");
            Ok(())
        });
        stage.explained(asked)?;
        stage.stop()?;
    }
    Ok(())
}
