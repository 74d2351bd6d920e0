//! Kernel settings: limits and timeouts of connection tracking, and routing of loopback addresses.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use config::{Config, Duration};
use tracing::{error, info};

const PROC_SYS: &str = "/proc/sys";
const CONNTRACK_MAX: &str = "net/netfilter/nf_conntrack_max";
const TCP_ESTABLISHED: &str = "net/netfilter/nf_conntrack_tcp_timeout_established";
const TCP_CLOSE_WAIT: &str = "net/netfilter/nf_conntrack_tcp_timeout_close_wait";
const TCP_BE_LIBERAL: &str = "net/netfilter/nf_conntrack_tcp_be_liberal";
const UDP: &str = "net/netfilter/nf_conntrack_udp_timeout";
const UDP_STREAM: &str = "net/netfilter/nf_conntrack_udp_timeout_stream";
const ROUTE_LOCALNET: &str = "net/ipv4/conf/all/route_localnet";
const HASH_SIZE: &str = "/sys/module/nf_conntrack/parameters/hashsize";
const ONLINE_CPUS: &str = "/sys/devices/system/cpu/online";

/// More tracked connections than this are not asked for, whatever the number of CPUs.
const MOST_CONNECTIONS: u64 = 1_048_576;

/// Applies `conntrack` of the configuration.
///
/// # Errors
/// A setting could not be read or written.
pub(crate) fn set_conntrack(config: &Config) -> Result<()> {
    set_conntrack_entries(config).context("could not set conntrack parameters from kube-proxy configuration")
}

fn set_conntrack_entries(config: &Config) -> Result<()> {
    let conntrack = &config.conntrack;
    set_max(max_connections(conntrack.max_per_core, conntrack.min, online_cpus()))?;
    set_timeout(TCP_ESTABLISHED, conntrack.tcp_established_timeout)?;
    set_timeout(TCP_CLOSE_WAIT, conntrack.tcp_close_wait_timeout)?;
    if conntrack.tcp_be_liberal {
        set(TCP_BE_LIBERAL, 1)?;
    }
    set_timeout(UDP, conntrack.udp_timeout)?;
    set_timeout(UDP_STREAM, conntrack.udp_stream_timeout)
}

/// Lets packets to 127.0.0.0/8 be routed, so that node ports can answer there. Never reset.
///
/// # Errors
/// The setting could not be written.
pub(crate) fn route_localnet() -> Result<()> {
    if !get(ROUTE_LOCALNET).is_ok_and(|current| current == 1) {
        info!(v = 1, name = ROUTE_LOCALNET, value = 1, "Changed sysctl");
        write(&proc_path(ROUTE_LOCALNET), 1)?;
    }
    Ok(())
}

/// Whether conntrack accepts out-of-window packets; not if that cannot be told.
pub(crate) fn is_tcp_liberal() -> bool {
    get(TCP_BE_LIBERAL).is_ok_and(|value| value != 0)
}

fn max_connections(per_core: i32, min: i32, cpus: u64) -> u64 {
    let (per_core, min) = (u64::try_from(per_core).unwrap_or(0), u64::try_from(min).unwrap_or(0));
    match per_core * cpus {
        0 => 0,
        scaled if scaled > MOST_CONNECTIONS => MOST_CONNECTIONS,
        scaled => scaled.max(min),
    }
}

/// Zero leaves the kernel's own limit alone.
fn set_max(max: u64) -> Result<()> {
    if max == 0 {
        return Ok(());
    }
    // Only the host's own network namespace may set the limit. Where another one has more than is
    // asked for, nothing is lost.
    let is_ours = !fs::metadata(proc_path(CONNTRACK_MAX)).is_ok_and(|file| file.permissions().readonly());
    if !is_ours && get(CONNTRACK_MAX).is_ok_and(|current| current >= max) {
        error!(entry = CONNTRACK_MAX, value = max, "Sysctl belongs to another network namespace");
        return Ok(());
    }
    info!(nfConntrackMax = max, "Setting nf_conntrack_max");
    set(CONNTRACK_MAX, max)?;
    let buckets = max / 4;
    let current: u64 = read(Path::new(HASH_SIZE))?;
    if current < buckets {
        write(Path::new(HASH_SIZE), buckets)?;
    }
    Ok(())
}

fn set_timeout(entry: &str, timeout: Duration) -> Result<()> {
    match timeout.to_std().as_secs() {
        0 if timeout.to_std().is_zero() => Ok(()),
        seconds => set(entry, seconds),
    }
}

fn set(entry: &str, value: u64) -> Result<()> {
    if get(entry).is_ok_and(|current| current == value) {
        return Ok(());
    }
    info!(entry, value, "Set sysctl");
    write(&proc_path(entry), value)
}

fn get(entry: &str) -> Result<u64> {
    read(&proc_path(entry))
}

fn proc_path(entry: &str) -> std::path::PathBuf {
    Path::new(PROC_SYS).join(entry)
}

fn read(path: &Path) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
    text.trim().parse().with_context(|| format!("{} holds {:?}, not a number", path.display(), text.trim()))
}

fn write(path: &Path, value: u64) -> Result<()> {
    let name = || match path.strip_prefix(PROC_SYS) {
        Ok(entry) => format!("sysctl {}", entry.display()),
        Err(_) => path.display().to_string(),
    };
    fs::write(path, value.to_string()).with_context(|| format!("can't set {} to {value}", name()))
}

/// How many CPUs are online, whatever share of them this process may use.
fn online_cpus() -> u64 {
    let listed = fs::read_to_string(ONLINE_CPUS).ok().and_then(|text| count_ranges(text.trim()));
    listed.or_else(|| std::thread::available_parallelism().ok().map(|cpus| cpus.get() as u64)).unwrap_or(1)
}

/// The size of a list such as `0-3,8,10-11`.
fn count_ranges(list: &str) -> Option<u64> {
    let size = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first).map(|span| span + 1)
    };
    list.split(',').map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_follows_the_cpus_between_two_bounds() {
        for (per_core, min, cpus, expected) in [
            (32_768, 131_072, 4, 131_072),
            (32_768, 131_072, 8, 262_144),
            (32_768, 131_072, 1, 131_072),
            (32_768, 131_072, 64, 1_048_576),
            (32_768, 2_000_000, 64, 1_048_576),
            (32_768, 2_000_000, 4, 2_000_000),
            (0, 131_072, 4, 0),
        ] {
            assert_eq!(max_connections(per_core, min, cpus), expected, "{per_core} {min} {cpus}");
        }
    }

    #[test]
    fn what_cannot_be_set_is_named() {
        let error = set("net/nothing", 7).unwrap_err();
        assert_eq!(error.to_string(), "can't set sysctl net/nothing to 7");
        let error = write(Path::new("/nonexistent/size"), 7).unwrap_err();
        assert_eq!(error.to_string(), "can't set /nonexistent/size to 7");
    }

    #[test]
    fn cpu_lists_are_counted() {
        for (list, expected) in
            [("0", Some(1)), ("0-3", Some(4)), ("0-3,8,10-11", Some(7)), ("", None), ("3-0", None)]
        {
            assert_eq!(count_ranges(list), expected, "{list:?}");
        }
    }
}
