//! All figures of all clusters: kept in a file as JSON, and shown as one table.
//!
//! Does not know how they were measured.

use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use e2e::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::figure::{Figure, What};
use crate::machine::Machine;
use crate::scale::Scale;

/// What was measured, the smallest cluster first.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Report {
    pub(crate) sessions: Vec<Session>,
}

/// What was measured of one cluster with one backend.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Session {
    pub(crate) scale: Scale,
    pub(crate) backend: String,
    /// As it was for the latest figures.
    pub(crate) machine: Machine,
    pub(crate) figures: Vec<Figure>,
}

impl Report {
    /// What is kept in a file; nothing if there is none.
    pub(crate) fn read(path: &Path) -> Result<Report> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("parse {}", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Report::default()),
            Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
        }
    }

    /// Keeps it in a file.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("figures are JSON")?;
        fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))
    }

    /// Takes figures in; those of the same kind that were there before are gone.
    pub(crate) fn add(&mut self, new: Session) {
        let same = |old: &&mut Session| old.scale == new.scale && old.backend == new.backend;
        match self.sessions.iter_mut().find(same) {
            Some(old) => {
                old.figures.retain(|figure| new.figures.iter().all(|newer| newer.what != figure.what));
                old.figures.extend(new.figures);
                old.machine = new.machine;
            }
            None => self.sessions.push(new),
        }
        self.compare();
        self.sessions.iter_mut().for_each(|session| session.figures.sort_by_key(|figure| figure.what as u8));
        self.sessions.sort_by(|one, other| (one.scale, &other.backend).cmp(&(other.scale, &one.backend)));
    }

    /// How first syncs grow from the smallest of the usual clusters on, and how the tools alone do.
    fn compare(&mut self) {
        let smallest = Scale::of(1_000);
        for backend in Backend::ALL {
            let of_backend = |session: &&mut Session| session.backend == backend.to_string();
            let Some(small) = self.sessions.iter_mut().find(|one| of_backend(one) && one.scale == smallest)
            else {
                continue;
            };
            let Some(small) = small.figure(What::FirstSync).cloned() else { continue };
            for session in self.sessions.iter_mut().filter(of_backend) {
                session.figures.retain(|figure| figure.what != What::Growth);
                let is_compared = session.scale.is_usual() && session.scale != smallest;
                if let Some(first) = session.figure(What::FirstSync).filter(|_| is_compared) {
                    let growth = first.since(&small, What::Growth, (session.scale, backend));
                    session.figures.push(growth);
                }
            }
        }
    }

    /// The table.
    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        if let Some(Machine { cores, processor, kernel, .. }) = self.sessions.last().map(|one| &one.machine) {
            line(
                &mut out,
                &format!(
                    "{cores} cores of {processor}, Linux {kernel}. Medians, and the spread of all runs."
                ),
            );
        }
        let head = row(["", "runs", "median", "spread", "floor", "ratio", "goal", ""]);
        for session in &self.sessions {
            let Session { scale, machine, .. } = session;
            line(&mut out, &format!("\n{scale}, {}; load average {}", machine.iptables, machine.load));
            line(&mut out, &head);
            session.figures.iter().for_each(|figure| line(&mut out, &figure_row(figure)));
        }
        let judged: Vec<_> =
            self.sessions.iter().flat_map(|one| &one.figures).filter_map(Figure::is_met).collect();
        let met = judged.iter().filter(|met| **met).count();
        line(&mut out, &format!("\n{met} of {} goals met", judged.len()));
        out
    }
}

impl Session {
    fn figure(&self, what: What) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.what == what)
    }
}

fn figure_row(figure: &Figure) -> String {
    let unit = figure.unit;
    let least = figure.values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = figure.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let spread = format!("{} - {}", unit.text(least), unit.text(most));
    let floor = figure
        .floor
        .as_ref()
        .map(|floor| format!("{} ({})", unit.text(crate::figure::median(&floor.values)), floor.what));
    let goals: Vec<_> = figure.goals.iter().map(|goal| goal.text(unit)).collect();
    let goals = if goals.is_empty() { String::new() } else { format!("<= {}", goals.join(", ")) };
    row([
        &figure.what.to_string(),
        &figure.values.len().to_string(),
        &unit.text(figure.median()),
        if figure.values.len() > 1 { &spread } else { "" },
        &floor.unwrap_or_default(),
        &figure.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
        &goals,
        figure.is_met().map_or("", |met| if met { "met" } else { "MISSED" }),
    ])
}

fn row([what, runs, median, spread, floor, ratio, goal, met]: [&str; 8]) -> String {
    let row =
        format!("  {what:<43}{runs:>5}{median:>11}   {spread:<23}{floor:<39}{ratio:>6}  {goal:<16}{met}");
    row.trim_end().to_owned()
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("memory takes all");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Floor;
    use std::time::Duration;

    fn session(services: usize, seconds: f64) -> Session {
        let at = (Scale::of(services), Backend::Nft);
        let floor = Floor::new("by hand", vec![Duration::from_secs(4)]);
        let machine = Machine {
            cores: 2,
            processor: "some processor".to_owned(),
            kernel: "6.1".to_owned(),
            iptables: "iptables v1.8.9 (nf_tables)".to_owned(),
            load: "0.1 0.2 0.3".to_owned(),
        };
        let figures = vec![Figure::new(What::FirstSync, vec![seconds], floor, at)];
        Session { scale: at.0, backend: at.1.to_string(), machine, figures }
    }

    #[test]
    fn later_figures_replace_earlier_ones() {
        let mut report = Report::default();
        report.add(session(10_000, 6.0));
        report.add(session(1_000, 0.5));
        report.add(session(10_000, 4.5));
        assert_eq!(report.sessions.len(), 2);
        assert_eq!(report.sessions[0].scale, Scale::of(1_000));
        let growth = report.sessions[1].figure(What::Growth).unwrap();
        assert_eq!(growth.values, [9.0]);
        assert_eq!(report.sessions[1].figures.len(), 2);
    }

    #[test]
    fn the_table_says_what_is_missed() {
        let mut report = Report::default();
        report.add(session(10_000, 6.0));
        let table = report.table();
        assert!(table.contains("6.00 s"), "{table}");
        assert!(table.contains("1.50  <= 1.25 x, 8 s") && table.contains("MISSED\n"), "{table}");
        assert!(table.ends_with("0 of 1 goals met\n"), "{table}");
    }

    #[test]
    fn json_comes_back() {
        let mut report = Report::default();
        report.add(session(1_000, 0.5));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench.json");
        assert_eq!(Report::read(&path).unwrap(), Report::default());
        report.write(&path).unwrap();
        assert_eq!(Report::read(&path).unwrap(), report);
    }
}
