//! Turns an address into a connection, or into the first error that the kernel knows of.
//!
//! Does not know who is connected to.
//!
//! Between namespaces a refusal comes back while the kernel is still busy sending. TCP over IPv6 then keeps it to itself
//! until it asks again, a second later; whoever asks for the socket's error hears of it at once. Between machines the
//! refusal comes later, and there is no such delay.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::Socket;

use crate::wait::Watch;

/// How often the kernel is asked for an error.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Connects, within `patience`.
pub(super) fn connect(socket: &Socket, to: SocketAddr, patience: Duration) -> io::Result<()> {
    let watch = Watch::start();
    socket.set_nonblocking(true)?;
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => return Err(error),
        _ => {}
    }
    loop {
        let mut waiting = [PollFd::new(socket, PollFlags::OUT)];
        poll(&mut waiting, Some(&PAUSE))?;
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        if !waiting[0].revents().is_empty() {
            return socket.set_nonblocking(false);
        }
        if watch.elapsed() >= patience {
            return Err(ErrorKind::TimedOut.into());
        }
    }
}
