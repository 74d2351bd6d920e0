//! Turns a map of feature gates into answers to the few gates that change kube-proxy.
//!
//! Does not know where the map came from, and does not log what it has to say about it.

mod known;

use std::collections::BTreeMap;

/// How mature a gated feature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Alpha,
    Beta,
    Ga,
    Deprecated,
}

/// Gates that have their stage, default and lock in common.
#[derive(Debug)]
struct Group {
    stage: Stage,
    default: bool,
    locked: bool,
    names: &'static [&'static str],
}

/// A feature gate that this program asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// `spec.externalIPs` of Services are honoured.
    AllowServiceExternalIPs,
    /// The metrics server answers `/flagz`.
    ComponentFlagz,
    /// The metrics server answers `/statusz`.
    ComponentStatusz,
    /// Split streams and info buffers of the log may be configured.
    LoggingAlphaOptions,
    /// The log may be written as JSON.
    LoggingBetaOptions,
    /// Native histograms are exposed.
    NativeHistograms,
    /// The initial state is read by a streaming watch.
    WatchListClient,
}

/// A map of feature gates that may be set as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gates {
    explicit: BTreeMap<String, bool>,
    defaults: BTreeMap<&'static str, bool>,
}

/// Something that an administrator should hear about a gate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateNotice {
    /// The gate is unknown to this Kubernetes version; it is ignored.
    #[error("unrecognized feature gate: {0}")]
    Unknown(String),
    /// The feature is always there by now; the gate will go away.
    #[error(
        "feature gate {name}={value} is for a feature that is generally available: the gate will go away"
    )]
    GenerallyAvailable {
        /// The gate.
        name: String,
        /// What it was set to.
        value: bool,
    },
    /// The feature will go away.
    #[error("feature gate {name}={value} is for a deprecated feature: both will go away")]
    Deprecated {
        /// The gate.
        name: String,
        /// What it was set to.
        value: bool,
    },
}

/// A gate is set to something else than the only value it may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot set feature gate {name} to {value}, feature is locked to {locked}", locked = !.value)]
pub struct GateLocked {
    /// The gate.
    pub name: String,
    /// The value that it may not have.
    pub value: bool,
}

impl Gates {
    /// Takes over a map of gates, with what there is to say about it, in the order of the names.
    ///
    /// # Errors
    /// The first gate that is set against its lock.
    pub fn new(explicit: &BTreeMap<String, bool>) -> Result<(Self, Vec<GateNotice>), GateLocked> {
        let mut notices = Vec::new();
        for (name, &value) in explicit {
            notices.extend(look(name, value)?);
        }
        Ok((Self { explicit: explicit.clone(), defaults: BTreeMap::new() }, notices))
    }

    /// The same with another default of a gate, for where it is not set.
    #[must_use]
    pub fn with_default(mut self, gate: Gate, value: bool) -> Self {
        self.defaults.insert(gate.name(), value);
        self
    }

    /// Whether the feature is on: as set, else by its other default, else as `AllAlpha` or `AllBeta` say for its stage,
    /// else its default.
    #[must_use]
    pub fn is_enabled(&self, gate: Gate) -> bool {
        let name = gate.name();
        let group = group(name).expect("every asked gate is a known one");
        let stage = match group.stage {
            Stage::Alpha => self.explicit.get("AllAlpha"),
            Stage::Beta => self.explicit.get("AllBeta"),
            Stage::Ga | Stage::Deprecated => None,
        };
        *self.explicit.get(name).or(self.defaults.get(name)).or(stage).unwrap_or(&group.default)
    }

    /// The gates that were set, by name.
    #[must_use]
    pub fn explicit(&self) -> &BTreeMap<String, bool> {
        &self.explicit
    }
}

impl Gate {
    /// The name of the gate in Kubernetes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AllowServiceExternalIPs => "AllowServiceExternalIPs",
            Self::ComponentFlagz => "ComponentFlagz",
            Self::ComponentStatusz => "ComponentStatusz",
            Self::LoggingAlphaOptions => "LoggingAlphaOptions",
            Self::LoggingBetaOptions => "LoggingBetaOptions",
            Self::NativeHistograms => "NativeHistograms",
            Self::WatchListClient => "WatchListClient",
        }
    }
}

/// Every gate of Kubernetes v1.36 with its stage (`ALPHA`, `BETA`, `GA`, `DEPRECATED`) and default, by name,
/// as the metric of the enabled features lists them.
#[must_use]
pub fn known() -> BTreeMap<&'static str, (&'static str, bool)> {
    let mut all = BTreeMap::from([("AllAlpha", ("ALPHA", false)), ("AllBeta", ("BETA", false))]);
    for group in &known::GROUPS {
        all.extend(group.names.iter().map(|name| (*name, (group.stage.name(), group.default))));
    }
    all
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Alpha => "ALPHA",
            Self::Beta => "BETA",
            Self::Ga => "GA",
            Self::Deprecated => "DEPRECATED",
        }
    }
}

fn look(name: &str, value: bool) -> Result<Option<GateNotice>, GateLocked> {
    let name = name.to_owned();
    let Some(group) = group(&name) else {
        let switches_a_stage = matches!(name.as_str(), "AllAlpha" | "AllBeta");
        return Ok((!switches_a_stage).then_some(GateNotice::Unknown(name)));
    };
    if group.locked && value != group.default {
        return Err(GateLocked { name, value });
    }
    Ok(match group.stage {
        Stage::Ga => Some(GateNotice::GenerallyAvailable { name, value }),
        Stage::Deprecated => Some(GateNotice::Deprecated { name, value }),
        Stage::Alpha | Stage::Beta => None,
    })
}

fn group(name: &str) -> Option<&'static Group> {
    known::GROUPS.iter().find(|group| group.names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gates(set: &[(&str, bool)]) -> Result<(Gates, Vec<String>), String> {
        let map = set.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let (gates, notices) = Gates::new(&map).map_err(|locked| locked.to_string())?;
        Ok((gates, notices.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn defaults() {
        let gates = Gates::default();
        assert!(gates.is_enabled(Gate::AllowServiceExternalIPs));
        assert!(gates.is_enabled(Gate::ComponentFlagz));
        assert!(gates.is_enabled(Gate::ComponentStatusz));
        assert!(gates.is_enabled(Gate::LoggingBetaOptions));
        assert!(gates.is_enabled(Gate::WatchListClient));
        assert!(!gates.is_enabled(Gate::LoggingAlphaOptions));
        assert!(!gates.is_enabled(Gate::NativeHistograms));
    }

    #[test]
    fn stages_yield_to_what_is_set() {
        let (gates, _) = gates(&[("AllAlpha", true), ("AllBeta", false), ("ComponentFlagz", true)]).unwrap();
        assert!(gates.is_enabled(Gate::NativeHistograms));
        assert!(!gates.is_enabled(Gate::ComponentStatusz));
        assert!(gates.is_enabled(Gate::ComponentFlagz));
        assert!(gates.is_enabled(Gate::AllowServiceExternalIPs));
    }

    #[test]
    fn other_components_gates_pass_silently() {
        assert_eq!(
            gates(&[("KubeletInUserNamespace", true), ("PodDeletionCost", false)]).unwrap().1,
            [""; 0]
        );
    }

    #[test]
    fn says_what_it_thinks() {
        let (gates, notices) =
            gates(&[("AllowServiceExternalIPs", false), ("Bogus", true), ("KMSv1", true)]).unwrap();
        assert!(!gates.is_enabled(Gate::AllowServiceExternalIPs));
        assert_eq!(
            notices,
            [
                "feature gate AllowServiceExternalIPs=false is for a feature that is generally available: \
                 the gate will go away",
                "unrecognized feature gate: Bogus",
                "feature gate KMSv1=true is for a deprecated feature: both will go away",
            ]
        );
    }

    #[test]
    fn locks_hold() {
        assert_eq!(
            gates(&[("NFTablesProxyMode", false)]),
            Err("cannot set feature gate NFTablesProxyMode to false, feature is locked to true".into())
        );
        assert_eq!(
            gates(&[("GitRepoVolumeDriver", true)]),
            Err("cannot set feature gate GitRepoVolumeDriver to true, feature is locked to false".into())
        );
        assert!(gates(&[("NFTablesProxyMode", true)]).is_ok());
    }

    #[test]
    fn the_whole_list_of_the_release_is_known() {
        assert_eq!(known().len(), 242);
        assert_eq!(known().get("WinDSR"), Some(&("GA", true)));
    }
}
