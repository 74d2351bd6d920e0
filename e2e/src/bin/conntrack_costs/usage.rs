//! Turns a running daemon into what it has used, and what it says of its looks at the conntrack table.
//!
//! Does not know what made it look.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use e2e::flow::daemon::Daemon;
use e2e::netns::Netns;

/// The CPU time of the thread that looks at the table.
pub(crate) fn cpu(daemon: &Daemon) -> Result<Duration> {
    for task in fs::read_dir(format!("/proc/{}/task", daemon.pid())).context("look at the threads")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm")).context("look at a thread")? == "conntrack\n" {
            let times = fs::read_to_string(task.join("schedstat")).context("look at a thread")?;
            let used = times.split(' ').next().context("no time")?.parse().context("a time is a number")?;
            return Ok(Duration::from_nanos(used));
        }
    }
    bail!("there is no thread conntrack")
}

/// What the daemon's metrics say of IPv4.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passes {
    /// How many passes were made.
    pub(crate) count: u64,
    /// How long they took together.
    pub(crate) duration: Duration,
    /// Entries that they deleted.
    pub(crate) deleted: u64,
}

impl Passes {
    /// Asks the daemon in its namespace.
    pub(crate) fn look(node: &Netns) -> Result<Passes> {
        let text = node.inside(metrics).context("ask for metrics")?;
        let value = |name: &str| -> Result<f64> {
            let name = format!("kubeproxy_conntrack_reconciler_{name}{{ip_family=\"IPv4\"}} ");
            let value = text.lines().find_map(|line| line.strip_prefix(&name));
            // What has never happened is not there.
            value.map_or(Ok(0.0), |value| value.parse().context("a metric is a number"))
        };
        Ok(Passes {
            count: value("sync_duration_seconds_count")? as u64,
            duration: Duration::from_secs_f64(value("sync_duration_seconds_sum")?),
            deleted: value("deleted_entries_total")? as u64,
        })
    }
}

fn metrics() -> io::Result<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, 10249))?;
    connection.write_all(b"GET /metrics HTTP/1.1\r\nHost: node1\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

/// What the daemon logged from a place on.
pub(crate) struct Log(usize);

impl Log {
    pub(crate) fn here(daemon: &Daemon) -> Result<Log> {
        Ok(Log(daemon.log()?.len()))
    }

    /// The longest time that was logged under this name with this message since then.
    pub(crate) fn longest(&self, daemon: &Daemon, message: &str, name: &str) -> Result<Option<Duration>> {
        let log = daemon.log()?;
        let since = log.get(self.0..).unwrap_or_default();
        let lines = since.lines().filter(|line| line.contains(message));
        let times: Vec<Duration> = lines.map(|line| time(line, name)).collect::<Result<_>>()?;
        Ok(times.into_iter().max())
    }
}

fn time(line: &str, name: &str) -> Result<Duration> {
    let value = line.split_once(&format!("{name}=\"")).and_then(|(_, rest)| rest.split_once('"'));
    let (value, _) = value.with_context(|| format!("no {name} in {line}"))?;
    let unit = value.find(|c: char| c != '.' && !c.is_ascii_digit()).context("a time has a unit")?;
    let (number, unit) = value.split_at(unit);
    let seconds = match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        "µs" => 1e-6,
        "ns" => 1e-9,
        other => bail!("an unknown unit {other}"),
    };
    Ok(Duration::from_secs_f64(number.parse::<f64>().context("a time is a number")? * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_logged() {
        let line = |value: &str| time(&format!("I0101 a.rs:1] \"Done\" took=\"{value}\" more=1"), "took");
        assert_eq!(line("37.5µs").unwrap(), Duration::from_nanos(37_500));
        assert_eq!(line("1.25s").unwrap(), Duration::from_millis(1250));
        assert_eq!(line("3ms").unwrap(), Duration::from_millis(3));
        assert_eq!(line("120ns").unwrap(), Duration::from_nanos(120));
        assert!(line("3 weeks").is_err());
    }
}
