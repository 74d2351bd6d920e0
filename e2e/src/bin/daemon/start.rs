//! Turns hosts with and without this and that into starts of the daemon: what it sets, does without, or ends of.
//!
//! Does not know of the Node, which is another story's.

use anyhow::{Result, ensure};
use e2e::apiserver::Kind;
use e2e::backend::{Backend, Family};

use crate::object;
use crate::stage::{CONFIG, SYNCED, Stage};

const BROKEN: &str = "echo 'Table does not exist (do you need to insmod?)' >&2; exit 3";

fn stage(backend: Backend) -> Result<Stage> {
    let stage = Stage::new(backend)?;
    stage.set(object::NODE)?;
    stage.set(&object::service("web", 10, 11))?;
    Ok(stage)
}

/// `--init-only` applies kernel settings and ends.
pub(crate) fn init_only() -> Result<()> {
    let mut stage = stage(Backend::Nft)?;
    let config = CONFIG.replace(
        "{maxPerCore: 0}",
        "{maxPerCore: 0, tcpEstablishedTimeout: 2h, tcpCloseWaitTimeout: 90s, tcpBeLiberal: true, \
         udpTimeout: 45s, udpStreamTimeout: 150s}",
    );
    stage.start(&config, &["--init-only"])?;
    let ended =
        stage.ends_with(0).and_then(|()| stage.says("System initialized and --init-only specified", 2));
    stage.explained(ended)?;
    for (name, value) in [
        ("netfilter.nf_conntrack_tcp_timeout_established", "7200"),
        ("netfilter.nf_conntrack_tcp_timeout_close_wait", "90"),
        ("netfilter.nf_conntrack_tcp_be_liberal", "1"),
        ("netfilter.nf_conntrack_udp_timeout", "45"),
        ("netfilter.nf_conntrack_udp_timeout_stream", "150"),
        ("ipv4.conf.all.route_localnet", "1"),
    ] {
        let found = stage.node.sysctl(&format!("net.{name}"))?;
        ensure!(found == value, "{name} is {found}, not {value}");
    }
    for family in Family::ALL {
        let rules = stage.tools.save(&stage.node, family)?;
        ensure!(!rules.contains("KUBE-"), "it wrote rules:\n{rules}");
    }
    let seen = stage.server.seen();
    let others = seen.iter().find(|seen| seen.kind.is_some_and(|kind| kind != Kind::Node));
    ensure!(others.is_none(), "it asked for more than the Node: {others:?}");
    Ok(())
}

/// Without ip6tables IPv4 is served.
pub(crate) fn without_ipv6() -> Result<()> {
    let mut stage = stage(Backend::Nft)?;
    stage.tools.replace("ip6tables", BROKEN)?;
    stage.start(CONFIG, &[])?;
    let served = stage.rules_hold(Family::V4, "10.244.0.11:8080", true).and_then(|()| {
        let missing = stage.lines("\"No iptables support for family\"")?;
        ensure!(
            missing.iter().all(|line| line.contains("ipFamily=\"IPv6\"")) && missing.len() == 1,
            "{missing:?}"
        );
        stage.says("\"kube-proxy running in single-stack mode\" ipFamily=\"IPv4\"", 1)?;
        stage.says("Table does not exist", 1)?;
        stage.says(&format!("{SYNCED} ipFamily=\"IPv4\""), 1)?;
        ensure!(stage.lines("ipFamily=\"IPv6\" kind=")?.is_empty(), "IPv6 was synced");
        Ok(())
    });
    stage.explained(served)?;
    stage.stop()
}

/// Without the tool of the node's primary family, or any, there is nothing to do.
pub(crate) fn without_iptables() -> Result<()> {
    let mut stage = stage(Backend::Nft)?;
    break_all(&stage, "iptables")?;
    stage.start(CONFIG, &[])?;
    let ended =
        stage.ends_with(1).and_then(|()| stage.says("no support for primary IP family \\\"IPv4\\\"", 2));
    stage.explained(ended)?;
    break_all(&stage, "ip6tables")?;
    stage.start(CONFIG, &[])?;
    let ended = stage.ends_with(1).and_then(|()| stage.says("iptables is not available on this host", 2));
    stage.explained(ended)
}

/// By all names under which the daemon looks for it.
fn break_all(stage: &Stage, tool: &str) -> Result<()> {
    ["", "-nft", "-legacy"].iter().try_for_each(|of| stage.tools.replace(&format!("{tool}{of}"), BROKEN))
}

/// Somebody flushes everything, canary chains too: the rules come back.
pub(crate) fn flushed(backend: Backend) -> Result<()> {
    let mut stage = stage(backend)?;
    stage.start(&CONFIG.replace("{minSyncPeriod: 100ms}", "{minSyncPeriod: 100ms, syncPeriod: 1s}"), &[])?;
    stage.explained(stage.commits(1))?;
    for family in Family::ALL {
        stage.tools.flush(&stage.node, family, &["mangle", "nat", "filter"])?;
    }
    stage.explained(stage.says("\"Rules were changed by somebody else, wrote again what was gone\"", 2))?;
    let back = stage
        .rules_hold(Family::V4, "10.244.0.11:8080", true)
        .and_then(|()| stage.rules_hold(Family::V6, "[fd00:10:244::11]:8080", true))
        .and_then(|()| stage.rules_hold(Family::V6, ":KUBE-PROXY-CANARY", true));
    stage.explained(back)?;
    stage.stop()
}
