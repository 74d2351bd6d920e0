//! Turns an address into a client that keeps one socket and sends to it steadily, as long as its value lives.
//!
//! Does not know who should get its datagrams; servers tell it by the number in each of them.
#![expect(clippy::disallowed_methods, reason = "notes when something is heard")]

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::netns::Netns;

/// Below the ports that the kernel chooses from by itself, and never used twice.
static PORT: AtomicU16 = AtomicU16::new(10_000);
static NUMBER: AtomicU32 = AtomicU32::new(1);

/// A client that sends.
#[derive(Debug)]
pub struct Sender {
    /// Its own address, with its port.
    pub from: SocketAddr,
    /// The address that it sends to.
    pub to: SocketAddr,
    /// What its datagrams carry.
    pub(super) number: u32,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ended: AtomicBool,
    paused: AtomicBool,
    refusals: Mutex<Vec<Instant>>,
    answers: Mutex<Vec<Instant>>,
}

impl Sender {
    /// Starts to send from the namespace, one datagram each `interval`, from a port that it keeps.
    ///
    /// # Errors
    /// If there is no route.
    pub fn start(netns: &Netns, to: SocketAddr, interval: Duration) -> Result<Sender> {
        let socket = netns.inside(|| connect(to)).with_context(|| format!("connect to {to}"))?;
        let from = socket.local_addr().context("a socket has an address")?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || theirs.send(&socket, number, interval));
        Ok(Sender { from, to, number, shared, thread: Some(thread) })
    }

    /// Stops to send until [`Sender::resume`]; the socket stays open.
    pub fn pause(&self) {
        self.shared.paused.store(true, Ordering::Relaxed);
    }

    /// Goes on.
    pub fn resume(&self) {
        self.shared.paused.store(false, Ordering::Relaxed);
    }

    /// When it heard that its datagrams were refused.
    pub fn refusals(&self) -> Vec<Instant> {
        self.shared.refusals.lock().expect("taking notes does not panic").clone()
    }

    /// When it got answers.
    pub fn answers(&self) -> Vec<Instant> {
        self.shared.answers.lock().expect("taking notes does not panic").clone()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the sender has been printed by its own thread.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn send(&self, socket: &UdpSocket, number: u32, interval: Duration) {
        while !self.ended.load(Ordering::Relaxed) {
            if !self.paused.load(Ordering::Relaxed) {
                // Sending, too, may tell of the refusal of an earlier datagram.
                self.note_refusal(socket.send(&number.to_be_bytes()));
                while let Some(heard) = listen(socket) {
                    match heard {
                        Ok(_) => note(&self.answers),
                        refused => self.note_refusal(refused),
                    }
                }
            }
            sleep(interval);
        }
    }

    fn note_refusal(&self, result: io::Result<usize>) {
        if result.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
            note(&self.refusals);
        }
    }
}

fn note(notes: &Mutex<Vec<Instant>>) {
    notes.lock().expect("taking notes does not panic").push(Instant::now());
}

/// What has come in, if anything has.
fn listen(socket: &UdpSocket) -> Option<io::Result<usize>> {
    match socket.recv(&mut [0; 256]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        heard => Some(heard),
    }
}

fn connect(to: SocketAddr) -> io::Result<UdpSocket> {
    let any = match to {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, PORT.fetch_add(1, Ordering::Relaxed)))?;
    socket.connect(to)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
