//! EDGE: removes the table of kube-proxy's nftables mode.
#![expect(clippy::disallowed_methods, reason = "the one place that runs nft")]

use std::io::ErrorKind;
use std::process::{Command, Output};
use std::time::Duration;

use netlink_sys::protocols::NETLINK_NETFILTER;

use crate::family::Family;
use crate::iptables::child::within;
use crate::iptables::{ended, failure, said};
use crate::netlink;
use crate::retry::{self, up_to_three_times};
use crate::tables::TablesError;

/// How long nft may take.
const LIMIT: Duration = Duration::from_secs(30);

const TABLE: &str = "kube-proxy";
/// `NFT_MSG_GETTABLE`
const GET_TABLE: u16 = (10 << 8) | 1;
/// `NFTA_TABLE_NAME`
const NAME: u16 = 1;

/// Deletes the table `kube-proxy` of a family with all that is in it. Where nft is not installed or
/// cannot be used, kube-proxy has never made such a table.
///
/// # Errors
/// The table may still be there.
pub fn remove_table(family: Family) -> Result<(), TablesError> {
    if is_absent(family) {
        return Ok(());
    }
    let table = match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    };
    let table = format!("table {table} {TABLE}");
    let add = format!("add {table}");
    if !nft(&["--check", &add])?.is_some_and(|output| output.status.success()) {
        return Ok(());
    }
    // With the table made sure of, its absence is no error.
    let delete = format!("{add}; delete {table}");
    match nft(&[&delete])? {
        Some(output) if !output.status.success() => Err(failure(&format!("nft {delete}"), &output, &[])),
        Some(_) | None => Ok(()),
    }
}

/// Whether the kernel is sure that there is no such table. To delete one, nft reads the names of all chains there are,
/// which takes 0.2 s where 10,000 Services have rules.
fn is_absent(family: Family) -> bool {
    let family = match family {
        Family::V4 => rustix::net::AddressFamily::INET,
        Family::V6 => rustix::net::AddressFamily::INET6,
    };
    let family = u8::try_from(family.as_raw()).expect("the kernel has fewer families");
    let named = [vec![family, 0, 0, 0], netlink::text_attribute(NAME, TABLE)].concat();
    let told = netlink::request(NETLINK_NETFILTER, GET_TABLE, &named);
    told.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Nothing if nft is not installed. One that cannot be started or does not end is run again.
fn nft(arguments: &[&str]) -> Result<Option<Output>, TablesError> {
    let command = format!("nft {}", arguments.join(" "));
    let run = || {
        let mut nft = Command::new("nft");
        nft.args(arguments);
        ended(&command, LIMIT, within(LIMIT, move || said::everything(nft, |_| ())))
    };
    match up_to_three_times(retry::PAUSE, run, |run| run.as_ref().err().is_none_or(is_not_installed)) {
        Ok(output) => Ok(Some(output)),
        Err(error) if is_not_installed(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_not_installed(error: &TablesError) -> bool {
    matches!(error, TablesError::Missing { source, .. } if source.kind() == ErrorKind::NotFound)
}
