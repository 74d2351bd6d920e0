//! Ends the process promptly when it is told to, also as process 1 of a container.
//!
//! Knows nothing of what is under way.

use std::fs;
use std::io;
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

use crate::log::Json;
use crate::sync::Wake;

/// How long a sync that is under way may take before the process ends without it. A table is applied
/// as a whole or not at all, so nothing is left half done.
const GRACE: Duration = Duration::from_secs(2);

/// The exit code after `SIGQUIT`, as of a Go program.
const QUIT: i32 = 2;

/// The signals that end the process.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    quit: Signal,
    /// Nobody listens to them, but they would kill.
    _ignored: [Signal; 2],
}

impl Signals {
    /// From here on the signals do not kill the process by themselves.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub(crate) fn install() -> Result<Self> {
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
    pub(crate) async fn end(mut self, wakes: Sender<Wake>) {
        let name = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hangup.recv() => "SIGHUP",
            _ = self.quit.recv() => {
                error!(threads = %Json(threads().unwrap_or_default()), "Ending at once because of SIGQUIT");
                std::process::exit(QUIT);
            }
        };
        info!(signal = name, "Ending; the rules stay in place");
        // If nobody listens, the loop has ended by itself.
        let _ended = wakes.send(Wake::Shutdown);
        tokio::time::sleep(GRACE).await;
        std::process::exit(0);
    }
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
