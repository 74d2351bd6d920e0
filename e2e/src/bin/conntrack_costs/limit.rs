//! Turns the greatest number of conntrack entries, which is the whole machine's, into a greater one for a while.
//!
//! Does not know what it is needed for.
#![expect(clippy::disallowed_methods, reason = "another process puts it back, should this one be killed")]

use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

const MAXIMUM: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

/// Waits for the end of its input, which comes whatever becomes of the process that holds the other end.
const GUARD: &str = "trap '' INT TERM HUP; read -r _; printf '%s\\n' \"$1\" >\"$2\"";

/// The limit is raised as long as this lives, however it ends.
pub(crate) struct Limit {
    before: u32,
    guard: Child,
}

impl Limit {
    /// Raises the limit, and says so.
    ///
    /// # Errors
    /// It cannot be written: that needs root in the machine's own network namespace.
    pub(crate) fn raise(maximum: u32) -> Result<Limit> {
        let before = read()?;
        // Whether it may be written shows without a change.
        fs::write(MAXIMUM, before.to_string()).with_context(why_not)?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "sh", &before.to_string(), MAXIMUM])
            .process_group(0)
            .stdin(Stdio::piped())
            .spawn()
            .context("start a process that restores the limit")?;
        let limit = Limit { before, guard };
        eprintln!(
            "\nATTENTION: net.netfilter.nf_conntrack_max is the whole machine's. It is {before}, will be {maximum} \
             for the next minutes, and is set back to {before} then, also if this program is interrupted or killed.\n"
        );
        fs::write(MAXIMUM, maximum.max(before).to_string()).with_context(why_not)?;
        Ok(limit)
    }

    /// Sets it back.
    ///
    /// # Errors
    /// It is not what it was; the error says how to mend that.
    pub(crate) fn restore(mut self) -> Result<()> {
        self.end();
        let now = read()?;
        ensure!(
            now == self.before,
            "net.netfilter.nf_conntrack_max is {now}: run sysctl -w net.netfilter.nf_conntrack_max={}",
            self.before
        );
        eprintln!("net.netfilter.nf_conntrack_max is {now} again");
        Ok(())
    }

    fn end(&mut self) {
        drop(self.guard.stdin.take());
        // What it was to do is looked at afterwards.
        let _ = self.guard.wait();
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        self.end();
    }
}

fn why_not() -> String {
    format!("{MAXIMUM} cannot be written; that needs root in the machine's own network namespace")
}

fn read() -> Result<u32> {
    let text = match fs::read_to_string(MAXIMUM) {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(error).context("there is no conntrack"),
        read => read.context("read the limit"),
    };
    text?.trim().parse().context("the limit is a number")
}
