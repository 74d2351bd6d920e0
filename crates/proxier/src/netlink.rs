//! EDGE: one request to the kernel by netlink, and its answer or the beginning of it.
//!
//! Knows nothing of what is asked for: the bytes behind the header are the caller's.

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer};
use netlink_sys::{Socket, SocketAddr};

/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;
/// `NLMSG_ERROR`, which is also the acknowledgement.
const ERROR: u16 = 2;

/// Sends a request of a type, and waits until the kernel has done it. Returns what the kernel sent
/// before its acknowledgement: for a question, the answer without its header; else nothing.
pub(crate) fn request(protocol: isize, kind: u16, payload: &[u8]) -> io::Result<Vec<u8>> {
    answer(&send(protocol, &packet(kind, NLM_F_REQUEST | NLM_F_ACK, payload))?)
}

/// Asks for all there is of something, and tells the type of the first message of the answer. The rest of it, which may
/// be long, is never made.
pub(crate) fn first_of_all(protocol: isize, kind: u16, payload: &[u8]) -> io::Result<u16> {
    let socket = send(protocol, &packet(kind, NLM_F_REQUEST | NLM_F_DUMP, payload))?;
    let (bytes, _) = socket.recv_from_full()?;
    let message = NetlinkBuffer::new_checked(bytes.as_slice()).map_err(io::Error::other)?;
    if message.message_type() == ERROR { Err(failure(message.payload())) } else { Ok(message.message_type()) }
}

/// Sends messages of some types in one piece. Returns when the kernel has gone through them; its answer is not heard.
pub(crate) fn tell(protocol: isize, messages: &[(u16, &[u8])]) -> io::Result<()> {
    let packets = messages.iter().map(|(kind, payload)| packet(*kind, NLM_F_REQUEST, payload));
    send(protocol, &packets.collect::<Vec<_>>().concat()).map(drop)
}

fn send(protocol: isize, packet: &[u8]) -> io::Result<Socket> {
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(packet, 0)?;
    Ok(socket)
}

fn packet(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let length = HEADER + payload.len();
    let mut bytes = vec![0; length];
    let mut packet = NetlinkBuffer::new(&mut bytes);
    packet.set_length(u32::try_from(length).expect("requests are short"));
    packet.set_message_type(kind);
    packet.set_flags(flags);
    bytes[HEADER..].copy_from_slice(payload);
    bytes
}

fn answer(socket: &Socket) -> io::Result<Vec<u8>> {
    let mut told = Vec::new();
    loop {
        let (bytes, _) = socket.recv_from_full()?;
        let message = NetlinkBuffer::new_checked(bytes.as_slice()).map_err(io::Error::other)?;
        let payload = message.payload();
        if message.message_type() != ERROR {
            told = payload.to_vec();
            continue;
        }
        return if payload.first_chunk() == Some(&[0; 4]) { Ok(told) } else { Err(failure(payload)) };
    }
}

/// What an [`ERROR`] tells.
fn failure(payload: &[u8]) -> io::Error {
    match payload.first_chunk() {
        Some(code) => io::Error::from_raw_os_error(-i32::from_ne_bytes(*code)),
        None => io::ErrorKind::UnexpectedEof.into(),
    }
}

/// An attribute with a text for its value, padded to four bytes.
pub(crate) fn text_attribute(kind: u16, text: &str) -> Vec<u8> {
    let length = u16::try_from(4 + text.len() + 1).expect("names are short");
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The value of the first attribute of a kind.
pub(crate) fn find_attribute(mut bytes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let (header, _) = bytes.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let value = bytes.get(4..length)?;
        if u16::from_ne_bytes([header[2], header[3]]) == kind {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_found_behind_others() {
        let bytes = [text_attribute(2, "IPVS"), text_attribute(1, "abc"), text_attribute(2, "x")].concat();
        assert_eq!(find_attribute(&bytes, 1), Some(b"abc\0".as_slice()));
        assert_eq!(find_attribute(&bytes, 2), Some(b"IPVS\0".as_slice()));
        assert_eq!(find_attribute(&bytes, 3), None);
        assert_eq!(find_attribute(&bytes[..8], 2), None);
        assert_eq!(find_attribute(&[0; 8], 2), None);
    }
}
