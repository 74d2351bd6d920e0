//! Turns what the kernel tells of a process into memory and time on the CPU, without that of its children.
//!
//! Does not know the process.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::ClockId;
use nix::unistd::Pid;

/// What the kernel calls kB has 1024 bytes.
const KIBIBYTES_PER_MEGABYTE: f64 = 1e6 / 1024.0;

/// What a process uses, and has used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usage {
    /// `VmRSS`, in MB.
    pub(crate) resident: f64,
    /// `VmHWM`, the most that `VmRSS` ever was, in MB.
    pub(crate) peak: f64,
    /// What its threads have spent on CPUs so far, also those that ended.
    pub(crate) cpu: Duration,
}

impl Usage {
    /// What the process with this id uses.
    pub(crate) fn of(pid: u32) -> Result<Usage> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context("read a process's status")?;
        let megabytes = |name| {
            let found = kilobytes(&status, name).with_context(|| format!("no {name}"));
            found.map(|kibibytes| kibibytes / KIBIBYTES_PER_MEGABYTE)
        };
        Ok(Usage { resident: megabytes("VmRSS")?, peak: megabytes("VmHWM")?, cpu: cpu(pid)? })
    }
}

fn kilobytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// In nanoseconds, where `/proc/PID/stat` has hundredths of a second.
fn cpu(pid: u32) -> Result<Duration> {
    let pid = Pid::from_raw(i32::try_from(pid).context("the id of a process")?);
    let clock = ClockId::pid_cpu_clock_id(pid).context("find a process's CPU clock")?;
    Ok(clock.now().context("read a process's CPU clock")?.into())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const SOME: Duration = Duration::from_millis(20);

    #[test]
    fn this_process_uses_something() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident > 0.0 && usage.peak >= usage.resident && usage.cpu > Duration::ZERO);
    }

    #[test]
    fn threads_that_ended_count() {
        let of_this_process = || cpu(std::process::id()).unwrap();
        let before = of_this_process();
        let work = || {
            while Duration::from(ClockId::CLOCK_THREAD_CPUTIME_ID.now().unwrap()) < SOME {}
        };
        thread::spawn(work).join().unwrap();
        assert!(of_this_process() - before >= SOME);
    }

    #[test]
    fn status_is_read() {
        let status = "VmPeak:\t  9000 kB\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!(kilobytes(status, "VmHWM"), Some(2048.0));
        assert_eq!(kilobytes(status, "VmSwap"), None);
    }
}
