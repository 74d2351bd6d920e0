//! A story about other programs that see to their own rules all the time.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::command::run_with_input;

use crate::cluster::{endpoint, service};
use crate::stage::{Stage, from_scratch};

const SHORT: Duration = Duration::from_secs(5);
/// How often the others write everything of theirs again, with nftables' own tool and with the iptables tools.
const ROUNDS: usize = 150;
/// Changes of ours before the storm; each is a write that must not be taken for somebody else's.
const CHANGES: usize = 8;
/// Syncs for one change: itself, and where nobody tells of foreign writes, the look that follows each write of ours
/// and one that was due before the storm.
const SYNCS_FOR_A_CHANGE: f64 = 3.0;
const SYNCS: &str = "kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family=\"IPv4\"}";

/// Neither what we write nor what others do with chains and tables of theirs gives reason to look.
pub(crate) fn blows_over(backend: Backend) -> Result<()> {
    let stage = Stage::new(backend)?.with_sync_period(SHORT);
    let mut services: Vec<_> = (0..10).map(service).collect();
    stage.put(&services)?;
    let proxy = stage.start()?;
    stage.wait_for_rules(&proxy, &from_scratch(backend, &services)?)?;
    for change in 0..CHANGES {
        services[3].endpoints = vec![endpoint(9 + change)];
        stage.put(&services)?;
        stage.wait_for_rule(&proxy, &format!("kp/web-3:p -> {}:", endpoint(9 + change)))?;
    }
    let before = stage.metric(SYNCS)?;
    for round in 0..ROUNDS {
        write_natively(&stage, round)?;
        write_with_tools(&stage, round)?;
    }
    services[3].endpoints = vec![endpoint(2)];
    stage.put(&services)?;
    stage.wait_for_rule(&proxy, &format!("kp/web-3:p -> {}:", endpoint(2)))?;
    let syncs = stage.metric(SYNCS)? - before;
    ensure!(syncs <= SYNCS_FOR_A_CHANGE, "{syncs} syncs while others wrote {ROUNDS} times");
    for words in ["somebody changed rules", "rules were taken away", "wrote again"] {
        ensure!(!proxy.log()?.contains(words), "it says {words:?}:\n{}", proxy.log_tail());
    }
    Ok(())
}

/// Tables of their own, thrown away and made again.
fn write_natively(stage: &Stage, round: usize) -> Result<()> {
    let table = |family: &str| {
        format!(
            "table {family} cni\ndelete table {family} cni\ntable {family} cni {{\n\
             chain KUBE-SERVICES {{ type filter hook forward priority 5; policy accept; counter; }}\n\
             chain endpoints {{ meta mark {round} accept; }}\n}}\n"
        )
    };
    let input: String = ["ip", "ip6", "inet"].map(table).concat();
    run_with_input(stage.node.command("nft").args(["-f", "-"]), &input).map(drop)
}

/// Chains of their own in our tables, and jumps to them in built-in chains, as network plugins have them.
fn write_with_tools(stage: &Stage, round: usize) -> Result<()> {
    let deletion = if round == 0 { "" } else { "-D POSTROUTING -j CNI-OUT\n" };
    let nat = format!(
        "*nat\n:CNI-OUT - [0:0]\n:CNI-PORTS - [0:0]\n{deletion}-I POSTROUTING -j CNI-OUT\n\
         -A CNI-OUT -s 10.250.{}.0/24 -j RETURN\n-A CNI-PORTS -p tcp --dport {} -j RETURN\nCOMMIT\n",
        round % 256,
        1 + round
    );
    let deletion = if round == 0 { "" } else { "-D FORWARD -j CNI-FORWARD\n" };
    let filter = format!(
        "*filter\n:CNI-FORWARD - [0:0]\n{deletion}-I FORWARD -j CNI-FORWARD\n\
         -A CNI-FORWARD -m mark --mark {round} -j ACCEPT\nCOMMIT\n"
    );
    stage.restore(Family::V4, &format!("{nat}{filter}"))
}
