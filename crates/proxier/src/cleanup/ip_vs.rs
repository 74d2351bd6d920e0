//! EDGE: removes what IPVS mode leaves behind outside the iptables tables: virtual servers, an interface, sets.
//!
//! Knows nothing of the rules that use the sets; they must be gone before.
#![expect(clippy::disallowed_methods, reason = "sets are destroyed by ipset, modules are loaded by modprobe")]

use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::iptables::child::within;
use crate::iptables::{ended, failure, said};
use crate::netlink;
use crate::tables::TablesError;

/// The interface that holds the cluster IPs.
const INTERFACE: &str = "kube-ipvs0";

/// The sets of the IPv4 rules. Those of the IPv6 rules have a `6-` in their names.
const SETS: [&str; 17] = [
    "KUBE-LOOP-BACK",
    "KUBE-CLUSTER-IP",
    "KUBE-EXTERNAL-IP",
    "KUBE-EXTERNAL-IP-LOCAL",
    "KUBE-LOAD-BALANCER",
    "KUBE-LOAD-BALANCER-FW",
    "KUBE-LOAD-BALANCER-LOCAL",
    "KUBE-LOAD-BALANCER-SOURCE-IP",
    "KUBE-LOAD-BALANCER-SOURCE-CIDR",
    "KUBE-NODE-PORT-TCP",
    "KUBE-NODE-PORT-LOCAL-TCP",
    "KUBE-NODE-PORT-UDP",
    "KUBE-NODE-PORT-LOCAL-UDP",
    "KUBE-NODE-PORT-SCTP-HASH",
    "KUBE-NODE-PORT-LOCAL-SCTP-HASH",
    "KUBE-HEALTH-CHECK-NODE-PORT",
    "KUBE-IPVS-IPS",
];

/// `NETLINK_ROUTE`
const ROUTE: isize = 0;
/// `RTM_DELLINK`
const DELETE_LINK: u16 = 17;
/// Length of `struct ifinfomsg`.
const LINK_HEADER: usize = 16;
/// `IFLA_IFNAME`
const LINK_NAME: u16 = 3;

/// `NETLINK_GENERIC`
const GENERIC: isize = 16;
/// `GENL_ID_CTRL`
const CONTROL: u16 = 16;
/// `CTRL_CMD_GETFAMILY`
const GET_FAMILY: u8 = 3;
/// `CTRL_ATTR_FAMILY_ID`
const FAMILY_ID: u16 = 1;
/// `CTRL_ATTR_FAMILY_NAME`
const FAMILY_NAME: u16 = 2;
/// `IPVS_CMD_FLUSH`
const FLUSH: u8 = 17;

/// How long ipset may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What ipset says of a set that is not there.
const NO_SET: &str = "does not exist";

const ENOENT: i32 = 2;
const ENODEV: i32 = 19;

/// What of IPVS mode could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum IpvsError {
    /// Virtual servers stay.
    #[error("can't flush the IPVS virtual servers: {0}")]
    Servers(io::Error),
    /// The interface stays.
    #[error("can't delete interface {INTERFACE}: {0}")]
    Interface(io::Error),
    /// A set stays.
    #[error(transparent)]
    Set(#[from] TablesError),
}

/// Whether the kernel has IPVS, so that there may be leftovers. Loads the module if it can be loaded.
pub fn uses_ipvs() -> bool {
    let mut modprobe = Command::new("modprobe");
    modprobe.args(["-va", "ip_vs"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    fs::exists("/proc/net/ip_vs").unwrap_or(false) || modprobe.status().is_ok_and(|status| status.success())
}

/// Removes the virtual servers, the interface and the sets of IPVS mode, each if it is there. Other
/// virtual servers go as well: IPVS does not tell whose they are.
pub fn remove_ipvs() -> Vec<IpvsError> {
    let mut errors = Vec::new();
    errors.extend(flush_servers().err().map(IpvsError::Servers));
    errors.extend(delete_link(INTERFACE).err().map(IpvsError::Interface));
    let v6 = |set: &str| set.replacen("KUBE-", "KUBE-6-", 1);
    let sets = SETS.iter().flat_map(|set| [(*set).to_owned(), v6(set)]);
    errors.extend(sets.filter_map(|set| destroy_set(&set).err()).map(IpvsError::Set));
    errors
}

fn flush_servers() -> io::Result<()> {
    let Some(family) = generic_family("IPVS")? else { return Ok(()) };
    netlink::request(GENERIC, family, &[FLUSH, 1, 0, 0]).map(|_| ())
}

/// The number by which a part of the kernel is reached, if it is there.
fn generic_family(name: &str) -> io::Result<Option<u16>> {
    let question = [&[GET_FAMILY, 1, 0, 0], netlink::text_attribute(FAMILY_NAME, name).as_slice()].concat();
    match netlink::request(GENERIC, CONTROL, &question) {
        Ok(told) => {
            let id = told.get(4..).and_then(|attributes| netlink::find_attribute(attributes, FAMILY_ID));
            let id = id.and_then(|id| id.try_into().ok()).map(u16::from_ne_bytes);
            id.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
        }
        Err(error) if error.raw_os_error() == Some(ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn delete_link(name: &str) -> io::Result<()> {
    let request = [[0; LINK_HEADER].as_slice(), &netlink::text_attribute(LINK_NAME, name)].concat();
    match netlink::request(ROUTE, DELETE_LINK, &request) {
        Err(error) if error.raw_os_error() == Some(ENODEV) => Ok(()),
        answer => answer.map(|_| ()),
    }
}

fn destroy_set(set: &str) -> Result<(), TablesError> {
    let command = format!("ipset destroy {set}");
    let mut ipset = Command::new("ipset");
    ipset.args(["destroy", set]);
    match ended(&command, LIMIT, within(LIMIT, move || said::everything(ipset, |_| ()))) {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains(NO_SET) => Ok(()),
        Ok(output) => Err(failure(&command, &output, &[])),
        // Whoever made sets had the tool.
        Err(TablesError::Missing { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_kernel_are_found_by_name() {
        assert_eq!(generic_family("nlctrl").unwrap(), Some(CONTROL));
        assert_eq!(generic_family("no-such-part").unwrap(), None);
    }
}
