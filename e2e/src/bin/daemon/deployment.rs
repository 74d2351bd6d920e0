//! Turns what kubeadm and kind deploy into a container as the kubelet makes it, with the real binary as its first process.
//!
//! Does not know other ways to deploy. The container shares the node's network; its files are mounts that end with it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::proxy::{Program, binary};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

use crate::object;
use crate::stage::{METRICS, PATIENCE, SYNCED, Stage};

/// kubeadm's command line.
const DEPLOYED: [&str; 2] = ["--config=/var/lib/kube-proxy/config.conf", "--hostname-override=node1"];

const KUBEADM: &str = include_str!("kubeadm.conf");

/// Both are files under `/var/lib/kube-proxy`, as kubeadm writes them.
const KUBECONFIG: &str = include_str!("kubeconfig.conf");

/// What the kubelet and the container's runtime do. How many connections are tracked belongs to the host, so plain
/// files stand in for the two settings.
const CONTAINER: &str = r#"
mount -t tmpfs tmpfs /usr/local/bin
touch /usr/local/bin/kube-proxy
mount --bind "$BINARY" /usr/local/bin/kube-proxy
mount -t tmpfs tmpfs /var/lib
mkdir -p /var/lib/kube-proxy/..2026_11_23
cp "$FILES"/*.conf /var/lib/kube-proxy/..2026_11_23
ln -s ..2026_11_23 /var/lib/kube-proxy/..data
ln -s ..data/config.conf ..data/kubeconfig.conf /var/lib/kube-proxy
mount -t tmpfs tmpfs "$(readlink -f /var/run)"
mkdir -p /var/run/secrets/kubernetes.io/serviceaccount
cp "$FILES/ca.crt" "$FILES/token" /var/run/secrets/kubernetes.io/serviceaccount
mount --bind "$FILES/max" /proc/sys/net/netfilter/nf_conntrack_max
mount --bind "$FILES/hashsize" /sys/module/nf_conntrack/parameters/hashsize
exec $WITH "$@"
"#;

/// What `manifests/base` leaves to the container that stays.
const RESTRICTED: &str = "setpriv --inh-caps=-all --bounding-set=-all,+net_admin,+net_raw --no-new-privs --";

/// kubeadm's ConfigMap, and the command line of its DaemonSet.
pub(crate) fn kubeadm() -> Result<()> {
    let mut stage = deployed(KUBEADM)?;
    let works = works(&stage).and_then(|()| {
        let cpus = available_parallelism().context("count CPUs")?.get();
        let max = (32_768 * cpus).clamp(131_072, 1_048_576);
        ensure!(setting(&stage, "max")? == max.to_string(), "nf_conntrack_max");
        ensure!(setting(&stage, "hashsize")? == (max / 4).to_string(), "hashsize");
        Ok(())
    });
    stage.explained(works)?;
    end_by(&mut stage, Signal::TERM, 0)
}

/// kind's ConfigMap: it leaves alone what belongs to the host.
pub(crate) fn kind() -> Result<()> {
    let config = KUBEADM
        .replace("mode: \"\"", "mode: iptables")
        .replace("maxPerCore: null", "maxPerCore: 0")
        .replace("masqueradeBit: null\n  minSyncPeriod: 0s", "masqueradeBit: null\n  minSyncPeriod: 1s")
        .replace("clusterCIDR: 10.244.0.0/16", "clusterCIDR: 10.244.0.0/16,fd00:10:244::/56")
        .replace(
            "kind: ",
            "featureGates: {KubeletInUserNamespace: true, GracefulNodeShutdown: true}\nkind: ",
        );
    let mut stage = deployed(&config)?;
    let works = works(&stage).and_then(|()| {
        ensure!(setting(&stage, "max")? == "1", "nf_conntrack_max was touched");
        ensure!(setting(&stage, "hashsize")? == "1", "hashsize was touched");
        let configz = stage.page(METRICS, "/configz")?.body;
        ensure!(configz.contains(r#""minSyncPeriod":"1s""#), "configz: {configz}");
        Ok(())
    });
    stage.explained(works)?;
    end_by(&mut stage, Signal::QUIT, 2)?;
    let threads = stage.lines("\"Ending at once because of SIGQUIT\" threads=[")?;
    ensure!(threads.len() == 1 && threads[0].contains("\"metrics: "), "{threads:?}");
    Ok(())
}

fn deployed(config: &str) -> Result<Stage> {
    let (mut stage, files) = prepared(Backend::Nft, config)?;
    stage.run(&container(&files, "", &DEPLOYED)?)?;
    Ok(stage)
}

/// A node with the files of a container.
fn prepared(backend: Backend, config: &str) -> Result<(Stage, PathBuf)> {
    let stage = Stage::new(backend)?;
    stage.set(object::NODE)?;
    stage.set(&object::service("web", 10, 11))?;
    let files = stage.folder.path().to_owned();
    let settings =
        [("config.conf", config), ("kubeconfig.conf", KUBECONFIG), ("max", "1"), ("hashsize", "1")];
    for (name, text) in settings {
        fs::write(files.join(name), text).with_context(|| format!("write {name}"))?;
    }
    Ok((stage, files))
}

/// The daemon as a container's first process with these words, through a program that takes privileges away, if any.
fn container(files: &Path, with: &str, words: &[&str]) -> Result<Program> {
    let assign = |name: &str, path: &Path| OsString::from(format!("{name}={}", path.display()));
    let mut through: Vec<OsString> = vec!["env".into(), assign("FILES", files), assign("BINARY", &binary()?)];
    through.push(format!("WITH={with}").into());
    let unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    through.extend(unshare.iter().chain(&["sh", "-ec", CONTAINER, "container"]).map(OsString::from));
    let words = words.iter().map(OsString::from).collect();
    Ok(Program { through, path: "/usr/local/bin/kube-proxy".into(), words })
}

/// Rules in both families, and servers where everybody expects them.
fn works(stage: &Stage) -> Result<()> {
    stage.rules_hold(Family::V4, "--to-destination 10.244.0.11:8080", true)?;
    stage.rules_hold(Family::V6, "--to-destination [fd00:10:244::11]:8080", true)?;
    e2e::wait::until(PATIENCE, || {
        for address in ["127.0.0.1:10256", "10.200.0.2:10256", "[::1]:10256", "[fd00:200::2]:10256"] {
            let page = stage.page(address, "/healthz")?;
            ensure!(page.code == 200, "{address}: {page:?}");
        }
        let mode = stage.page(METRICS, "/proxyMode")?;
        ensure!(mode.code == 200 && mode.body == "iptables", "{mode:?}");
        Ok(())
    })?;
    for (name, value) in [("established", "86400"), ("close_wait", "3600")] {
        let found = stage.node.sysctl(&format!("net.netfilter.nf_conntrack_tcp_timeout_{name}"))?;
        ensure!(found == value, "timeout {name}: {found}");
    }
    let lenient = stage.lines("lenient decoding")?;
    ensure!(lenient.is_empty(), "{lenient:?}");
    Ok(())
}

fn setting(stage: &Stage, name: &str) -> Result<String> {
    fs::read_to_string(stage.folder.path().join(name)).with_context(|| format!("read {name}"))
}

/// The first process of a container hears no signal that it has no handler for.
fn end_by(stage: &mut Stage, signal: Signal, code: i32) -> Result<()> {
    kill_process(first_process(stage)?, signal).context("send a signal to kube-proxy")?;
    stage.ends_with(code)?;
    stage.rules_hold(Family::V4, "--to-destination 10.244.0.11:8080", true)
}

fn first_process(stage: &mut Stage) -> Result<Pid> {
    let parent = stage.proxy()?.pid();
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
    children.trim().parse().ok().and_then(Pid::from_raw).context("the container has one process")
}

/// Signals that come while a tool waits for the lock that somebody holds: of a clean-up that is not done, and of a
/// daemon that has not written a rule yet.
pub(crate) fn while_a_tool_waits() -> Result<()> {
    for (words, signal, code) in [
        (&["--cleanup"][..], Signal::TERM, 2),
        (&["--cleanup"], Signal::INT, 2),
        (&DEPLOYED, Signal::TERM, 0),
    ] {
        let (mut stage, files) = prepared(Backend::Legacy, KUBEADM)?;
        let _lock = taken_lock(&stage)?;
        stage.run(&container(&files, "", words)?)?;
        let waits = e2e::wait::until(PATIENCE, || {
            let first = first_process(&mut stage)?;
            ensure!(has_child_that_waits(first)?, "no tool waits for the lock");
            Ok(first)
        });
        let first = stage.explained(waits)?;
        kill_process(first, signal).context("send a signal to kube-proxy")?;
        let ended = stage.ends_with(code).with_context(|| format!("{words:?}"));
        stage.explained(ended)?;
        ensure!(stage.lines(SYNCED)?.is_empty(), "it synced without the lock");
    }
    Ok(())
}

/// A lock that is held outside of the container, as on every node: the metric tells of it, though the container has
/// neither the processes of the host in sight nor more capabilities than it needs.
pub(crate) fn a_lock_from_outside() -> Result<()> {
    let (mut stage, files) = prepared(Backend::Legacy, KUBEADM)?;
    stage.run(&container(&files, RESTRICTED, &DEPLOYED)?)?;
    let told = works(&stage).and_then(|()| {
        let before = waited_for_lock(&stage)?;
        let _lock = taken_lock(&stage)?;
        stage.set(&object::service("another", 11, 12))?;
        e2e::wait::until(PATIENCE, || {
            let waited = waited_for_lock(&stage)? - before;
            ensure!(waited > 1.0, "{waited} s are told");
            Ok(())
        })
    });
    stage.explained(told)?;
    stage.rules_hold(Family::V4, "--to-destination 10.244.0.12:8080", true)?;
    end_by(&mut stage, Signal::TERM, 0)
}

/// In seconds, of both families.
fn waited_for_lock(stage: &Stage) -> Result<f64> {
    let page = stage.page(METRICS, "/metrics")?.body;
    let lines = page.lines().filter(|line| line.starts_with("kubeproxy_iptables_lock_wait_seconds_total{"));
    let values = lines.filter_map(|line| line.rsplit_once(' ')).map(|(_, value)| value.parse::<f64>());
    values.sum::<Result<f64, _>>().context("the metric is a number")
}

/// Closing the file gives it back.
fn taken_lock(stage: &Stage) -> Result<File> {
    let lock = File::create(stage.tools.lock()).context("open the lock")?;
    flock(&lock, FlockOperation::LockExclusive).context("take the lock")?;
    Ok(lock)
}

/// Whether a tool that the process started waits for a file lock: `2: -> FLOCK  ADVISORY  WRITE 4711 00:19:1 0 EOF`.
fn has_child_that_waits(process: Pid) -> Result<bool> {
    let mut children = Vec::new();
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(thread?.path().join("children"))?;
        children.extend(text.split_ascii_whitespace().map(str::to_owned));
    }
    let locks = fs::read_to_string("/proc/locks").context("read /proc/locks")?;
    let mut waiting =
        locks.lines().filter_map(|line| line.split_once("->")?.1.split_ascii_whitespace().nth(3));
    Ok(waiting.any(|waiter| children.iter().any(|child| child == waiter)))
}
