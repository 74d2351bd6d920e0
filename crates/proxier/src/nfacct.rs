//! EDGE: packet counters of the kernel (nfacct), which rules can name once they exist.
//!
//! Knows nothing of the rules that name them.

use std::io;

use netlink_packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload, Nla,
};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily, NetfilterSubsystem,
};
use netlink_sys::{Socket, SocketAddr};

const NETLINK_NETFILTER: isize = 12;
/// `NFNL_SUBSYS_ACCT`
const ACCT: NetfilterSubsystem = NetfilterSubsystem::Other(7);
/// `AF_NETLINK`
const FAMILY: NetfilterProtoFamily = NetfilterProtoFamily::Other(16);
const NEW: u8 = 0;
const GET: u8 = 1;
const NAME: u16 = 1;
const PACKETS: u16 = 2;
const ENOENT: i32 = 2;

/// Makes sure that a counter exists, and tells whether it does.
///
/// # Errors
/// The kernel has no such counters, or does not let us make one.
pub fn ensure(name: &str) -> io::Result<()> {
    let socket = connect()?;
    match request(&socket, GET, NLM_F_REQUEST | NLM_F_ACK, name) {
        Err(error) if error.raw_os_error() == Some(ENOENT) => create(&socket, name),
        answer => answer,
    }
}

/// Whether the kernel has such counters at all.
pub fn is_available() -> bool {
    match packets("any") {
        Ok(_) => true,
        Err(error) => error.raw_os_error() == Some(ENOENT),
    }
}

/// How many packets a counter has seen, whoever made it and when.
///
/// # Errors
/// There is no such counter, or the kernel does not tell.
pub fn packets(name: &str) -> io::Result<u64> {
    let socket = connect()?;
    send(&socket, GET, NLM_F_REQUEST | NLM_F_ACK, name)?;
    let (bytes, _) = socket.recv_from_full()?;
    let message = NetlinkMessage::<NetfilterMessage>::deserialize(&bytes).map_err(io::Error::other)?;
    if let NetlinkPayload::Error(error) = message.payload {
        return Err(error.to_io());
    }
    if let NetlinkPayload::InnerMessage(message) = message.payload
        && let NetfilterMessageInner::Other { attributes, .. } = message.inner
        && let Some(packets) = packets_in(&attributes)
    {
        return Ok(packets);
    }
    Err(io::Error::other("an answer without a number of packets"))
}

fn packets_in(attributes: &[DefaultNla]) -> Option<u64> {
    let packets = attributes.iter().find(|attribute| attribute.kind() == PACKETS)?;
    let mut value = vec![0; packets.value_len()];
    packets.emit_value(&mut value);
    value.try_into().ok().map(u64::from_be_bytes)
}

fn create(socket: &Socket, name: &str) -> io::Result<()> {
    let created = request(socket, NEW, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK, name);
    // The other family may have been quicker.
    created.or_else(|error| request(socket, GET, NLM_F_REQUEST | NLM_F_ACK, name).map_err(|_| error))
}

fn connect() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    // The kernel has answered by the time a request is sent; there is nothing to wait for.
    socket.set_non_blocking(true)?;
    Ok(socket)
}

fn request(socket: &Socket, command: u8, flags: u16, name: &str) -> io::Result<()> {
    send(socket, command, flags, name)?;
    acknowledged(socket)
}

fn send(socket: &Socket, command: u8, flags: u16, name: &str) -> io::Result<()> {
    let attributes = vec![DefaultNla::new(NAME, [name.as_bytes(), b"\0"].concat())];
    let inner = NetfilterMessageInner::Other { subsys: ACCT, message_type: command, attributes };
    let message = NetfilterMessage::new(NetfilterHeader::new(FAMILY, 0, 0), inner);
    let mut packet = NetlinkMessage::from(message);
    packet.header.flags = flags;
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    socket.send(&bytes, 0).map(drop)
}

/// A counter that is asked for comes before the acknowledgement, in a message of its own.
fn acknowledged(socket: &Socket) -> io::Result<()> {
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        let message = NetlinkMessage::<NetfilterMessage>::deserialize(&bytes).map_err(io::Error::other)?;
        if let NetlinkPayload::Error(error) = message.payload {
            return if error.code.is_none() { Ok(()) } else { Err(error.to_io()) };
        }
    }
}
