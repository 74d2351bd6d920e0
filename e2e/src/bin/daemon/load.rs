//! Turns addresses of Services into constant traffic, and into everything that went wrong with it.
//!
//! Does not know what happens meanwhile. Each address gets a series of new flows, and one that is kept.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use e2e::netns::Netns;
use e2e::request::Protocol;
use e2e::wait;

/// How long an answer may take. A datagram that was lost is never sent again, so it does not matter how long.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same of an address that perhaps nobody answers at, and how often it is asked.
const PROBE: Duration = Duration::from_secs(2);
const PROBES: usize = 3;
const PAUSE: Duration = Duration::from_millis(5);
/// Many requests take their time on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// Whom to ask.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Target {
    pub(crate) is_udp: bool,
    pub(crate) address: SocketAddr,
}

impl Target {
    pub(crate) fn protocol(self) -> Protocol {
        if self.is_udp { Protocol::Udp } else { Protocol::Tcp }
    }

    /// Who answers a new flow.
    pub(crate) fn ask(self) -> io::Result<String> {
        Flow::open(self, PATIENCE).and_then(|mut flow| flow.ask())
    }

    /// Whether somebody answers.
    pub(crate) fn answers(self) -> bool {
        (0..PROBES).any(|_| Flow::open(self, PROBE).and_then(|mut flow| flow.ask()).is_ok())
    }
}

/// Traffic, as long as the value lives.
pub(crate) struct Load {
    ended: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    flows: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Starts to ask the targets.
    pub(crate) fn start(netns: &Netns, targets: &[Target]) -> Load {
        let (ended, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let both = targets.iter().flat_map(|target| [(*target, new as Series), (*target, kept as Series)]);
        let flows = both
            .map(|(target, series)| {
                let (ended, asked) = (Arc::clone(&ended), Arc::clone(&asked));
                netns.spawn(move || {
                    let is_over = || ended.load(Ordering::Relaxed);
                    let count = || {
                        asked.fetch_add(1, Ordering::Relaxed);
                    };
                    series(target, &is_over, &count)
                })
            })
            .collect();
        Load { ended, asked, flows }
    }

    /// Waits until so many more questions were answered for each flow, on average.
    pub(crate) fn goes_on(&self, each: u64) -> Result<()> {
        let enough = self.asked.load(Ordering::Relaxed) + each * self.flows.len() as u64;
        wait::until(LONG, || {
            ensure!(self.asked.load(Ordering::Relaxed) >= enough, "the traffic has stopped");
            Ok(())
        })
    }

    /// Ends the traffic; fails if anything went wrong with it. Returns how many questions were answered.
    pub(crate) fn finish(mut self) -> Result<u64> {
        self.ended.store(true, Ordering::Relaxed);
        let ended = self.flows.drain(..).map(JoinHandle::join);
        let failures: Vec<String> = ended.flat_map(|flow| flow.unwrap_or_default()).collect();
        let asked = self.asked.load(Ordering::Relaxed);
        ensure!(failures.is_empty(), "{} of {asked} failed:\n{}", failures.len(), failures.join("\n"));
        Ok(asked)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for flow in self.flows.drain(..) {
            // What went wrong does not matter any more.
            let _ = flow.join();
        }
    }
}

type Series = fn(Target, &dyn Fn() -> bool, &dyn Fn()) -> Vec<String>;

/// A flow for each question.
fn new(target: Target, is_over: &dyn Fn() -> bool, count: &dyn Fn()) -> Vec<String> {
    let mut failures = Vec::new();
    while !is_over() {
        match Flow::open(target, PATIENCE).and_then(|mut flow| flow.ask()) {
            Ok(_) => count(),
            Err(error) => failures.push(format!("new flow to {target:?}: {error}")),
        }
        sleep(PAUSE);
    }
    failures
}

/// One flow, which stays with its server.
fn kept(target: Target, is_over: &dyn Fn() -> bool, count: &dyn Fn()) -> Vec<String> {
    let keep = || -> Result<()> {
        let mut flow = Flow::open(target, PATIENCE)?;
        let first = flow.ask()?;
        while !is_over() {
            let server = flow.ask()?;
            if server != first {
                bail!("it went to {server}, then to {first}");
            }
            count();
            sleep(PAUSE);
        }
        Ok(())
    };
    keep().err().map(|error| format!("kept flow to {target:?}: {error}")).into_iter().collect()
}

enum Flow {
    Tcp(BufReader<TcpStream>),
    Udp(UdpSocket),
}

impl Flow {
    fn open(Target { is_udp, address }: Target, patience: Duration) -> io::Result<Flow> {
        if !is_udp {
            let stream = TcpStream::connect_timeout(&address, patience)?;
            stream.set_read_timeout(Some(patience))?;
            return Ok(Flow::Tcp(BufReader::new(stream)));
        }
        let any = match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(address)?;
        socket.set_read_timeout(Some(patience))?;
        Ok(Flow::Udp(socket))
    }

    /// Who answers.
    fn ask(&mut self) -> io::Result<String> {
        let mut answer = String::new();
        match self {
            Flow::Tcp(stream) => {
                stream.get_mut().write_all(b"who?")?;
                if stream.read_line(&mut answer)? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Flow::Udp(socket) => {
                let mut datagram = [0; 64];
                socket.send(b"who?")?;
                let length = socket.recv(&mut datagram)?;
                answer = String::from_utf8_lossy(&datagram[..length]).into_owned();
            }
        }
        Ok(answer.trim_end().to_owned())
    }
}
