//! Turns a setting of conntrack, which is the whole machine's, into another one for a while.
//!
//! Does not know what it is needed for.
#![expect(clippy::disallowed_methods, reason = "another process puts it back, should this one be killed")]

use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The greatest number of entries.
pub(crate) const MAXIMUM: &str = "nf_conntrack_max";
/// The size of the hash table.
pub(crate) const BUCKETS: &str = "nf_conntrack_buckets";

/// Waits for the end of its input, which comes whatever becomes of the process that holds the other end.
const GUARD: &str = "trap '' INT TERM HUP; read -r _; printf '%s\\n' \"$1\" >\"$2\"";

/// The setting may be another as long as this lives, however it ends.
pub(crate) struct Sysctl {
    name: &'static str,
    pub(crate) before: u32,
    guard: Child,
}

impl Sysctl {
    /// Sees to it that a setting will be what it is, and says that it changes; `how` says to what.
    ///
    /// # Errors
    /// It cannot be written: that needs root in the machine's own network namespace.
    pub(crate) fn borrow(name: &'static str, how: &str) -> Result<Sysctl> {
        let before = read(name)?;
        // Whether it may be written shows without a change.
        write(name, before)?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "sh", &before.to_string(), &path(name)])
            .process_group(0)
            .stdin(Stdio::piped())
            .spawn()
            .context("start a process that restores a setting")?;
        eprintln!(
            "\nATTENTION: net.netfilter.{name} is the whole machine's. It is {before}, will be {how}, and is set back \
             to {before} then, also if this program is interrupted or killed.\n"
        );
        Ok(Sysctl { name, before, guard })
    }

    /// Changes it.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn set(&self, value: u32) -> Result<()> {
        write(self.name, value)
    }

    /// Sets it back.
    ///
    /// # Errors
    /// It is not what it was; the error says how to mend that.
    pub(crate) fn restore(mut self) -> Result<()> {
        self.end();
        let (name, now) = (self.name, read(self.name)?);
        ensure!(
            now == self.before,
            "net.netfilter.{name} is {now}: run sysctl -w net.netfilter.{name}={}",
            self.before
        );
        eprintln!("net.netfilter.{name} is {now} again");
        Ok(())
    }

    fn end(&mut self) {
        drop(self.guard.stdin.take());
        // What it was to do is looked at afterwards.
        let _ = self.guard.wait();
    }
}

impl Drop for Sysctl {
    fn drop(&mut self) {
        self.end();
    }
}

fn path(name: &str) -> String {
    format!("/proc/sys/net/netfilter/{name}")
}

fn write(name: &str, value: u32) -> Result<()> {
    let path = path(name);
    fs::write(&path, value.to_string()).with_context(|| {
        format!("{path} cannot be written; that needs root in the machine's own network namespace")
    })
}

fn read(name: &str) -> Result<u32> {
    let text = match fs::read_to_string(path(name)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(error).context("there is no conntrack"),
        read => read.with_context(|| format!("read {name}")),
    };
    text?.trim().parse().context("it is a number")
}
