//! Removes from the kernel what kube-proxy left behind: all of it with `--cleanup`, that of other modes at a start.
//!
//! Knows nothing of which chains, tables and sets those are.

use std::fmt::Display;

use anyhow::{Result, bail};
use proxier::backend::Suite;
use proxier::cleanup::{self, Mode};
use proxier::family::Family;
use proxier::iptables::Iptables;
use tracing::error;

/// Removes the leftovers of all modes and families, as far as it can be done. A family without
/// usable tools has no leftovers.
///
/// # Errors
/// Something could not be removed; what it was is in the log.
pub(crate) fn everything(suite: Suite) -> Result<()> {
    let mut families: Vec<_> = Family::ALL.map(|family| (family, Iptables::new(suite, family))).into();
    families.retain(|(_, tables)| tables.is_usable().is_ok());
    let mut failures = if cleanup::uses_ipvs() {
        clean_up(&mut families, &[Mode::Iptables, Mode::Ipvs])
            + cleanup::remove_ipvs().iter().map(log).count()
    } else {
        clean_up(&mut families, &[Mode::Iptables])
    };
    failures += remove_nftables_tables().iter().map(log).count();
    if failures > 0 {
        bail!("encountered an error while tearing down rules");
    }
    Ok(())
}

/// Removes the leftovers of modes that would get in the way of this one: at a start, where a
/// failure must not keep the node from being served.
pub(crate) fn other_modes() {
    let _ignored = remove_nftables_tables();
}

/// How many failures there were.
fn clean_up(families: &mut [(Family, Iptables)], modes: &[Mode]) -> usize {
    let mut failures = 0;
    for (family, tables) in families {
        for error in tables.clean_up(modes) {
            error!(ipFamily = %family, err = %error, "Can't remove rules");
            failures += 1;
        }
    }
    failures
}

fn remove_nftables_tables() -> Vec<impl Display> {
    Family::ALL.into_iter().filter_map(|family| cleanup::remove_table(family).err()).collect()
}

fn log(error: impl Display) {
    error!(err = %error, "Can't remove what another mode left behind");
}
