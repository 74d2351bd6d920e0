//! Turns what kubeadm and kind deploy into a container as the kubelet makes it, with the real binary as its first process.
//!
//! Does not know other ways to deploy. The container shares the node's network; its files are mounts that end with it.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::proxy::{Program, binary};
use rustix::process::{Pid, Signal, kill_process};

use crate::object;
use crate::stage::{METRICS, PATIENCE, Stage};

const KUBEADM: &str = include_str!("kubeadm.conf");

/// Both are files under `/var/lib/kube-proxy`, as kubeadm writes them.
const KUBECONFIG: &str = "\
apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
    server: https://127.0.0.1:6443
  name: default
contexts:
- context:
    cluster: default
    namespace: default
    user: default
  name: default
current-context: default
users:
- name: default
  user:
    tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token
";

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
exec "$@"
"#;

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
    let mut stage = Stage::new(Backend::Nft)?;
    stage.set(object::NODE)?;
    stage.set(&object::service("web", 10, 11))?;
    let files = stage.folder.path().to_owned();
    let settings =
        [("config.conf", config), ("kubeconfig.conf", KUBECONFIG), ("max", "1"), ("hashsize", "1")];
    for (name, text) in settings {
        fs::write(files.join(name), text).with_context(|| format!("write {name}"))?;
    }
    stage.run(&container(&files)?)?;
    Ok(stage)
}

fn container(files: &Path) -> Result<Program> {
    let assign = |name: &str, path: &Path| OsString::from(format!("{name}={}", path.display()));
    let mut through: Vec<OsString> = vec!["env".into(), assign("FILES", files), assign("BINARY", &binary()?)];
    let unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    through.extend(unshare.iter().chain(&["sh", "-ec", CONTAINER, "container"]).map(OsString::from));
    let words = ["--config=/var/lib/kube-proxy/config.conf", "--hostname-override=node1"];
    let words = words.map(OsString::from).to_vec();
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
    let parent = stage.proxy()?.pid();
    let children =
        fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).context("find kube-proxy")?;
    let first =
        children.trim().parse().ok().and_then(Pid::from_raw).context("the container has one process")?;
    kill_process(first, signal).context("send a signal to kube-proxy")?;
    stage.ends_with(code)?;
    stage.rules_hold(Family::V4, "--to-destination 10.244.0.11:8080", true)
}
