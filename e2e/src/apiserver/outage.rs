//! What a test can make a server do wrong: faults to come, watches and connections that end, versions that go back.
//!
//! Knows nothing of how requests are answered.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;

use super::fault::Rule;
use super::kind::Kind;
use super::state::Order;
use super::{ApiServer, lock, port};
use crate::wait;

/// How long a busy machine may take for what is done at once.
const PATIENCE: Duration = Duration::from_secs(60);

impl ApiServer {
    // === answers ===

    /// From here on this happens.
    pub fn script(&self, rule: Rule) {
        self.shared.state().script.add(rule);
    }

    /// From here on nothing goes wrong.
    pub fn clear_script(&self) {
        self.shared.state().script.clear();
    }

    /// Sends these bytes, with a line's end, to all open watches of the kind.
    pub fn tell(&self, kind: Kind, line: &str) {
        self.shared.state().order(kind, &Order::Tell(Bytes::from(format!("{line}\n"))));
    }

    /// Breaks off all watches of the kind.
    pub fn cut_watches(&self, kind: Kind) {
        self.shared.state().order(kind, &Order::Cut);
    }

    /// Ends all watches of the kind in good order.
    pub fn close_watches(&self, kind: Kind) {
        self.shared.state().order(kind, &Order::Close);
    }

    /// Ends the initial events of streams that a [`LateBookmark`](super::Fault::LateBookmark) has kept waiting for it.
    pub fn end_initial_events(&self, kind: Kind) {
        self.shared.state().end_initial_events(kind);
    }

    // === connections ===

    /// Closes all connections.
    pub fn cut_connections(&self) {
        self.connections.cut();
    }

    /// Asks the clients of all connections to begin nothing more on them (HTTP/2: GOAWAY). What is under way goes on.
    pub fn say_goodbye(&self) {
        self.connections.say_goodbye();
    }

    /// All connections fall silent, but stay.
    pub fn freeze_connections(&self) {
        self.connections.freeze();
    }

    /// Closes all connections and accepts no more.
    pub fn stop(&self) {
        if let Some(accepting) = lock(&self.accepting).take() {
            accepting.abort();
            // One that it accepts at this moment is to be closed as well.
            let ended = wait::until(PATIENCE, || {
                ensure!(accepting.is_finished(), "connections are accepted still");
                Ok(())
            });
            ended.expect("the runtime runs");
        }
        self.connections.cut();
    }

    /// Accepts connections again, after [`ApiServer::stop`].
    ///
    /// # Errors
    /// When it cannot listen where it did.
    pub fn resume(&self) -> Result<()> {
        let listener =
            port::listen(self.address).with_context(|| format!("listen on {} again", self.address))?;
        self.accept(listener)
    }

    // === versions ===

    /// Forgets what happened until this moment: who asks for it hears 410.
    pub fn compact(&self) {
        let mut state = self.shared.state();
        state.store.compact();
        state.pages.clear();
    }

    /// Stops, goes back to `version` with the objects there are, as from a backup, and starts.
    ///
    /// # Errors
    /// When it cannot listen again.
    pub fn restart_at(&self, version: u64) -> Result<()> {
        self.stop();
        self.go_back(version);
        self.resume()
    }

    /// Goes back to `version` with the objects there are, while connections and watches stay open, as one
    /// whose etcd was restored under it.
    pub fn go_back(&self, version: u64) {
        self.shared.state().store.restore(version);
    }
}
