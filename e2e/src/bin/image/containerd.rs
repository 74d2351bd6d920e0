//! Turns an image archive and arguments of `ctr` into containers of a containerd that goes away with its value.
//!
//! Does not know what runs in them. Nothing is shared with a containerd of the host: folders and socket are its own.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::command::{command, run};
use e2e::wait;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long containerd may take to start or to end, and a container to go.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running containerd.
pub(crate) struct Containerd {
    child: Child,
    folder: TempDir,
}

/// A container that runs until it is told to end.
pub(crate) struct Container<'a> {
    containerd: &'a Containerd,
    id: String,
}

impl Containerd {
    /// Starts it, without the plugins that talk to a kubelet or need file systems of their own.
    pub(crate) fn start() -> Result<Self> {
        let folder = TempDir::with_prefix("kp-containerd-").context("make a folder for containerd")?;
        let config = folder.path().join("config.toml");
        fs::write(&config, configuration(folder.path())).context("write containerd's configuration")?;
        let log = File::create(folder.path().join("log")).context("make containerd's log")?;
        let mut containerd = command("setpriv");
        containerd.args(["--pdeathsig", "TERM", "--", "containerd", "--config"]).arg(config);
        containerd.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = containerd.spawn().context("start containerd (packages containerd and runc)")?;
        let started = Self { child, folder };
        let answers = || run(started.ctr().arg("version"));
        wait::until(PATIENCE, answers).with_context(|| format!("containerd says:\n{}", started.log()))?;
        Ok(started)
    }

    /// The name under which the archive wants to be known.
    pub(crate) fn import(&self, archive: &Path) -> Result<String> {
        run(self.ctr().args(["images", "import", "--snapshotter", "native"]).arg(archive))?;
        let names = run(self.ctr().args(["images", "list", "--quiet"]))?;
        let names: Vec<&str> = names.lines().collect();
        ensure!(names.len() == 1, "the archive holds not one image but {names:?}");
        Ok(names[0].to_owned())
    }

    /// Runs a container to its end.
    pub(crate) fn run(&self, id: &str, arguments: &[String], image: &[String]) -> Result<Output> {
        let mut run = self.ctr();
        run.args(["run", "--rm", "--snapshotter", "native"]).args(arguments).arg(&image[0]).arg(id);
        run.args(&image[1..]).stdin(Stdio::null()).output().with_context(|| format!("start {run:?}"))
    }

    /// Starts a container whose output goes to a file.
    pub(crate) fn start_container(
        &self,
        id: &str,
        log: &Path,
        arguments: &[String],
        image: &[String],
    ) -> Result<Container<'_>> {
        let mut start = self.ctr();
        let log = format!("file://{}", log.display());
        start.args(["run", "--detach", "--snapshotter", "native", "--log-uri", &log]);
        run(start.args(arguments).arg(&image[0]).arg(id).args(&image[1..]))?;
        Ok(Container { containerd: self, id: id.to_owned() })
    }

    fn ctr(&self) -> Command {
        let mut ctr = command("ctr");
        ctr.arg("--address").arg(self.folder.path().join("socket"));
        ctr
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // It may have ended already; nothing is left to do about it then.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let ended = wait::until(PATIENCE, || self.child.try_wait()?.context("containerd does not end"));
        if let Err(error) = ended {
            eprintln!("{error:#}");
            let _ = self.child.kill();
        }
    }
}

impl Container<'_> {
    /// Its process, as the host numbers it.
    pub(crate) fn pid(&self) -> Result<u32> {
        let (pid, state) = self.task()?;
        ensure!(state == "RUNNING", "{} is {state}", self.id);
        Ok(pid)
    }

    /// Tells it to end, as the kubelet does, and gives its exit status.
    pub(crate) fn stop(self) -> Result<i32> {
        run(self.containerd.ctr().args(["tasks", "kill", "--signal", "SIGTERM", &self.id]))?;
        wait::until(PATIENCE, || {
            let (_, state) = self.task()?;
            ensure!(state == "STOPPED", "{} is {state} after SIGTERM", self.id);
            Ok(())
        })?;
        let deleted = self.containerd.ctr().args(["tasks", "delete", &self.id]).output()?;
        deleted.status.code().context("ctr was killed")
    }

    /// Its own line among those of all containers: process and state.
    fn task(&self) -> Result<(u32, String)> {
        let tasks = run(self.containerd.ctr().args(["tasks", "list"]))?;
        let mut lines = tasks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let words = lines.find(|words| words.len() == 3 && words[0] == self.id);
        let words = words.with_context(|| format!("there is no {}:\n{tasks}", self.id))?;
        Ok((words[1].parse().context("read the number of a process")?, words[2].to_owned()))
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // Each is refused where there is nothing left of it.
        let ctr = |arguments: &[&str]| self.containerd.ctr().args(arguments).arg(&self.id).output();
        let _ = ctr(&["tasks", "delete", "--force"]);
        let _ = ctr(&["containers", "delete"]);
    }
}

fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    let unwanted = ["grpc.v1.cri", "internal.v1.opt", "snapshotter.v1.aufs", "snapshotter.v1.btrfs"]
        .into_iter()
        .chain(["snapshotter.v1.devmapper", "snapshotter.v1.overlayfs", "snapshotter.v1.zfs"])
        .map(|plugin| format!("\"io.containerd.{plugin}\""))
        .collect::<Vec<_>>()
        .join(", ");
    format!(
        "version = 2\nroot = \"{folder}/root\"\nstate = \"{folder}/state\"\ndisabled_plugins = [{unwanted}]\n\
         [grpc]\naddress = \"{folder}/socket\"\n"
    )
}
