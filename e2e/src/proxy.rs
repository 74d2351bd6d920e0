//! Turns manifests and a configuration into a running `kube-proxy` in a namespace, ended with its value.
//!
//! Does not know what it programs; its log is read only to be shown.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::backend::Tools;
use crate::command::beside;
use crate::netns::Netns;
use crate::source::{Kind, Source};
use crate::wait;

/// The node name that all proxies of the tests are given.
pub const NODE: &str = "node1";

/// How long the proxy may take to end when it is told to.
const PROMPT: Duration = Duration::from_secs(30);

/// What is started, and through which other programs.
#[derive(Clone, Debug)]
pub struct Program {
    /// A program with arguments that starts the one named after them.
    pub through: Vec<OsString>,
    /// The binary.
    pub path: PathBuf,
    /// Its arguments.
    pub words: Vec<OsString>,
}

impl Program {
    /// The binary under test, without arguments.
    ///
    /// # Errors
    /// If there is none.
    pub fn new() -> Result<Program> {
        Ok(Program { through: Vec::new(), path: binary()?, words: Vec::new() })
    }
}

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    child: Child,
    folder: TempDir,
}

impl Proxy {
    /// Starts the real binary in the namespace, with `config` as its configuration file.
    ///
    /// It is killed when the calling thread ends, should its value not be dropped before.
    ///
    /// # Errors
    /// If there is no binary, or it cannot be started. What the binary itself dislikes is found in its log.
    pub fn start(netns: &Netns, tools: &Tools, manifests: &Path, config: &str) -> Result<Proxy> {
        let source = Source::of(Kind::Manifests, manifests, netns)?;
        Proxy::follow(netns, tools, &source, config)
    }

    /// The same with any source.
    ///
    /// # Errors
    /// If there is no binary, or it cannot be started.
    pub fn follow(netns: &Netns, tools: &Tools, source: &Source, config: &str) -> Result<Proxy> {
        let folder = TempDir::with_prefix("kp-proxy-").context("make a folder for the proxy")?;
        let config_file = folder.path().join("config.yaml");
        fs::write(&config_file, source.configured(config)).context("write the configuration")?;
        let mut words: Vec<OsString> = source.flags().into_iter().map(OsString::from).collect();
        words.extend(["--config".into(), config_file.into(), "--hostname-override".into()]);
        words.extend([NODE.into(), "-v=2".into()]);
        Proxy::launch(netns, tools, &Program { words, ..Program::new()? }, folder)
    }

    /// Starts a program in the namespace that is the real binary, or ends up as it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn run(netns: &Netns, tools: &Tools, program: &Program) -> Result<Proxy> {
        let folder = TempDir::with_prefix("kp-proxy-").context("make a folder for the proxy")?;
        Proxy::launch(netns, tools, program, folder)
    }

    fn launch(netns: &Netns, tools: &Tools, program: &Program, folder: TempDir) -> Result<Proxy> {
        let log = File::create(folder.path().join("log")).context("make the log")?;
        let mut command = netns.command("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(&program.through).arg(&program.path);
        command.args(&program.words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = tools.equip(&mut command).spawn().with_context(|| format!("start {command:?}"))?;
        Ok(Proxy { child, folder })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it had resident so far, in bytes.
    ///
    /// # Errors
    /// If it has ended.
    pub fn peak_memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).context("read its status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        Ok(peak.context("the kernel does not tell the peak")?.parse::<u64>()? << 10)
    }

    /// Waits until its log holds a text.
    ///
    /// # Errors
    /// If it does not within the time.
    pub fn wait_for_log(&self, limit: Duration, text: &str) -> Result<()> {
        wait::until(limit, || {
            ensure!(self.log()?.contains(text), "the log does not say {text:?}:\n{}", self.log_tail());
            Ok(())
        })
    }

    /// Everything it has logged so far.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(self.folder.path().join("log")).context("read the log")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The last lines of its log, to be shown with a failure.
    pub fn log_tail(&self) -> String {
        let log = self.log().unwrap_or_else(|error| format!("{error:#}"));
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains("] \"FLAG: ")).collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// Fails if the proxy has ended by itself.
    ///
    /// # Errors
    /// The status it ended with.
    pub fn is_running(&mut self) -> Result<()> {
        let status = self.child.try_wait().context("look after the proxy")?;
        ensure!(status.is_none(), "kube-proxy has ended by itself: {}", status.unwrap_or_default());
        Ok(())
    }

    /// Tells it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// If it does not end promptly.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).context("send SIGTERM to kube-proxy")?;
        self.ended(PROMPT).context("after SIGTERM")
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// If it does not within `limit`.
    pub fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        wait::until(limit, || {
            self.child.try_wait().context("wait for kube-proxy")?.context("kube-proxy does not end")
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may have ended already; nothing is left to do about it then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary under test: `$KUBE_PROXY`, or else the one that was built beside the running program.
///
/// # Errors
/// If there is none.
pub fn binary() -> Result<PathBuf> {
    match env::var_os("KUBE_PROXY") {
        Some(path) => Path::new(&path).canonicalize().with_context(|| format!("find {}", path.display())),
        None => beside("kube-proxy"),
    }
}
