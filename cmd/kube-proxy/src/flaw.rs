//! From what cannot be used of objects to log lines, Events and a metric.
//!
//! Knows nothing of what becomes of the rest of such an object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use informer::change::Batch;
use informer::object::{Complaint, Subject};
use tracing::{info, warn};

use crate::event::{Events, Happening};
use crate::metrics::FlawMetrics;

/// Objects of which something cannot be used.
pub(crate) struct Flaws {
    objects: BTreeSet<Arc<Subject>>,
    metrics: FlawMetrics,
    events: Events,
}

impl Flaws {
    /// None are known yet.
    pub(crate) fn new(metrics: FlawMetrics, events: Events) -> Self {
        metrics.show([]);
        Self { objects: BTreeSet::new(), metrics, events }
    }

    /// Tells what cannot be used of objects, and of which there is nothing to complain any more.
    pub(crate) fn tell(&mut self, batch: &Batch) {
        for Complaint { object, field, value, reason, .. } in &batch.complaints {
            warn!(object, field, value, reason, "Ignored what cannot be used");
        }
        let mut about: BTreeMap<&Arc<Subject>, Vec<&Complaint>> = BTreeMap::new();
        for complaint in &batch.complaints {
            if let Some(subject) = &complaint.about {
                about.entry(subject).or_default().push(complaint);
            }
        }
        about.iter().filter_map(|(subject, complaints)| happening(subject, complaints)).for_each(
            |happening| {
                self.events.tell(happening);
            },
        );
        self.objects.extend(about.into_keys().cloned());
        for subject in &batch.mended {
            self.objects.remove(subject);
            info!(object = %subject, "Nothing is ignored any more of an object, or it is gone");
        }
        if !batch.complaints.is_empty() || !batch.mended.is_empty() {
            self.metrics.show(self.objects.iter().map(|subject| subject.kind));
        }
    }
}

/// What is told of a Service; of other objects, the log tells.
fn happening(subject: &Subject, complaints: &[&Complaint]) -> Option<Happening> {
    let [first, more @ ..] = complaints else { return None };
    let rest = if more.is_empty() { String::new() } else { format!(" (and {} more)", more.len()) };
    let cause = format!("{first}{rest}");
    (subject.kind == "Service").then(|| Happening::FieldsIgnored { service: subject.name.clone(), cause })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use informer::manifest::Manifests;
    use prometheus::{Registry, TextEncoder};

    use super::*;
    use crate::event::Reporter;

    #[test]
    fn what_is_ignored_is_counted_until_it_is_mended() {
        let registry = Registry::new();
        let (events, _queue) = Events::new(Reporter::new("n", "host"));
        let mut flaws = Flaws::new(FlawMetrics::on(&registry).unwrap(), events);
        let mut manifests = Manifests::default();
        let mut counted_with = |address: &str| {
            let text = format!(
                "{{apiVersion: v1, kind: Service, metadata: {{name: web}}, \
                 spec: {{clusterIP: {address}, ports: [{{port: 80, protocol: ICMP}}, {{port: 0}}]}}}}"
            );
            let text = if address.is_empty() { "" } else { &text };
            manifests.put(OsStr::new("a.yaml"), text.as_bytes());
            flaws.tell(&manifests.changes());
            let page = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
            let line = "kubeproxy_objects_with_ignored_fields{kind=\"Service\"} ";
            page.lines().find_map(|text| text.strip_prefix(line)?.parse::<u32>().ok())
        };
        assert_eq!(counted_with("10.0.0.1"), Some(1), "one object, however many fields");
        assert_eq!(counted_with("10.0.0.300"), Some(1));
        assert_eq!(counted_with(""), Some(0));
    }
}
