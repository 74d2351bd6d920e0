//! Turns Services that never change into steady requests, and into those of them that failed.
//!
//! Does not know why one may fail; that depends on when.
#![expect(clippy::disallowed_methods, reason = "requests begin and end at moments")]

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::cluster::Hosts;
use e2e::netns::Netns;
use e2e::request::{Protocol, Request};

/// How long a request waits for its answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// So long that no source port comes back while the kernel may remember that its first packet met no rule.
const PAUSE: Duration = Duration::from_millis(100);

/// Who asks which address.
const CLIENT: [&str; 4] =
    ["10.96.0.11:80", "[fd00:10:96::0:11]:80", "192.168.50.2:30011", "[fd00:50::2]:30011"];
const NODE: [&str; 2] = ["10.96.0.11:80", "[fd00:10:96::0:11]:80"];
const POD: [&str; 2] = ["10.96.0.12:80", "[fd00:10:96::0:12]:80"];

/// Requests that go on until the value goes.
pub(crate) struct Traffic {
    log: Arc<Log>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Log {
    ended: AtomicBool,
    begins: Mutex<Vec<Instant>>,
    failures: Mutex<Vec<Failure>>,
}

/// A request that was not answered.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) begin: Instant,
    pub(crate) end: Instant,
    what: String,
}

impl Traffic {
    /// Starts a client for each address and protocol.
    pub(crate) fn start(hosts: &Hosts) -> Result<Traffic> {
        let mut traffic = Traffic { log: Arc::default(), threads: Vec::new() };
        let all: [(&str, &Netns, &[&str]); 3] = [
            ("client", &hosts.client, &CLIENT),
            ("node", &hosts.node, &NODE),
            ("pod a", &hosts.pods[0].netns, &POD),
        ];
        for (name, netns, addresses) in all {
            for address in addresses {
                for protocol in Protocol::ALL {
                    traffic.ask(name, netns, Request::new(protocol, address.parse()?));
                }
            }
        }
        Ok(traffic)
    }

    fn ask(&mut self, name: &'static str, netns: &Netns, request: Request) {
        let log = Arc::clone(&self.log);
        self.threads.push(netns.spawn(move || {
            while !log.ended.load(Ordering::Relaxed) {
                log.ask(name, request);
                thread::sleep(PAUSE);
            }
        }));
    }

    /// Lets each client have the answer that it waits for, and asks no more.
    pub(crate) fn end(&mut self) {
        self.log.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic has been printed by its own thread.
            let _ = thread.join();
        }
    }

    /// When each request began since this was asked last.
    pub(crate) fn begins(&self) -> Vec<Instant> {
        std::mem::take(&mut *self.log.begins.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The requests that failed since this was asked last.
    pub(crate) fn failures(&self) -> Vec<Failure> {
        std::mem::take(&mut *self.log.failures.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Log {
    fn ask(&self, name: &str, request: Request) {
        let begin = Instant::now();
        let asked = request.ask_here(PATIENCE);
        if asked.as_ref().is_err_and(is_taken) {
            return;
        }
        self.begins.lock().unwrap_or_else(PoisonError::into_inner).push(begin);
        let said = match asked {
            Ok(answer) if answer.server().is_some() => return,
            Ok(answer) => answer.to_string(),
            Err(error) => format!("{error:#}"),
        };
        let (to, protocol): (SocketAddr, Protocol) = (request.to, request.protocol);
        let what = format!("{name} asked {to} over {protocol}: {said}");
        let failure = Failure { begin, end: Instant::now(), what };
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
    }
}

/// Whether the source port belongs to the daemon; then nothing was asked.
fn is_taken(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long connection tracking remembers a TCP packet that nobody answered.
    const MEMORY: Duration = Duration::from_secs(120);

    #[test]
    fn no_source_port_comes_back_too_soon() {
        let clients = Protocol::ALL.len() * (CLIENT.len() + NODE.len() + POD.len());
        let round = PAUSE.mul_f64(f64::from(e2e::request::PORTS)).div_f64(clients as f64);
        assert!(round > MEMORY, "{clients} clients use all ports in {round:?}");
    }
}
