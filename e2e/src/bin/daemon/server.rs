//! Turns addresses into servers that answer each message, over TCP and UDP, with the address that it came to.
//!
//! Does not know who asks. Unlike those of `e2e::echo`, its connections stay.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use e2e::netns::Netns;
use e2e::request::Protocol;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How soon a server ends that is told to.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Running servers; they end with their value.
pub(crate) struct Servers {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

enum Socket {
    Listener(TcpListener, String),
    Connection(TcpStream, String),
    Datagram(UdpSocket, String),
}

impl Servers {
    /// When this returns, they answer.
    pub(crate) fn start(netns: &Netns, at: impl IntoIterator<Item = (Protocol, SocketAddr)>) -> Result<Self> {
        let open = |(protocol, address)| {
            netns.inside(|| Socket::open(protocol, address)).with_context(|| format!("serve {address}"))
        };
        let mut sockets = at.into_iter().map(open).collect::<Result<Vec<_>>>()?;
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let thread = netns.spawn(move || {
            while !end.load(Ordering::Relaxed) {
                turn(&mut sockets);
            }
        });
        Ok(Self { ended, thread: Some(thread) })
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic has been printed by the thread.
            let _ = thread.join();
        }
    }
}

/// Answers whoever asks; a connection that has gone is forgotten.
fn turn(sockets: &mut Vec<Socket>) {
    let mut waiting: Vec<PollFd> = sockets.iter().map(|socket| socket.poll_fd()).collect();
    if poll(&mut waiting, Some(&GLANCE)).is_err() {
        return;
    }
    let ready: Vec<bool> = waiting.iter().map(|socket| !socket.revents().is_empty()).collect();
    let mut new = Vec::new();
    let mut ready = ready.into_iter();
    sockets.retain_mut(|socket| match ready.next() {
        Some(true) => socket.serve(&mut new).is_ok(),
        _ => true,
    });
    sockets.append(&mut new);
}

impl Socket {
    fn open(protocol: Protocol, address: SocketAddr) -> io::Result<Socket> {
        let answer = format!("{address}\n");
        Ok(match protocol {
            Protocol::Tcp => Socket::Listener(TcpListener::bind(address)?, answer),
            Protocol::Udp => Socket::Datagram(UdpSocket::bind(address)?, answer),
        })
    }

    fn poll_fd(&self) -> PollFd<'_> {
        match self {
            Socket::Listener(socket, _) => PollFd::new(socket, PollFlags::IN),
            Socket::Connection(socket, _) => PollFd::new(socket, PollFlags::IN),
            Socket::Datagram(socket, _) => PollFd::new(socket, PollFlags::IN),
        }
    }

    /// Fails if the socket is of no more use.
    fn serve(&mut self, new: &mut Vec<Socket>) -> io::Result<()> {
        let mut message = [0; 64];
        match self {
            Socket::Listener(listener, answer) => {
                // A peer that has gone is no reason to stop serving the others.
                if let Ok((connection, _)) = listener.accept() {
                    new.push(Socket::Connection(connection, answer.clone()));
                }
            }
            Socket::Connection(connection, answer) => {
                if connection.read(&mut message)? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                connection.write_all(answer.as_bytes())?;
            }
            Socket::Datagram(socket, answer) => {
                if let Ok((_, peer)) = socket.recv_from(&mut message) {
                    let _ = socket.send_to(answer.as_bytes(), peer);
                }
            }
        }
        Ok(())
    }
}
