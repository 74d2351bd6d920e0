//! Turns the end of the proxy into nothing: its rules stay, and Services go on.
//!
//! Does not know of changes while no proxy runs, which nobody can follow.

use anyhow::Result;
use e2e::backend::{Backend, Family};

use crate::expect::{EVERYWHERE, Expected, client};
use crate::service::{ready, start};

/// A proxy that is told to end does so at once and changes no rule.
pub(crate) fn rules_stay(backend: Backend) -> Result<()> {
    let mut cluster = start(backend, "", "", &[ready("a"), ready("b")])?;
    let before = Family::ALL.map(|family| cluster.rules(family));
    cluster.stop_proxy()?;
    for (family, before) in Family::ALL.into_iter().zip(before) {
        anyhow::ensure!(before? == cluster.rules(family)?, "{family} rules have changed");
    }
    client("client", &cluster.client).expect_all(&EVERYWHERE, Expected::Masqueraded(&["a", "b"]))
}
