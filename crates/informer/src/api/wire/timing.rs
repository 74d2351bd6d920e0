//! How long things may take.
//!
//! Knows nothing of clocks.

use std::time::Duration;

use super::backoff::Growth;
use crate::api::ask::Initial;

/// How long things may take, and what is used to notice it; the default is what a cluster wants, tests are in a hurry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Waits after failures.
    pub backoff: Growth,
    /// The shortest watch to ask for; each lasts from so long to twice as long, by chance. One that the server does not
    /// end is ended after `silence` more.
    pub watch: Duration,
    /// A watch that ended sooner counts as a failure when the next one is begun.
    pub steady: Duration,
    /// Until there is a TCP connection.
    pub connect: Duration,
    /// Until an answer begins.
    pub answer: Duration,
    /// Between two bytes of an answer that is not expected to pause: a list, the beginning of a
    /// watch, and any watch without pings, as over HTTP/1, which gets a bookmark about every minute: less than
    /// that would take silence for death. A tunnel through a proxy has HTTP/2 with pings inside, unless
    /// `versions` forbids it.
    pub silence: Duration,
    /// How to ask for everything there is.
    pub initial: Initial,
    /// The versions of HTTP to offer, with TLS; without, it is HTTP/1 always.
    pub versions: Versions,
    /// HTTP/2: between two pings; none are sent if it is zero.
    pub ping_interval: Duration,
    /// HTTP/2: until a ping is answered; then the connection is dead.
    pub ping_timeout: Duration,
}

/// Versions of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// HTTP/2, and HTTP/1 if the server has nothing better.
    All,
    /// HTTP/1 only, for networks that break HTTP/2.
    One,
}

impl Default for Timing {
    /// client-go's numbers, where it has any.
    fn default() -> Self {
        Self {
            backoff: Growth::default(),
            watch: Duration::from_secs(300),
            steady: Duration::from_secs(30),
            connect: Duration::from_secs(30),
            answer: Duration::from_secs(60),
            silence: Duration::from_secs(75),
            initial: Initial::Stream,
            versions: Versions::All,
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(15),
        }
    }
}

impl Timing {
    /// How long a connection may be silent before TCP asks whether it is alive.
    pub(super) fn keepalive(&self) -> Duration {
        if self.ping_interval.is_zero() { KEEPALIVE } else { self.ping_interval }
    }
}

/// As client-go has it.
const KEEPALIVE: Duration = Duration::from_secs(30);
