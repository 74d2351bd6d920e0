//! THE loop: one closed set of reasons to wake, one owner of the state of each family.
//!
//! Knows nothing of where changes come from.
#![expect(clippy::disallowed_methods, reason = "the loop reads the clock for everything inside it")]

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use informer::change::{Batch, Change};
use proxier::drift::watch::{Heard, Watch};
use proxier::tables::Tables;
use tracing::info;

use crate::earplug::{Earplug, Tell};
use crate::family::FamilySync;
use crate::flaw::Flaws;
use crate::node::ThisNode;
use crate::pace::Gathering;

/// Why the loop wakes, besides that something is due.
#[derive(Debug)]
pub(crate) enum Wake {
    /// The cluster changed.
    Changed(Batch),
    /// The Node has been looked for, and was told of if it exists.
    NodeListed,
    /// The process is to end. The rules stay.
    Shutdown,
    /// The process is to end with this error. The rules stay.
    Failed(anyhow::Error),
}

/// What a family is told.
enum News {
    /// The cluster changed.
    Changed(Arc<Batch>),
    /// The kernel told of changed rules.
    Heard(Heard),
    /// The process ends.
    End,
}

/// How many changes a family takes in, if there are so many, before it writes rules.
const MOST_AT_ONCE: usize = 1000;
/// How long a sync that is under way may take before the process ends without it. A table is applied
/// as a whole or not at all, so nothing is left half done.
const GRACE: Duration = Duration::from_secs(1);

/// Begins with what was told before it, and runs until told to end, or until nobody is
/// left to tell. Each family has a thread of its own: a slow tool of one does not delay the other.
pub(crate) fn run<T: Tables + Send + 'static>(
    initial: Batch,
    wakes: &Receiver<Wake>,
    node: &ThisNode,
    flaws: Flaws,
    mut families: Vec<FamilySync<T>>,
    watch: Option<Watch>,
) -> anyhow::Result<()> {
    let (done, all_done) = mpsc::channel::<()>();
    let (senders, news): (Vec<_>, Vec<_>) = families.iter().map(|_| mpsc::channel()).unzip();
    if let Some(watch) = watch {
        listen(watch, &mut families, senders.clone())?;
    }
    let started =
        families.into_iter().zip(news).try_for_each(|(family, news)| start(family, news, done.clone()));
    drop(done);
    let result =
        started.map_err(anyhow::Error::from).and_then(|()| distribute(initial, wakes, node, flaws, &senders));
    senders.iter().for_each(|family| drop(family.send(News::End)));
    // Ends as soon as every thread has dropped its end.
    let _ended = all_done.recv_timeout(GRACE);
    result
}

/// The one place where all changes come through.
fn distribute(
    initial: Batch,
    wakes: &Receiver<Wake>,
    node: &ThisNode,
    mut flaws: Flaws,
    families: &[Sender<News>],
) -> anyhow::Result<()> {
    let mut batch = initial;
    loop {
        flaws.tell(&batch);
        batch.changes.iter().for_each(log_change);
        node.take_in(&batch.changes)?;
        let shared = Arc::new(batch);
        for family in families {
            family
                .send(News::Changed(Arc::clone(&shared)))
                .map_err(|_| anyhow!("the thread of a family has ended"))?;
        }
        drop(shared);
        batch = match wakes.recv() {
            Ok(Wake::Changed(batch)) => batch,
            Ok(Wake::NodeListed) => Batch::default(),
            Ok(Wake::Shutdown) | Err(_) => return Ok(()),
            Ok(Wake::Failed(error)) => return Err(error),
        };
    }
}

fn start<T: Tables + Send + 'static>(
    mut family: FamilySync<T>,
    news: Receiver<News>,
    done: Sender<()>,
) -> io::Result<()> {
    let work = move || {
        let _done = done;
        work(&mut family, &news);
    };
    thread::Builder::new().name("sync".to_owned()).spawn(work)?;
    Ok(())
}

/// Hands on what the kernel tells of foreign changes, until no family is left.
fn listen<T: Tables + Send>(
    watch: Watch,
    families: &mut [FamilySync<T>],
    senders: Vec<Sender<News>>,
) -> io::Result<()> {
    let tell: Tell = Arc::new(move |heard| {
        let sent = senders.iter().filter(|family| family.send(News::Heard(heard)).is_ok()).count();
        if sent > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    let earplug = Arc::new(Earplug::new(watch.earplug(), Arc::clone(&tell)));
    for family in families {
        family.may_close_ear(Arc::clone(&earplug));
    }
    thread::Builder::new().name("drift".to_owned()).spawn(move || watch.follow(|heard| tell(heard)))?;
    Ok(())
}

/// One family's loop. Whatever is known already is taken into account before any rule is written.
fn work<T: Tables + Send>(family: &mut FamilySync<T>, news: &Receiver<News>) {
    family.started();
    let mut received = news.recv().map_err(|_| RecvTimeoutError::Disconnected);
    loop {
        let first = match received {
            Ok(first) => Some(first),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut waiting = first.into_iter().chain(news.try_iter().take(MOST_AT_ONCE));
        if waiting.try_for_each(|news| take_in(family, &news)).is_break() || gather(family, news).is_break() {
            return;
        }
        family.turn(Instant::now);
        let now = Instant::now();
        received = news.recv_timeout(family.next(now).saturating_duration_since(now));
    }
}

/// Takes in what follows a change at once: it seldom comes alone, and each transaction costs.
fn gather<T: Tables + Send>(family: &mut FamilySync<T>, news: &Receiver<News>) -> ControlFlow<()> {
    let Some(Gathering { silence, at_most }) = family.gathering() else { return ControlFlow::Continue(()) };
    let end = Instant::now() + at_most;
    while Instant::now() < end {
        match news.recv_timeout(silence) {
            Ok(news) => take_in(family, &news)?,
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return ControlFlow::Break(()),
        }
    }
    ControlFlow::Continue(())
}

/// Logs what was heard of the cluster.
fn log_change(change: &Change) {
    match change {
        Change::SetService(service) => info!(v = 4, service = %service.name, "Service set"),
        Change::DeleteService(name) => info!(v = 4, service = %name, "Service deleted"),
        Change::SetEndpointSlice(slice) => info!(v = 4, endpointSlice = %slice.name, "EndpointSlice set"),
        Change::DeleteEndpointSlice(name) => info!(v = 4, endpointSlice = %name, "EndpointSlice deleted"),
        Change::SetNode(node) => info!(v = 4, node = %node.name, "Node set"),
        Change::DeleteNode(name) => info!(v = 4, node = %name, "Node deleted"),
        Change::Synced => info!(v = 4, "Everything that existed was told"),
    }
}

fn take_in<T: Tables + Send>(family: &mut FamilySync<T>, news: &News) -> ControlFlow<()> {
    match news {
        News::Changed(batch) => batch.changes.iter().for_each(|change| family.apply(change)),
        News::Heard(heard) => family.heard(*heard, Instant::now()),
        News::End => return ControlFlow::Break(()),
    }
    ControlFlow::Continue(())
}
