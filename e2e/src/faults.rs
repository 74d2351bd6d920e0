//! Turns iptables tools into ones that fail in the way that a test wants.
//!
//! Does not know how the faults are made: that is the program `faulty`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::backend::{Backend, Tools, link, names};
use crate::command::beside;
use crate::wait;

/// Tools of one backend that work until they are told to fail.
#[derive(Debug)]
pub struct Faults {
    /// To be given to a proxy.
    pub tools: Tools,
    /// To look with: they never fail.
    pub real: Tools,
}

/// How a tool fails.
#[derive(Clone, Copy, Debug)]
pub enum Fault<'a> {
    /// It does nothing, and does not end.
    Hang,
    /// It is killed.
    Kill,
    /// It ends with this status and these words.
    Say(u8, &'a str),
    /// It prints so many percent of what it should, and ends well.
    Cut(u8),
    /// It applies so many COMMITs; if more was asked for, it kills who asked.
    StopAfter(usize),
    /// It talks without end.
    Flood,
    /// It refuses an input with a rule that contains this.
    Refuse(&'a str),
}

impl Faults {
    /// Tools that do not fail yet.
    ///
    /// # Errors
    /// If the backend is not installed, or the program `faulty` not built.
    pub fn new(backend: Backend) -> Result<Faults> {
        let (tools, real) = (Tools::new(backend)?, Tools::new(backend)?);
        let faulty = beside("faulty")?;
        let aside = tools.folder().join("real");
        fs::create_dir(&aside).context("make a folder for the real tools")?;
        link(backend, &aside)?;
        for name in names() {
            let path = tools.folder().join(name);
            fs::remove_file(&path)?;
            symlink(&faulty, &path).context("link a tool")?;
        }
        Ok(Faults { tools, real })
    }

    /// From here on, tools whose name ends so fail.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn set(&self, tool: &str, fault: Fault) -> Result<()> {
        let mode = match fault {
            Fault::Hang => "hang".to_owned(),
            Fault::Kill => "kill".to_owned(),
            Fault::Say(status, words) => format!("say {status} {words}"),
            Fault::Cut(percent) => format!("cut {percent}"),
            Fault::StopAfter(commits) => format!("stop {commits}"),
            Fault::Flood => "flood now".to_owned(),
            Fault::Refuse(text) => format!("refuse {text}"),
        };
        let folder = self.tools.folder();
        fs::write(folder.join("draft"), format!("{tool} {mode}"))?;
        fs::rename(folder.join("draft"), folder.join("mode")).context("set the fault")
    }

    /// The same for a daemon that finds no other tools on its `PATH`, and nothing else.
    ///
    /// # Errors
    /// If what starts the daemon is not installed.
    pub fn alone(self) -> Result<Faults> {
        Ok(Faults { tools: self.tools.alone()?, ..self })
    }

    /// From here on, tools whose name ends so are not there.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub fn remove(&self, tool: &str) -> Result<()> {
        self.each(tool, |path| fs::remove_file(path).context("remove a tool"))
    }

    /// Puts back what was removed.
    ///
    /// # Errors
    /// If it is there already.
    pub fn put_back(&self, tool: &str) -> Result<()> {
        let faulty = beside("faulty")?;
        self.each(tool, |path| symlink(&faulty, path).context("put back a tool"))
    }

    /// From here on, tools whose name ends so are those of another backend.
    ///
    /// # Errors
    /// If that is not installed.
    pub fn exchange(&self, tool: &str, backend: Backend) -> Result<()> {
        self.each(tool, |path| {
            let real = self.tools.folder().join("real").join(path.file_name().context("a tool has a name")?);
            fs::remove_file(&real).context("remove a real tool")?;
            symlink(backend.program(), real).context("link a tool of the other backend")
        })
    }

    fn each(&self, tool: &str, act: impl Fn(&Path) -> Result<()>) -> Result<()> {
        names().filter(|name| name.ends_with(tool)).try_for_each(|name| act(&self.tools.folder().join(name)))
    }

    /// From here on, no tool fails.
    ///
    /// # Errors
    /// If the files cannot be removed.
    pub fn clear(&self) -> Result<()> {
        let folder = self.tools.folder();
        for name in ["mode", "faults"] {
            if folder.join(name).exists() {
                fs::remove_file(folder.join(name)).context("clear the fault")?;
            }
        }
        Ok(())
    }

    /// From here on, each call of a tool is noted.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn note_calls(&self) -> Result<()> {
        fs::write(self.tools.folder().join("calls"), "").context("begin to note calls")
    }

    /// The calls since [`Faults::note_calls`]: the name of the tool and its arguments, each in quotes.
    ///
    /// # Errors
    /// If none were noted.
    pub fn calls(&self) -> Result<BTreeSet<String>> {
        let calls = fs::read_to_string(self.tools.folder().join("calls")).context("read the calls")?;
        Ok(calls.lines().map(str::to_owned).collect())
    }

    /// Waits until so many calls have failed since the last [`Faults::clear`].
    ///
    /// # Errors
    /// If they do not within the time.
    pub fn wait_for(&self, limit: Duration, times: usize) -> Result<()> {
        wait::until(limit, || {
            let faults = fs::read_to_string(self.tools.folder().join("faults")).unwrap_or_default();
            ensure!(faults.lines().count() >= times, "{} of {times} faults", faults.lines().count());
            Ok(())
        })
    }
}
