//! Turns the kernel's numbers of errors into what the caller can do about them.
//!
//! Knows nothing of sockets. Numbers are compared as numbers: an [`Errno`] cannot be made of just any.

use std::io;

use rustix::io::Errno;

use crate::kernel::{Error, Outcome, Scope};

pub(super) const PERM: i32 = Errno::PERM.raw_os_error();
pub(super) const NOENT: i32 = Errno::NOENT.raw_os_error();
pub(super) const NOMEM: i32 = Errno::NOMEM.raw_os_error();
pub(super) const BUSY: i32 = Errno::BUSY.raw_os_error();
pub(super) const INVAL: i32 = Errno::INVAL.raw_os_error();
pub(super) const PROTONOSUPPORT: i32 = Errno::PROTONOSUPPORT.raw_os_error();
pub(super) const OPNOTSUPP: i32 = Errno::OPNOTSUPP.raw_os_error();
pub(super) const AFNOSUPPORT: i32 = Errno::AFNOSUPPORT.raw_os_error();
pub(super) const NOBUFS: i32 = Errno::NOBUFS.raw_os_error();
pub(super) const BADMSG: i32 = Errno::BADMSG.raw_os_error();
pub(super) const NOTCONN: i32 = Errno::NOTCONN.raw_os_error();
pub(super) const IO: i32 = Errno::IO.raw_os_error();

/// What a refused request means where nothing is known of it.
pub(super) fn refused(what: &'static str, errno: i32) -> Error {
    match errno {
        // A namespace without CAP_NET_ADMIN, a kernel without netfilter netlink, one without ctnetlink.
        PERM | PROTONOSUPPORT | AFNOSUPPORT | INVAL | OPNOTSUPP => Error::Unavailable { what, errno },
        _ => Error::TryAgain { what, errno },
    }
}

pub(super) fn dump_refused(scope: Scope, errno: i32) -> Error {
    match (scope, errno) {
        (Scope::Udp(_), INVAL | OPNOTSUPP) => Error::FilterRefused { errno },
        _ => refused("dump", errno),
    }
}

pub(super) fn outcome(errno: i32) -> Result<Outcome, Error> {
    match errno {
        0 => Ok(Outcome::Deleted),
        NOENT => Ok(Outcome::Gone),
        BUSY => Ok(Outcome::Busy),
        PERM => Err(refused("delete", errno)),
        NOMEM | NOBUFS => Err(Error::TryAgain { what: "delete", errno }),
        _ => Ok(Outcome::Refused(errno)),
    }
}

pub(super) fn is_pressure(errno: i32) -> bool {
    errno == NOMEM || errno == NOBUFS
}

pub(super) fn io_error(what: &'static str, error: &io::Error) -> Error {
    refused(what, error.raw_os_error().unwrap_or(IO))
}
