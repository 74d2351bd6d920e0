//! Ends the process promptly when it is told to, also as process 1 of a container.
//!
//! Knows nothing of what is under way.

use std::fs;
use std::io;
use std::process;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

use crate::log::Json;
use crate::sync::Wake;

/// How long a sync that is under way may take before the process ends without it. A table is applied
/// as a whole or not at all, so nothing is left half done.
const GRACE: Duration = Duration::from_secs(2);

/// The exit code after `SIGQUIT`, as of a Go program; and, where it is process 1, after any signal that ends it.
const QUIT: i32 = 2;

/// The first process of a container, which no signal kills that it does not handle.
const FIRST: u32 = 1;

/// Who is told before a signal ends the process. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listener {
    wakes: Arc<Mutex<Option<Sender<Wake>>>>,
}

/// Starts the thread that waits for signals. They end the process at once, until there is a loop to be told.
///
/// # Errors
/// The handlers cannot be installed, or there can be no more threads.
pub(crate) fn listen() -> Result<Listener> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't start tokio")?;
    let signals = runtime.block_on(async { Signals::install() })?;
    let listener = Listener::default();
    let told = listener.clone();
    let run = move || runtime.block_on(signals.end(&told));
    thread::Builder::new().name("io".to_owned()).spawn(run).context("can't start a thread")?;
    Ok(listener)
}

impl Listener {
    /// From here on the loop hears of signals first, and they end the process in good order.
    pub(crate) fn tell(&self, wakes: Sender<Wake>) {
        *self.wakes.lock().unwrap_or_else(PoisonError::into_inner) = Some(wakes);
    }

    fn wakes(&self) -> Option<Sender<Wake>> {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The signals that end the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    quit: Signal,
    /// Nobody listens to them, but they would kill.
    _ignored: [Signal; 2],
}

impl Signals {
    /// From here on the signals do not kill the process by themselves.
    fn install() -> Result<Self> {
        let install = |kind| signal(kind).context("can't install a signal handler");
        Ok(Self {
            terminate: install(SignalKind::terminate())?,
            interrupt: install(SignalKind::interrupt())?,
            hangup: install(SignalKind::hangup())?,
            quit: install(SignalKind::quit())?,
            _ignored: [install(SignalKind::user_defined1())?, install(SignalKind::user_defined2())?],
        })
    }

    /// Waits for one of them, tells the loop, and ends the process if the loop does not. `SIGQUIT` is for whoever wants
    /// to know where it is stuck: it tells, and ends the process at once.
    async fn end(mut self, listener: &Listener) {
        let (name, kind) = tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate()),
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt()),
            _ = self.hangup.recv() => ("SIGHUP", SignalKind::hangup()),
            _ = self.quit.recv() => {
                error!(threads = %Json(threads().unwrap_or_default()), "Ending at once because of SIGQUIT");
                process::exit(QUIT);
            }
        };
        let Some(wakes) = listener.wakes() else {
            error!(signal = name, "Ending before what was asked for is done");
            process::exit(unfinished(process::id(), kind));
        };
        info!(signal = name, "Ending; the rules stay in place");
        // If nobody listens, the loop has ended by itself.
        let _ended = wakes.send(Wake::Shutdown);
        tokio::time::sleep(GRACE).await;
        process::exit(0);
    }
}

/// The exit code of a process that a signal ends before it could do anything: what a shell tells of one that is killed
/// by it, and as process 1 what a Go program ends with.
fn unfinished(process: u32, kind: SignalKind) -> i32 {
    if process == FIRST { QUIT } else { 128 + kind.as_raw_value() }
}

/// Each thread by name, with the place in the kernel where it waits; `0` for none.
fn threads() -> io::Result<Vec<String>> {
    let mut threads = Vec::new();
    for thread in fs::read_dir("/proc/self/task")? {
        let thread = thread?.path();
        let read = |name: &str| fs::read_to_string(thread.join(name)).unwrap_or_default().trim().to_owned();
        threads.push(format!("{}: {}", read("comm"), read("wchan")));
    }
    Ok(threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_early_end_is_told_as_upstream_does() {
        assert_eq!(unfinished(4711, SignalKind::terminate()), 143);
        assert_eq!(unfinished(4711, SignalKind::interrupt()), 130);
        assert_eq!(unfinished(4711, SignalKind::hangup()), 129);
        assert_eq!(unfinished(FIRST, SignalKind::terminate()), 2);
    }
}
