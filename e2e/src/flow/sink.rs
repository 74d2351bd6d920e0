//! Turns ports of a namespace into UDP servers that remember when whose datagrams arrived.
//!
//! Does not know who was meant to arrive.
#![expect(clippy::disallowed_methods, reason = "notes when something arrives")]

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};

use super::sender::Sender;
use crate::netns::Netns;

/// Whether a server answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Manner {
    /// It never does, so that conntrack entries stay unreplied.
    Silent,
    /// It does, always.
    Answering,
}

impl Manner {
    /// Both of them.
    pub const ALL: [Manner; 2] = [Manner::Silent, Manner::Answering];
}

type Arrivals = Arc<Mutex<BTreeMap<u32, Vec<Instant>>>>;

/// Servers on some ports of a namespace, for both families. They end with their value.
#[derive(Debug)]
pub struct Sink {
    arrivals: Arrivals,
    /// Closing it ends the thread.
    open: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    /// Starts servers; when this returns, nothing that arrives is missed.
    ///
    /// # Errors
    /// If a port is taken.
    pub fn start(netns: &Netns, ports: &[(u16, Manner)]) -> Result<Sink> {
        let mut sockets = Vec::new();
        for (port, manner) in ports {
            let socket = netns.inside(|| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, *port)));
            sockets.push((socket.with_context(|| format!("serve port {port}"))?, *manner));
        }
        let (closed, open) = pipe_with(PipeFlags::CLOEXEC).context("make a pipe")?;
        let arrivals = Arrivals::default();
        let notes = Arc::clone(&arrivals);
        let thread = std::thread::spawn(move || serve(&sockets, &closed, &notes));
        Ok(Sink { arrivals, open: Some(open), thread: Some(thread) })
    }

    /// When datagrams of the sender arrived, in order.
    pub fn arrivals(&self, sender: &Sender) -> Vec<Instant> {
        let arrivals = self.arrivals.lock().expect("taking notes does not panic");
        arrivals.get(&sender.number).cloned().unwrap_or_default()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        drop(self.open.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been printed by its own thread.
            let _ = thread.join();
        }
    }
}

fn serve(sockets: &[(UdpSocket, Manner)], closed: &OwnedFd, arrivals: &Arrivals) {
    loop {
        let mut waiting: Vec<PollFd> =
            sockets.iter().map(|(socket, _)| PollFd::new(socket, PollFlags::IN)).collect();
        waiting.push(PollFd::new(closed, PollFlags::IN));
        if poll(&mut waiting, None).is_err() {
            continue;
        }
        if waiting.last().is_some_and(|end| !end.revents().is_empty()) {
            return;
        }
        for ((socket, manner), waiting) in sockets.iter().zip(&waiting) {
            if !waiting.revents().is_empty() {
                take(socket, *manner, arrivals);
            }
        }
    }
}

/// A datagram that bears no sender's number is not remembered: floods are made of such.
fn take(socket: &UdpSocket, manner: Manner, arrivals: &Arrivals) {
    let mut datagram = [0; 4];
    let Ok((length, peer)) = socket.recv_from(&mut datagram) else { return };
    if length == datagram.len() {
        let mut arrivals = arrivals.lock().expect("taking notes does not panic");
        arrivals.entry(u32::from_be_bytes(datagram)).or_default().push(Instant::now());
    }
    if manner == Manner::Answering {
        // A peer that has gone is no reason to stop serving the others.
        let _ = socket.send_to(b"here", peer);
    }
}
