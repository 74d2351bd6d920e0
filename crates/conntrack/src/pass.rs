//! One pass: dump, judge each entry as it comes, delete the stale ones, repeat if the dump cannot be trusted.
//!
//! Decides nothing about when: that is `agenda`. Reads no clock: time comes from its surroundings.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dirty::Look;
use crate::doubt::Doubt;
use crate::filter::Filtering;
use crate::flow::{Entry, Family, Flow};
use crate::generation::FrontEnd;
use crate::kernel::{Count, Dumped, Error, Kernel, Outcome, Scope};
use crate::report::{End, Findings, Stale, Warning};
use crate::snapshot::Snapshot;
use crate::stale::{Keep, Verdict, judge};

/// What one pass has to do for one family.
#[derive(Clone, Debug)]
pub struct Task {
    /// The committed rules when it started.
    pub snapshot: Arc<Snapshot>,
    /// What to look at.
    pub look: Look,
}

/// The rules of a family by which flows can be judged.
#[derive(Clone, Debug)]
pub enum Rules {
    /// Those committed last, and what may be right nevertheless because later commits failed.
    Committed(Arc<Snapshot>, Arc<Doubt>),
    /// None: others are being written. A flow that contradicts the last ones may be right.
    InTransition,
}

/// What a pass asks of the world while it runs, the kernel's table apart.
pub trait Surroundings {
    /// The rules of a family. If some are being written, it may take a moment until that is done.
    fn rules(&mut self, family: Family) -> Rules;
    /// Whether to stop as soon as possible.
    fn stopping(&self) -> bool;
    /// The time.
    fn now(&self) -> Instant;
    /// CPU time used by this thread.
    fn cpu(&self) -> Duration;
}

/// Deletes per send.
const BATCH: usize = 64;
/// Dumps per pass, if they cannot be trusted.
const ATTEMPTS: u32 = 3;
/// A pass that deletes more than this and more than half of what it saw is worth a warning.
const MASS: usize = 1000;

/// Makes one pass; findings for each task, in order.
pub fn run(
    kernel: &mut dyn Kernel,
    tasks: &[Task],
    filtering: &mut Filtering,
    surroundings: &mut dyn Surroundings,
) -> Vec<Findings> {
    let families: Vec<Family> = tasks.iter().map(|task| task.snapshot.family()).collect();
    let scopes = match kernel.count() {
        Ok(count) => filtering.choose(&families, count),
        Err(error) => return tasks.iter().map(|_| failed(&error)).collect(),
    };
    let mut findings = BTreeMap::new();
    for (scope, members) in scopes {
        let tasks = tasks.iter().filter(|task| members.contains(&task.snapshot.family())).collect();
        let group = Group { kernel, filtering, surroundings, scope, tasks, overtaken: BTreeSet::new() };
        findings.extend(members.into_iter().zip(group.run()));
    }
    families.iter().filter_map(|family| findings.remove(family)).collect()
}

fn failed(error: &Error) -> Findings {
    Findings { end: End::Failed(error.clone()), ..Findings::default() }
}

/// The families that share a dump.
struct Group<'a> {
    kernel: &'a mut dyn Kernel,
    filtering: &'a mut Filtering,
    surroundings: &'a mut dyn Surroundings,
    scope: Scope,
    tasks: Vec<&'a Task>,
    /// Those of which not all could be judged.
    overtaken: BTreeSet<Family>,
}

impl Group<'_> {
    fn run(mut self) -> Vec<Findings> {
        let (start, cpu) = (self.surroundings.now(), self.surroundings.cpu());
        let mut findings = vec![Findings::default(); self.tasks.len()];
        let end = self.attempts(&mut findings).unwrap_or_else(End::Failed);
        for (task, findings) in self.tasks.iter().zip(&mut findings) {
            let overtaken = self.overtaken.contains(&task.snapshot.family());
            findings.end = if end == End::Complete { own_end(findings, overtaken) } else { end.clone() };
            findings.duration = self.surroundings.now().saturating_duration_since(start);
            findings.cpu = self.surroundings.cpu().saturating_sub(cpu);
            conclude(task, findings);
        }
        findings
    }

    /// A hash table that is resized during a dump hides entries and says nothing: only the bucket count tells.
    fn attempts(&mut self, findings: &mut [Findings]) -> Result<End, Error> {
        for _ in 0..ATTEMPTS {
            let before = self.kernel.count()?;
            let (dumped, stale) = self.dump(before, findings)?;
            let after = self.kernel.count()?;
            if dumped == Dumped::Abandoned || self.delete(stale, findings)?.is_break() {
                return Ok(End::Stopped);
            }
            if dumped == Dumped::Whole && before.buckets == after.buckets {
                return Ok(End::Complete);
            }
        }
        Ok(End::Doubtful)
    }

    fn dump(&mut self, count: Count, findings: &mut [Findings]) -> Result<(Dumped, Vec<Vec<Stale>>), Error> {
        let mut judges: Vec<Judge> = self.tasks.iter().map(|task| Judge::new(task)).collect();
        let dumped = match self.judge(&mut judges) {
            Err(Error::FilterRefused { .. }) => {
                self.scope = Scope::Everything;
                let dumped = self.judge(&mut judges)?;
                self.filtering.learn_refusal();
                dumped
            }
            other => other?,
        };
        for (judge, findings) in judges.iter().zip(findings) {
            judge.note(findings);
            if dumped == Dumped::Whole {
                self.filtering.learn(judge.task.snapshot.family(), judge.udp(), count.entries);
            }
        }
        Ok((dumped, judges.into_iter().map(|judge| judge.stale).collect()))
    }

    fn judge(&mut self, judges: &mut [Judge<'_>]) -> Result<Dumped, Error> {
        let surroundings = &self.surroundings;
        self.kernel.dump(self.scope, &mut |entry| {
            if surroundings.stopping() {
                return ControlFlow::Break(());
            }
            judges.iter_mut().for_each(|judge| judge.judge(entry));
            ControlFlow::Continue(())
        })
    }

    /// Deletes in batches; what the newest rules make right is spared, and all from where none can be told. Breaks on
    /// shutdown.
    fn delete(
        &mut self,
        stale: Vec<Vec<Stale>>,
        findings: &mut [Findings],
    ) -> Result<ControlFlow<()>, Error> {
        let tasks = self.tasks.clone();
        for ((task, mut stale), findings) in tasks.into_iter().zip(stale).zip(findings) {
            let result = self.delete_of(task, &mut stale);
            if findings.stale.is_empty() {
                findings.stale = stale;
            } else {
                findings.stale.append(&mut stale);
            }
            if result?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn delete_of(&mut self, task: &Task, stale: &mut [Stale]) -> Result<ControlFlow<()>, Error> {
        for batch in stale.chunks_mut(BATCH) {
            if self.surroundings.stopping() {
                return Ok(ControlFlow::Break(()));
            }
            let family = task.snapshot.family();
            let Rules::Committed(newest, doubt) = self.surroundings.rules(family) else {
                self.overtaken.insert(family);
                return Ok(ControlFlow::Continue(()));
            };
            let mut wrong: Vec<&mut Stale> = batch.iter_mut().collect();
            if !Arc::ptr_eq(&newest, &task.snapshot) {
                wrong.retain(|stale| is_stale(&stale.flow, &newest, &task.look));
            }
            wrong.retain(|stale| !doubt.spares(&stale.flow));
            let flows: Vec<Flow> = wrong.iter().map(|stale| stale.flow).collect();
            if !flows.is_empty() {
                let outcomes = self.kernel.delete(&flows)?;
                wrong.into_iter().zip(outcomes).for_each(|(stale, outcome)| stale.outcome = Some(outcome));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Judges the entries of one dump for one task, and keeps only the stale ones.
struct Judge<'a> {
    task: &'a Task,
    verdicts: BTreeMap<Verdict, u64>,
    stale: Vec<Stale>,
}

impl<'a> Judge<'a> {
    fn new(task: &'a Task) -> Judge<'a> {
        Judge { task, verdicts: BTreeMap::new(), stale: Vec::new() }
    }

    fn judge(&mut self, entry: &Entry) {
        let verdict = judge(entry, &self.task.snapshot, &self.task.look);
        *self.verdicts.entry(verdict).or_default() += 1;
        if let (Verdict::Delete(reason), Entry::Complete(flow)) = (verdict, entry) {
            self.stale.push(Stale { flow: *flow, reason, outcome: None });
        }
    }

    /// UDP entries of the task's family.
    fn udp(&self) -> u64 {
        let others = [Verdict::Keep(Keep::NotUdp), Verdict::Keep(Keep::Incomplete)];
        self.verdicts.iter().filter(|(verdict, _)| !others.contains(verdict)).map(|(_, count)| count).sum()
    }

    fn note(&self, findings: &mut Findings) {
        findings.dumps += 1;
        for (verdict, count) in &self.verdicts {
            *findings.verdicts.entry(*verdict).or_default() += count;
        }
        let (stale, udp) = (self.stale.len(), self.udp());
        if stale > MASS && stale as u64 * 2 > udp {
            findings.warnings.push(Warning::MassDeletion { stale, udp, biggest: self.biggest() });
        }
    }

    fn biggest(&self) -> Vec<(FrontEnd, usize)> {
        let mut counts: BTreeMap<FrontEnd, usize> = BTreeMap::new();
        for stale in &self.stale {
            *counts.entry(front_end_of(&stale.flow, &self.task.snapshot)).or_default() += 1;
        }
        let mut biggest: Vec<_> = counts.into_iter().collect();
        biggest.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        biggest.truncate(5);
        biggest
    }
}

fn is_stale(flow: &Flow, snapshot: &Snapshot, look: &Look) -> bool {
    matches!(judge(&Entry::Complete(*flow), snapshot, look), Verdict::Delete(_))
}

/// The front end to which a flow was sent; an exact one where there is none any more.
pub(crate) fn front_end_of(flow: &Flow, snapshot: &Snapshot) -> FrontEnd {
    let address = flow.orig.destination();
    snapshot.front_end(address).map_or(FrontEnd::Exact(address), |(front_end, _)| front_end)
}

fn own_end(findings: &Findings, overtaken: bool) -> End {
    let busy = findings.stale.iter().any(|stale| stale.outcome == Some(Outcome::Busy));
    match (overtaken, busy) {
        (true, _) => End::Overtaken,
        (false, true) => End::Busy,
        (false, false) => End::Complete,
    }
}

fn conclude(task: &Task, findings: &mut Findings) {
    let Findings { stale, affected, warnings, .. } = findings;
    for stale in stale.iter() {
        match stale.outcome {
            Some(Outcome::Deleted | Outcome::Gone) => {
                let affected = affected.entry(front_end_of(&stale.flow, &task.snapshot)).or_default();
                if affected.service_ports.is_empty() {
                    affected.service_ports = service_ports_of(&stale.flow, task);
                }
                *affected.reasons.entry(stale.reason).or_default() += 1;
            }
            Some(Outcome::Refused(errno)) if !has_refusal(warnings) => {
                warnings.push(Warning::Refused { flow: stale.flow, errno });
            }
            Some(Outcome::Busy | Outcome::Refused(_)) | None => {}
        }
    }
    let tried = findings.stale.iter().filter(|stale| stale.outcome.is_some()).count();
    if tried > 0 && findings.gone() == tried {
        findings.warnings.push(Warning::AllGone { entries: tried });
    }
}

fn has_refusal(warnings: &[Warning]) -> bool {
    warnings.iter().any(|warning| matches!(warning, Warning::Refused { .. }))
}

/// The service ports that have, or had, the front end to which a flow was sent.
pub(crate) fn service_ports_of(flow: &Flow, task: &Task) -> BTreeSet<Arc<str>> {
    let address = flow.orig.destination();
    match task.snapshot.front_end(address) {
        Some((_, claims)) => claims.service_ports().cloned().collect(),
        None => task.look.former.get(&address).map(|former| former.service_ports.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
