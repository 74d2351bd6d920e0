//! Turns a history into a verdict: the rules are those from scratch, and no request failed that must not.
//!
//! Does not know how faults are done.
#![expect(clippy::disallowed_methods, reason = "a fault and its repair are moments")]

use std::collections::BTreeMap;
use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use e2e::backend::Family;
use e2e::canonical::diff;
use e2e::wait;

use crate::fault::Fault;
use crate::history::{Event, History, Round};
use crate::stage::Stage;
use crate::traffic::{Failure, Traffic};
use crate::wanted::{batch, checked, found, wanted};

/// How long the rules may take to be right once everything works again: after many failures in two minutes a watch
/// waits up to a minute, as client-go's does.
const DEADLINE: Duration = Duration::from_secs(100);
/// How long traffic may stay broken at most after a fault that breaks it, once everything else works again: far more
/// than is documented, because the machine may have other things to do. Where the rules are right before, it must work.
const WINDOW: Duration = Duration::from_secs(12);
/// Who asks so long after the rules are right must be answered. Who asked before may wait in vain for longer.
const SLACK: Duration = Duration::from_millis(500);
/// So many of a hundred requests have to be made while none may fail, or little is proven.
const LEAST_SHARE: usize = 30;
/// The rules must still be right after this time.
const SETTLE: Duration = Duration::from_millis(150);

/// What the histories amount to.
#[derive(Default)]
pub(crate) struct Figures {
    changes: usize,
    faults: BTreeMap<&'static str, usize>,
    rounds: usize,
    requests: usize,
    /// How many of them began while none might fail.
    judged: usize,
    /// How many requests failed while they might.
    excused: usize,
    /// How long traffic was broken by faults that break it, where no other fault was near.
    repairs: Vec<Duration>,
}

/// While this lasts requests may fail.
#[derive(Clone, Copy, Debug)]
struct Window {
    begin: Instant,
    end: Instant,
}

/// Plays the history on a stage of its own.
pub(crate) fn live_through(history: &History, figures: &mut Figures) -> Result<()> {
    let mut stage = Stage::new(history)?;
    let lived = live_on(&mut stage, history, figures).and_then(|()| stage.no_panic());
    lived.map_err(|error| {
        let picked = stage.picked.join("\n  ");
        let log = stage.log_tail();
        error.context(format!("picked:\n  {picked}\nthe end of kube-proxy's log:\n{log}\nwhat is wrong"))
    })
}

fn live_on(stage: &mut Stage, history: &History, figures: &mut Figures) -> Result<()> {
    is_right(stage, history).context("at the start")?;
    let mut traffic = Traffic::start(&stage.hosts)?;
    // A request may end in a later round than the one in which it was broken.
    let mut windows = Vec::new();
    for (number, round) in (1..).zip(&history.rounds) {
        let played = play(stage, history, (number, round), &mut windows, figures);
        played
            .and_then(|()| {
                let failures = traffic.failures();
                figures.note_repair(&failures, &windows, round);
                judge(&failures, &windows, figures)
            })
            .with_context(|| format!("round {number}"))?;
    }
    // Requests of the last round may still wait for their answers.
    traffic.end();
    judge(&traffic.failures(), &windows, figures).context("after the last round")?;
    let begins = traffic.begins();
    figures.requests += begins.len();
    let may_fail = |begin: &&Instant| windows.iter().any(|window| window.holds(**begin, **begin));
    figures.judged += begins.len() - begins.iter().filter(may_fail).count();
    Ok(())
}

fn play(
    stage: &mut Stage,
    history: &History,
    (number, round): (u16, &Round),
    windows: &mut Vec<Window>,
    figures: &mut Figures,
) -> Result<()> {
    let mut broken = None;
    for (pause, event) in &round.0 {
        stage.pause(*pause)?;
        let before = Instant::now();
        let came_of_it = stage.play(event)?;
        if !came_of_it {
            continue;
        }
        match event {
            Event::Fault(fault) => {
                *figures.faults.entry(fault.name()).or_default() += 1;
                broken = broken.or(fault.breaks_traffic().then_some(before));
            }
            Event::Put { .. } | Event::Remove { .. } => figures.changes += 1,
        }
    }
    stage.calm()?;
    for name in stage.met.drain(..) {
        *figures.faults.entry(name).or_default() += 1;
    }
    let at_most = Instant::now() + WINDOW;
    stage.mark(number)?;
    is_right(stage, history)?;
    let end = at_most.min(Instant::now() + SLACK);
    windows.extend(broken.map(|begin| Window { begin, end }));
    sleep(SETTLE);
    is_right_now(stage, history).context("right for a moment only")?;
    figures.rounds += 1;
    Ok(())
}

fn judge(failures: &[Failure], windows: &[Window], figures: &mut Figures) -> Result<()> {
    let may = |failure: &&Failure| windows.iter().any(|window| window.holds(failure.begin, failure.end));
    let wrong: Vec<_> = failures.iter().filter(|failure| !may(failure)).map(ToString::to_string).collect();
    ensure!(wrong.is_empty(), "requests failed that nothing broke:\n{}", wrong.join("\n"));
    figures.excused += failures.len();
    Ok(())
}

impl Window {
    /// Whether a request of this time may fail.
    fn holds(&self, begin: Instant, end: Instant) -> bool {
        begin <= self.end && end >= self.begin
    }
}

impl Figures {
    /// How long a round's faults broke traffic, if no others were near.
    fn note_repair(&mut self, failures: &[Failure], windows: &[Window], round: &Round) {
        let only_broken = round.faults().all(Fault::breaks_traffic).then(|| windows.last()).flatten();
        let repair = only_broken.and_then(|window| {
            failures.iter().map(|failure| failure.begin).max()?.checked_duration_since(window.begin)
        });
        self.repairs.extend(repair);
    }

    /// Fails where hardly any request had to be answered.
    pub(crate) fn prove_something(&self) -> Result<()> {
        ensure!(self.share() >= LEAST_SHARE, "too few requests had to be answered:\n{self}");
        Ok(())
    }

    /// How many of a hundred requests began while none might fail.
    fn share(&self) -> usize {
        self.judged * 100 / self.requests.max(1)
    }
}

/// Waits until the rules are those from scratch. The daemon may have to be started again meanwhile.
fn is_right(stage: &mut Stage, history: &History) -> Result<()> {
    let begin = Instant::now();
    wait::until(DEADLINE, || {
        let right = is_right_now(stage, history);
        if right.is_err() && begin.elapsed() < DEADLINE / 2 {
            stage.revive()?;
        }
        right
    })?;
    stage.revive()
}

fn is_right_now(stage: &Stage, history: &History) -> Result<()> {
    let config = checked(&Stage::config(history.backend))?;
    let (batch, host) = (batch(&stage.objects()), stage.host()?);
    for family in Family::ALL {
        let (wanted, found) = (wanted(&batch, &config, &host, family)?, found(&stage.save(family)?)?);
        if wanted != found {
            bail!("{family} rules differ from those from scratch\n{}", diff(&wanted, &found));
        }
    }
    Ok(())
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: usize = self.faults.values().sum();
        writeln!(f, "{} changes of Services, {faults} faults in {} rounds:", self.changes, self.rounds)?;
        for (name, count) in &self.faults {
            writeln!(f, "  {count:5} {name}")?;
        }
        writeln!(
            f,
            "{} requests, {} of a hundred while none might fail; {} failed while a fault broke traffic",
            self.requests,
            self.share(),
            self.excused
        )?;
        let mut repairs = self.repairs.clone();
        repairs.sort();
        let at =
            |share: usize| repairs.get((repairs.len() * share / 100).min(repairs.len().saturating_sub(1)));
        if let (Some(median), Some(longest)) = (at(50), at(100)) {
            writeln!(
                f,
                "traffic was back after {:.2} s (median of {}), at most {:.2} s",
                median.as_secs_f64(),
                repairs.len(),
                longest.as_secs_f64()
            )?;
        }
        write!(f, "no rule was wrong, and no request failed that must not")
    }
}
