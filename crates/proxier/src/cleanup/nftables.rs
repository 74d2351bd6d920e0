//! EDGE: removes the table of kube-proxy's nftables mode.
#![expect(clippy::disallowed_methods, reason = "the one place that runs nft")]

use std::io;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use crate::family::Family;
use crate::iptables::child::within;
use crate::iptables::{ended, failure, said};
use crate::tables::TablesError;

/// How long nft may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How often it is run that cannot be started or does not end.
const TRIES: usize = 3;
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

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
    let command = format!("nft {}", arguments.join(" "));
    let mut tries = 1;
    loop {
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let mut nft = Command::new("nft");
        nft.args(arguments);
        let result = within(LIMIT, move || said::everything(nft, |_| ()));
        match ended(&command, LIMIT, result) {
            Ok(output) => return Ok(Some(output)),
            Err(TablesError::Missing { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) if tries == TRIES => return Err(error),
            Err(_) => {
                tries += 1;
                thread::sleep(PAUSE);
            }
        }
    }
}
