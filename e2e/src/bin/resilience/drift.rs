//! Stories about rules of ours that somebody else takes away or changes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::command::run;
use e2e::proxy::{NODE, Proxy};
use serde_json::Value;

use crate::cluster::service;
use crate::stage::{PATIENCE, Stage, from_scratch};

const SHORT: Duration = Duration::from_secs(3);
/// Nobody looks at the rules within this time without being told.
const NEVER: Duration = Duration::from_secs(3600);
/// Far more than it takes to mend what the kernel told of, also on a busy machine.
const SOON: Duration = Duration::from_secs(20);
const PORTALS: &str = "PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES";

/// What somebody does to our rules.
struct Damage {
    name: &'static str,
    /// For iptables-restore, in the nat table.
    input: String,
    /// The chains of the nat table that are written for it.
    mended: Vec<String>,
    /// What the log and the Event call it.
    missing: String,
}

/// Only what is gone is written again; the log and an Event on the Node say what it was.
pub(crate) fn is_mended(backend: Backend) -> Result<()> {
    let (sync_period, limit) = match backend {
        Backend::Nft => (NEVER, SOON),
        Backend::Legacy => (SHORT, PATIENCE),
    };
    let stage = Stage::new(backend)?.with_api()?.with_sync_period(sync_period);
    let services: Vec<_> = (0..4).map(service).collect();
    stage.put(&services)?;
    let expected = from_scratch(backend, &services)?;
    let mut proxy = started(&stage)?;
    stage.wait_for_rules(&proxy, &expected)?;
    for damage in damages(&expected)? {
        // Events that repeat themselves become a series: each damage is for a daemon that has told of none.
        proxy.stop()?;
        proxy = started(&stage)?;
        let mended = mend(&stage, &proxy, (backend, limit), &damage, &expected);
        mended.with_context(|| format!("{}\n{}", damage.name, proxy.log_tail()))?;
    }
    Ok(())
}

fn started(stage: &Stage) -> Result<Proxy> {
    let proxy = stage.start()?;
    proxy.wait_for_log(PATIENCE, "SyncProxyRules complete\" ipFamily=\"IPv4\"")?;
    Ok(proxy)
}

fn mend(
    stage: &Stage,
    proxy: &Proxy,
    (backend, limit): (Backend, Duration),
    damage: &Damage,
    expected: &str,
) -> Result<()> {
    let before = handles(stage, backend)?;
    stage.restore(Family::V4, &format!("*nat\n{}COMMIT\n", damage.input))?;
    proxy.wait_for_log(limit, "wrote again what was gone")?;
    stage.wait_for_rules(proxy, expected)?;
    let log = proxy.log()?;
    let line = log.lines().find(|line| line.contains("wrote again what was gone")).context("just seen")?;
    ensure!(line.starts_with('W') && line.contains(&damage.missing), "no {:?}: {line}", damage.missing);
    stage.api()?.wait_for_event("RulesMissing", NODE, &damage.missing)?;
    let after = handles(stage, backend)?;
    for (chain, before) in before {
        let is_mended = damage.mended.contains(&chain);
        let after = after.get(&chain).with_context(|| format!("{chain} is gone"))?;
        ensure!(is_mended || before == *after, "{chain} was written: {before:?}, then {after:?}");
    }
    Ok(())
}

fn damages(rules: &str) -> Result<Vec<Damage>> {
    let chain = |prefix: &str, of: &str| {
        let comment = format!("--comment \"{of}");
        let rule =
            rules.lines().find(|line| line.starts_with(&format!("-A {prefix}")) && line.contains(&comment));
        let chain = rule.and_then(|rule| rule.split(' ').nth(1));
        chain.map(str::to_owned).with_context(|| format!("no {prefix} of {of}"))
    };
    let (dispatched, endpoint) = (chain("KUBE-SVC-", "kp/web-1:p")?, chain("KUBE-SEP-", "kp/web-2:p")?);
    let other = chain("KUBE-SVC-", "kp/web-3:p")?;
    let leads = |line: &&str| line.starts_with("-A KUBE-SERVICES ") && line.ends_with(&dispatched);
    let jump = rules.lines().find(leads).context("nothing leads to the chain")?.replacen("-A", "-D", 1);
    Ok(vec![
        Damage {
            name: "a deleted jump",
            input: format!("-D {PORTALS}\n"),
            mended: vec!["PREROUTING".to_owned()],
            missing: "jumps: nat PREROUTING to KUBE-SERVICES; 0 rules".to_owned(),
        },
        Damage {
            name: "a deleted chain",
            input: format!("{jump}\n-F {dispatched}\n-X {dispatched}\n"),
            mended: vec!["KUBE-SERVICES".to_owned(), dispatched.clone()],
            missing: format!("chains: nat {dispatched}; "),
        },
        Damage {
            name: "a deleted rule",
            input: format!("-D {endpoint} 2\n"),
            mended: vec![endpoint.clone()],
            missing: "2 rules".to_owned(),
        },
        Damage {
            name: "a foreign rule",
            input: format!("-I {other} -s 192.0.2.1 -j RETURN\n"),
            mended: vec![other.clone()],
            missing: "3 rules".to_owned(),
        },
    ])
}

/// Behind a rule of somebody else our jump is not missing: it is for that one to say which comes first.
pub(crate) fn another_order(backend: Backend) -> Result<()> {
    let stage = Stage::new(backend)?.with_sync_period(SHORT);
    let services: Vec<_> = (0..4).map(service).collect();
    stage.put(&services)?;
    let mut proxy = started(&stage)?;
    let input = format!("-D {PORTALS}\n-A PREROUTING -s 192.0.2.1 -j ACCEPT\n-A {PORTALS}\n");
    stage.restore(Family::V4, &format!("*nat\n{input}COMMIT\n"))?;
    let (before, rules) = (handles(&stage, backend)?, stage.rules()?);
    if backend == Backend::Nft {
        proxy.wait_for_log(PATIENCE, "reason=\"somebody changed rules\"")?;
    }
    // Whatever that look led to is done before the next change is.
    let mut more = services.clone();
    more.push(service(4));
    stage.put(&more)?;
    stage.wait_for_answer(&proxy, &more[4])?;
    stage.put(&services)?;
    stage.wait_for_rules(&proxy, &rules)?;
    let after = handles(&stage, backend)?;
    let untouched = ["PREROUTING", "POSTROUTING", "OUTPUT", "KUBE-POSTROUTING", "KUBE-NODEPORTS"];
    for chain in untouched {
        let (before, after) = (before.get(chain), after.get(chain));
        ensure!(before == after, "{chain} was written: {before:?}, then {after:?}");
    }
    ensure!(!proxy.log()?.contains("wrote again"), "{}", proxy.log_tail());
    proxy.stop()?;
    // Whatever it looks like: all rules are read at the start.
    add_rule_of_several_lines(&stage)?;
    started(&stage).map(drop)
}

fn add_rule_of_several_lines(stage: &Stage) -> Result<()> {
    let mut tool = stage.node.command(Family::V4.tool(""));
    let rule =
        ["-w", "20", "-A", "INPUT", "-m", "comment", "--comment", "a\nCOMMIT\n*nat\nb", "-j", "ACCEPT"];
    run(stage.faults.real.equip(tool.args(rule))).map(drop)
}

/// What nftables calls the rules of each chain in nat, which changes when they are written again; nothing elsewhere.
fn handles(stage: &Stage, backend: Backend) -> Result<BTreeMap<String, Vec<u64>>> {
    let mut handles = BTreeMap::new();
    if backend == Backend::Legacy {
        return Ok(handles);
    }
    let list = run(stage.node.command("nft").args(["-j", "-a", "list", "table", "ip", "nat"]))?;
    let list: Value = serde_json::from_str(&list).context("read what nft prints")?;
    for rule in list["nftables"].as_array().into_iter().flatten().filter_map(|entry| entry.get("rule")) {
        let chain = rule["chain"].as_str().context("a rule has a chain")?;
        let handle = rule["handle"].as_u64().context("a rule has a handle")?;
        handles.entry(chain.to_owned()).or_insert_with(Vec::new).push(handle);
    }
    ensure!(handles.contains_key("KUBE-SERVICES"), "nft shows none of our rules");
    Ok(handles)
}
