//! Turns a node into a running `kube-proxy`, whose syncs are told as they end.
//!
//! Does not know what is measured. A sync has ended when its line in the log can be read.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use e2e::proxy::{NODE, binary};
use e2e::wait::{self, Watch};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::node::Node;
use crate::sync::Sync;
use crate::usage::Usage;

/// Longer than `minSyncPeriod`: a change after it is not held back.
const REST: Duration = Duration::from_millis(1200);
const PATIENCE: Duration = Duration::from_secs(300);
const PROMPT: Duration = Duration::from_secs(10);
const SHOWN: usize = 20;

/// A running daemon; it is killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    watch: Watch,
    lines: Receiver<(Duration, String)>,
    last: VecDeque<String>,
    _folder: TempDir,
}

impl Daemon {
    /// Starts it with all defaults.
    pub(crate) fn start(node: &Node) -> Result<Daemon> {
        let folder = TempDir::with_prefix("kp-bench-").context("make a folder for the daemon")?;
        let mut command = command(node, &folder, &["-v=2"])?;
        let watch = Watch::start();
        let mut child = command.spawn().with_context(|| format!("start {command:?}"))?;
        let log = BufReader::new(child.stderr.take().expect("standard error is piped"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in log.lines().map_while(std::io::Result::ok) {
                // Nobody listens any more when the daemon is being dropped.
                let _unheard = sender.send((watch.elapsed(), line));
            }
        });
        Ok(Daemon { child, watch, lines, last: VecDeque::new(), _folder: folder })
    }

    /// Runs it with `--cleanup` to its end, and says how long that took.
    pub(crate) fn clean_up(node: &Node) -> Result<Duration> {
        let folder = TempDir::with_prefix("kp-bench-").context("make a folder for the daemon")?;
        let mut command = command(node, &folder, &["--cleanup"])?;
        let watch = Watch::start();
        let output = command.output().with_context(|| format!("start {command:?}"))?;
        let took = watch.elapsed();
        ensure!(output.status.success(), "--cleanup: {}", String::from_utf8_lossy(&output.stderr));
        Ok(took)
    }

    /// The time since its start.
    pub(crate) fn now(&self) -> Duration {
        self.watch.elapsed()
    }

    /// What the process uses and has used.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.child.id())
    }

    /// Lets it rest, so that nothing is under way; what it says meanwhile is passed over.
    pub(crate) fn rest(&mut self) -> Result<()> {
        thread::sleep(REST);
        while let Ok((_, line)) = self.lines.try_recv() {
            self.note(line)?;
        }
        Ok(())
    }

    /// The next sync of IPv4 to end.
    pub(crate) fn next_sync(&mut self) -> Result<Sync> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok((at, line)) => {
                    let sync = Sync::read(at, &line);
                    self.note(line)?;
                    if let Some(sync) = sync {
                        return Ok(sync);
                    }
                }
                Err(RecvTimeoutError::Timeout) => bail!("no sync within {PATIENCE:?}\n{}", self.tail()),
                Err(RecvTimeoutError::Disconnected) => bail!("kube-proxy has ended\n{}", self.tail()),
            }
        }
    }

    /// Tells it to end and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).context("send SIGTERM to kube-proxy")?;
        wait::until(PROMPT, || self.child.try_wait()?.context("kube-proxy does not end on SIGTERM"))?;
        Ok(())
    }

    fn note(&mut self, line: String) -> Result<()> {
        let is_failure = line.contains("Sync failed");
        self.last.push_back(line);
        if self.last.len() > SHOWN {
            self.last.pop_front();
        }
        ensure!(!is_failure, "a sync failed\n{}", self.tail());
        Ok(())
    }

    fn tail(&self) -> String {
        Vec::from(self.last.clone()).join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already; nothing is left to do about it then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(node: &Node, folder: &TempDir, flags: &[&str]) -> Result<Command> {
    let config = folder.path().join("config.yaml");
    fs::write(&config, node.config()).context("write the configuration")?;
    let mut command = node.tables.netns.command("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(binary()?).arg("--config").arg(config);
    command.args(["--hostname-override", NODE]).args(flags);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    node.tables.tools.equip(&mut command);
    Ok(command)
}
