//! EDGE: the netlink socket on which the kernel tells of changed nf_tables rules.
//!
//! Knows nothing of what follows from it.

use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};

use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_recv_buffer_size_force;

use super::{Suspicion, suspicions};
use crate::generation;

/// `NFNLGRP_NFTABLES`
const GROUP: u32 = 7;
/// The kernel puts no more into one datagram.
const DATAGRAM: usize = 64 * 1024;
/// So much may wait to be read: what a large write of ours makes the kernel tell at once. It is used only then.
const WAITING: usize = 32 << 20;

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Somebody may have taken something away.
    Suspicious(Suspicion),
    /// Messages were lost: somebody may have taken anything away.
    Overrun,
    /// Nothing more will be heard.
    Deaf,
}

/// An open ear for the network namespace in which it was opened.
#[derive(Debug)]
pub struct Watch(Arc<Socket>);

/// Closes the ear while much is written: as long as anybody listens, the kernel puts a message together for each rule,
/// which takes a tenth of the time that writing takes. Does not keep an ear that hears nothing any more.
#[derive(Clone, Debug)]
pub struct Earplug(Weak<Socket>);

/// An ear that is closed.
#[derive(Debug)]
pub struct Closed {
    ear: Weak<Socket>,
    /// The number of transactions before.
    generation: u32,
}

impl Earplug {
    /// Nothing is heard from here on. Whatever others do is either told of before, or counted.
    ///
    /// # Errors
    /// The ear stays open, if there still is one.
    pub fn close(&self) -> io::Result<Closed> {
        let socket = self.0.upgrade().ok_or(io::ErrorKind::NotConnected)?;
        // First the number: what comes in between counts as somebody else's.
        let generation = generation::current()?;
        // Who raised it just now may not have told of it yet.
        generation::settle()?;
        socket.drop_membership(GROUP)?;
        Ok(Closed { ear: Weak::clone(&self.0), generation })
    }
}

impl Closed {
    /// Everything is heard again from here on. Tells whether there were other transactions meanwhile than so many; not
    /// if nothing can be heard any more, which was told then.
    ///
    /// # Errors
    /// Nothing more will be heard.
    pub fn open(self, transactions: usize) -> io::Result<bool> {
        let Some(socket) = self.ear.upgrade() else { return Ok(false) };
        socket.add_membership(GROUP)?;
        // Whoever cannot be counted may have been there.
        let passed = generation::current().ok().map(|now| now.wrapping_sub(self.generation));
        Ok(passed != u32::try_from(transactions).ok())
    }
}

impl Watch {
    /// From here on nothing is missed.
    ///
    /// # Errors
    /// The kernel has no nf_tables, or does not let this process listen.
    pub fn open() -> io::Result<Watch> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        // Without the privilege the buffer is smaller, and overruns come sooner.
        let _ = set_socket_recv_buffer_size_force(&socket, WAITING);
        socket.add_membership(GROUP)?;
        Ok(Watch(Arc::new(socket)))
    }

    /// What closes this ear for a time.
    pub fn earplug(&self) -> Earplug {
        Earplug(Arc::downgrade(&self.0))
    }

    /// Tells everything that is heard, until `tell` breaks or nothing can be heard any more.
    pub fn follow(self, mut tell: impl FnMut(Heard) -> ControlFlow<()>) {
        let mut buffer = vec![0; DATAGRAM];
        loop {
            let told = match self.0.recv(&mut buffer.as_mut_slice(), 0) {
                Ok(length) => match suspicions(&buffer[..length]) {
                    Ok(suspicions) => suspicions.into_iter().map(Heard::Suspicious).try_for_each(&mut tell),
                    Err(_) => tell(Heard::Overrun),
                },
                Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                    tell(Heard::Overrun)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => ControlFlow::Continue(()),
                Err(_) => {
                    let _gone = tell(Heard::Deaf);
                    return;
                }
            };
            if told.is_break() {
                return;
            }
        }
    }
}
