//! Turns a question to a Service address into who answered it, or into how it was not answered.
//!
//! Does not know which backends there are, nor what answer is right.

mod connect;

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use socket2::{Domain, Socket, Type};

use crate::netns::Netns;
use connect::connect;

/// How long an answer may take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long nothing has to come back where nothing should. Everything is on this machine.
const SILENCE: Duration = Duration::from_millis(1500);

/// Source ports are counted up, below those that the kernel chooses from: a port that comes back soon could meet what the
/// kernel remembers of its last use, and that is another test's subject. They begin above the ports that kube-proxy listens
/// on, because some clients ask from its node, and end below those of nodes.
static PORT: AtomicU16 = AtomicU16::new(0);
const FIRST_PORT: u16 = 10_300;
/// After so many requests the first source port comes back.
pub const PORTS: u16 = 19_700;

/// The transport protocols that sockets of every kernel speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// One connection for each question.
    Tcp,
    /// One datagram, from a new port, for each question.
    Udp,
}

impl Protocol {
    /// Both of them.
    pub const ALL: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        })
    }
}

/// A question: who are you, and who do you think I am?
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// How it is asked.
    pub protocol: Protocol,
    /// The address that is asked; perhaps one that no interface has.
    pub to: SocketAddr,
    /// The address to ask from; `None` leaves it to the routes.
    pub from: Option<IpAddr>,
}

/// What came of a question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// A server answered.
    From {
        /// The server's name.
        server: String,
        /// The client as the server saw it.
        seen: SocketAddr,
        /// The client as it is.
        client: SocketAddr,
    },
    /// Refused at once: a reset, or an ICMP message.
    Refused,
    /// Nothing came back in time.
    Silence,
}

impl Request {
    /// A question from whatever address the routes choose.
    pub fn new(protocol: Protocol, to: SocketAddr) -> Request {
        Request { protocol, to, from: None }
    }

    /// The same question from a given address of the namespace.
    #[must_use]
    pub fn from(self, address: IpAddr) -> Request {
        Request { from: Some(address), ..self }
    }

    /// Asks from within a namespace.
    ///
    /// # Errors
    /// If it cannot be asked at all, for want of a route or an address.
    pub fn ask(self, netns: &Netns) -> Result<Answer> {
        Ok(self.ask_often(netns, 1)?.remove(0))
    }

    /// Asks where silence is expected: it is not waited for long.
    ///
    /// # Errors
    /// As [`Request::ask`].
    pub fn ask_silence(self, netns: &Netns) -> Result<Answer> {
        netns.inside(|| self.ask_here(SILENCE))
    }

    /// Asks `times` times, each time from a new port; silence is waited for only once, and ends it.
    ///
    /// # Errors
    /// As [`Request::ask`].
    pub fn ask_often(self, netns: &Netns, times: usize) -> Result<Vec<Answer>> {
        netns.inside(|| {
            let mut answers = Vec::new();
            while answers.len() < times && answers.last() != Some(&Answer::Silence) {
                answers.push(self.ask_here(PATIENCE)?);
            }
            Ok(answers)
        })
    }

    /// Asks once from the calling thread's namespace; silence is waited for so long.
    ///
    /// # Errors
    /// As [`Request::ask`].
    pub fn ask_here(self, patience: Duration) -> Result<Answer> {
        match self.exchange(patience) {
            Ok((text, client)) => read(&text, client),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(Answer::Refused),
            Err(error) if [ErrorKind::TimedOut, ErrorKind::WouldBlock].contains(&error.kind()) => {
                Ok(Answer::Silence)
            }
            Err(error) => Err(error).with_context(|| format!("ask {} over {}", self.to, self.protocol)),
        }
    }

    /// The text that came back, and the address it came to.
    fn exchange(self, patience: Duration) -> io::Result<(String, SocketAddr)> {
        let kind = match self.protocol {
            Protocol::Tcp => Type::STREAM,
            Protocol::Udp => Type::DGRAM,
        };
        let mut socket = Socket::new(Domain::for_address(self.to), kind, None)?;
        let any = match self.to {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let port = FIRST_PORT + PORT.fetch_add(1, Ordering::Relaxed) % PORTS;
        socket.bind(&SocketAddr::new(self.from.unwrap_or(any), port).into())?;
        connect(&socket, self.to, patience)?;
        socket.set_read_timeout(Some(patience))?;
        let client = socket.local_addr()?.as_socket().expect("an IP socket has an IP address");
        let mut text = String::new();
        match self.protocol {
            Protocol::Tcp => socket.read_to_string(&mut text).map(drop)?,
            Protocol::Udp => {
                send(&socket)?;
                let mut datagram = [0; 256];
                let length = socket.read(&mut datagram)?;
                text = String::from_utf8_lossy(&datagram[..length]).into_owned();
            }
        }
        Ok((text, client))
    }
}

/// The node's own filter answers its own packets with a denial, both when it drops and when it refuses them; only what
/// can be received then tells the one from the other.
fn send(socket: &Socket) -> io::Result<()> {
    match socket.send(b"who?") {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        sent => sent.map(drop),
    }
}

fn read(text: &str, client: SocketAddr) -> Result<Answer> {
    let parts = text.trim_end().split_once(' ').map(|(server, seen)| (server.to_owned(), seen.parse()));
    match parts {
        Some((server, Ok(seen))) => Ok(Answer::From { server, seen, client }),
        _ => bail!("not an answer of a test server: {text:?}"),
    }
}

impl Answer {
    /// Whether the server saw the client's own address; `false` without a server.
    pub fn keeps_address(&self) -> bool {
        matches!(self, Answer::From { seen, client, .. } if seen.ip() == client.ip())
    }

    /// The name of the server, if one answered.
    pub fn server(&self) -> Option<&str> {
        match self {
            Answer::From { server, .. } => Some(server),
            Answer::Refused | Answer::Silence => None,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::From { server, seen, .. } => write!(f, "{server}, which saw {}", seen.ip()),
            Answer::Refused => f.write_str("refused"),
            Answer::Silence => f.write_str("silence"),
        }
    }
}

#[cfg(test)]
mod tests;
