//! Turns a folder of manifests into a running `kube-proxy` whose commits and passes can be waited for, in its log.
//!
//! Does not know what it programs.
#![expect(clippy::disallowed_methods, reason = "the end of a commit is a moment")]

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::backend::{Backend, Family, Tools};
use crate::netns::Netns;
use crate::proxy::{NODE, binary};
use crate::wait::{self, Watch};

/// How often the log is looked at for a commit: so much later than it was it may seem.
const GLANCE: Duration = Duration::from_millis(2);
/// The table is looked at twice a second at most.
const GAP: Duration = Duration::from_millis(600);
const PATIENCE: Duration = Duration::from_secs(20);

/// How the daemon is run.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Its configuration file.
    pub config: String,
    /// More flags.
    pub flags: Vec<&'static str>,
    /// A program, with arguments, that starts the program named after them.
    pub through: Vec<OsString>,
    /// The iptables that it uses.
    pub backend: Backend,
    /// A folder whose programs come before iptables.
    pub tools: Option<PathBuf>,
}

/// A running daemon; its log shows every pass over the conntrack table, and every entry deleted.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: PathBuf,
    _folder: TempDir,
    _tools: Tools,
}

impl Daemon {
    /// Starts the real binary in the namespace. It is killed with the calling thread, if it is not dropped before.
    ///
    /// # Errors
    /// If it cannot be started. What the binary itself dislikes is found in its log.
    pub fn start(netns: &Netns, manifests: &Path, setup: &Setup) -> Result<Daemon> {
        let folder = TempDir::with_prefix("kp-daemon-").context("make a folder for the daemon")?;
        let (config, log) = (folder.path().join("config.yaml"), folder.path().join("log"));
        fs::write(&config, &setup.config).context("write the configuration")?;
        let tools = Tools::new(setup.backend)?;
        let mut command = netns.command("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(&setup.through).arg(binary()?);
        command.arg("--manifests").arg(manifests).arg("--config").arg(config);
        command.args(["--hostname-override", NODE, "-v=4"]).args(&setup.flags);
        tools.equip(&mut command);
        if let Some(folder) = &setup.tools {
            put_first(&mut command, folder);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(&log).context("make the log")?);
        let child = command.spawn().with_context(|| format!("start {command:?}"))?;
        Ok(Daemon { child, log, _folder: folder, _tools: tools })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has logged so far.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(&self.log).context("read the log")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// How many commits it has made in a family.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn commits(&self, family: Family) -> Result<usize> {
        let family = format!("ipFamily={:?}", family.to_string());
        let is_commit = |line: &&str| line.contains("\"SyncProxyRules complete\"") && line.contains(&family);
        Ok(self.log()?.lines().filter(is_commit).count())
    }

    /// How many passes over the conntrack table a changed rule made it make in a family.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn passes(&self, family: Family) -> Result<usize> {
        self.count(&format!("{family} change: "))
    }

    /// How many passes over the conntrack table it has made in a family for whatever reason, but to look once more or
    /// since an hour has passed.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn looks(&self, family: Family) -> Result<usize> {
        let causes = ["change", "after failure", "after flush", "first sync"];
        causes.into_iter().map(|cause| self.count(&format!("\"{family} {cause}: "))).sum()
    }

    /// How many lines of its log hold the text.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn count(&self, text: &str) -> Result<usize> {
        Ok(self.log()?.lines().filter(|line| line.contains(text)).count())
    }

    /// Waits until it has made more than so many commits in a family; returns the moment.
    ///
    /// # Errors
    /// If it does not; the error shows the end of its log.
    pub fn committed(&self, family: Family, before: usize) -> Result<Instant> {
        self.wait_for("no commit", || Ok(self.commits(family)? > before))
    }

    /// Waits until more than `before` lines of its log hold the text; returns the moment.
    ///
    /// # Errors
    /// If they do not; the error shows the end of its log.
    pub fn says(&self, text: &str, before: usize) -> Result<Instant> {
        self.wait_for(&format!("{text:?} not logged"), || Ok(self.count(text)? > before))
    }

    /// Waits until it would look at the conntrack table at once if something changed in a family: the second look that
    /// follows each change has been made, and the shortest time between two looks has passed.
    ///
    /// # Errors
    /// If the second look is not made; the error shows the end of its log.
    pub fn rest(&self, family: Family) -> Result<()> {
        let name = family.to_string();
        let is_pass =
            |line: &str| line.contains(&format!("\"{name} ")) && line.contains(" stale UDP conntrack ");
        self.wait_for("no second look", || {
            let log = self.log()?;
            let last = log.lines().rfind(|line| is_pass(line));
            Ok(last.is_none_or(|line| line.contains(" settle: ") || line.contains(" hourly: ")))
        })?;
        sleep(GAP);
        Ok(())
    }

    /// Looks at the log whenever it has grown, until `is_there`.
    fn wait_for(&self, complaint: &str, is_there: impl Fn() -> Result<bool>) -> Result<Instant> {
        let (watch, mut seen) = (Watch::start(), None);
        loop {
            let length = fs::metadata(&self.log).context("look at the log")?.len();
            if seen != Some(length) && is_there()? {
                return Ok(Instant::now());
            }
            seen = Some(length);
            ensure!(
                watch.elapsed() < PATIENCE,
                "{complaint} after {watch}; the end of the log:\n{}",
                self.tail()
            );
            sleep(GLANCE);
        }
    }

    /// The last lines of its log, to be shown with a failure; without the many that name an entry.
    pub fn tail(&self) -> String {
        let log = self.log().unwrap_or_else(|error| format!("{error:#}"));
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains("] \"deleted: udp")).collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// Memory in use, in bytes. From here on the peak counts anew.
    ///
    /// # Errors
    /// If it has ended.
    pub fn memory(&self) -> Result<u64> {
        fs::write(format!("/proc/{}/clear_refs", self.pid()), "5")
            .context("forget the peak of the memory")?;
        self.status("VmRSS:")
    }

    /// The most memory that was in use since [`Daemon::memory`], in bytes.
    ///
    /// # Errors
    /// If it has ended.
    pub fn peak_memory(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    fn status(&self, what: &str) -> Result<u64> {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.pid())).context("look at the daemon")?;
        let line = status.lines().find_map(|line| line.strip_prefix(what)).context("the daemon has ended")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().context("memory is a number")?;
        Ok(kilobytes * 1024)
    }

    /// Tells it to end and waits until it has. The rules stay.
    ///
    /// # Errors
    /// If it does not end promptly.
    pub fn stop(&mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).context("send SIGTERM to kube-proxy")?;
        wait::until(PATIENCE, || {
            let status = self.child.try_wait().context("wait for kube-proxy")?;
            let status = status.context("kube-proxy does not end on SIGTERM")?;
            ensure!(status.success(), "kube-proxy ended with {status}");
            Ok(())
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already; nothing is left to do about it then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn put_first(command: &mut Command, folder: &Path) {
    let rest = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path);
    let mut path = OsString::from(folder);
    path.push(":");
    path.push(rest.expect("the tools set a path"));
    command.env("PATH", path);
}
