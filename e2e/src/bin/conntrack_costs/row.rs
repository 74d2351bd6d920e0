//! Turns measured costs into a table with goals, and into JSON.
//!
//! Measures nothing.

use std::fmt;

use serde::Serialize;

use crate::machine::Machine;

const MIB: f64 = 1024.0 * 1024.0;
/// The loop of a family is not to wait at all: so little is a message to another thread.
const NO_TIME_SECONDS: f64 = 1e-3;

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    pub(crate) rows: Vec<Row>,
    pub(crate) others: Vec<Other>,
    /// What could not be measured, and why.
    pub(crate) missing: Vec<String>,
}

/// What one look at the table cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Row {
    /// In the table.
    pub(crate) entries: u32,
    /// Of these, deleted by the look.
    pub(crate) stale: u32,
    /// From its begin to its end, as the daemon has measured it.
    pub(crate) pass_seconds: f64,
    /// Of the thread that looks, until shortly after.
    pub(crate) cpu_seconds: f64,
    /// Peak of the whole process, above what it had before.
    pub(crate) memory_growth_bytes: u64,
    /// The longest time that a family's loop needed to hand over a commit, some of them while the look went on.
    pub(crate) loop_waited_seconds: f64,
    /// The longest time that a commit took meanwhile, iptables-restore and all.
    pub(crate) longest_commit_seconds: f64,
    /// `conntrack -L` of the same table, written to nowhere.
    pub(crate) dump_seconds: f64,
}

/// Something else that was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Other {
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) goal: f64,
    pub(crate) unit: &'static str,
}

/// What a look should not exceed.
struct Goal {
    seconds: f64,
    growth: u64,
}

impl Report {
    pub(crate) fn of(machine: Machine) -> Report {
        Report { machine, rows: Vec::new(), others: Vec::new(), missing: Vec::new() }
    }

    /// Whether every goal that there is was met.
    pub(crate) fn meets_goals(&self) -> bool {
        self.goals().iter().all(|(_, met)| *met)
    }

    /// Each goal with whether it was met.
    fn goals(&self) -> Vec<(String, bool)> {
        let rows = self.rows.iter().filter_map(|row| {
            let Goal { seconds, growth } = row.goal()?;
            let (Row { entries, stale, .. }, growth) = (row, growth >> 20);
            let name =
                format!("{entries} entries, {stale} stale: at most {seconds} s, {growth} MiB, no waiting");
            Some((name, row.meets_goal()))
        });
        let others = self.others.iter().map(|other| {
            let Other { what, goal, unit, .. } = other;
            (format!("{what}: at most {goal} {unit}"), other.meets_goal())
        });
        rows.chain(others).collect()
    }
}

impl Row {
    fn goal(&self) -> Option<Goal> {
        match self.entries {
            200_000 => Some(Goal { seconds: 0.3, growth: 16 << 20 }),
            1_000_000 => Some(Goal { seconds: if self.stale == 0 { 2.5 } else { 3.0 }, growth: 32 << 20 }),
            _ => None,
        }
    }

    /// Without a goal there is none to miss.
    fn meets_goal(&self) -> bool {
        self.goal().is_none_or(|Goal { seconds, growth }| {
            let waits = self.loop_waited_seconds > NO_TIME_SECONDS;
            self.pass_seconds <= seconds && self.memory_growth_bytes <= growth && !waits
        })
    }

    fn ratio(&self) -> f64 {
        self.pass_seconds / self.dump_seconds
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { kernel, cpus, hash_buckets, load } = &self.machine;
        writeln!(
            f,
            "Looks at a conntrack table; Linux {kernel}, {cpus} CPUs, {hash_buckets} buckets, load {load}"
        )?;
        writeln!(
            f,
            "{:>9} {:>6} {:>9} {:>9} {:>9} {:>11} {:>10} {:>12} {:>6}  goal",
            "entries", "stale", "pass", "CPU", "memory", "loop waited", "commit", "conntrack -L", "ratio"
        )?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        self.others.iter().try_for_each(|other| writeln!(f, "{other}"))?;
        self.missing.iter().try_for_each(|missing| writeln!(f, "MISSING: {missing}"))?;
        let goals = self.goals();
        let met = goals.iter().filter(|(_, met)| *met).count();
        writeln!(f, "\n{met} of {} goals are met", goals.len())?;
        goals.iter().try_for_each(|(goal, met)| writeln!(f, "{:>6}: {goal}", verdict(*met)))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>9} {:>6} {:>7.3} s {:>7.3} s {:>5.1} MiB {:>8.3} ms {:>7.1} ms {:>10.3} s {:>6.2}  ",
            self.entries,
            self.stale,
            self.pass_seconds,
            self.cpu_seconds,
            self.memory_growth_bytes as f64 / MIB,
            self.loop_waited_seconds * 1e3,
            self.longest_commit_seconds * 1e3,
            self.dump_seconds,
            self.ratio()
        )?;
        match self.goal() {
            None => f.write_str("-"),
            Some(Goal { seconds, growth }) => {
                write!(f, "{seconds} s, {} MiB, no waiting: {}", growth >> 20, verdict(self.meets_goal()))
            }
        }
    }
}

impl Other {
    fn meets_goal(&self) -> bool {
        self.measured <= self.goal
    }
}

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Other { what, measured, goal, unit } = self;
        write!(f, "{what}: {measured:.1} {unit} (goal {goal} {unit}: {})", verdict(self.meets_goal()))
    }
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}
