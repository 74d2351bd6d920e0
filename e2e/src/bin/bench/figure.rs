//! What was measured: values, what they are measured against, and what they should be.
//!
//! Does not know how anything was measured.

use std::fmt;
use std::time::Duration;

use e2e::backend::Backend;
use serde::{Deserialize, Serialize};

use crate::goal::{self, Goal};
use crate::scale::Scale;

/// What can be measured.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum What {
    Render,
    RenderOne,
    Plan,
    EndpointInput,
    FirstStart,
    FirstSync,
    FirstCpu,
    Peak,
    Steady,
    Growth,
    RestartStart,
    RestartSync,
    RestartWritten,
    Endpoint,
    EndpointCpu,
    ServiceAdded,
    ServiceDeleted,
    Burst,
    BurstSyncs,
    Cleanup,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Render => "render everything",
            Self::RenderOne => "render one service port",
            Self::Plan => "render and plan everything, up to the text",
            Self::EndpointInput => "one endpoint: lines for iptables-restore",
            Self::FirstStart => "first sync, from the start of the process",
            Self::FirstSync => "first sync, alone",
            Self::FirstCpu => "CPU of the daemon until then",
            Self::Peak => "resident memory, the most until then",
            Self::Steady => "resident memory, 3 s later",
            Self::Growth => "first sync, times that of 1,000 Services",
            Self::RestartStart => "restart, from the start of the process",
            Self::RestartSync => "restart, the sync alone",
            Self::RestartWritten => "restart: rules written",
            Self::Endpoint => "one endpoint changes, until in the kernel",
            Self::EndpointCpu => "CPU of the daemon for it",
            Self::ServiceAdded => "one Service is added",
            Self::ServiceDeleted => "one Service is deleted",
            Self::Burst => "100 endpoints of 100 Services change",
            Self::BurstSyncs => "syncs for it",
            Self::Cleanup => "--cleanup",
        })
    }
}

impl What {
    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::EndpointInput | Self::RestartWritten | Self::BurstSyncs => Unit::Count,
            Self::Peak | Self::Steady => Unit::Megabytes,
            Self::Growth => Unit::Times,
            Self::Render
            | Self::RenderOne
            | Self::Plan
            | Self::FirstStart
            | Self::FirstSync
            | Self::FirstCpu
            | Self::RestartStart
            | Self::RestartSync
            | Self::Endpoint
            | Self::EndpointCpu
            | Self::ServiceAdded
            | Self::ServiceDeleted
            | Self::Burst
            | Self::Cleanup => Unit::Seconds,
        }
    }
}

/// What values are in.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unit {
    Seconds,
    Megabytes,
    Count,
    Times,
}

impl Unit {
    /// A value with its unit.
    pub(crate) fn text(self, value: f64) -> String {
        match self {
            Self::Seconds if value >= 1.0 => format!("{value:.2} s"),
            Self::Seconds if value >= 1e-3 => format!("{:.1} ms", value * 1e3),
            Self::Seconds => format!("{:.0} µs", value * 1e6),
            Self::Megabytes => format!("{value:.1} MB"),
            Self::Count => format!("{value:.0}"),
            Self::Times => format!("{value:.1} x"),
        }
    }
}

/// Measured values of one kind.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) what: What,
    pub(crate) unit: Unit,
    pub(crate) values: Vec<f64>,
    pub(crate) floor: Option<Floor>,
    pub(crate) goals: Vec<Goal>,
}

/// What cannot be undercut: the same end by the tool alone.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Floor {
    /// What was done.
    pub(crate) what: String,
    pub(crate) values: Vec<f64>,
}

impl Floor {
    pub(crate) fn new(what: &str, values: Vec<Duration>) -> Option<Floor> {
        Some(Floor { what: what.to_owned(), values: seconds(values) })
    }
}

impl Figure {
    /// Values, with the goals of a cluster and a backend.
    pub(crate) fn new(what: What, values: Vec<f64>, floor: Option<Floor>, at: (Scale, Backend)) -> Figure {
        Figure { what, unit: what.unit(), values, floor, goals: goal::of(what, at) }
    }

    pub(crate) fn median(&self) -> f64 {
        median(&self.values)
    }

    /// The median in medians of the floor.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.floor.as_ref().map(|floor| self.median() / median(&floor.values))
    }

    /// How many times as much this is as another figure, and its floor as the other's.
    pub(crate) fn since(&self, other: &Figure, what: What, at: (Scale, Backend)) -> Figure {
        let floor = self.floor.as_ref().zip(other.floor.as_ref()).map(|(floor, other)| Floor {
            what: floor.what.clone(),
            values: vec![median(&floor.values) / median(&other.values)],
        });
        Figure::new(what, vec![self.median() / other.median()], floor, at)
    }

    /// Whether it is as it should be; absent where nothing is wanted.
    pub(crate) fn is_met(&self) -> Option<bool> {
        let met = |goal: &Goal| match *goal {
            Goal::AtMost(limit) => self.median() <= limit,
            Goal::TimesFloor(times) => self.ratio().is_some_and(|ratio| ratio <= times),
        };
        (!self.goals.is_empty()).then(|| self.goals.iter().all(met))
    }
}

pub(crate) fn seconds(values: Vec<Duration>) -> Vec<f64> {
    values.iter().map(Duration::as_secs_f64).collect()
}

/// The middle, or the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
    match (sorted.get(low), sorted.get(high)) {
        (Some(low), Some(high)) => (low + high) / 2.0,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn every_goal_must_be_met() {
        let at = (Scale::of(10_000), Backend::Nft);
        let first = |value: f64| {
            let floor = Floor::new("floor", vec![Duration::from_secs(5)]);
            Figure::new(What::FirstSync, vec![value], floor, at)
        };
        assert_eq!(first(6.0).is_met(), Some(true));
        assert_eq!(first(6.5).is_met(), Some(false));
        assert_eq!(first(6.5).ratio(), Some(1.3));
        assert_eq!(Figure::new(What::BurstSyncs, vec![2.0], None, at).is_met(), None);
    }

    #[test]
    fn values_have_units() {
        for (unit, value, text) in [
            (Unit::Seconds, 5.123, "5.12 s"),
            (Unit::Seconds, 0.1514, "151.4 ms"),
            (Unit::Seconds, 0.000_042, "42 µs"),
            (Unit::Megabytes, 60.04, "60.0 MB"),
            (Unit::Count, 12.0, "12"),
        ] {
            assert_eq!(unit.text(value), text);
        }
    }
}
