//! Turns an iptables-restore that fails into flows that recover once it works.
//!
//! Does not know of other failures.
#![expect(clippy::disallowed_methods, reason = "it is waited for rules")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use e2e::backend::{Backend, Family, Tools};
use e2e::cluster::CONFIG;
use e2e::command::run;
use e2e::flow::daemon::Setup;
use e2e::flow::service::Target::ClusterIp;
use e2e::flow::service::{Service, pod_address, pods};
use e2e::flow::stage::Stage;
use tempfile::TempDir;

use crate::Outcome;
use crate::check;

/// For so long a late tool keeps quiet: longer than it takes until all is looked at for the second time.
const QUIET: Duration = Duration::from_secs(5);

/// A tool that waits looks so often whether it may work, twenty times a second.
const TURNS: u32 = 600;

/// What the tool says when it fails.
const COMPLAINT: &str = "failing on purpose";

/// The rules cannot be written when an endpoint is replaced; the next attempt succeeds.
pub(crate) fn fails(family: Family) -> Outcome {
    fails_in(family, Backend::Nft)
}

/// The same in x_tables.
pub(crate) fn fails_in_legacy(family: Family) -> Outcome {
    fails_in(family, Backend::Legacy)
}

fn fails_in(family: Family, backend: Backend) -> Outcome {
    let tool = Tool::new(family, backend)?;
    let stage = tool.stage()?;
    let senders =
        check::at_first_pod(&stage, family, &Service::new(&pods(&[0])), (&stage.client, ClusterIp))?;

    tool.becomes(Failing::Before)?;
    let before = stage.daemon.commits(family)?;
    let service = Service::new(&pods(&[1]));
    stage.manifests.put(&service.file(), &service.yaml())?;
    stage.daemon.says(COMPLAINT, 0)?;
    ensure!(stage.daemon.commits(family)? == before, "the rules were written");
    tool.works()?;
    let commit = stage.daemon.committed(family, before)?;
    check::moves(&stage, &senders, [0, 1], commit).map(Some)
}

/// Rules of a service are written although the tool says that it failed. Clients reach its endpoint by them, and then
/// the service is deleted, before any commit succeeded that had it.
pub(crate) fn fails_after_writing(family: Family) -> Outcome {
    let tool = Tool::new(family, Backend::Nft)?;
    let stage = tool.stage()?;
    tool.becomes(Failing::After)?;
    let before = stage.daemon.commits(family)?;
    let service = Service::new(&pods(&[0]));
    stage.manifests.put(&service.file(), &service.yaml())?;
    let tried = stage.daemon.says(COMPLAINT, 0)?;
    let senders = stage.clients(&stage.client, family, &service, ClusterIp)?;
    stage.arrive(&senders, 0, tried)?;
    stage.manifests.remove(&service.file())?;
    // The attempt that removes its rules fails as well; the one after it finds nothing to write.
    let commit = stage.daemon.committed(family, before)?;
    check::is_silent(&stage, &senders, 0, commit).map(Some)
}

/// An endpoint is replaced, and replaced again at once. The second time the tool does not end for long after it has
/// written the rules. Flows that these let in stay, though all is looked at meanwhile because of the first time.
pub(crate) fn ends_late(family: Family) -> Outcome {
    let tool = Tool::new(family, Backend::Nft)?;
    let stage = tool.stage()?;
    let service = |pod| Service::new(&pods(&[pod]));
    let senders = check::at_first_pod(&stage, family, &service(0), (&stage.client, ClusterIp))?;
    stage.put(family, &service(1))?;

    tool.becomes(Failing::Late)?;
    let before = stage.daemon.commits(family)?;
    stage.manifests.put(&service(0).file(), &service(0).yaml())?;
    lead_to(&stage, family, 0)?;
    let young = stage.clients(&stage.client, family, &service(0), ClusterIp)?;
    stage.arrive(&young, 0, Instant::now())?;
    stage.mark(&young)?;
    tool.works()?;
    let commit = stage.daemon.committed(family, before)?;
    let took = check::moves(&stage, &senders, [1, 0], commit)?;
    stage.has_marks(&young)?;
    Ok(Some(took))
}

/// Waits until the rules in the kernel lead to a pod.
fn lead_to(stage: &Stage, family: Family, pod: usize) -> Result<()> {
    let address = pod_address(family, pod).to_string();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(20) {
        let mut save = stage.node.command(Backend::Nft.program());
        if run(save.args([&family.tool("-save"), "-t", "nat"]))?.contains(&format!("-> {address}")) {
            return Ok(());
        }
        sleep(Duration::from_millis(20));
    }
    bail!("no rule leads to {address}; the end of the log:\n{}", stage.daemon.tail())
}

/// Somebody flushes the rules, and clients start before they are back: writing them takes a while, and succeeds.
pub(crate) fn flushed_rules(family: Family) -> Outcome {
    flushed_rules_in(family, Backend::Nft)
}

/// The same in x_tables, where the kernel tells nobody.
pub(crate) fn flushed_rules_in_legacy(family: Family) -> Outcome {
    flushed_rules_in(family, Backend::Legacy)
}

fn flushed_rules_in(family: Family, backend: Backend) -> Outcome {
    let tool = Tool::new(family, backend)?;
    let stage = tool.stage()?;
    let service = Service::new(&pods(&[0]));
    stage.put(family, &service)?;
    stage.daemon.rest(family)?;
    tool.becomes(Failing::Waiting)?;
    let before = stage.daemon.commits(family)?;
    Tools::new(backend)?.flush(&stage.node, family, &["nat"])?;
    let senders = stage.clients(&stage.client, family, &service, ClusterIp)?;
    check::arrives_nowhere(&stage, &senders)?;
    tool.works()?;
    let commit = stage.daemon.committed(family, before)?;
    let took = check::arrives(&stage, &senders, 0, commit)?;
    stage.daemon.says(&format!("{family} after flush: {} stale", senders.len()), 0)?;
    let failed = stage.daemon.count("Sync failed")?;
    ensure!(failed == 0, "{failed} syncs failed; the log:\n{}", stage.daemon.tail());
    Ok(Some(took))
}

/// The iptables-restore of a family that fails, or is late, as long as it is told to.
struct Tool {
    folder: TempDir,
    failing: PathBuf,
    backend: Backend,
}

/// When it fails.
#[derive(Clone, Copy)]
enum Failing {
    /// Before it has written anything.
    Before,
    /// When all is written.
    After,
    /// Not at all: it only does not end for a while when all is written.
    Late,
    /// Not at all: it only writes nothing before it is told to work.
    Waiting,
}

impl Tool {
    fn new(family: Family, backend: Backend) -> Result<Tool> {
        let folder = TempDir::with_prefix("kp-failing-").context("make a folder for a tool")?;
        let failing = folder.path().join("failing");
        write(folder.path(), backend, &family.tool("-restore"), &failing)?;
        Ok(Tool { folder, failing, backend })
    }

    fn stage(&self) -> Result<Stage> {
        let tools = Some(self.folder.path().to_owned());
        let config = CONFIG.replace("minSyncPeriod", "syncPeriod: 1s, minSyncPeriod");
        Stage::start_with(Setup { config, tools, backend: self.backend, ..Setup::default() })
    }

    fn becomes(&self, failing: Failing) -> Result<()> {
        let word = match failing {
            Failing::Before => "before",
            Failing::After => "after",
            Failing::Late => "late",
            Failing::Waiting => "waiting",
        };
        fs::write(&self.failing, word).context("make the tool fail")
    }

    fn works(&self) -> Result<()> {
        fs::remove_file(&self.failing).context("make the tool work")
    }
}

fn write(folder: &Path, backend: Backend, name: &str, failing: &Path) -> Result<()> {
    let (program, tool, failing) = (backend.program(), folder.join(name), failing.display());
    let script = format!(
        "#!/bin/sh\n\
         real() {{ {} {name} \"$@\"; }}\n\
         [ -e {failing} ] || {{ real \"$@\"; exit; }}\n\
         mode=$(cat {failing})\n\
         if [ \"$mode\" = waiting ]; then\n\
         for turn in $(seq {TURNS}); do [ ! -e {failing} ] || sleep 0.05; done\n\
         real \"$@\"; exit\n\
         fi\n\
         [ \"$mode\" = before ] || real \"$@\"\n\
         [ \"$mode\" != late ] || {{ sleep {}; exit 0; }}\n\
         echo {COMPLAINT} >&2\n\
         exit 1\n",
        program.display(),
        QUIET.as_secs()
    );
    fs::write(&tool, script).context("write a tool")?;
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).context("make a tool")
}
