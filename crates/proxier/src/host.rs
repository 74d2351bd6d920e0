//! EDGE: facts about the host that rules depend on.

use std::io;
use std::net::IpAddr;

use crate::nfacct;
use crate::option::Host;
use crate::render::{INVALID_COUNTER, LOCALHOST_COUNTER};

/// What the host calls itself.
pub fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Every address of every interface, loopback included, as of now.
///
/// # Errors
/// The kernel does not list them.
pub fn addresses() -> io::Result<Vec<IpAddr>> {
    let interfaces = nix::ifaddrs::getifaddrs()?;
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    Ok(interfaces.filter_map(address).collect())
}

/// Makes sure of the packet counters, and notes which of them exist.
pub fn ensure_counters(host: &mut Host) {
    host.counts_invalid = nfacct::ensure(INVALID_COUNTER).is_ok();
    host.counts_localhost = nfacct::ensure(LOCALHOST_COUNTER).is_ok();
}
