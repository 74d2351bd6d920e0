//! Sockets that listen, each for exactly the families that it should.
//!
//! Knows nothing of who listens.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::system::reason;

/// Connections that wait to be accepted; the kernel's own limit is usually lower.
const BACKLOG: i32 = 4096;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("failed to start {server} on {address}: {source}")]
pub(crate) struct ListenError {
    server: &'static str,
    address: SocketAddr,
    source: StepError,
}

/// The step that failed, worded as operators know it.
#[derive(Debug, thiserror::Error)]
#[error("listen tcp {address}: {step}: {}", reason(.source))]
pub(crate) struct StepError {
    address: SocketAddr,
    step: &'static str,
    source: io::Error,
}

/// Whether an IPv6 socket takes IPv4 connections too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Families {
    One,
    Both,
}

impl StepError {
    pub(super) fn of(self, server: &'static str, address: SocketAddr) -> ListenError {
        ListenError { server, address, source: self }
    }
}

/// Listens at the address; if that is no address in particular, in both families as far as the kernel has them.
pub(super) fn shared(address: SocketAddr) -> Result<TcpListener, StepError> {
    if !address.ip().is_unspecified() {
        return listen(address, Families::One, address);
    }
    let any = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), address.port());
    match listen(any, Families::Both, address) {
        Err(error) if address.is_ipv4() && lacks_ipv6(&error.source) => {
            listen(address, Families::One, address)
        }
        result => result,
    }
}

/// Listens at the address, in its own family only.
pub(super) fn of_one_family(address: SocketAddr) -> Result<TcpListener, StepError> {
    listen(address, Families::One, address)
}

/// `named` is what an error calls the address.
fn listen(address: SocketAddr, families: Families, named: SocketAddr) -> Result<TcpListener, StepError> {
    let failed = |step| move |source| StepError { address: named, step, source };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP));
    let socket = socket.map_err(failed("socket"))?;
    if address.is_ipv6() {
        socket.set_only_v6(families == Families::One).map_err(failed("socket"))?;
    }
    // What is left of earlier connections must not keep a restart from listening.
    socket.set_reuse_address(true).map_err(failed("socket"))?;
    socket.bind(&address.into()).map_err(failed("bind"))?;
    socket.listen(BACKLOG).map_err(failed("listen"))?;
    TcpListener::from_std(socket.into()).map_err(failed("listen"))
}

/// The kernel was built or started without IPv6.
fn lacks_ipv6(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}
