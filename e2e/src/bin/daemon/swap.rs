//! Turns recorded rules of upstream's kube-proxy, under traffic, into the start of ours on top of them, and its end.
//!
//! Does not know what the rules mean: what was right before must be left as it is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::canonical::{canonical, diff};
use e2e::command::run;
use e2e::golden::{Case, cases};
use e2e::packet_counter;

use crate::load::{Load, Target};
use crate::network::Network;
use crate::stage::{SYNCED, Stage};

/// Recordings with TCP and UDP in both families, to every kind of address, and with affinity and masks.
pub(crate) const CASES: [&str; 2] = ["detect-node-cidr", "affinity"];

/// Each recorded rule has seen so many packets. A rule that is written again has seen none.
const SEEN: u64 = 7;

/// Questions of each flow before anything changes, and after.
const EACH: u64 = 20;

/// The names of all recordings.
pub(crate) fn every_case() -> Result<Vec<String>> {
    let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(cases(&folder())?.into_iter().filter_map(name).collect())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// A node on which upstream's kube-proxy was at work, under traffic; ours takes over, and leaves again.
pub(crate) fn under_traffic(backend: Backend, case: &str) -> Result<()> {
    let case = Case::read(&folder().join(case))?;
    let objects = case.objects();
    let mut stage = Stage::new(backend)?;
    let restores = watch_restores(&stage, backend)?;
    program(&stage, &case)?;
    let network = Network::around(&stage.node, &objects)?;
    let targets = network.deliver(&objects)?;
    ensure!(!CASES.contains(&case.name.as_str()) || is_mixed(&targets), "only {targets:?} deliver");
    for object in &objects {
        stage.set_one(serde_json::to_value(object).context("an object as JSON")?)?;
    }

    let load = Load::start(&network.client, &targets);
    load.goes_on(EACH)?;
    let before = handles(&stage, backend)?;
    fs::write(&restores, "").context("forget the restores so far")?;
    stage.start(case.config(), &[])?;
    let taken_over = take_over(&stage, &load).and_then(|()| {
        let written = fs::read_to_string(&restores).context("read the restores")?;
        ensure!(written.is_empty(), "iptables-restore was run:\n{written}");
        let after = handles(&stage, backend)?;
        ensure!(before == after, "nftables' handles differ:\n{}", diff(&before, &after));
        is_as_recorded(&stage, &case, backend)
    });
    stage.explained(taken_over)?;
    stage.stop()?;
    load.goes_on(EACH).and_then(|()| load.finish())?;
    is_as_recorded(&stage, &case, backend).context("after ours has ended")
}

fn take_over(stage: &Stage, load: &Load) -> Result<()> {
    stage.commits(1)?;
    load.goes_on(EACH)?;
    for line in stage.lines(SYNCED)? {
        let nothing = ["kind=\"full\"", "filterRulesWritten=0", "natRulesWritten=0", "chainsDeleted=0"];
        ensure!(nothing.iter().all(|word| line.contains(word)), "the sync wrote something: {line}");
    }
    Ok(())
}

/// All that traffic is asked for: both protocols in both families.
fn is_mixed(targets: &[Target]) -> bool {
    [(false, true), (false, false), (true, true), (true, false)]
        .into_iter()
        .all(|kind| targets.iter().any(|target| (target.is_udp, target.address.is_ipv4()) == kind))
}

/// Makes the rules of the recording, each with a count of packets.
fn program(stage: &Stage, case: &Case) -> Result<()> {
    for counter in ["ct_state_invalid_dropped_pkts", "localhost_nps_accepted_pkts"] {
        packet_counter::create(&stage.node, counter)?;
    }
    for family in Family::ALL {
        let count = |line: &str| match line.strip_prefix("-A ") {
            Some(_) => format!("[{SEEN}:{}] {line}\n", SEEN * 60),
            None => format!("{line}\n"),
        };
        let rules: String = case.recorded(family).lines().map(count).collect();
        stage.tools.restore(&stage.node, family, &rules)?;
        let found = canonical(&stage.tools.save(&stage.node, family)?)?;
        let recorded = case.recorded(family);
        ensure!(found == recorded, "what was restored is not what was recorded\n{}", diff(recorded, &found));
    }
    Ok(())
}

/// The rules are the recorded ones, and none of them was written again.
fn is_as_recorded(stage: &Stage, case: &Case, backend: Backend) -> Result<()> {
    for family in Family::ALL {
        let save = stage.tools.save_with(&stage.node, family, &["-c"])?;
        let (found, recorded) = (canonical(&save)?, case.recorded(family));
        ensure!(found == recorded, "{family} rules differ\n{}", diff(recorded, &found));
        if backend == Backend::Nft {
            continue; // ip6tables-nft-restore does not restore counts; the handles tell the same
        }
        for line in save.lines().filter(|line| line.starts_with('[')) {
            let packets = line[1..].split(':').next().and_then(|packets| packets.parse::<u64>().ok());
            ensure!(packets >= Some(SEEN), "this rule was written again: {line}");
        }
    }
    Ok(())
}

/// What nftables calls each chain and rule, which changes when it is written again; nothing without nftables.
fn handles(stage: &Stage, backend: Backend) -> Result<String> {
    if backend == Backend::Legacy {
        return Ok(String::new());
    }
    let list =
        run(stage.node.command("nft").args(["-a", "list", "ruleset"])).context("nft (package nftables)")?;
    ensure!(list.contains("# handle "), "nft shows no handles");
    let is_count = |words: &[&str]| matches!(words, ["packets", _, "bytes", _]);
    let without_counts = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let at = words.windows(4).position(is_count);
        let kept =
            words.iter().enumerate().filter(|(index, _)| at.is_none_or(|at| !(at..at + 4).contains(index)));
        kept.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
    };
    Ok(list.lines().map(without_counts).map(|line| line + "\n").collect())
}

/// From here on each run of iptables-restore leaves a line in the file.
fn watch_restores(stage: &Stage, backend: Backend) -> Result<PathBuf> {
    let path = stage.folder.path().join("restores");
    for family in Family::ALL {
        let (tool, program) = (family.tool("-restore"), backend.program());
        let script = format!("echo {tool} >> {}\nexec {} {tool} \"$@\"", path.display(), program.display());
        for name in [tool.clone(), family.tool(&format!("-{backend}-restore"))] {
            stage.tools.replace(&name, &script)?;
        }
    }
    Ok(path)
}
