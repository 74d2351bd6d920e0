//! Stories about a daemon that may do no more than the DaemonSet asks for, on a root that cannot be written, without a shell.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use e2e::backend::{Backend, Family};
use e2e::flow::table::{New, entries, make};
use e2e::proxy::{NODE, Program, Proxy};
use e2e::wait;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Container, SecurityContext};
use tempfile::TempDir;

use crate::cluster::{Service, TARGET, endpoint, service};
use crate::stage::{PATIENCE, Stage};

const DAEMON_SET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/base/daemonset.yaml");
const TIMEOUT: &str = "net.netfilter.nf_conntrack_tcp_timeout_established";

/// What a container's runtime does, with the lock file as the only thing that can be written. Namespaces of other tests
/// come and go meanwhile.
const CONTAINER: &str = r#"
mount --make-rprivate /
mount --bind "$LOCK" "$LOCK"
for shell in sh dash bash; do
  if [ -e "/bin/$shell" ]; then mount --bind /dev/null "$(readlink -f "/bin/$shell")"; fi
done
for place in $(cut -d ' ' -f 5 /proc/self/mountinfo); do
  case $place in
    "$LOCK" | /run/netns*) ;;
    *) mount -o remount,bind,ro "$place" ;;
  esac
done
exec setpriv --inh-caps=-all --bounding-set="$CAPABILITIES" --no-new-privs -- "$@"
"#;

/// What the first process of a container is given.
struct Given {
    folder: TempDir,
    capabilities: Vec<String>,
}

/// After `--init-only` everything works: rules of both families, conntrack entries, health.
pub(crate) fn are_few(backend: Backend) -> Result<()> {
    let (stage, given) = (Stage::new(backend)?, Given::by_manifest()?);
    let services = [udp(0), udp(1)];
    stage.put(&services)?;
    let entry = stale(&services[1]);
    initialize(&stage, &given)?;
    make(&stage.node, [entry.0])?;
    let proxy = given.start(&stage)?;
    stage.wait_for_answer(&proxy, &services[0])?;
    stage.wait_for_health(200)?;
    let works = wait::until(PATIENCE, || {
        let v6 = stage.faults.real.save(&stage.node, Family::V6)?;
        ensure!(v6.contains("-j KUBE-SERVICES"), "no IPv6 rules");
        let found = entries(&stage.node)?;
        ensure!(found.iter().all(|found| found.client() != entry.1), "a stale entry stays: {found:?}");
        Ok(())
    });
    works.with_context(|| proxy.log_tail())?;
    given.are_all_of(&proxy, &stage.faults.tools.lock())
}

/// Without any one of them, or without `--init-only`, it ends and says why, and writes nothing.
pub(crate) fn are_needed(backend: Backend) -> Result<()> {
    let all = Given::by_manifest()?;
    let stage = Stage::new(backend)?;
    let services = [udp(0)];
    stage.put(&services)?;
    ends(&stage, &all, "nf_conntrack_tcp_timeout_established")?;
    initialize(&stage, &all)?;
    for missing in all.capabilities.clone() {
        let given = Given::without(&missing)?;
        match (missing.as_str(), backend) {
            // Only the legacy tools open a raw socket.
            ("NET_RAW", Backend::Nft) => {
                let proxy = given.start(&stage)?;
                stage.wait_for_answer(&proxy, &services[0])?;
            }
            ("NET_ADMIN" | "NET_RAW", _) => ends(&stage, &given, "iptables is not available on this host")?,
            (other, _) => anyhow::bail!("nobody knows what {other} is needed for"),
        }
    }
    Ok(())
}

fn ends(stage: &Stage, given: &Given, words: &str) -> Result<()> {
    let mut proxy = given.start(stage)?;
    let status = proxy.ended(PATIENCE)?;
    let log = proxy.log()?;
    ensure!(!status.success() && log.contains(words), "{status}, and no {words:?}:\n{}", proxy.log_tail());
    ensure!(!stage.rules()?.contains("KUBE-SERVICES"), "rules were written");
    Ok(())
}

/// The init container: privileged, it sets what the other one cannot.
fn initialize(stage: &Stage, given: &Given) -> Result<()> {
    let mut words = given.words(stage)?;
    words.push("--init-only".into());
    let mut proxy = Proxy::run(&stage.node, &stage.faults.tools, &Program { words, ..Program::new()? })?;
    let status = proxy.ended(PATIENCE)?;
    ensure!(status.success(), "{status}:\n{}", proxy.log_tail());
    let timeout = stage.node.sysctl(TIMEOUT)?;
    ensure!(timeout == "86400", "{TIMEOUT} is {timeout}");
    Ok(())
}

fn udp(number: usize) -> Service {
    service(number).with_udp()
}

/// An entry that leads to no endpoint of the Service, and its client.
fn stale(service: &Service) -> (New, SocketAddr) {
    let client = SocketAddr::from(([192, 168, 50, 9], 4000));
    (New::udp(client, service.address(), 0).to(SocketAddr::from((endpoint(19), TARGET))), client)
}

// === impl Given ===

impl Given {
    /// As the DaemonSet has it; nothing else that it says may give more.
    fn by_manifest() -> Result<Given> {
        let security = security()?;
        let capabilities = security.capabilities.context("it says nothing of capabilities")?;
        ensure!(capabilities.drop == Some(vec!["ALL".to_owned()]), "dropped: {:?}", capabilities.drop);
        let flags =
            [security.privileged, security.allow_privilege_escalation, security.read_only_root_filesystem];
        ensure!(flags == [Some(false), Some(false), Some(true)], "{flags:?}");
        Given::of(capabilities.add.unwrap_or_default())
    }

    fn without(capability: &str) -> Result<Given> {
        let mut capabilities = Given::by_manifest()?.capabilities;
        capabilities.retain(|name| name != capability);
        Given::of(capabilities)
    }

    fn of(capabilities: Vec<String>) -> Result<Given> {
        let folder = TempDir::with_prefix("kp-given-").context("make a folder for the configuration")?;
        Ok(Given { folder, capabilities })
    }

    fn words(&self, stage: &Stage) -> Result<Vec<OsString>> {
        let file = self.folder.path().join("config.yaml");
        fs::write(&file, stage.config()).context("write the configuration")?;
        let mut words: Vec<OsString> = vec!["--manifests".into(), stage.manifests.path().into()];
        words.extend(["--config".into(), file.into()]);
        words.extend(["--hostname-override", NODE, "-v=2"].map(OsString::from));
        Ok(words)
    }

    fn start(&self, stage: &Stage) -> Result<Proxy> {
        let lock = stage.faults.tools.lock();
        File::create(&lock).context("make the lock file")?;
        let names = self.capabilities.iter().map(|name| format!(",+{}", name.to_lowercase()));
        let assign = |name: &str, value: OsString| [OsString::from(name), value].join("=".as_ref());
        let mut through: Vec<OsString> = vec!["env".into(), assign("LOCK", lock.into())];
        through.push(assign("CAPABILITIES", format!("-all{}", names.collect::<String>()).into()));
        through.extend(["unshare", "--mount", "sh", "-ec", CONTAINER, "container"].map(OsString::from));
        let program = Program { through, words: self.words(stage)?, ..Program::new()? };
        Proxy::run(&stage.node, &stage.faults.tools, &program)
    }

    /// The kernel says that the process has these capabilities and no other, and nothing to write to but the lock.
    fn are_all_of(&self, proxy: &Proxy, lock: &Path) -> Result<()> {
        let read =
            |file: &str| fs::read_to_string(format!("/proc/{}/{file}", proxy.pid())).context("read /proc");
        let status = read("status")?;
        let mask = self
            .capabilities
            .iter()
            .try_fold(0_u64, |mask, name| Ok::<_, anyhow::Error>(mask | bit(name)?))?;
        for line in
            [format!("CapEff:\t{mask:016x}"), format!("CapBnd:\t{mask:016x}"), "NoNewPrivs:\t1".to_owned()]
        {
            ensure!(status.lines().any(|found| found == line), "no {line:?}:\n{status}");
        }
        // What is mounted later hides what is mounted at the same place.
        let mounts = read("mountinfo")?;
        let mounts = mounts.lines().map(|mount| mount.split(' ').collect::<Vec<_>>());
        let mounts: BTreeMap<_, _> = mounts.map(|words| (words[4].to_owned(), words[5].to_owned())).collect();
        for (place, options) in mounts {
            let is_written = Path::new(&place) == lock || place.starts_with("/run/netns");
            ensure!(is_written || options.split(',').any(|option| option == "ro"), "{place} can be written");
        }
        Ok(())
    }
}

/// The bit of a capability, in the kernel's numbering.
fn bit(name: &str) -> Result<u64> {
    match name {
        "NET_ADMIN" => Ok(1 << 12),
        "NET_RAW" => Ok(1 << 13),
        other => anyhow::bail!("the number of the capability {other} is not known here"),
    }
}

/// The security context of the main container.
fn security() -> Result<SecurityContext> {
    let manifest = fs::read_to_string(DAEMON_SET).with_context(|| format!("read {DAEMON_SET}"))?;
    let daemon_set: DaemonSet = serde_yaml::from_str(&manifest).context("read the DaemonSet")?;
    let pod = daemon_set.spec.and_then(|spec| spec.template.spec).context("it has no Pod")?;
    let is_main = |container: &Container| container.name == "kube-proxy";
    let main = pod.containers.into_iter().find(is_main).context("it has no container kube-proxy")?;
    main.security_context.context("it says nothing of security")
}
