//! Turns objects of which something cannot be used into a gauge.
//!
//! Knows nothing of what is wrong with them.

use prometheus::{IntGaugeVec, Result};

use super::register::Register;

/// The kinds that are read.
const KINDS: [&str; 4] = ["Endpoints", "EndpointSlice", "Node", "Service"];

/// Objects of which something cannot be used. Clones record into the same metric.
#[derive(Clone, Debug)]
pub(crate) struct FlawMetrics {
    objects: IntGaugeVec,
}

impl FlawMetrics {
    pub(super) fn new(register: &Register) -> Result<Self> {
        let objects = register.gauges(
            "kubeproxy_objects_with_ignored_fields",
            "[ALPHA] Objects of which something cannot be used, and is ignored",
            &["kind"],
        )?;
        Ok(Self { objects })
    }

    /// Alone in a registry, for tests.
    ///
    /// # Errors
    /// The registry has it already.
    #[cfg(test)]
    pub(crate) fn on(registry: &prometheus::Registry) -> Result<Self> {
        Self::new(&Register(registry))
    }

    /// There are so many now, each with its kind.
    pub(crate) fn show<'a>(&self, kinds: impl IntoIterator<Item = &'a str>) {
        let kinds: Vec<_> = kinds.into_iter().collect();
        for kind in KINDS {
            let count = kinds.iter().filter(|of| **of == kind).count();
            let count = i64::try_from(count).expect("what fits in memory fits in 63 bits");
            self.objects.with_label_values(&[kind]).set(count);
        }
    }
}
