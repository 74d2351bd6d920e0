//! Turns conntrack tables of up to a million entries into what it costs `kube-proxy` to look at them, beside what
//! `conntrack -L` needs to list them: a table, and the same as JSON.
//!
//! Fails if not exactly the stale entries go, if a flow ends where it should not, or if rows are missing. A goal that is
//! missed is printed as such: whether it matters depends on the machine, and on what else that does. With `--goals` it
//! is a failure, too.

mod churn;
mod looks;
mod machine;
mod resize;
mod row;
mod stretch;
mod sysctl;
mod usage;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Arg, ArgAction, Command, value_parser};
use e2e::flow::stage::Stage;
use e2e::netns;

use looks::Table;
use machine::Machine;
use row::Report;
use sysctl::Sysctl;

/// As many entries as a machine may have, as a rule, without being told.
const MANY: u32 = 200_000;
/// For these the machine must be told.
const MILLION: u32 = 1_000_000;
/// Room for those, and for what the rest of the machine needs meanwhile.
const ROOM: u32 = 1_300_000;

fn main() -> ExitCode {
    let output = Arg::new("json").long("json").required(true).value_parser(value_parser!(PathBuf));
    let goals = Arg::new("goals").long("goals").action(ArgAction::SetTrue);
    let matches = Command::new("conntrack_costs")
        .about("Measures what conntrack tables of up to a million entries cost kube-proxy")
        .arg(output.help("where the rows are written to, as JSON"))
        .arg(goals.help("fail if a goal is missed"))
        .get_matches();
    let output: &PathBuf = matches.get_one("json").expect("it is required");
    let written = measure().and_then(|report| write(&report, output).map(|()| report));
    match written {
        Ok(report) if !report.missing.is_empty() => ExitCode::FAILURE,
        Ok(report) if matches.get_flag("goals") && !report.meets_goals() => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("conntrack_costs: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<Report> {
    netns::sweep();
    let mut report = Report::of(Machine::look()?);
    // Each stale entry is a line of the log at level 4.
    let mut table = Table::of(Stage::start("", &["-v=3"])?);
    for entries in [0, MANY] {
        eprintln!("{entries} entries ...");
        report.rows.extend(table.measure(entries)?);
    }
    eprintln!("changes beside {MANY} entries ...");
    report.others.push(stretch::other_family(&table.stage)?);
    report.others.extend(churn::replacements(&table.stage)?);
    match Sysctl::borrow(sysctl::BUCKETS, "some more, again and again, for some seconds") {
        Ok(buckets) => {
            eprintln!("a hash table that is resized ...");
            let outcome = resize::during_looks(&mut table, MANY, &buckets);
            buckets.restore()?;
            report.others.push(outcome?);
        }
        Err(error) => report.missing.push(format!("no resize of the hash table: {error:#}")),
    }
    match Sysctl::borrow(sysctl::MAXIMUM, &format!("{ROOM} for the next minutes")) {
        Ok(limit) => {
            eprintln!("{MILLION} entries ...");
            limit.set(ROOM.max(limit.before))?;
            report.rows.extend(table.measure(MILLION)?);
            drop(table);
            limit.restore()?;
        }
        Err(error) => report.missing.push(format!("no rows for {MILLION} entries: {error:#}")),
    }
    Ok(report)
}

fn write(report: &Report, output: &PathBuf) -> Result<()> {
    writeln!(io::stdout(), "{report}").context("print")?;
    let json = serde_json::to_string_pretty(report).context("write JSON")?;
    fs::write(output, json + "\n").with_context(|| format!("write {}", output.display()))
}
