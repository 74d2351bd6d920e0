//! Turns what the kernel tells of a process into memory and time on the CPU, without that of its children.
//!
//! Does not know the process.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// What the kernel calls kB has 1024 bytes.
const KIBIBYTES_PER_MEGABYTE: f64 = 1e6 / 1024.0;

/// What a process uses, and has used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Usage {
    /// `VmRSS`, in MB.
    pub(crate) resident: f64,
    /// `VmHWM`, the most that `VmRSS` ever was, in MB.
    pub(crate) peak: f64,
    /// What its threads, those that exist, have spent on CPUs so far.
    pub(crate) cpu: Duration,
    /// What all of its threads have, also those that ended; in hundredths of a second.
    pub(crate) cpu_of_all: Duration,
}

impl Usage {
    /// What the process with this id uses.
    pub(crate) fn of(pid: u32) -> Result<Usage> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context("read a process's status")?;
        let megabytes = |name| {
            let found = kilobytes(&status, name).with_context(|| format!("no {name}"));
            found.map(|kibibytes| kibibytes / KIBIBYTES_PER_MEGABYTE)
        };
        Ok(Usage {
            resident: megabytes("VmRSS")?,
            peak: megabytes("VmHWM")?,
            cpu: cpu(pid)?,
            cpu_of_all: cpu_of_all(pid)?,
        })
    }
}

fn kilobytes(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// In nanoseconds, where `stat` has hundredths of a second.
fn cpu(pid: u32) -> Result<Duration> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).context("list a process's threads")? {
        // A thread may end meanwhile.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let spent: Option<u64> = text.split(' ').next().and_then(|text| text.parse().ok());
        total += spent.context("read a thread's schedstat")?;
    }
    Ok(Duration::from_nanos(total))
}

fn cpu_of_all(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("read a process's stat")?;
    let hundredths = hundredths(&stat).context("a process's stat without times")?;
    Ok(Duration::from_millis(10 * hundredths))
}

/// The 14th and 15th field: time in user mode and in the kernel. The second one, a name, may hold blanks.
fn hundredths(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut times = rest.split(' ').skip(11).map(|field| field.parse::<u64>().ok());
    Some(times.next()?? + times.next()??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident > 0.0 && usage.peak >= usage.resident && usage.cpu > Duration::ZERO);
    }

    #[test]
    fn times_are_found_behind_a_name_with_blanks() {
        let stat = "17 (full) sync) S 1 17 17 0 -1 4194560 9 0 0 0 250 31 7 8 20 0 9 0 1 2 3\n";
        assert_eq!(hundredths(stat), Some(281));
        assert_eq!(hundredths("17 (name) S 1"), None);
    }

    #[test]
    fn status_is_read() {
        let status = "VmPeak:\t  9000 kB\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!(kilobytes(status, "VmHWM"), Some(2048.0));
        assert_eq!(kilobytes(status, "VmSwap"), None);
    }
}
