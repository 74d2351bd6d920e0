//! EDGE: removes the table of kube-proxy's nftables mode.
#![expect(clippy::disallowed_methods, reason = "the one place that runs nft")]

use std::io;
use std::process::{Command, Output};

use crate::family::Family;
use crate::iptables::failure;
use crate::tables::TablesError;

/// Deletes the table `kube-proxy` of a family with all that is in it. Where nft is not installed or
/// cannot be used, kube-proxy has never made such a table.
///
/// # Errors
/// The table may still be there.
pub fn remove_table(family: Family) -> Result<(), TablesError> {
    let table = match family {
        Family::V4 => "table ip kube-proxy",
        Family::V6 => "table ip6 kube-proxy",
    };
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

/// Nothing if nft is not installed.
fn nft(arguments: &[&str]) -> Result<Option<Output>, TablesError> {
    match Command::new("nft").args(arguments).output() {
        Ok(output) => Ok(Some(output)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TablesError::Missing { command: format!("nft {}", arguments.join(" ")), source }),
    }
}
