//! A throw-away network namespace, and conntrack entries made in it over netlink.

#![expect(clippy::disallowed_methods, reason = "namespaces are made with ip")]

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use netlink_packet_core::{
    DefaultNla, Emitable, NLA_F_NESTED, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NlasIterator,
};
use netlink_packet_netfilter::conntrack::ConntrackMessage;
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterProtoFamily};
use netlink_sys::{Socket, protocols::NETLINK_NETFILTER};
use rustix::thread::{CapabilitySet, CapabilitySets, LinkNameSpaceType, move_into_link_name_space};

/// Runs a test in a thread inside a new network namespace, which is removed however the test ends.
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    assert!(rustix::process::geteuid().is_root(), "NOT RUN: this test needs root");
    let namespace = Namespace::new();
    let path = format!("/run/netns/{}", namespace.0);
    let result = thread::spawn(move || {
        let file = File::open(path).unwrap();
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        test();
    })
    .join();
    drop(namespace);
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

struct Namespace(String);

impl Namespace {
    fn new() -> Namespace {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("kp-ct-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let output = ip(&["netns", "add", &name]);
        assert!(output.status.success(), "ip netns add: {}", String::from_utf8_lossy(&output.stderr));
        Namespace(name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&["netns", "del", &self.0]);
    }
}

fn ip(arguments: &[&str]) -> Output {
    Command::new("ip").args(arguments).output().expect("iproute2 is installed")
}

/// Takes every capability from this thread and those it starts.
pub(crate) fn drop_capabilities() {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).unwrap();
}

/// An entry to be made.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    client: SocketAddr,
    destination: SocketAddr,
    backend: Option<SocketAddr>,
    protocol: u8,
    status: u32,
    mark: u32,
    zones: [Option<u16>; 3],
}

impl Made {
    pub(crate) fn udp(client: &str, destination: &str) -> Made {
        Made::new(client.parse().unwrap(), destination.parse().unwrap())
    }

    fn new(client: SocketAddr, destination: SocketAddr) -> Made {
        Made { client, destination, backend: None, protocol: 17, status: 1 << 3, mark: 0, zones: [None; 3] }
    }

    pub(crate) fn to(self, backend: &str) -> Made {
        Made { backend: Some(backend.parse().unwrap()), ..self }
    }

    pub(crate) fn replied(self) -> Made {
        Made { status: self.status | 1 << 1 | 1 << 2, ..self }
    }

    pub(crate) fn tcp(self) -> Made {
        Made { protocol: 6, ..self }
    }

    pub(crate) fn mark(self, mark: u32) -> Made {
        Made { mark, ..self }
    }

    pub(crate) fn zone(self, zone: u16) -> Made {
        Made { zones: [Some(zone), None, None], ..self }
    }

    pub(crate) fn orig_zone(self, zone: u16) -> Made {
        Made { zones: [None, Some(zone), None], ..self }
    }

    pub(crate) fn reply_zone(self, zone: u16) -> Made {
        Made { zones: [None, None, Some(zone)], ..self }
    }

    fn request(&self, sequence: u32, flags: u16) -> Vec<u8> {
        let mut attributes = vec![
            self.tuple(1, self.client, self.destination, self.zones[1]),
            self.tuple(2, self.destination, self.client, self.zones[2]),
            nla(3, &self.status.to_be_bytes()),
            nla(7, &600u32.to_be_bytes()),
            nla(8, &self.mark.to_be_bytes()),
        ];
        attributes.extend(self.zones[0].map(|zone| nla(18, &zone.to_be_bytes())));
        attributes.extend(self.backend.map(nat));
        if self.protocol == 6 {
            attributes.push(nested(4, &[nested(1, &[nla(1, &[3])])]));
        }
        let family =
            if self.client.is_ipv4() { NetfilterProtoFamily::IPv4 } else { NetfilterProtoFamily::IPv6 };
        let new = ConntrackMessage::Other { message_type: 0, attributes };
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | flags;
        header.sequence_number = sequence;
        let message = NetfilterMessage::new(NetfilterHeader::new(family, 0, 0), new);
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    fn tuple(&self, kind: u16, from: SocketAddr, to: SocketAddr, zone: Option<u16>) -> DefaultNla {
        let v6 = if from.is_ipv4() { 0 } else { 2 };
        let addresses = [nla(1 + v6, &octets(from.ip())), nla(2 + v6, &octets(to.ip()))];
        let ports =
            [nla(1, &[self.protocol]), nla(2, &from.port().to_be_bytes()), nla(3, &to.port().to_be_bytes())];
        let mut parts = vec![nested(1, &addresses), nested(2, &ports)];
        parts.extend(zone.map(|zone| nla(3, &zone.to_be_bytes())));
        nested(kind, &parts)
    }
}

fn nat(backend: SocketAddr) -> DefaultNla {
    let v6 = if backend.is_ipv4() { 0 } else { 3 };
    let octets = octets(backend.ip());
    let port = backend.port().to_be_bytes();
    let ports = nested(3, &[nla(1, &port), nla(2, &port)]);
    nested(13, &[nla(1 + v6, &octets), nla(2 + v6, &octets), ports])
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn nla(kind: u16, value: &[u8]) -> DefaultNla {
    DefaultNla::new(kind, value.to_vec())
}

fn nested(kind: u16, attributes: &[DefaultNla]) -> DefaultNla {
    let mut value = vec![0; attributes.buffer_len()];
    attributes.emit(&mut value);
    DefaultNla::new(kind | NLA_F_NESTED, value)
}

/// Makes entries, in batches of which only the last request is acknowledged.
pub(crate) fn make(entries: &[Made]) {
    let mut socket = Socket::new(NETLINK_NETFILTER).unwrap();
    socket.bind_auto().unwrap();
    for batch in entries.chunks(128) {
        let mut requests = Vec::new();
        for (index, entry) in batch.iter().enumerate() {
            let last = index + 1 == batch.len();
            requests.extend(entry.request(u32::from(last), if last { NLM_F_ACK } else { 0 }));
        }
        socket.send(&requests, 0).unwrap();
        let mut answer = vec![0; 16 * 1024];
        let length = socket.recv(&mut &mut answer[..], 0).unwrap();
        let code = i32::from_ne_bytes(answer[16..20].try_into().unwrap());
        assert_eq!((code, answer[8]), (0, 1), "{length} bytes: {:?}", batch);
    }
}

/// Client and mark of every entry that has one, in order.
pub(crate) fn marks() -> Vec<(String, u32)> {
    let socket = Socket::new(NETLINK_NETFILTER).unwrap();
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | 0x300;
    let get = ConntrackMessage::Get(Vec::new());
    let get = NetfilterMessage::new(NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, 0), get);
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(get));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0).unwrap();
    let mut marks = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = socket.recv(&mut &mut buffer[..], 0).unwrap();
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let (length, kind) = (u32::from_ne_bytes(rest[..4].try_into().unwrap()), rest[4]);
            if kind == 3 {
                marks.sort();
                return marks;
            }
            marks.extend(mark_of(&rest[..length as usize]));
            rest = &rest[(length as usize).next_multiple_of(4).min(rest.len())..];
        }
    }
}

fn mark_of(message: &[u8]) -> Option<(String, u32)> {
    use conntrack::wire::decode::{Reply, messages};
    let Reply::Entry(entry) = messages(message).next()?.ok()?.reply else { return None };
    let client = entry.flow()?.orig.source().to_string();
    let mark = NlasIterator::new(&message[20..]).flatten().find(|attribute| attribute.kind() == 8)?;
    Some((client, u32::from_be_bytes(mark.value().try_into().ok()?)))
}
