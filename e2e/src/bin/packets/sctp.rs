//! Turns SCTP handshakes through raw sockets into a check that SCTP is translated, both ways.
//!
//! Does not know more of SCTP than its first two packets: many kernels have no SCTP sockets, but all can translate it.

mod packet;

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use e2e::backend::{Backend, Family};
use e2e::cluster::{Cluster, PORT};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, Socket, Type};

use crate::expect::{EVERYWHERE, Target};
use crate::service::{change_endpoints, ready, start};
use packet::{Chunk, Packet};

const SCTP: i32 = 132;
const PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
const CLIENT_PORT: u16 = 5000;

/// What the client's first packet comes to.
#[derive(Debug, Eq, PartialEq)]
enum Handshake {
    /// The pod's answer came back, from the address that was asked.
    Done,
    Refused,
}

/// The pod gets what was sent to the Service, the client gets the answer from the Service; without a pod, a refusal.
pub(crate) fn handshake(backend: Backend) -> Result<()> {
    let mut cluster = start(backend, "", "", &[ready("a")])?;
    expect(&cluster, &Handshake::Done, CLIENT_PORT)?;
    change_endpoints(&mut cluster, &[])?;
    // From other ports, because what was translated once remains so for some time.
    expect(&cluster, &Handshake::Refused, CLIENT_PORT + 100)
}

fn expect(cluster: &Cluster, expected: &Handshake, first_port: u16) -> Result<()> {
    for family in Family::ALL {
        for (target, port) in EVERYWHERE.into_iter().zip(first_port..) {
            let what =
                || format!("SCTP to {} from port {port}: expected {expected:?}", target.address(family));
            let found = shake(cluster, family, target, port).with_context(what)?;
            ensure!(found == *expected, "{}: found {found:?}", what());
        }
    }
    Ok(())
}

/// Sends from the client; if the packet reaches pod a, sends the answer.
fn shake(cluster: &Cluster, family: Family, target: Target, port: u16) -> Result<Handshake> {
    let service = target.address(family);
    let [client, pod] = [&cluster.client, &cluster.pods[0].netns].map(|netns| netns.inside(|| raw(family)));
    let (client, pod) = (client.context("a raw socket")?, pod.context("a raw socket")?);
    client.connect(without_port(service.ip()))?;
    let init = Packet { from: port, to: service.port(), tag: 0, chunk: Chunk::Init { tag: 7 } };
    client.send(&init.bytes())?;

    let mut waiting = [PollFd::new(&pod, PollFlags::IN), PollFd::new(&client, PollFlags::IN)];
    poll(&mut waiting, Some(&PATIENCE)).context("wait for a packet")?;
    if waiting[0].revents().is_empty() {
        return refusal(&client);
    }
    let (arrived, seen) = receive(&pod, family)?;
    ensure!(arrived.to == PORT && arrived.chunk == init.chunk, "the pod got {arrived:?}");
    let answer = Packet { from: PORT, to: arrived.from, tag: 7, chunk: Chunk::InitAck { tag: 9 } };
    pod.send_to(&answer.bytes(), without_port(seen))?;

    let (back, from) = receive(&client, family).context("the answer did not come back")?;
    ensure!(from == service.ip(), "the answer came from {from}");
    let expected = Packet { from: service.port(), to: port, ..answer };
    ensure!(back == expected, "the client got {back:?}");
    Ok(Handshake::Done)
}

/// Nothing reached the pod: the client may know why.
fn refusal(client: &UdpSocket) -> Result<Handshake> {
    match client.recv(&mut [0; 256]) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(Handshake::Refused),
        other => bail!("nothing reached the pod, and the client got {other:?}"),
    }
}

/// A raw socket, which reads and writes like one for datagrams.
fn raw(family: Family) -> std::io::Result<UdpSocket> {
    let (domain, any) = match family {
        Family::V4 => (Domain::IPV4, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        Family::V6 => (Domain::IPV6, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
    };
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(SCTP)))?;
    socket.bind(&without_port(any).into())?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    Ok(UdpSocket::from(OwnedFd::from(socket)))
}

/// A packet and its sender. Raw IPv4 sockets, and only they, show the IP header.
fn receive(socket: &UdpSocket, family: Family) -> Result<(Packet, IpAddr)> {
    let mut buffer = [0; 256];
    let (length, from) = socket.recv_from(&mut buffer).context("receive")?;
    let header = match family {
        Family::V4 => usize::from(buffer[0] & 0xf) * 4,
        Family::V6 => 0,
    };
    let packet = Packet::read(buffer.get(header..length).context("a short packet")?)?;
    Ok((packet, from.ip()))
}

fn without_port(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, 0)
}
