//! What figures should be, in one place.
//!
//! Does not know what they are.

use std::fmt;

use e2e::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::figure::What;
use crate::scale::Scale;

/// What a median should be.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Goal {
    /// At most so much, in the figure's unit.
    AtMost(f64),
    /// At most so many times the floor.
    TimesFloor(f64),
}

/// The cluster of which only the memory matters.
pub(crate) const LARGEST: Scale = Scale { services: 30_000, endpoints: 250_000 };

/// The goals for a cluster and a backend.
pub(crate) fn of(what: What, (scale, backend): (Scale, Backend)) -> Vec<Goal> {
    use Goal::{AtMost, TimesFloor};
    let nft = backend == Backend::Nft;
    if scale == Scale::of(1_000) && what == What::FirstStart {
        return vec![AtMost(2.0)];
    }
    if scale == LARGEST && what == What::Steady {
        return vec![AtMost(250.0)];
    }
    if scale != Scale::of(10_000) {
        return Vec::new();
    }
    match what {
        What::Render => vec![AtMost(0.150)],
        What::RenderOne => vec![AtMost(100e-6)],
        What::EndpointInput => vec![AtMost(60.0)],
        What::FirstStart | What::FirstSync if nft => vec![TimesFloor(1.25), AtMost(8.0)],
        What::FirstStart | What::FirstSync => vec![TimesFloor(1.15)],
        What::Growth if nft => vec![AtMost(15.0)],
        What::Peak => vec![AtMost(90.0)],
        What::Steady => vec![AtMost(60.0)],
        What::RestartStart | What::RestartSync => vec![TimesFloor(1.3)],
        What::RestartWritten => vec![AtMost(0.0)],
        What::Endpoint => vec![TimesFloor(1.3)],
        What::EndpointCpu => vec![AtMost(5e-3)],
        What::ServiceAdded | What::ServiceDeleted => vec![TimesFloor(2.0)],
        What::Cleanup if nft => vec![AtMost(10.0)],
        What::Plan | What::FirstCpu | What::Growth | What::Burst | What::BurstSyncs | What::Cleanup => {
            Vec::new()
        }
    }
}

impl Goal {
    /// The goal for a figure in this unit.
    pub(crate) fn text(self, unit: crate::figure::Unit) -> String {
        match self {
            Self::AtMost(limit) => format!("{}", Limit(unit, limit)),
            Self::TimesFloor(times) => format!("{times} x"),
        }
    }
}

/// A limit without needless zeros.
struct Limit(crate::figure::Unit, f64);

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.text(self.1);
        f.write_str(&text.replace(".00 ", " ").replace(".0 ", " "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Unit;

    #[test]
    fn goals_read_well() {
        assert_eq!(Goal::AtMost(8.0).text(Unit::Seconds), "8 s");
        assert_eq!(Goal::AtMost(100e-6).text(Unit::Seconds), "100 µs");
        assert_eq!(Goal::AtMost(60.0).text(Unit::Megabytes), "60 MB");
        assert_eq!(Goal::TimesFloor(1.25).text(Unit::Seconds), "1.25 x");
    }
}
