//! Turns a full sync of many Services, written slowly, into what traffic sees of it: nothing, or all of a Service.
//!
//! Does not know the rules. Between any two COMMITs there is time to ask.

use std::fs::{self, Permissions};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::command::run;
use e2e::netns::Netns;
use e2e::request::Protocol;
use e2e::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::load::{Load, Target};
use crate::network::Network;
use crate::object;
use crate::server::Servers;
use crate::stage::{CONFIG, PATIENCE, SYNCED, Stage};

/// Enough for some fifty blocks.
const SERVICES: usize = 3_000;
/// Each so many Services one has endpoints that answer.
const EACH_ANSWERING: usize = 200;
/// Endpoints of each Service.
const ENDPOINTS: usize = 5;
/// Behind so many blocks all endpoints have their chains, but nothing leads to them yet.
const BLOCKS_OF_ENDPOINTS: usize = 40;
/// What the daemon says when it was not told of what others did, because much was written.
const UNHEARD: &str = "Rules were changed while many were written";
/// What it says with `-v=4` around a write during which it is not told.
const CLOSED: &str = "Not listening while many rules are written";
const OPEN: &str = "Listening again";

/// Where the node answers itself.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 80);

/// Questions of each flow before anything changes, and after.
const EACH: u64 = 10;
const PAUSE: Duration = Duration::from_millis(5);
const MANY: Duration = Duration::from_secs(120);

/// A first sync, a restart, a restart that writes every Service anew, somebody who takes rules away, and a first sync
/// that nobody disturbs.
pub(crate) fn under_traffic() -> Result<()> {
    let mut stage = Stage::new(Backend::Nft)?;
    let hold = Hold::new()?;
    slow_down(&stage, &hold)?;
    let answering: Vec<Value> = objects((0..SERVICES).step_by(EACH_ANSWERING)).collect();
    let yaml = answering.iter().map(serde_yaml::to_value).collect::<Result<Vec<_>, _>>()?;
    let network = Network::around(&stage.node, &yaml)?;
    // Whom no rule leads elsewhere is answered by the node itself.
    stage.node.ip("route add local 10.96.0.0/16 dev lo")?;
    let _nobody = Servers::start(&stage.node, [(Protocol::Tcp, NOBODY)])?;
    let targets: Vec<Target> = (0..SERVICES)
        .step_by(EACH_ANSWERING)
        .map(|service| Target { is_udp: false, address: SocketAddr::new(cluster_ip(service), 80) })
        .collect();
    stage.set(object::NODE)?;
    objects(0..SERVICES).try_for_each(|object| stage.set_one(object))?;

    let told = first_sync(&mut stage, &network, &targets, &hold)
        .context("the first sync")
        .and_then(|()| later(&mut stage, &network, &targets))
        .and_then(|()| undisturbed(&mut stage).context("everything written anew"));
    stage.explained(told)?;
    stage.stop()
}

/// Each Service is what it was without rules until it answers; and from then on it does. What somebody takes away
/// meanwhile comes back.
fn first_sync(stage: &mut Stage, network: &Network, targets: &[Target], hold: &Hold) -> Result<()> {
    let visitors: Vec<_> = targets.iter().map(|target| Visitor::start(&network.client, *target)).collect();
    visitors.iter().try_for_each(|visitor| visitor.goes_on(EACH))?;
    hold.begin()?;
    stage.start(CONFIG, &[])?;
    let chain = wait::until(MANY, || chain_of(stage, 1))?;
    flush(stage, &chain)?;
    ensure!(stage.lines(SYNCED)?.iter().all(|line| !line.contains("IPv4")), "nothing held the sync");
    hold.end()?;
    commits(stage)?;
    wait::until(PATIENCE, || stage.lines(UNHEARD)?.first().map(drop).context("it was heard"))?;
    stage.rules_hold(Family::V4, &format!("-A {chain} "), true).context("rules taken away meanwhile")?;
    visitors.iter().try_for_each(|visitor| visitor.goes_on(EACH))?;
    visitors.into_iter().try_for_each(Visitor::finish)
}

fn later(stage: &mut Stage, network: &Network, targets: &[Target]) -> Result<()> {
    let load = Load::start(&network.client, targets);
    load.goes_on(EACH)?;
    for (what, config) in [
        ("a restart", CONFIG.to_owned()),
        (
            "every Service written anew",
            CONFIG.replace("{minSyncPeriod", "{masqueradeAll: true, minSyncPeriod"),
        ),
        ("and again", CONFIG.to_owned()),
    ] {
        stage.stop()?;
        stage.start(&config, &[])?;
        let line = commits(stage).context(what)?;
        let is_nothing = line.contains("natRulesWritten=0 ");
        ensure!(is_nothing == (what == "a restart"), "{what}: {line}");
        load.goes_on(EACH).context(what)?;
    }
    let chain = chain_of(stage, 1)?;
    flush(stage, &chain)?;
    stage.rules_hold(Family::V4, &format!("-A {chain} "), true).context("rules that somebody took away")?;
    load.goes_on(EACH).and_then(|()| load.finish().map(drop))
}

/// Everything is written at once, and nobody else writes: that is no reason to look at it.
fn undisturbed(stage: &mut Stage) -> Result<()> {
    stage.stop()?;
    run(stage.tools.equip(stage.node.command("iptables").args(["-w", "5", "-t", "nat", "-F"])))?;
    stage.start(CONFIG, &["-v=4"])?;
    commits(stage)?;
    // Logged before the sync is.
    for (line, what) in [(CLOSED, "the ear was not closed"), (OPEN, "the ear was not opened")] {
        ensure!(stage.lines(line)?.len() == 1, "{what}");
    }
    ensure!(stage.lines(UNHEARD)?.is_empty(), "nobody but the daemon has written");
    Ok(())
}

/// The line of the first sync of IPv4, once its rules are all there.
fn commits(stage: &Stage) -> Result<String> {
    let said = || {
        let lines = stage.lines(&format!("{SYNCED} ipFamily=\"IPv4\""))?;
        lines.first().cloned().context("no sync has ended")
    };
    wait::until(MANY, said)
}

fn flush(stage: &Stage, chain: &str) -> Result<()> {
    run(stage.tools.equip(stage.node.command("iptables").args(["-w", "5", "-t", "nat", "-F", chain])))
        .map(drop)
}

/// Feeds iptables-restore block by block. It stays the process that the daemon started: others are watched.
fn slow_down(stage: &Stage, hold: &Hold) -> Result<()> {
    let program = Backend::Nft.program();
    let wait = hold.script.display();
    let slowly = format!(
        r#"{{print}} /^COMMIT/{{fflush(); system(\"sleep 0.02\"); if (++n == {BLOCKS_OF_ENDPOINTS}) system(\"{wait}\")}}"#
    );
    let restore = format!(r#"exec bash -c 'exec "$@" < <(awk "{slowly}")' bash {}"#, program.display());
    for name in ["iptables-restore", "iptables-nft-restore"] {
        stage.tools.replace(name, &format!("{restore} iptables-restore \"$@\""))?;
    }
    Ok(())
}

/// A point at which iptables-restore waits, for as long as it is to.
struct Hold {
    folder: TempDir,
    script: PathBuf,
}

impl Hold {
    fn new() -> Result<Self> {
        let folder = TempDir::with_prefix("kp-hold-").context("make a folder")?;
        let script = folder.path().join("wait");
        let held = folder.path().join("held");
        let wait = format!("for _ in $(seq 2000); do [ -e {} ] || exit 0; sleep 0.05; done", held.display());
        fs::write(&script, format!("#!/bin/sh\n{wait}\n")).context("write a script")?;
        fs::set_permissions(&script, Permissions::from_mode(0o755)).context("make it a program")?;
        Ok(Self { folder, script })
    }

    fn begin(&self) -> Result<()> {
        fs::write(self.folder.path().join("held"), "").context("hold")
    }

    fn end(&self) -> Result<()> {
        fs::remove_file(self.folder.path().join("held")).context("let go")
    }
}

/// The chain of an endpoint of a Service.
fn chain_of(stage: &Stage, service: usize) -> Result<String> {
    let rules = stage.tools.save(&stage.node, Family::V4)?;
    let end = format!("--to-destination {}:8080", pod_ip(service * ENDPOINTS));
    let rule =
        rules.lines().find(|line| line.ends_with(&end)).with_context(|| format!("no rule has {end}"))?;
    Ok(rule.split(' ').nth(1).unwrap_or_default().to_owned())
}

// === visitors ===

/// Somebody who asks a Service again and again, and knows how it may look.
struct Visitor {
    ended: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    thread: JoinHandle<Result<()>>,
}

impl Visitor {
    fn start(netns: &Netns, target: Target) -> Self {
        let (ended, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (end, count) = (Arc::clone(&ended), Arc::clone(&asked));
        let thread = netns.spawn(move || {
            let mut is_there = false;
            while !end.load(Ordering::Relaxed) {
                is_there = visit(target, is_there)?;
                count.fetch_add(1, Ordering::Relaxed);
                sleep(PAUSE);
            }
            ensure!(is_there, "{target:?} has never answered");
            Ok(())
        });
        Self { ended, asked, thread }
    }

    fn goes_on(&self, more: u64) -> Result<()> {
        let enough = self.asked.load(Ordering::Relaxed) + more;
        wait::until(PATIENCE, || {
            let is_over = self.thread.is_finished() || self.asked.load(Ordering::Relaxed) >= enough;
            ensure!(is_over, "a visitor hangs");
            Ok(())
        })
    }

    fn finish(self) -> Result<()> {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().ok().context("visiting does not panic")?
    }
}

/// Whether the Service is there. One that was there stays, and none refuses or swallows anybody.
fn visit(target: Target, was_there: bool) -> Result<bool> {
    let answer = target.ask().with_context(|| format!("{target:?}, which was there: {was_there}"))?;
    let is_there = answer != NOBODY.to_string();
    ensure!(is_there || !was_there, "{target:?} has gone");
    Ok(is_there)
}

// === objects ===

fn cluster_ip(service: usize) -> IpAddr {
    Ipv4Addr::new(10, 96, 1 + (service / 200) as u8, 1 + (service % 200) as u8).into()
}

fn pod_ip(pod: usize) -> IpAddr {
    Ipv4Addr::new(10, 244, (pod / 200) as u8, 11 + (pod % 200) as u8).into()
}

fn objects(services: impl IntoIterator<Item = usize>) -> impl Iterator<Item = Value> {
    services.into_iter().flat_map(|number| [service(number), slice(number)])
}

fn service(number: usize) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": format!("web-{number}"), "namespace": "demo"},
        "spec": {
            "clusterIP": cluster_ip(number),
            "clusterIPs": [cluster_ip(number)],
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
        },
    })
}

fn slice(number: usize) -> Value {
    let endpoint =
        |pod| json!({"addresses": [pod_ip(pod)], "conditions": {"ready": true}, "nodeName": "node2"});
    let endpoints: Vec<_> = (number * ENDPOINTS..(number + 1) * ENDPOINTS).map(endpoint).collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("web-{number}"),
            "namespace": "demo",
            "labels": {"kubernetes.io/service-name": format!("web-{number}")},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": endpoints,
    })
}
