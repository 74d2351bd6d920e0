//! Turns conntrack tables of up to a million entries into what it costs `kube-proxy` to look at them, beside what
//! `conntrack -L` needs to list them: a table, and the same as JSON.
//!
//! Tests nothing but that exactly the stale entries go. A goal that is missed is printed as such: whether it matters
//! depends on the machine, and on what else that does.

mod churn;
mod limit;
mod looks;
mod machine;
mod row;
mod stretch;
mod usage;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Arg, Command, value_parser};
use e2e::flow::stage::Stage;
use e2e::netns;

use limit::Limit;
use looks::Table;
use machine::Machine;
use row::Report;

/// As many entries as a machine may have, as a rule, without being told.
const MANY: u32 = 200_000;
/// For these the machine must be told.
const MILLION: u32 = 1_000_000;
/// Room for those, and for what the rest of the machine needs meanwhile.
const ROOM: u32 = 1_300_000;

fn main() -> ExitCode {
    let output = Arg::new("json").long("json").required(true).value_parser(value_parser!(PathBuf));
    let matches = Command::new("conntrack_costs")
        .about("Measures what conntrack tables of up to a million entries cost kube-proxy")
        .arg(output.help("where the rows are written to, as JSON"))
        .get_matches();
    let output: &PathBuf = matches.get_one("json").expect("it is required");
    match measure().and_then(|report| write(&report, output)) {
        Ok(()) => ExitCode::SUCCESS,
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
    report.others.push(churn::replacements(&table.stage)?);
    match Limit::raise(ROOM) {
        Ok(limit) => {
            eprintln!("{MILLION} entries ...");
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
