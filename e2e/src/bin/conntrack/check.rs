//! Turns what a scenario expects into a measured time, or into an error that says what happened.
//!
//! Does not know what was changed.
#![expect(clippy::disallowed_methods, reason = "what is expected is a matter of time")]

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::backend::Family;
use e2e::flow::sender::Sender;
use e2e::flow::service::{Service, Target};
use e2e::flow::stage::Stage;
use e2e::netns::Netns;
use e2e::wait;

/// After so long, flows must be where the rules would send them: the interval of the clients, and a look at the table.
pub(crate) const RECOVERY: Duration = Duration::from_millis(200);

/// For so long it is watched that what should not happen does not.
pub(crate) const WATCHED: Duration = Duration::from_millis(700);

/// What has not happened after so long does not happen at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Something happened as it should, but later than it should. Only this may be the fault of a busy machine.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {took:?}, the limit is {limit:?}; the end of the log:\n{log}")]
pub(crate) struct Late {
    what: &'static str,
    took: Duration,
    limit: Duration,
    log: String,
}

/// Fails with [`Late`] if something took longer than it may.
pub(crate) fn in_time(
    stage: &Stage,
    what: &'static str,
    took: Duration,
    limit: Duration,
) -> Result<Duration> {
    if took <= limit { Ok(took) } else { Err(Late { what, took, limit, log: stage.daemon.tail() }.into()) }
}

/// Programs a service whose only endpoint is in the first pod, and starts clients in a namespace that reach it at an
/// address of the service.
pub(crate) fn at_first_pod(
    stage: &Stage,
    family: Family,
    service: &Service,
    (from, target): (&Netns, Target),
) -> Result<Vec<Sender>> {
    let begin = stage.put(family, service)?;
    let senders = stage.clients(from, family, service, target)?;
    stage.arrive(&senders, 0, begin)?;
    rest(stage, &senders)?;
    Ok(senders)
}

/// Waits until a change would be followed by a look at the table at once, in the family of the senders.
pub(crate) fn rest(stage: &Stage, senders: &[Sender]) -> Result<()> {
    let is_v4 = senders.iter().all(|sender| sender.to.is_ipv4());
    stage.daemon.rest(if is_v4 { Family::V4 } else { Family::V6 })
}

/// Waits until all senders arrive at a pod, at the latest [`RECOVERY`] after a commit; measures how much later.
pub(crate) fn arrives(stage: &Stage, senders: &[Sender], pod: usize, commit: Instant) -> Result<Duration> {
    arrives_within(stage, senders, pod, commit, RECOVERY)
}

/// The same with another limit.
pub(crate) fn arrives_within(
    stage: &Stage,
    senders: &[Sender],
    pod: usize,
    commit: Instant,
    limit: Duration,
) -> Result<Duration> {
    let took = stage.arrive(senders, pod, commit)?.saturating_duration_since(commit);
    in_time(stage, "from the commit to the first arrival", took, limit)
}

/// Watches that a pod gets nothing more of the senders, from [`RECOVERY`] after the commit on; measures until when it did.
pub(crate) fn is_silent(stage: &Stage, senders: &[Sender], pod: usize, commit: Instant) -> Result<Duration> {
    let last = || {
        let arrivals = senders.iter().flat_map(|sender| stage.sinks[pod].arrivals(sender));
        arrivals.max().unwrap_or(commit).max(commit)
    };
    sleep_until(commit + RECOVERY + WATCHED);
    while last().elapsed() < WATCHED {
        ensure!(
            commit.elapsed() < PATIENCE,
            "pod {pod} is reached on and on; the log:\n{}",
            stage.daemon.tail()
        );
        sleep_until(last() + WATCHED);
    }
    in_time(stage, "from the commit to the last arrival at a pod", last() - commit, RECOVERY)
}

/// The senders leave one pod for another.
pub(crate) fn moves(
    stage: &Stage,
    senders: &[Sender],
    [from, to]: [usize; 2],
    commit: Instant,
) -> Result<Duration> {
    let took = arrives(stage, senders, to, commit)?;
    is_silent(stage, senders, from, commit)?;
    Ok(took)
}

/// The senders arrive nowhere while there are no rules for them.
pub(crate) fn arrives_nowhere(stage: &Stage, senders: &[Sender]) -> Result<()> {
    let since = Instant::now();
    sleep(WATCHED);
    for sender in senders {
        ensure!(
            (0..stage.sinks.len()).all(|pod| stage.arrival(sender, pod, since).is_none()),
            "{} reaches a pod without rules",
            sender.from
        );
        wait::until(PATIENCE, || {
            let entries = stage.entries(&[sender.to])?;
            let found = entries.iter().any(|entry| entry.client() == sender.from && !entry.flow.is_dnated());
            ensure!(found, "there is no entry that bypasses the service: {entries:?}");
            Ok(())
        })?;
    }
    Ok(())
}

/// No entry is left for the addresses that the senders send to.
pub(crate) fn has_no_entry(stage: &Stage, senders: &[Sender], commit: Instant) -> Result<()> {
    let front_ends: Vec<_> = senders.iter().map(|sender| sender.to).collect();
    sleep_until(commit + RECOVERY);
    let mut looked = commit + RECOVERY;
    loop {
        let left = stage.entries(&front_ends)?;
        if left.is_empty() {
            return in_time(stage, "from the commit to the end of the last entry", looked - commit, RECOVERY)
                .map(drop);
        }
        ensure!(
            commit.elapsed() < PATIENCE,
            "entries are left: {left:?}; the end of the log:\n{}",
            stage.daemon.tail()
        );
        sleep(Duration::from_millis(50));
        looked = Instant::now();
    }
}

/// All senders hear, after the commit, that nobody is there.
pub(crate) fn hears_refusals(stage: &Stage, senders: &[Sender], commit: Instant) -> Result<()> {
    for sender in senders {
        let heard = || sender.refusals().into_iter().find(|at| *at > commit);
        stage.wait_for(PATIENCE, heard).with_context(|| format!("{} is not refused", sender.from))?;
    }
    Ok(())
}

/// The marked entries survive the pass that a change is expected to make, and the second look.
pub(crate) fn survives(
    stage: &Stage,
    senders: &[Sender],
    family: Family,
    passes_before: usize,
) -> Result<()> {
    stage.daemon.says(&format!("{family} change: "), passes_before)?;
    stage.daemon.rest(family)?;
    stage.has_marks(senders)
}

/// The marked entries survive a restart of the daemon, which looks at everything twice.
pub(crate) fn survives_restart(stage: &mut Stage, senders: &[Sender], family: Family) -> Result<()> {
    stage.restart(family, |_| Ok(()))?;
    stage.daemon.says(&format!("{family} first sync: "), 0)?;
    stage.daemon.rest(family)?;
    stage.has_marks(senders)
}

/// The marked entries survive a change that is no reason to look at the table, and no pass is made.
pub(crate) fn survives_unseen(
    stage: &Stage,
    senders: &[Sender],
    family: Family,
    looks_before: usize,
) -> Result<()> {
    sleep(WATCHED);
    let looks = stage.daemon.looks(family)?;
    ensure!(looks == looks_before, "the table was looked at; the end of the log:\n{}", stage.daemon.tail());
    stage.has_marks(senders)
}

pub(crate) fn sleep_until(moment: Instant) {
    sleep(moment.saturating_duration_since(Instant::now()));
}

/// Waits until no entry leads from a front end to a backend any more.
pub(crate) fn leaves(stage: &Stage, front_end: SocketAddr, backend: SocketAddr) -> Result<()> {
    wait::until(PATIENCE, || {
        let entries = stage.entries(&[front_end])?;
        let left = entries.iter().filter(|entry| entry.flow.backend() == backend).count();
        ensure!(left == 0, "{left} stale entries are left; the log:\n{}", stage.daemon.tail());
        Ok(())
    })
}
