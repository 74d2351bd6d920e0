//! Ends the process promptly when it is told to, also as process 1 of a container.

use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use crate::sync::Wake;

/// How long a sync that is under way may take before the process ends without it. A table is applied
/// as a whole or not at all, so nothing is left half done.
const GRACE: Duration = Duration::from_secs(2);

/// The signals that end the process.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
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
            _ignored: [install(SignalKind::user_defined1())?, install(SignalKind::user_defined2())?],
        })
    }

    /// Waits for one of them, tells the loop, and ends the process if the loop does not.
    pub(crate) async fn end(mut self, wakes: Sender<Wake>) {
        let name = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hangup.recv() => "SIGHUP",
        };
        info!(signal = name, "Ending; the rules stay in place");
        // If nobody listens, the loop has ended by itself.
        let _ended = wakes.send(Wake::Shutdown);
        tokio::time::sleep(GRACE).await;
        std::process::exit(0);
    }
}
