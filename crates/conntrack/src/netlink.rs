//! The kernel's connection tracking table over a netlink socket.
//!
//! Knows how to ask and what an answer means for the caller; not which entries are stale.

mod errno;

use std::io;
use std::num::NonZeroU32;
use std::ops::ControlFlow;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::RecvFlags;

use crate::flow::{Entry, Flow};
use crate::kernel::{Count, Dumped, Error, Kernel, Outcome, Scope};
use crate::wire::decode::{Message, Reply, messages};
use crate::wire::encode::{self, Acknowledge};
use errno::{dump_refused, io_error, is_pressure, outcome, refused};

/// The table of the network namespace of the thread that first uses it.
#[derive(Debug)]
pub struct Netlink {
    /// Closed after every failure: a new one has no answers of old requests in it.
    socket: Option<Socket>,
    sequence: u32,
    /// Of the size of the longest message that can be read.
    buffer: Vec<u8>,
}

/// The kernel fills what it is offered, and gives the CPU back each time it is full.
const BUFFER: usize = 16 * 1024;
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };
const BUCKETS: &str = "/proc/sys/net/netfilter/nf_conntrack_buckets";

impl Netlink {
    /// A table whose socket is opened when it is first used.
    pub fn new() -> Netlink {
        Netlink::with_buffer(BUFFER)
    }

    /// The same, reading so many bytes at once. Smaller ones give the CPU back more often and take longer in total;
    /// if a message does not fit, the buffer grows.
    pub fn with_buffer(bytes: usize) -> Netlink {
        Netlink { socket: None, sequence: 0, buffer: vec![0; bytes.max(1)] }
    }
}

impl Default for Netlink {
    fn default() -> Netlink {
        Netlink::new()
    }
}

impl Kernel for Netlink {
    fn count(&mut self) -> Result<Count, Error> {
        let entries = self.closing_on_error(Netlink::count_entries)?;
        let buckets = std::fs::read_to_string(BUCKETS).ok();
        Ok(Count { entries, buckets: buckets.and_then(|text| text.trim().parse::<NonZeroU32>().ok()) })
    }

    fn dump(
        &mut self,
        scope: Scope,
        each: &mut dyn FnMut(&Entry) -> ControlFlow<()>,
    ) -> Result<Dumped, Error> {
        let dumped = self.closing_on_error(|netlink| netlink.dump_entries(scope, each))?;
        if dumped == Dumped::Abandoned {
            self.socket = None;
        }
        Ok(dumped)
    }

    /// Answers are lost only if there are too many for the socket; then each request is made alone.
    fn delete(&mut self, flows: &[Flow]) -> Result<Vec<Outcome>, Error> {
        match self.closing_on_error(|netlink| netlink.delete_batch(flows)) {
            Err(Error::TryAgain { errno, .. }) if is_pressure(errno) => {
                let each = flows.chunks(1).map(|flow| self.closing_on_error(|n| n.delete_batch(flow)));
                Ok(each.collect::<Result<Vec<_>, Error>>()?.concat())
            }
            other => other,
        }
    }
}

impl Netlink {
    fn closing_on_error<T>(&mut self, f: impl FnOnce(&mut Netlink) -> Result<T, Error>) -> Result<T, Error> {
        let result = f(self);
        if result.is_err() {
            self.socket = None;
        }
        result
    }

    fn count_entries(&mut self) -> Result<u32, Error> {
        let sequence = self.next_sequence();
        self.send(&encode::count(sequence))?;
        loop {
            let mut entries = None;
            self.receive(|message| match message.reply {
                _ if message.sequence != sequence => Ok(ControlFlow::Continue(())),
                Reply::Count(count) => {
                    entries = Some(count);
                    Ok(ControlFlow::Break(()))
                }
                Reply::Result(errno) => Err(refused("count", errno)),
                Reply::Entry(_) | Reply::Done(_) | Reply::Overrun | Reply::Other => {
                    Ok(ControlFlow::Continue(()))
                }
            })?;
            if let Some(entries) = entries {
                return Ok(entries);
            }
        }
    }

    fn dump_entries(
        &mut self,
        scope: Scope,
        each: &mut dyn FnMut(&Entry) -> ControlFlow<()>,
    ) -> Result<Dumped, Error> {
        let sequence = self.next_sequence();
        self.send(&encode::dump(scope, sequence))?;
        let mut dump = Dump { scope, sequence, dumped: Dumped::Whole, each };
        loop {
            match self.receive(|message| dump.take(&message))? {
                Received::Messages(ControlFlow::Break(())) => return Ok(dump.dumped),
                Received::Messages(ControlFlow::Continue(())) => {}
                Received::Truncated => {
                    self.socket = None;
                    return Ok(Dumped::Doubtful);
                }
            }
        }
    }

    /// Asks for an answer to the last request only; the kernel works in order, and always answers failures.
    fn delete_batch(&mut self, flows: &[Flow]) -> Result<Vec<Outcome>, Error> {
        let mut requests = Vec::with_capacity(flows.len() * 112);
        let mut sequences = Vec::with_capacity(flows.len());
        for (index, flow) in flows.iter().enumerate() {
            let last = index + 1 == flows.len();
            let sequence = self.next_sequence();
            sequences.push(sequence);
            let acknowledge = if last { Acknowledge::Yes } else { Acknowledge::No };
            encode::delete(flow, sequence, acknowledge, &mut requests);
        }
        let Some(&last) = sequences.last() else { return Ok(Vec::new()) };
        self.send(&requests)?;
        let mut outcomes = vec![Outcome::Deleted; flows.len()];
        let mut waiting = true;
        while waiting {
            self.receive(|message| {
                let Reply::Result(errno) = message.reply else { return Ok(ControlFlow::Continue(())) };
                if let Some(index) = sequences.iter().position(|sequence| *sequence == message.sequence) {
                    outcomes[index] = outcome(errno)?;
                }
                waiting &= message.sequence != last;
                Ok(if waiting { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })?;
        }
        Ok(outcomes)
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let socket = match &self.socket {
            Some(socket) => socket,
            None => self.socket.insert(open().map_err(|error| io_error("open a netlink socket", &error))?),
        };
        loop {
            match socket.send(bytes, 0) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io_error("send a netlink request", &error)),
            }
        }
    }

    /// Reads once and hands over the messages until `take` breaks.
    fn receive(
        &mut self,
        mut take: impl FnMut(Message) -> Result<ControlFlow<()>, Error>,
    ) -> Result<Received, Error> {
        let what = "read a netlink answer";
        let socket = self.socket.as_ref().ok_or(Error::TryAgain { what, errno: errno::NOTCONN })?;
        let size = self.buffer.len();
        let length = read(socket, &mut self.buffer).map_err(|error| io_error(what, &error))?;
        if length > size {
            self.buffer.resize(size * 2, 0);
            return Ok(Received::Truncated);
        }
        for message in messages(&self.buffer[..length]) {
            let message = message.map_err(|_| Error::TryAgain { what, errno: errno::BADMSG })?;
            if take(message)?.is_break() {
                return Ok(Received::Messages(ControlFlow::Break(())));
            }
        }
        Ok(Received::Messages(ControlFlow::Continue(())))
    }
}

enum Received {
    Messages(ControlFlow<()>),
    /// The message did not fit, and is lost. The next one has twice the room.
    Truncated,
}

/// A dump under way.
struct Dump<'a> {
    scope: Scope,
    sequence: u32,
    dumped: Dumped,
    each: &'a mut dyn FnMut(&Entry) -> ControlFlow<()>,
}

impl Dump<'_> {
    fn take(&mut self, message: &Message) -> Result<ControlFlow<()>, Error> {
        if message.sequence != self.sequence {
            return Ok(ControlFlow::Continue(()));
        }
        if message.interrupted || message.reply == Reply::Overrun {
            self.dumped = Dumped::Doubtful;
        }
        match message.reply {
            Reply::Entry(entry) if (self.each)(&entry).is_break() => {
                self.dumped = Dumped::Abandoned;
                Ok(ControlFlow::Break(()))
            }
            Reply::Done(0) => Ok(ControlFlow::Break(())),
            Reply::Done(errno) | Reply::Result(errno) => Err(dump_refused(self.scope, errno)),
            Reply::Entry(_) | Reply::Count(_) | Reply::Overrun | Reply::Other => {
                Ok(ControlFlow::Continue(()))
            }
        }
    }
}

fn open() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    // Failed requests come back without their content; not essential.
    let _ = socket.set_cap_ack(true);
    Ok(socket)
}

/// The length of the next datagram; what is longer than the buffer is cut.
fn read(socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        let ready = poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&PATIENCE));
        match ready {
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(0) => return Err(Errno::TIMEDOUT.into()),
            Ok(_) => {}
        }
        match socket.recv(&mut &mut *buffer, RecvFlags::TRUNC.bits().cast_signed()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests;
