//! Turns a name and a port into servers that tell each peer who answers and which address they see.
//!
//! Does not know who asks, nor what stands between.

use std::io::{self, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::netns::Netns;

/// How long a peer may take to accept an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A server for TCP and UDP, both families, on one port. It ends with its value.
#[derive(Debug)]
pub struct Echo {
    /// Closing it ends the thread.
    open: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Starts a server in the namespace; when this returns, it answers.
    ///
    /// # Errors
    /// If the port is taken.
    pub fn start(netns: &Netns, name: &str, port: u16) -> Result<Echo> {
        let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        let sockets =
            netns.inside(|| io::Result::Ok((TcpListener::bind(address)?, UdpSocket::bind(address)?)));
        let (tcp, udp) = sockets.with_context(|| format!("serve {name} on port {port}"))?;
        // A process that inherited the pipe would keep it open.
        let (closed, open) = pipe_with(PipeFlags::CLOEXEC).context("make a pipe")?;
        let name = name.to_owned();
        let thread = netns.spawn(move || serve(&name, &tcp, &udp, &closed));
        Ok(Echo { open: Some(open), thread: Some(thread) })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        drop(self.open.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been printed by its own thread.
            let _ = thread.join();
        }
    }
}

/// The text of an answer; [`crate::request`] reads it.
pub(crate) fn answer(name: &str, peer: SocketAddr) -> String {
    format!("{name} {}\n", SocketAddr::new(peer.ip().to_canonical(), peer.port()))
}

fn serve(name: &str, tcp: &TcpListener, udp: &UdpSocket, closed: &OwnedFd) {
    loop {
        let mut waiting = [
            PollFd::new(tcp, PollFlags::IN),
            PollFd::new(udp, PollFlags::IN),
            PollFd::new(closed, PollFlags::IN),
        ];
        if poll(&mut waiting, None).is_err() {
            continue;
        }
        let [connection, datagram, end] = waiting.map(|socket| !socket.revents().is_empty());
        if end {
            return;
        }
        // A peer that has gone is no reason to stop serving the others.
        if connection {
            let _ = greet(name, tcp);
        }
        if datagram {
            let _ = reply(name, udp);
        }
    }
}

fn greet(name: &str, tcp: &TcpListener) -> io::Result<()> {
    let (mut stream, peer) = tcp.accept()?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(answer(name, peer).as_bytes())
}

fn reply(name: &str, udp: &UdpSocket) -> io::Result<()> {
    let mut question = [0; 64];
    let (_, peer) = udp.recv_from(&mut question)?;
    udp.send_to(answer(name, peer).as_bytes(), peer)?;
    Ok(())
}
